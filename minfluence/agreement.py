"""How well predictions match the truth."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minfluence import validate


@dataclass(frozen=True)
class Agreement:
    """How well predictions match the truth.

    Attributes
    ----------
    pearson, spearman : float
        Correlation of the values, and of their ranks.
    slope : float
        The truth grows by this much per unit of prediction (least squares): 1 is perfect, more
        than 1 means that the predictions are too small.
    n : int
        Pairs compared.
    """

    pearson: float
    spearman: float
    slope: float
    n: int

    def __str__(self) -> str:
        return (
            f"Pearson {self.pearson:.4f}, Spearman {self.spearman:.4f}, "
            f"slope {self.slope:.3f} (n = {self.n})"
        )


def agreement(predicted: Any, actual: Any) -> Agreement:
    """Compare predicted with actual changes.  (...), (...) -> Agreement."""
    from scipy import stats  # takes as long to import as all else together

    shapes = np.shape(predicted), np.shape(actual)
    predicted, actual = np.squeeze(predicted), np.squeeze(actual)
    if predicted.shape != actual.shape or predicted.size < 2:
        raise ValueError(
            "Expected as many predictions as actual changes, and at least two, "
            f"got shapes {shapes[0]} and {shapes[1]}."
        )
    predicted, actual = predicted.ravel(), actual.ravel()
    validate.finite("predicted", predicted)
    validate.finite("actual", actual)
    if np.ptp(predicted) == 0 or np.ptp(actual) == 0:
        raise ValueError("All predictions (or all actual changes) are equal: nothing to correlate.")
    return Agreement(
        float(stats.pearsonr(predicted, actual)[0]),
        float(stats.spearmanr(predicted, actual)[0]),
        float(stats.linregress(predicted, actual).slope),
        predicted.size,
    )
