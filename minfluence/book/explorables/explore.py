"""Points in the plane that can be dragged, and what changes without each of them."""

from typing import Any

from minfluence.book.explorables.base import Plane, module


class Explore(Plane):
    """Drag training points and a test point; see predicted and actual changes side by side.

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

    Attributes
    ----------
    X, y, test, l2
        As the reader left them.
    predicted, actual : lists, length n
        Change of the test loss without each training point, computed in the browser; empty until
        something was moved.
    """

    _esm = module("explore.js")

    def __init__(self, X: Any, y: Any, test: Any, l2: float = 0.01) -> None:
        super().__init__(X, y, test, l2)

    def __repr__(self) -> str:
        return (
            f"{len(self.X)} training points and a test point in the plane. They can be dragged "
            "where JavaScript runs: in Jupyter, and in the built page."
        )
