"""Pictures that compute while you touch them, in Jupyter and in the built page alike.

The JavaScript in ``minfluence/book/js`` does the arithmetic, so no kernel is needed; where one is,
Python sees what the reader did. Needs anywidget (``pip install "minfluence[plots]"``).
"""

from minfluence.book.explorables.bowl import Bowl
from minfluence.book.explorables.explore import Explore
from minfluence.book.explorables.hinge import Hinge
from minfluence.book.explorables.recursion import Recursion
from minfluence.book.explorables.saddle import Saddle

__all__ = ["Bowl", "Explore", "Hinge", "Recursion", "Saddle"]
