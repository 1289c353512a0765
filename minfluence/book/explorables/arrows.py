"""Which way to push each training point, and how far the slope carries."""

from typing import Any

import traitlets

from minfluence import validate
from minfluence.book.explorables.base import Plane, module


class Arrows(Plane):
    """Move a training point; compare KL (5) and KL (3) with training again.

    Parameters
    ----------
    X : array, shape (n, 2)
        Training points in the plane, at least four.
    y : array, shape (n,)
        Labels -1 and +1.
    test : sequence of three numbers
        Test point and its label.
    selected : int
        The example that can be moved first.
    l2 : float
        Strength of the penalty, which includes the intercept.

    Attributes
    ----------
    X, test, selected
        As the reader left them.
    predicted : list, length 2
        Change of the test loss by KL (5) and by KL (3), for the example that was moved last.
        Computed in the browser, like `actual`; both are empty until something was moved.
    actual : list, length 1
        The same change after training again.
    """

    _esm = module("arrows.js")
    selected = traitlets.Int().tag(sync=True)

    def __init__(self, X: Any, y: Any, test: Any, selected: int = 0, l2: float = 0.01) -> None:
        super().__init__(X, y, test, l2)
        self.selected = validate.count("selected", selected, 0, len(self.X) - 1)

    def __repr__(self) -> str:
        return (
            f"{len(self.X)} training points and a test point in the plane, with an arrow at each. "
            "They can be dragged where JavaScript runs: in Jupyter, and in the built page."
        )
