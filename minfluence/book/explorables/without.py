"""Training points that can be taken away, one or several, and what that does to a test point."""

from collections.abc import Sequence
from typing import Any

import traitlets

from minfluence import validate
from minfluence.book.explorables.base import Plane, module


class Without(Plane):
    """Tap a training point away; see the boundary move, and the prediction beside the truth.

    Parameters
    ----------
    X : array, shape (n, 2)
        Training points in the plane, at least five.
    y : array, shape (n,)
        Labels -1 and +1.
    test : sequence of three numbers
        Test point and its label.
    l2 : float
        Strength of the penalty, which includes the intercept.
    gone : sequence of int
        Who is gone at first.

    Attributes
    ----------
    gone
        As the reader left it.
    predicted, actual : lists, length 1
        Change of the test loss without those that are gone: the sum of their scores, and a refit.
        Computed in the browser; empty until something was tapped.
    """

    fewest = 5

    _esm = module("without.js")
    many = traitlets.Bool(False).tag(sync=True)
    gone = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(
        self, X: Any, y: Any, test: Any, l2: float = 0.01, gone: Sequence[int] = ()
    ) -> None:
        super().__init__(X, y, test, l2)
        most = len(self.X) - 4 if self.many else 1
        if len(set(gone)) != len(gone) or len(gone) > most:
            raise ValueError(f"gone must name at most {most} different examples, got {gone}.")
        self.gone = [validate.count("gone", i, 0, len(self.X) - 1) for i in gone]

    def __repr__(self) -> str:
        return (
            f"{len(self.X)} training points and a test point in the plane. They can be tapped away "
            "where JavaScript runs: in Jupyter, and in the built page."
        )


class Groups(Without):
    """Tap several training points away, or circle them; see where the sum of scores falls short.

    Parameters and attributes are those of `Without`, in which one point is gone at a time. At least
    four points stay.
    """

    many = traitlets.Bool(True).tag(sync=True)
