"""A support vector machine with its hinge smoothed."""

from typing import Any

import numpy as np
import traitlets

from minfluence import validate
from minfluence.book.explorables.base import Plane, module, numbers


class Hinge(Plane):
    """Smooth the hinge of a support vector machine, and compare predicted with actual changes.

    Only the derivatives are smooth; the machine stays as it is, and so do its refits.

    Parameters
    ----------
    X : array, shape (n, 2)
        Training points in the plane.
    y : array, shape (n,)
        Labels -1 and +1.
    theta : array, shape (3,)
        The fitted machine; the last entry is the intercept.
    without : array, shape (n, 3)
        The machine fitted again without each point.
    test, l2
        As in `Explore`.

    Attributes
    ----------
    temperature, test, selected
        As the reader left them. The point selected first is the one whose removal changes most.
    predicted, actual : lists, length n
        Change of the test point's hinge loss without each training point, computed in the
        browser; empty until something was moved.
    """

    _esm = module("hinge.js")
    fewest = 1  # the refits are given
    theta = numbers()
    without = numbers()
    temperature = traitlets.Float(0.001).tag(sync=True)
    selected = traitlets.Int().tag(sync=True)

    def __init__(self, X: Any, y: Any, theta: Any, without: Any, test: Any, l2: float) -> None:
        theta = validate.array("theta", theta, (3,), float)
        without = validate.array("without", without, (len(X), 3), float)
        super().__init__(X, y, test, l2, theta=theta.tolist(), without=without.tolist())
        *x, label = self.test
        after = np.maximum(0, 1 - label * (without @ [*x, 1]))
        before = max(0, 1 - label * (theta @ [*x, 1]))
        self.selected = int(abs(after - before).round(9).argmax())  # of equals the first

    def __repr__(self) -> str:
        return (
            f"A support vector machine on {len(self.X)} points, its hinge smoothed. Temperature "
            "and test point can be moved where JavaScript runs: in Jupyter, and in the built page."
        )
