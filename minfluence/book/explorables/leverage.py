"""A point that is pulled away from all others, and how much of its influence a derivative sees."""

from typing import Any

import anywidget
import numpy as np
import traitlets

from minfluence import validate
from minfluence.book.explorables.base import module, numbers, points_of_a_line


class Leverage(anywidget.AnyWidget):
    """Drag the last point outwards; see prediction and truth part as 1 / (1 - h).

    It stays equally far from the line of the others. The line of all follows it.

    Parameters
    ----------
    x, y : arrays, shape (n,)
        Places, from 0 to 10, and heights of at least four points. The last one is dragged, and
        stands elsewhere.
    miss : float
        How far above the line of the others it lies; not 0.
    place : float
        Where it stands at first, from 5 to 40.

    Attributes
    ----------
    place
        As the reader left it.
    predicted, actual : lists, length 1
        Change of the line under the point without it, by influence and fitted again, computed in
        the browser; empty until something was moved.
    """

    _esm = module("leverage.js")
    x = numbers()
    y = numbers()
    miss = traitlets.Float().tag(sync=True)
    place = traitlets.Float().tag(sync=True)
    predicted = numbers()
    actual = numbers()

    def __init__(self, x: Any, y: Any, miss: float = -4.0, place: float = 8.0) -> None:
        x, y = points_of_a_line(x, y)
        validate.between("The places x", x.min(), 0, 10)
        validate.between("The places x", x.max(), 0, 10)
        if len(np.unique(x[:-1])) < 2:
            raise ValueError("The other points must stand at two places or more, to have a line.")
        place = validate.between("place", place, 5, 40)
        if not (np.isfinite(miss) and miss != 0):
            raise ValueError(f"miss must be a number and not 0, got {miss!r}.")
        super().__init__(x=x.tolist(), y=y.tolist(), miss=float(miss), place=place)

    def __repr__(self) -> str:
        return (
            f"A point that is pulled away from {len(self.x) - 1} others, and their line. It can be "
            "dragged where JavaScript runs: in Jupyter, and in the built page."
        )
