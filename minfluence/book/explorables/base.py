"""What the explorables share: their JavaScript as one text, and the numbers of a plane."""

import re
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from minfluence import validate

JS = Path(__file__).parents[1] / "js"


IMPORT = re.compile(r'^import [^;]* from "\./(\w+\.js)";\n', re.M)


def module(name: str) -> str:
    """JavaScript of one explorable as one text: each file that it imports put into it, once."""
    there = set()

    def text(file: str) -> str:
        there.add(file)
        source = (JS / file).read_text("utf-8")
        return IMPORT.sub(lambda found: "" if found[1] in there else text(found[1]), source)

    return text(name)


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
