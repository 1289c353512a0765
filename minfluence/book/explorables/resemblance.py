"""What a model takes for similar: the ellipse of its Hessian, and its tangent at a test point."""

from typing import Any

import traitlets

from minfluence import validate
from minfluence.book.explorables.base import Plane, module

KEPT = ("all factors", "no train loss", "no inverse H", "neither")


class Resemblance(Plane):
    """Drag a test point; see which training points resemble it, to the model and to plain eyes.

    Resemblance is the factor ``x_test @ inv(H) @ x`` of influence, with a 1 appended to both
    points. In the plane this is a constant plus an inner product around a centre: the points with
    as much of it as the test point has with itself lie on the tangent of an ellipse. Whitening
    moves the plane to where the ellipse is a circle.

    Parameters
    ----------
    X : array, shape (n, 2)
        Training points in the plane, at least four.
    y : array, shape (n,)
        Labels -1 and +1.
    test : sequence of three numbers
        Test point and its label.
    l2 : float
        Strength of the penalty, which includes the intercept.
    kept : str
        Factors of the score that are kept at first: one of `KEPT`.
    whitening : float
        From 0, the plane as it is, to 1, where the ellipse is a circle.

    Attributes
    ----------
    test, kept, whitening
        As the reader left them.
    predicted, actual : lists, length n
        Change of the test loss without each training point, by the factors that are kept and
        after training again. Computed in the browser; empty until something was moved.
    """

    _esm = module("resemblance.js")
    kept = traitlets.Enum(KEPT, KEPT[0]).tag(sync=True)
    whitening = traitlets.Float().tag(sync=True)

    def __init__(
        self,
        X: Any,
        y: Any,
        test: Any,
        l2: float = 0.01,
        kept: str = KEPT[0],
        whitening: float = 0.0,
    ) -> None:
        if kept not in KEPT:
            raise ValueError(f"kept must be one of {', '.join(KEPT)}, got {kept!r}.")
        whitening = validate.between("whitening", whitening, 0, 1)
        super().__init__(X, y, test, l2, kept=kept, whitening=whitening)

    def __repr__(self) -> str:
        return (
            f"{len(self.X)} training points and a test point in the plane, and what resembles it. "
            "It can be dragged where JavaScript runs: in Jupyter, and in the built page."
        )
