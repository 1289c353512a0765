"""A budget of labels to check, and what each ranking has found by then."""

from collections.abc import Mapping
from typing import Any

import anywidget
import numpy as np
import traitlets

from minfluence import validate
from minfluence.book.explorables.base import module, numbers


class Budget(anywidget.AnyWidget):
    """Drag a budget along rankings of suspicious labels; see what they find, and what they take.

    Parameters
    ----------
    cases : mapping of str to (positions, rankings)
        For each case, such as a strength of the penalty, where the n examples lie in the plane,
        shape (n, 2), and a mapping of names to orders of all n, the first to be checked first.
        First coordinates lie in 0 .. 1; the second ones are positive and drawn on a log scale.
    wrong : array of int
        Examples with a wrong label.
    shown : array of int
        Which of the others are drawn.
    share : float
        Of the labels, from 0 to 0.5: the budget at first.
    axes : pair of str
        What the coordinates are called.
    of : str
        What a case is called.

    Attributes
    ----------
    share, method, case
        As the reader left them.
    found : dict
        Share of the wrong labels that each ranking found, computed in the browser; empty until
        something was moved.
    """

    _esm = module("budget.js")
    n = traitlets.Int().tag(sync=True)
    cases = traitlets.Dict().tag(sync=True)
    axes = numbers()
    of = traitlets.Unicode().tag(sync=True)
    share = traitlets.Float().tag(sync=True)
    method = traitlets.Unicode().tag(sync=True)
    case = traitlets.Unicode().tag(sync=True)
    found = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        cases: Mapping[str, tuple[Any, Mapping[str, Any]]],
        wrong: Any,
        shown: Any,
        share: float = 0.1,
        axes: tuple[str, str] = ("x", "y"),
        of: str = "case",
    ) -> None:
        if not cases:
            raise ValueError("cases must name at least one case.")
        positions = {
            name: validate.array("positions", at, ("n", 2)) for name, (at, _) in cases.items()
        }
        n = len(next(iter(positions.values())))
        wrong, shown = validate.indices(wrong, n), validate.indices(shown, n)
        if np.isin(wrong, shown).any():
            raise ValueError("shown must name examples that are not wrong.")
        methods = list(next(iter(cases.values()))[1])

        def one(name: str) -> dict:
            at, orders = positions[name], cases[name][1]
            if len(at) != n or list(orders) != methods:
                raise ValueError("Every case must have as many examples and the same rankings.")
            if at[:, 0].min() < 0 or at[:, 0].max() > 1 or at[:, 1].min() <= 0:
                raise ValueError("positions must lie in 0 .. 1 across, and above 0 upwards.")
            places = {method: _places(orders[method], n) for method in methods}
            return {
                "wrong": _short(at[wrong]),
                "right": _short(at[shown]),
                "rankings": {
                    method: {"wrong": place[wrong].tolist(), "right": place[shown].tolist()}
                    for method, place in places.items()
                },
            }

        super().__init__(
            n=n,
            cases={name: one(name) for name in cases},
            axes=list(axes),
            of=of,
            share=validate.between("share", share, 0, 0.5),
            method=methods[0],
            case=next(iter(cases)),
        )

    def __repr__(self) -> str:
        return (
            f"Rankings of {self.n} labels by {', '.join(self.cases[self.case]['rankings'])}, and a "
            "budget that can be dragged where JavaScript runs: in Jupyter, and in the built page."
        )


def _places(order: Any, n: int) -> np.ndarray:
    """Where each example stands in an order of all: (n,) -> (n,)."""
    order = np.asarray(order)
    if sorted(order.tolist()) != list(range(n)):
        raise ValueError(f"A ranking must be an order of all {n} examples.")
    places = np.empty(n, int)
    places[order] = np.arange(n)
    return places


def _short(at: np.ndarray) -> list:
    """Positions to three digits: a notebook carries them."""
    return [[float(f"{v:.3g}") for v in row] for row in at.tolist()]
