"""A bowl, and two ways down."""

from numbers import Real

import anywidget
import traitlets

from minfluence import validate
from minfluence.book.explorables.base import module, numbers


class Bowl(anywidget.AnyWidget):
    """Walk down a bowl by steepest descent and by conjugate gradients, side by side.

    The bowl has the eigenvalues 1 and `kappa`; the lowest point is the origin, and where the walk
    starts can be dragged.

    Parameters
    ----------
    kappa : float
        Condition number, from 1 to 100.
    steps : int
        Steps of both methods, from 0 to 12.

    Attributes
    ----------
    kappa, steps
        As the reader left them.
    start : list, length 2
        Where both start.
    descent, conjugate : lists of points
        Their iterates, computed in the browser. Like `start` empty until something was moved.
    """

    _esm = module("bowl.js")
    kappa = traitlets.Float().tag(sync=True)
    steps = traitlets.Int().tag(sync=True)
    start = numbers()
    descent = numbers()
    conjugate = numbers()

    def __init__(self, kappa: float = 20, steps: int = 4) -> None:
        if not (isinstance(kappa, Real) and 1 <= kappa <= 100):
            raise ValueError(f"kappa must be a condition number from 1 to 100, got {kappa!r}.")
        super().__init__(kappa=float(kappa), steps=validate.count("steps", steps, 0, 12))

    def __repr__(self) -> str:
        return (
            f"A bowl of condition number {self.kappa:g}, and two ways down. Its start can be "
            "dragged where JavaScript runs: in Jupyter, and in the built page."
        )
