"""Audit a training set: labels to check first, and groups of examples that pull together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minfluence import validate
from minfluence.influence import Influence


def rank_suspicious_labels(influence: Influence) -> np.ndarray:
    """Order the training examples by how much each one holds up its own prediction.

    A wrong label contradicts its neighbours, so the model fits it only because it is there: its
    self-influence is large.

    Parameters
    ----------
    influence : Influence

    Returns
    -------
    integer array, shape (n,)
        Indices, the most suspicious first.

    References
    ----------
    Koh & Liang (2017), section 5.4.
    """
    own = validate.array("self_influence", influence.self_influence(), ("n",))
    return np.argsort(own, kind="stable")  # never positive


def found(order: np.ndarray, planted: np.ndarray) -> np.ndarray:
    """Share of the planted examples among the first 1, 2, ... of an order, its *recall*.

    Parameters
    ----------
    order : integer array, shape (n,)
        Every index from 0 to n - 1 once, as from `rank_suspicious_labels`.
    planted : integer array, shape (m,)
        Indices; of a mask take ``np.flatnonzero(mask)``.

    Returns
    -------
    array, shape (n,)
    """
    order, planted = np.asarray(order), np.asarray(planted)
    if not planted.size:
        raise ValueError("planted is empty: name at least one example to look for.")
    if planted.dtype == bool:
        raise ValueError("planted must hold indices, got a mask: pass np.flatnonzero(mask).")
    order = validate.indices(order, order.size)  # as many indices as n, each once
    planted = validate.indices(planted, order.size)
    return np.cumsum(np.isin(order, planted)) / len(planted)


@dataclass(frozen=True)
class Group:
    """Examples that share a value, and their scores together.

    Attributes
    ----------
    name : str
    n : int
        Examples in the group.
    total : float
        Sum of their scores: to first order, what leaving all of them out would do.
    mean : float
        The same per example.
    """

    name: str
    n: int
    total: float
    mean: float

    def __str__(self) -> str:
        return f"{self.name}: n = {self.n:,}, total {self.total:+.4f}, mean {self.mean:+.2e}"


def by_group(scores: np.ndarray, values: np.ndarray, name: str = "") -> list[Group]:
    """Add up the scores of the examples that share a value.

    Parameters
    ----------
    scores : array, shape (n,)
        One score per example, such as `Influence.predicted_change` for one test point.
    values : array, shape (n,)
        The category of each example.
    name : str
        What the values are values of; comes before each of them.

    Returns
    -------
    list of Group
        The group with the largest total, of either sign, first.

    References
    ----------
    Koh & Liang (2017), section 5.3; Koh et al. (2019) for what such sums are worth.
    """
    scores, values = np.asarray(scores), np.asarray(values)
    if values.dtype == object:  # names with gaps, say, which cannot be sorted
        values = values.astype(str)
    if scores.ndim != 1 or scores.shape != values.shape:
        raise ValueError(
            f"Expected one score and one value per example, got {scores.shape} and {values.shape}."
        )
    validate.finite("scores", scores)
    kinds, member = np.unique(values, return_inverse=True)
    totals, counts = np.bincount(member, scores), np.bincount(member)
    groups = [
        Group(f"{name}{kind}", int(n), float(total), float(total / n))
        for kind, n, total in zip(kinds, counts, totals, strict=True)
    ]
    return sorted(groups, key=lambda group: -abs(group.total))


def top_groups(
    scores: np.ndarray, X: np.ndarray, names: Sequence[str], k: int = 10, *, by: str = "total"
) -> list[Group]:
    """Rank every category of a table of zeros and ones by the scores of its members.

    Parameters
    ----------
    scores : array, shape (n,)
    X : array, shape (n, d)
        Columns that hold other numbers than 0 and 1 are passed over.
    names : sequence of d strings
    k : int
        Groups to return.
    by : {"total", "mean"}
        "total" finds the groups that matter most together, "mean" those whose members matter most
        each: a few children among 20,000 patients.

    Returns
    -------
    list of Group
        The largest, of either sign, first.
    """
    scores, X = np.asarray(scores), np.asarray(X)
    if X.ndim != 2 or scores.shape != (len(X),) or len(names) != X.shape[1]:
        raise ValueError(
            "Expected one score per row of X and one name per column, "
            f"got {scores.shape}, {X.shape} and {len(names)} names."
        )
    validate.finite("scores", scores)
    validate.one_of("by", by, ("total", "mean"))
    k = validate.count("k", k)
    is_category = ((X == 0) | (X == 1)).all(axis=0) & X.any(axis=0)
    groups = []
    for j in np.flatnonzero(is_category).tolist():
        of_group = scores[X[:, j] == 1]
        total, n = float(of_group.sum()), len(of_group)
        groups.append(Group(str(names[j]), n, total, total / n))
    return sorted(groups, key=lambda group: -abs(getattr(group, by)))[:k]
