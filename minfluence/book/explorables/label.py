"""A label that can be dragged, and the line fitted with it, by three losses."""

from typing import Any

import anywidget
import traitlets

from minfluence import validate
from minfluence.book.explorables.base import module, numbers, points_of_a_line, within

LOSSES = ("squared", "Huber", "Huber, delta / 4")


class Label(anywidget.AnyWidget):
    """Drag the label of one point; see how far the line follows, and the slope by influence.

    Parameters
    ----------
    x, y : arrays, shape (n,)
        Places and labels, from 0 to 10, of at least four points.
    delta : float
        Residual at which Huber's loss goes on straight.
    selected : int
        Whose label moves, from 0 to n - 1.
    place : float
        Where the change of the line is measured, from 0 to 10.
    loss : {"squared", "Huber", "Huber, delta / 4"}
        Loss of each point.

    Attributes
    ----------
    selected, loss
        As the reader left them.
    label : float
        Of the chosen point, as the reader left it; until then as recorded.
    predicted, actual : lists, length 1
        Change of the line at `place` by that label: by the slope, and fitted again. Computed in
        the browser; empty until something was moved.
    """

    _esm = module("label.js")
    x = numbers()
    y = numbers()
    delta = traitlets.Float().tag(sync=True)
    selected = traitlets.Int().tag(sync=True)
    place = traitlets.Float().tag(sync=True)
    loss = traitlets.Unicode().tag(sync=True)
    label = traitlets.Float().tag(sync=True)
    predicted = numbers()
    actual = numbers()

    def __init__(
        self,
        x: Any,
        y: Any,
        delta: float = 1.0,
        selected: int = 0,
        place: float = 10.0,
        loss: str = "squared",
    ) -> None:
        x, y = points_of_a_line(x, y)
        for name, v in (("x", x), ("y", y)):
            within(name, v, 0, 10)
        selected = validate.count("selected", selected, 0, len(x) - 1)
        super().__init__(
            x=x.tolist(),
            y=y.tolist(),
            delta=validate.positive("delta", delta),
            selected=selected,
            place=validate.between("place", place, 0, 10),
            loss=validate.one_of("loss", loss, LOSSES),
            label=y[selected],
        )

    def __repr__(self) -> str:
        return (
            f"{len(self.x)} points and their line, of which one label can be dragged where "
            "JavaScript runs: in Jupyter, and in the built page."
        )
