"""scikit-learn's estimators and pipelines in the terms of this package.

`conventions` is the table of what each of them minimises, `refusals` of those that minimise nothing
of the kind; `coding` and `weighting` turn examples and their weights into those of an objective,
`near` asks whether the estimator is where the objective has its minimum, and `translate` puts all
of it together.
"""

from minfluence.estimators.coding import Coding
from minfluence.estimators.translate import Translation, from_sklearn
from minfluence.estimators.weighting import Weighting

__all__ = ["Coding", "Translation", "Weighting", "from_sklearn"]
