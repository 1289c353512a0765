"""What the explorables share: the numbers of a plane, and those that Python and browser share."""

from typing import Any

import anywidget
import numpy as np
import traitlets

from minfluence import validate
from minfluence.book.live import module

__all__ = ["Plane", "module", "numbers", "points_of_a_line", "within"]


def numbers() -> Any:
    """A list of numbers, or of such lists, that Python and the browser share."""
    return traitlets.List().tag(sync=True)


def points_of_a_line(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Places and heights of at least four points: (n,), (n,)."""
    x = validate.array("x", x, ("n",), float)
    n = validate.count("The number of points", len(x), 4)
    return x, validate.array("y", y, (n,), float)


def within(name: str, values: np.ndarray, low: float, high: float) -> None:
    """Refuse numbers for which a picture has no room."""
    if not (np.min(values) >= low and np.max(values) <= high):
        raise ValueError(
            f"{name} must lie in {low} .. {high}, got {values.min()} .. {values.max()}."
        )


class Plane(anywidget.AnyWidget):
    """Labelled points and a test point in the plane, and what changes without each point."""

    fewest = 4  # points, for a model to be fitted without one of them

    X = numbers()
    y = numbers()
    test = numbers()
    l2 = traitlets.Float().tag(sync=True)
    predicted = numbers()
    actual = numbers()

    def __init__(self, X: Any, y: Any, test: Any, l2: float, **others: Any) -> None:
        validate.count("The number of points", len(X), self.fewest)
        X = validate.array("X", X, ("n", 2), float)
        y = validate.array("y", y, (len(X),), float)
        test = validate.array("test = (x1, x2, label)", test, (3,), float)
        labels = np.append(y, test[2])
        validate.labels(labels, (-1, 1), "Expected labels -1 and +1", "recode y and test[2]")
        l2 = validate.positive("l2", l2)
        super().__init__(X=X.tolist(), y=y.tolist(), test=test.tolist(), l2=l2, **others)
