"""Chord and Newton steps on the way to a refit."""

from numbers import Real
from typing import Any

import anywidget
import numpy as np
import traitlets

from minfluence import validate
from minfluence.book.explorables.base import module, numbers

LOSSES = ("logistic", "squared")


class Refit(anywidget.AnyWidget):
    """Walk from a model to its refit, by chord steps and by Newton steps, side by side.

    The first chord step is influence, KL (1). For the squared loss the first Newton step arrives.

    Parameters
    ----------
    X : array, shape (n, 2)
        Training points in the plane, at least four.
    y : array, shape (n,)
        Labels -1 and +1.
    example : int
        Whose weight changes.
    l2 : float
        Strength of the penalty, which includes the intercept.
    weight : float
        The new weight, in units of the example's own: 0 leaves it out, and 1 would change nothing.
    loss : {"logistic", "squared"}
        Loss of each example.

    Attributes
    ----------
    example, weight, loss
        As the reader left them.
    chord, newton : lists, length 9
        Distance to the refit after each step, in units of the distance at the start, computed in
        the browser; empty until something was changed.
    """

    _esm = module("refit.js")
    X = numbers()
    y = numbers()
    example = traitlets.Int().tag(sync=True)
    l2 = traitlets.Float().tag(sync=True)
    weight = traitlets.Float().tag(sync=True)
    loss = traitlets.Unicode().tag(sync=True)
    chord = numbers()
    newton = numbers()

    def __init__(
        self,
        X: Any,
        y: Any,
        example: int,
        l2: float = 0.01,
        weight: float = 0,
        loss: str = "logistic",
    ) -> None:
        X = validate.array("X", X, ("n", 2), float)
        validate.count("The number of points", len(X), 4)
        y = validate.array("y", y, (len(X),), float)
        validate.labels(y, (-1, 1), "Expected labels -1 and +1", "recode y")
        if not (isinstance(weight, Real) and 0 <= weight < np.inf and weight != 1):
            raise ValueError(f"weight must be a number of at least 0 and not 1, got {weight!r}.")
        super().__init__(
            X=X.tolist(),
            y=y.tolist(),
            example=validate.count("example", example, 0, len(X) - 1),
            l2=validate.positive("l2", l2),
            weight=float(weight),
            loss=validate.one_of("loss", loss, LOSSES),
        )

    def __repr__(self) -> str:
        return (
            f"Chord and Newton steps to a refit of {len(self.X)} points in which example "
            f"{self.example} has {self.weight:g} times its weight. They can be taken where "
            "JavaScript runs: in Jupyter, and in the built page."
        )
