"""Pictures that compute while you touch them, in Jupyter and in the built page alike.

The JavaScript in ``minfluence/book/js`` does the arithmetic, so no kernel is needed; where one is,
Python sees what the reader did. Needs anywidget (``pip install "minfluence[plots]"``).
"""

import re
from numbers import Real
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from minfluence import validate

JS = Path(__file__).parent / "js"


def module(name: str) -> str:
    """JavaScript of one explorable as one text: what it imports from ``shared.js`` put into it."""
    source, shared = ((JS / file).read_text("utf-8") for file in (name, "shared.js"))
    whole, count = re.subn(
        r'^import [^;]* from "./shared.js";\n', lambda _: shared, source, flags=re.M
    )
    assert count == 1, f"{name} should import from shared.js once"
    return whole


def numbers() -> Any:
    """A list of numbers, or of such lists, that Python and the browser share."""
    return traitlets.List().tag(sync=True)


class Plane(anywidget.AnyWidget):
    """Labelled points and a test point in the plane, and what changes without each point."""

    X = numbers()
    y = numbers()
    test = numbers()
    l2 = traitlets.Float().tag(sync=True)
    predicted = numbers()
    actual = numbers()

    def __init__(self, X: Any, y: Any, test: Any, l2: float, **others: Any) -> None:
        X = validate.array("X", X, ("n", 2), float)
        y = validate.array("y", y, (len(X),), float)
        test = validate.array("test = (x1, x2, label)", test, (3,), float)
        labels = np.append(y, test[2])
        validate.labels(labels, (-1, 1), "Expected labels -1 and +1", "recode y and test[2]")
        l2 = validate.positive("l2", l2)
        super().__init__(X=X.tolist(), y=y.tolist(), test=test.tolist(), l2=l2, **others)


class Explore(Plane):
    """Drag training points and a test point; see predicted and actual changes side by side.

    Parameters
    ----------
    X : array, shape (n, 2)
        Training points in the plane, at least four.
    y : array, shape (n,)
        Labels -1 and +1.
    test : sequence of three numbers
        Test point and its label.
    l2 : float
        Strength of the penalty, which includes the intercept.

    Attributes
    ----------
    X, y, test, l2
        As the reader left them.
    predicted, actual : lists, length n
        Change of the test loss without each training point, computed in the browser; empty until
        something was moved.
    """

    _esm = module("explore.js")

    def __init__(self, X: Any, y: Any, test: Any, l2: float = 0.01) -> None:
        validate.count("The number of points", len(X), 4)
        super().__init__(X, y, test, l2)

    def __repr__(self) -> str:
        return (
            f"{len(self.X)} training points and a test point in the plane. They can be dragged "
            "where JavaScript runs: in Jupyter, and in the built page."
        )


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
