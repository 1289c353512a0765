"""Linear datamodeling score: how well scores predict what training on other examples gives.

Train again on random halves of the training set. A method that gives each example a score predicts
the test loss after each training by the *sum* of the scores of the examples that were kept. The
rank correlation of these sums with what happened is the score of the method.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minfluence import seam, validate
from minfluence.refits import refit_weighted


def random_halves(n: int, k: int, rng: np.random.Generator | int) -> np.ndarray:
    """Draw k random halves of n examples.

    Parameters
    ----------
    n, k : int
        Examples, at least 2; halves, at least 1.
    rng : numpy.random.Generator or seed

    Returns
    -------
    array of bool, shape (k, n)
        True where an example is kept; each row keeps ``n // 2``.
    """
    n, k, rng = validate.count("n", n, least=2), validate.count("k", k), validate.generator(rng)
    return rng.permuted(np.tile(np.arange(n) < n // 2, (k, 1)), axis=1)


def retrain(
    objective: seam.Objective,
    kept: np.ndarray,
    X_test: np.ndarray,
    y_test: np.ndarray,
    *,
    theta_hat: np.ndarray | None = None,
    train: Callable[[np.ndarray, int], np.ndarray] | None = None,
    repeats: int = 1,
) -> np.ndarray:
    """Find the truth: test losses after training on each subset alone.

    Parameters
    ----------
    objective : an objective
    kept : array of bool, shape (k, n)
    X_test : array, shape (m, ...)
    y_test : array, shape (m,)
    theta_hat : array, shape (p,), optional
        Minimiser on all examples. Needed without `train`: the subsets are then fitted to their
        minima by `minfluence.refit_weighted`, starting here.
    train : callable ``(kept, repeat) -> thetas (k, p)``, optional
        Training of your own on the examples of each row of `kept`; `repeat` is its seed.
    repeats : int
        Trainings of each subset, with seeds 0, 1, ...

    Returns
    -------
    array, shape (repeats, m, k)
        Test losses; `lds` expects their mean over the first axis.
    """
    kept = _check_kept(kept, objective.n)
    validate.count("repeats", repeats)
    if train is None:
        train = _fit_each(objective, theta_hat)
    trained = [
        validate.array("train(kept, repeat)", train(kept, r), (len(kept), "p"))
        for r in range(repeats)
    ]
    return np.stack(
        [
            np.stack([objective.test_losses(theta, X_test, y_test) for theta in thetas], axis=1)
            for thetas in trained
        ]
    )


def _fit_each(
    objective: seam.Objective, theta_hat: np.ndarray | None
) -> Callable[[np.ndarray, int], np.ndarray]:
    """Training that goes to the minimum of each subset, whatever its seed."""
    if theta_hat is None:
        raise ValueError("Expected theta_hat, a minimiser to start from, or a train of your own.")

    def train(kept: np.ndarray, repeat: int) -> np.ndarray:
        # others keep their weight, so with the folded penalty this is the fit on the subset alone
        weights = objective.weights[:, None] * kept.T
        return refit_weighted(objective, theta_hat, weights, progress=False).thetas

    return train


@dataclass(frozen=True)
class LDS:
    """Linear datamodeling score of a method.

    Attributes
    ----------
    mean : float
        Mean over the test points of the rank correlation: 1 is perfect, 0 is chance.
    error : float
        Standard error of `mean` over the choice of subsets, by bootstrap. The test points and the
        scored model are taken as they are.
    each : array, shape (m,)
        Rank correlation for every test point.
    """

    mean: float
    error: float
    each: np.ndarray

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.error:.2f}"


def lds(
    scores: np.ndarray,
    kept: np.ndarray,
    outcomes: np.ndarray,
    *,
    resamples: int = 100,
    rng: np.random.Generator | int | None = None,
) -> LDS:
    """Compare sums of scores with what training on subsets gave.

    Parameters
    ----------
    scores : array, shape (m, n)
        With the sign of `up_loss`: negative where more of an example means less test loss. Ranks
        do not depend on their scale.
    kept : array of bool, shape (k, n)
        Subsets of equal size; with other sizes, a constant added to all scores would matter.
    outcomes : array, shape (m, k)
        Test losses after training on each subset.
    resamples : int
        Bootstrap draws of k subsets with replacement.
    rng : numpy.random.Generator or seed, optional
        Draws them; a fixed seed by default.

    Returns
    -------
    LDS

    References
    ----------
    Park et al. (2023), section 2.2, there with model outputs in place of test losses.
    """
    scores, outcomes = np.atleast_2d(scores), np.atleast_2d(outcomes)
    kept = _check_kept(kept, scores.shape[1])
    if outcomes.shape != (len(scores), len(kept)) or len(kept) < 3:
        raise ValueError(
            f"Expected scores (m, n) and outcomes (m, k) of at least 3 subsets, "
            f"got {scores.shape} and {outcomes.shape} with {len(kept)} subsets."
        )
    validate.count("The number of test points", len(scores))
    validate.finite("scores", scores)
    validate.finite("outcomes", outcomes)
    predicted = scores @ kept.T  # (m, n) @ (n, k) -> (m, k)
    rng, resamples = validate.generator(rng), validate.count("resamples", resamples, least=2)
    draws = rng.integers(0, len(kept), (resamples, len(kept)))
    means = [_spearman(predicted[:, draw], outcomes[:, draw]).mean() for draw in draws]
    each = _spearman(predicted, outcomes)
    return LDS(float(each.mean()), float(np.std(means, ddof=1)), each)


def _spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rank correlation of each row; 0 where a row is constant.  (m, k), (m, k) -> (m,)."""
    from scipy.stats import rankdata  # takes as long to import as all else together

    a, b = (rankdata(x, axis=1) - (x.shape[1] + 1) / 2 for x in (a, b))
    size = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return (a * b).sum(axis=1) / np.where(size > 0, size, 1.0)


def _check_kept(kept: Any, n: int) -> np.ndarray:
    kept = np.asarray(kept)
    if kept.ndim != 2 or kept.shape[1] != n or kept.dtype != bool:
        raise ValueError(
            f"kept must be booleans of shape (k, {n}), one row for each subset, got {kept.dtype} "
            f"of shape {kept.shape}: random_halves makes them."
        )
    if not kept.any(axis=1).all():
        raise ValueError("Expected subsets with at least one example, got an empty one.")
    if len(set(kept.sum(axis=1).tolist())) > 1:
        raise ValueError(
            "Expected subsets of equal size, got several sizes: with these, a constant added to "
            "all scores would change the answer."
        )
    return kept
