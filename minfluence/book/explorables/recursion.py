"""LiSSA's recursion on a linear model."""

from typing import Any

import anywidget
import traitlets

from minfluence import validate
from minfluence.book.explorables.base import module, numbers


class Recursion(anywidget.AnyWidget):
    """Solve ``H x = b`` by LiSSA's recursion, with scale, depth and repeats as sliders.

    H is the mean of ``curvature[i] * outer(X[i], X[i])``, plus `l2` times the identity: the
    Hessian of a linear model.

    Parameters
    ----------
    X : array, shape (n, p)
        Training inputs, with at least two features. The first two components of x are drawn.
    curvature : array, shape (n,)
        Second derivative of each example's loss in its score; not negative.
    b : array, shape (p,)
        Right-hand side.
    l2 : float
        Strength of the penalty.

    Attributes
    ----------
    scale, depth, repeats, seed
        As the reader left them. The scale starts at the largest curvature of any example, which
        the browser computes; until something was moved it is 0.
    estimate : list, length p
        Mean of the repeats; empty if one of them diverged, and until something was moved.
    """

    _esm = module("recursion.js")
    X = numbers()
    curvature = numbers()
    b = numbers()
    l2 = traitlets.Float().tag(sync=True)
    scale = traitlets.Float().tag(sync=True)
    depth = traitlets.Int(20).tag(sync=True)
    repeats = traitlets.Int(10).tag(sync=True)
    seed = traitlets.Int().tag(sync=True)
    estimate = numbers()

    def __init__(self, X: Any, curvature: Any, b: Any, l2: float) -> None:
        X = validate.array("X", X, ("n", "p"), float)
        n, p = X.shape
        validate.count("The number of features", p, 2)
        curvature = validate.array("curvature", curvature, (n,), float)
        b = validate.array("b", b, (p,), float)
        l2 = validate.positive("l2", l2, "the recursion needs a positive definite H")
        if (curvature < 0).any():
            raise ValueError(
                f"curvature must not be negative, got {curvature.min():g}: take a convex loss."
            )
        if not b.any():
            raise ValueError("b must not be 0 throughout, or there is nothing to solve.")
        super().__init__(X=X.tolist(), curvature=curvature.tolist(), b=b.tolist(), l2=l2)

    def __repr__(self) -> str:
        n, p = len(self.X), len(self.b)
        return (
            f"LiSSA on {n} examples and {p} parameters. Its sliders move where JavaScript runs: "
            "in Jupyter, and in the built page."
        )
