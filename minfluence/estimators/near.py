"""Whether an estimator is where the objective made from it has its minimum, and if not, why.

The distance is that of scores. Estimators with their default tolerance came within `NEAR` on
random problems (see ``tests/test_estimators.py``). Where one does not, the estimator itself says
why: it is fitted again on the examples, as it is and with smaller tolerances.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from minfluence import models
from minfluence.objectives.linear import LinearObjective

NEAR = 0.02  # relative distance within which an estimator counts as being at the minimum,
NEAR_ROUNDED = 0.1  # also where the smooth hinge takes the place of its hinge
TIGHTER = (1.0, 1e-2, 1e-4, 1e-6)  # times the estimator's own tol


def check_near(estimator: Any, off: float, rounded: bool, again: Callable[[dict], float]) -> None:
    """Refuse an estimator that is so far off the minimum of the objective made from it.

    ``again(settings)`` is how far off the estimator is when it is fitted again with them.
    """
    if off <= (NEAR_ROUNDED if rounded else NEAR):
        return
    name = type(estimator).__name__
    raise ValueError(
        f"Expected a {name} at its minimum on these examples, got one whose scores are "
        f"{off:.0%} away from it: {_remedy(estimator, off, rounded, again)}."
    )


def _remedy(estimator: Any, off: float, rounded: bool, again: Callable[[dict], float]) -> str:
    """What brings it to the minimum: it was tried."""
    same_fit = "pass the X, y and sample_weight of its fit"
    if rounded:
        return f"{same_fit}, or lower the temperature"
    first = np.inf
    for factor in TIGHTER:
        settings = _tighter(estimator, factor)
        found = again(settings)
        first = min(first, found) if factor == 1.0 else first
        if found <= NEAR:
            if factor == 1.0 or off > 3 * first:
                return f"{same_fit}, on which it comes to {found:.1%}"
            told = ", ".join(f"{key}={value:g}" for key, value in settings.items())
            return f"fit it with {told}, which comes to {found:.1%}"
    return (
        "a smaller tol does not bring it there, so scale the features, as StandardScaler does, and "
        "if that does not help either, the translation is wrong and should be reported"
    )


def _tighter(estimator: Any, factor: float) -> dict:
    """Its tolerance times a factor, with ten times the steps to reach it."""
    own, settings = estimator.get_params(), {}
    if factor < 1 and own.get("tol"):
        settings["tol"] = own["tol"] * factor
    if factor < 1 and (own.get("max_iter") or 0) > 0:
        settings["max_iter"] = 10 * own["max_iter"]
    return settings


def refitted(estimator: Any, settings: dict, X: Any, y: Any, sample_weight: Any) -> Any:
    """The estimator with other settings, fitted on these examples."""
    from sklearn.base import clone

    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a tolerance that was not reached: that is seen here
        return clone(estimator).set_params(**settings).fit(X, y, **weights)


def distance(objective: LinearObjective, start: np.ndarray, theta: np.ndarray) -> float:
    """How far scores at `start` are from those at `theta`, relative to what they tell apart.

    A large intercept is in all scores, so they are measured by their spread, or where that is
    small, by what they do to the slopes of the losses.  A rounded hinge moves scores by itself.
    """
    loss = objective.losses
    theirs, ours = (loss.scores(t, objective.X) for t in (start, theta))
    if isinstance(loss, models.SmoothHinge):
        return _ratio(ours - theirs, ours)
    slopes, at_minimum = (loss.slope(S, objective.y) for S in (theirs, ours))
    return min(
        _ratio(ours - theirs, ours - ours.mean(axis=0)),
        _ratio(slopes - at_minimum, at_minimum),
    )


def _ratio(a: np.ndarray, b: np.ndarray) -> float:
    """||a|| / ||b||, and 0 for 0 / 0."""
    a_size, b_size = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    return a_size / max(b_size, np.finfo(float).tiny)
