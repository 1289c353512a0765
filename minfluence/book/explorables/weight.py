"""The weight of one example as a knob, and what it turns."""

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
        position = round(20 * validate.between("weight", weight, 0, 2)) / 20
        super().__init__(X, y, test, l2, weight=position)
        self.example = validate.count("example", example, 0, len(self.X) - 1)

    def __repr__(self) -> str:
        return (
            f"{len(self.X)} training points, and the weight of example {self.example} as a knob. "
            "It can be turned where JavaScript runs: in Jupyter, and in the built page."
        )
