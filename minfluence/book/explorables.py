"""Pictures that compute while you touch them, in Jupyter and in the built page alike.

The JavaScript in ``minfluence/book/js`` does the arithmetic, so no kernel is needed; where one is,
Python sees what the reader did. Needs anywidget (``pip install "minfluence[plots]"``).
"""

import re
from pathlib import Path

import anywidget
import numpy as np
import traitlets

JS = Path(__file__).parent / "js"


def module(name):
    """JavaScript of one explorable as one text: what it imports from ``shared.js`` put into it."""
    source, shared = ((JS / file).read_text("utf-8") for file in (name, "shared.js"))
    whole, count = re.subn(
        r'^import [^;]* from "./shared.js";\n', lambda _: shared, source, flags=re.M
    )
    assert count == 1, f"{name} should import from shared.js once"
    return whole


class Explore(anywidget.AnyWidget):
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
    X = traitlets.List().tag(sync=True)
    y = traitlets.List().tag(sync=True)
    test = traitlets.List().tag(sync=True)
    l2 = traitlets.Float().tag(sync=True)
    predicted = traitlets.List().tag(sync=True)
    actual = traitlets.List().tag(sync=True)

    def __init__(self, X, y, test, l2=0.01):
        X, y, test = (np.asarray(a, dtype=float) for a in (X, y, test))
        if X.ndim != 2 or X.shape[1] != 2 or y.shape != (len(X),) or len(X) < 4:
            raise ValueError(
                "Expected at least four points, X of shape (n, 2) and y of shape (n,), "
                f"got {X.shape} and {y.shape}."
            )
        if test.shape != (3,) or not np.isin([*y, test[-1]], (-1, 1)).all():
            raise ValueError("Expected labels -1 and +1, and test as (x1, x2, label).")
        if not (np.isfinite(X).all() and np.isfinite(test).all() and l2 > 0):
            raise ValueError(f"Expected finite points and l2 greater than 0, got l2={l2!r}.")
        super().__init__(X=X.tolist(), y=y.tolist(), test=test.tolist(), l2=float(l2))

    def __repr__(self):
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
    start = traitlets.List().tag(sync=True)
    descent = traitlets.List().tag(sync=True)
    conjugate = traitlets.List().tag(sync=True)

    def __init__(self, kappa=20, steps=4):
        if not (1 <= kappa <= 100 and steps in range(13)):
            raise ValueError(
                "Expected a condition number from 1 to 100 and 0 to 12 steps, "
                f"got kappa={kappa!r} and steps={steps!r}."
            )
        super().__init__(kappa=float(kappa), steps=int(steps))

    def __repr__(self):
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
    X = traitlets.List().tag(sync=True)
    curvature = traitlets.List().tag(sync=True)
    b = traitlets.List().tag(sync=True)
    l2 = traitlets.Float().tag(sync=True)
    scale = traitlets.Float().tag(sync=True)
    depth = traitlets.Int(20).tag(sync=True)
    repeats = traitlets.Int(10).tag(sync=True)
    seed = traitlets.Int().tag(sync=True)
    estimate = traitlets.List().tag(sync=True)

    def __init__(self, X, curvature, b, l2):
        X, curvature, b = (np.asarray(a, dtype=float) for a in (X, curvature, b))
        if (
            X.ndim != 2
            or X.shape[1] < 2
            or (curvature.shape, b.shape) != (X.shape[:1], X.shape[1:])
        ):
            raise ValueError(
                "Expected X of shape (n, p) with p at least 2, curvature (n,) and b (p,), "
                f"got {X.shape}, {curvature.shape} and {b.shape}."
            )
        finite = all(np.isfinite(a).all() for a in (X, curvature, b))
        if not (finite and (curvature >= 0).all() and b.any() and l2 > 0):
            raise ValueError(
                "Expected finite numbers, no negative curvature, b other than 0 and l2 greater "
                f"than 0, got l2={l2!r}: the recursion needs a positive definite H."
            )
        super().__init__(X=X.tolist(), curvature=curvature.tolist(), b=b.tolist(), l2=float(l2))

    def __repr__(self):
        n, p = len(self.X), len(self.b)
        return (
            f"LiSSA on {n} examples and {p} parameters. Its sliders move where JavaScript runs: "
            "in Jupyter, and in the built page."
        )


class Hinge(anywidget.AnyWidget):
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
    test : sequence of three numbers
        Test point and its label.
    l2 : float
        Strength of the penalty, which includes the intercept.

    Attributes
    ----------
    temperature, test, selected
        As the reader left them. The point selected first is the one whose removal changes most.
    predicted, actual : lists, length n
        Change of the test point's hinge loss without each training point, computed in the
        browser; empty until something was moved.
    """

    _esm = module("hinge.js")
    X = traitlets.List().tag(sync=True)
    y = traitlets.List().tag(sync=True)
    theta = traitlets.List().tag(sync=True)
    without = traitlets.List().tag(sync=True)
    test = traitlets.List().tag(sync=True)
    l2 = traitlets.Float().tag(sync=True)
    temperature = traitlets.Float(0.001).tag(sync=True)
    selected = traitlets.Int().tag(sync=True)
    predicted = traitlets.List().tag(sync=True)
    actual = traitlets.List().tag(sync=True)

    def __init__(self, X, y, theta, without, test, l2):
        given = [np.asarray(a, dtype=float) for a in (X, y, theta, without, test)]
        n = len(given[0])
        shapes = [a.shape for a in given]
        if shapes != [(n, 2), (n,), (3,), (n, 3), (3,)]:
            raise ValueError(
                "Expected X (n, 2), y (n,), theta (3,), without (n, 3) and test (3,), "
                f"got {', '.join(map(str, shapes))}."
            )
        if not np.isin([*given[1], given[4][-1]], (-1, 1)).all():
            raise ValueError("Expected labels -1 and +1, and test as (x1, x2, label).")
        if not (all(np.isfinite(a).all() for a in given) and l2 > 0):
            raise ValueError(f"Expected finite numbers and l2 greater than 0, got l2={l2!r}.")
        X, y, theta, without, test = given
        after = np.maximum(0, 1 - test[2] * (without @ [*test[:2], 1]))
        before = max(0, 1 - test[2] * (theta @ [*test[:2], 1]))
        super().__init__(
            X=X.tolist(),
            y=y.tolist(),
            theta=theta.tolist(),
            without=without.tolist(),
            test=test.tolist(),
            l2=float(l2),
            selected=int(abs(after - before).round(9).argmax()),  # of equals the first
        )

    def __repr__(self):
        return (
            f"A support vector machine on {len(self.X)} points, its hinge smoothed. Temperature "
            "and test point can be moved where JavaScript runs: in Jupyter, and in the built page."
        )
