"""Pictures that compute while you touch them, in Jupyter and in the built page alike.

The JavaScript in ``minfluence/js`` does the arithmetic, so no kernel is needed; where there is one,
Python sees what the reader did. Needs anywidget (``pip install "minfluence[plots]"``).
"""

from pathlib import Path

import anywidget
import numpy as np
import traitlets


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

    _esm = Path(__file__).parent / "js" / "explore.js"
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
