"""How an estimator weighs its examples: sample weights, class weights, and what they are shares of.

In the objective's units, in which a weight is 1/n unless there is a reason for another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from minfluence import validate
from minfluence.estimators.conventions import Convention


@dataclass(frozen=True)
class Weighting:
    """What decides an example's weight.

    Attributes
    ----------
    sample_weight : array, shape (n,)
    codes : array of int, shape (n,), or None
        The class of each example, where the estimator has classes.
    names : array, shape (k,)
        The classes; empty for numbers.
    class_weight : array, shape (k,), or None
        None for "balanced": every class then weighs the same, so that they depend on the data.
    by_weight : bool
        Whether "balanced" looks at the weights of examples; otherwise it counts heads.
    divided_by : {"nothing", "weights", "examples"}
        What the estimator divides the sum of its losses by.
    """

    sample_weight: np.ndarray
    codes: np.ndarray | None
    names: np.ndarray
    class_weight: np.ndarray | None
    by_weight: bool
    divided_by: str

    @property
    def n(self) -> int:
        """Number of examples."""
        return len(self.sample_weight)

    def weights(self) -> np.ndarray:
        """Weight of each example in the fit of all of them.  -> (n,)."""
        return self._weights(np.ones((self.n, 1), dtype=bool))[:, 0]

    def weights_without(self, groups: Sequence) -> np.ndarray:
        """The same in the fit without each group of examples.  -> (n, number of groups)."""
        if np.isscalar(groups) or not len(groups):
            raise ValueError(
                f"groups must be a sequence, and not empty, got {groups!r}: [3] leaves out example "
                "3, [[3, 5]] leaves out examples 3 and 5 together."
            )
        kept = np.ones((self.n, len(groups)), dtype=bool)
        for j, group in enumerate(groups):
            kept[validate.indices(group, self.n), j] = False
        return self._weights(kept)

    def _weights(self, kept: np.ndarray) -> np.ndarray:
        """Weights in fits of the examples that are kept.  (n, k) -> (n, k)."""
        U = kept * self.sample_weight[:, None]
        if self.codes is not None:
            U *= self._class_weights(kept, U)[self.codes]
        totals = {"nothing": np.array(self.n), "weights": U.sum(0), "examples": kept.sum(0)}
        total = totals[self.divided_by]
        if not (U.any(axis=0).all() and np.all(total > 0)):
            raise ValueError("No example is left with a weight: keep at least one.")
        return U / total

    def _class_weights(self, kept: np.ndarray, U: np.ndarray) -> np.ndarray:
        """Weights of the classes in each fit.  (n, k), (n, k) -> (number of classes, k)."""
        hot = np.arange(len(self.names))[:, None] == self.codes
        counts = hot @ (U if self.by_weight else kept).astype(float)
        absent = np.nonzero(counts == 0)[0]
        if len(absent) and (self.class_weight is None or not (hot @ kept).all()):
            names = np.unique(self.names[absent]).tolist()
            names = ", ".join(map(repr, np.unique(self.names[absent]).tolist()))
            raise ValueError(
                f"No example of the class {names} is left with a weight: keep one of each class."
            )
        if self.class_weight is not None:
            return np.repeat(self.class_weight[:, None], kept.shape[1], axis=1)
        return counts.sum(axis=0) / (len(counts) * counts)


def weighting(
    estimator: Any, convention: Convention, codes: np.ndarray | None, n: int, sample_weight: Any
) -> Weighting:
    """The weighting of a fitted estimator; `codes` are the classes of its n examples."""
    given = validate.array(
        "sample_weight", np.ones(n) if sample_weight is None else sample_weight, (n,), dtype=float
    )
    validate.positive("The sum of sample_weight", given.sum())
    names = np.asarray(getattr(estimator, "classes_", []))
    by_class = getattr(estimator, "class_weight", None)
    weights = None if isinstance(by_class, str) else _of_classes(names, by_class)
    by_weight = convention.balanced_by_weight and _since_1_7()
    return Weighting(given, codes, names, weights, by_weight, convention.divided_by)


def _of_classes(names: np.ndarray, by_class: Any) -> np.ndarray:
    """Weight of each class, 1 unless the estimator's dictionary says otherwise."""
    given = by_class or {}
    weights = [given.get(name, 1.0) for name in names.tolist()]
    return validate.array("The weights of the classes", weights, (len(names),), dtype=float)


def _since_1_7() -> bool:
    """Whether this scikit-learn balances by weights where it can; before, it counted heads."""
    from sklearn.utils.class_weight import compute_class_weight

    return "sample_weight" in signature(compute_class_weight).parameters
