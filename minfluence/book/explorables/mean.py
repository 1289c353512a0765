"""A mean as a point of balance, and what it would be without each of its numbers."""

from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from minfluence import validate
from minfluence.book.explorables.base import module, numbers, within


class Mean(anywidget.AnyWidget):
    """Drag incomes along a beam, turn the weight of one; see what their mean does without it.

    Parameters
    ----------
    names : sequence of str
        One for each income, all different, at least three.
    incomes : array, shape (n,)
        In thousands, from 0 to 100; they move in whole thousands.
    selected : int
        Whose weight can be turned, from 0 to n - 1.

    Attributes
    ----------
    names, incomes, selected
        As the reader left them.
    weight : float
        Of the chosen one, from 0 (gone) to 2 (twice); all others count once.
    without : list, length n
        Mean without each one, computed in the browser; empty until something was moved.
    """

    _esm = module("mean.js")
    names = traitlets.List().tag(sync=True)
    incomes = numbers()
    selected = traitlets.Int().tag(sync=True)
    weight = traitlets.Float(1.0).tag(sync=True)
    without = numbers()

    def __init__(self, names: Sequence[str], incomes: Any, selected: int = 0) -> None:
        incomes = validate.array("incomes", incomes, ("n",), float)
        n = validate.count("The number of incomes", len(incomes), 3)
        names = [str(name) for name in names]
        if len(names) != n or len(set(names)) != n:
            raise ValueError(f"Expected {n} different names for {n} incomes, got {names}.")
        within("incomes", incomes, 0, 100)
        selected = validate.count("selected", selected, 0, n - 1)
        super().__init__(names=names, incomes=incomes.tolist(), selected=selected)

    def __repr__(self) -> str:
        return (
            f"{len(self.names)} incomes on a beam that balances at their mean. They can be dragged "
            "where JavaScript runs: in Jupyter, and in the built page."
        )
