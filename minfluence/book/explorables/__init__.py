"""Pictures that compute while you touch them, in Jupyter and in the built page alike.

The JavaScript in ``minfluence/book/js`` does the arithmetic, so no kernel is needed; where one is,
Python sees what the reader did. Needs anywidget (``pip install "minfluence[plots]"``).
"""

from minfluence.book.explorables.arrows import Arrows
from minfluence.book.explorables.bowl import Bowl
from minfluence.book.explorables.budget import Budget
from minfluence.book.explorables.digit import Digit
from minfluence.book.explorables.explore import Explore
from minfluence.book.explorables.hinge import Hinge
from minfluence.book.explorables.label import Label
from minfluence.book.explorables.leverage import Leverage
from minfluence.book.explorables.line import Line
from minfluence.book.explorables.mean import Mean
from minfluence.book.explorables.recursion import Recursion
from minfluence.book.explorables.refit import Refit
from minfluence.book.explorables.resemblance import Resemblance
from minfluence.book.explorables.saddle import Saddle
from minfluence.book.explorables.turn import Turn
from minfluence.book.explorables.weight import Weight
from minfluence.book.explorables.without import Groups, Without

__all__ = [
    "Arrows",
    "Bowl",
    "Budget",
    "Digit",
    "Explore",
    "Groups",
    "Hinge",
    "Label",
    "Leverage",
    "Line",
    "Mean",
    "Recursion",
    "Refit",
    "Resemblance",
    "Saddle",
    "Turn",
    "Weight",
    "Without",
]
