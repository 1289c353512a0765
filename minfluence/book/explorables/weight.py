"""The weight of one example as a knob, and what it turns."""

from numbers import Real
from typing import Any

import traitlets

from minfluence import validate
from minfluence.book.explorables.base import Plane, module


class Weight(Plane):
    """Turn the weight of one example; see boundary, test loss and theta move, and the error apart.

    Parameters
    ----------
    X : array, shape (n, 2)
        Training points in the plane, at least four.
    y : array, shape (n,)
        Labels -1 and +1.
    test : sequence of three numbers
        Test point and its label.
    example : int
        Whose weight turns, at first.
    l2 : float
        Strength of the penalty, which includes the intercept.
    weight : float
        Position of the knob, from 0 (the example is gone) over 1 (as it is) to 2 (twice).

    Attributes
    ----------
    example, weight
        As the reader left them.
    predicted, actual : lists, length 41
        Change of the test loss for the weights 0, 0.05, ..., 2: along the tangent, and refitted,
        computed in the browser; empty until something was moved.
    """

    _esm = module("weight.js")
    example = traitlets.Int().tag(sync=True)
    weight = traitlets.Float().tag(sync=True)

    def __init__(
        self, X: Any, y: Any, test: Any, example: int, l2: float = 0.01, weight: float = 0
    ) -> None:
        validate.count("The number of points", len(X), 4)
        example = validate.count("example", example, 0, len(X) - 1)
        if not (isinstance(weight, Real) and 0 <= weight <= 2):
            raise ValueError(f"weight must be a number from 0 to 2, got {weight!r}.")
        position = round(20 * float(weight)) / 20
        super().__init__(X, y, test, l2, example=example, weight=position)

    def __repr__(self) -> str:
        return (
            f"{len(self.X)} training points, and the weight of example {self.example} as a knob. "
            "It can be turned where JavaScript runs: in Jupyter, and in the built page."
        )
