"""Points and their regression line, and what it would be without each of them."""

from typing import Any

import anywidget
import numpy as np
import traitlets

from minfluence import validate
from minfluence.book.explorables.base import module, numbers, points_of_a_line, within


class Line(anywidget.AnyWidget):
    """Drag a point and see its leverage, its residual, and the line without it.

    Parameters
    ----------
    x, y : arrays, shape (n,)
        Places and heights, from 0 to 10, of at least four points.
    place : float
        Where predicted and actual change of the line are compared, from 0 to 10.
    selected : int
        The point that the dashed line does without, from 0 to n - 1.

    Attributes
    ----------
    x, y, place, selected
        As the reader left them.
    predicted, actual : lists, length n
        Change of the line at `place` without each point, by the formula and fitted again; computed
        in the browser, and empty until something was moved.
    """

    _esm = module("line.js")
    x = numbers()
    y = numbers()
    place = traitlets.Float().tag(sync=True)
    selected = traitlets.Int().tag(sync=True)
    predicted = numbers()
    actual = numbers()

    def __init__(self, x: Any, y: Any, place: float = 10.0, selected: int = 0) -> None:
        x, y = points_of_a_line(x, y)
        for name, v in (("x", x), ("y", y), ("place", np.array([place], float))):
            within(name, v, 0, 10)
        if len(np.unique(x)) < 3:
            raise ValueError(
                "The points must stand at three places or more, for a line to be left."
            )
        selected = validate.count("selected", selected, 0, len(x) - 1)
        super().__init__(x=x.tolist(), y=y.tolist(), place=float(place), selected=selected)

    def __repr__(self) -> str:
        return (
            f"{len(self.x)} points and their regression line. They can be dragged where JavaScript "
            "runs: in Jupyter, and in the built page."
        )
