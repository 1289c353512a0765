"""A saddle that damping makes a bowl."""

from typing import Any

import anywidget
import traitlets

from minfluence import validate
from minfluence.book.explorables.base import module, numbers


class Saddle(anywidget.AnyWidget):
    """A quadratic risk, damped: a saddle that becomes a bowl, and where one step leads.

    The risk is ``t @ H @ t / 2``, its level point the origin. Damping adds the square of the
    distance from where we stand, which can be dragged; the step is ``-(H + damping * I)^-1 g``.

    Parameters
    ----------
    mu : sequence of two numbers
        Eigenvalues of H: the first from 0.1 to 1, the second from -0.5 to 0.5.
    damping : float
        From 0 to 2.

    Attributes
    ----------
    mu, damping
        As the reader left them.
    point : list, length 2
        Where we stand.
    step : list, length 2
        The step from there, computed in the browser; empty until something was moved, and where an
        eigenvalue of ``H + damping * I`` is 0.
    """

    _esm = module("saddle.js")
    mu = numbers()
    damping = traitlets.Float().tag(sync=True)
    point = numbers()
    step = numbers()

    def __init__(self, mu: Any = (0.6, -0.3), damping: float = 0) -> None:
        mu = validate.array("mu", mu, (2,), float)
        if not (0.1 <= mu[0] <= 1 and abs(mu[1]) <= 0.5):
            raise ValueError(
                f"mu must be an eigenvalue from 0.1 to 1 and one from -0.5 to 0.5, got {mu}."
            )
        super().__init__(mu=mu.tolist(), damping=validate.between("damping", damping, 0, 2))

    def __repr__(self) -> str:
        first, second = self.mu
        return (
            f"A risk with the eigenvalues {first:g} and {second:g}, damped by {self.damping:g}. "
            "Its sliders move where JavaScript runs: in Jupyter, and in the built page."
        )
