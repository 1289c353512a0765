"""Whether an estimator is where the objective made from it has its minimum, and if not, why.

The distance is that of scores, relative to their spread.  On 60 random problems for each estimator
and solver, all that stopped by their default tolerance on features of one size were within 0.7 %,
nine in ten within 0.04 %; on features in raw units some solvers stop 10 % away and further, which
is no minimum.  But a wrong penalty, too, moves scores by half a percent only.  So within `SURE` all
is well, and within `NEAR` if the estimator, fitted again with a smaller tolerance or by its surest
solver, comes within `SURE`.  Whoever is further away is told what was seen to bring it there.  Up
to `EARLY` that is a warning where a fit with the estimator's own settings is the very same: then
examples and translation are right, and only its solver stopped early (on 10,000 texts 4 % away).
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minfluence import models
from minfluence.objectives.linear import LinearObjective
from minfluence.solvers import NotConverged

SURE = 0.001  # relative distance within which an estimator is at the minimum without doubt,
NEAR = 0.01  # as close as its default tolerance brings it,
EARLY = 0.1  # as far as it may stop early and still be traced,
NEAR_ROUNDED = 0.1  # and where the smooth hinge takes the place of its hinge
SAME = 1e-6  # difference, relative to their distance, of two fits that are the same
TIGHTER = (1e-2, 1e-4, 1e-6)  # times the estimator's own tol, with ten times the steps to reach it
Again = Callable[[dict], float]  # settings -> how far off is the estimator, fitted again with them


def check_near(estimator: Any, off: float, reached: bool, surest: dict, again: Again) -> None:
    """Refuse an estimator that is too far off the minimum of the objective made from it.

    `reached` says whether the minimum was found, `surest` are settings that find it most exactly.
    """
    if off <= SURE:
        return
    if not reached:
        if not off <= NEAR:
            raise ValueError(f"{_away(estimator, off)}: {NO_MINIMUM}.")
        return
    tried = ({}, *_closer(estimator, surest))
    closer = next((settings for settings in tried if again(settings) <= SURE), None)
    if closer is None:
        raise ValueError(f"{_away(estimator, off)}: {UNKNOWN_CAUSE}.")
    if off <= NEAR:
        return
    if off <= EARLY and abs(again({}) - off) <= SAME * off:
        warnings.warn(
            f"The scores of this {type(estimator).__name__} are {off:.2g} of their spread away "
            f"from its minimum, which is what is traced: {_remedy(closer)}, for both to be one.",
            NotConverged,
            stacklevel=3,
        )
        return
    raise ValueError(f"{_away(estimator, off)}: {_remedy(closer)}.")


def check_near_rounded(estimator: Any, off: float) -> None:
    """The same where the temperature moves the minimum."""
    if not off <= NEAR_ROUNDED:
        raise ValueError(f"{_away(estimator, off)}: {SAME_FIT_OR_COLDER}.")


def _away(estimator: Any, off: float) -> str:
    return (
        f"Expected a {type(estimator).__name__} at its minimum on these examples, got one whose "
        f"scores are {off:.2g} of their spread away from it"
    )


SAME_FIT = (
    "fitted again on these X, y and sample_weight it reaches it, so pass those of its fit, or the "
    "new fit"
)
SAME_FIT_OR_COLDER = "pass the X, y and sample_weight of its fit, or lower the temperature"
NO_MINIMUM = (
    "there may be none, as without a penalty for separable classes, so raise the penalty, or scale "
    "the features with StandardScaler"
)
UNKNOWN_CAUSE = (
    "fitted again on these examples it comes no closer, also with a smaller tol, so scale the "
    "features with StandardScaler, take a solver that is not stochastic, and if it stays away, "
    "report that its translation is wrong"
)


def _remedy(closer: dict) -> str:
    """What brings the estimator to the minimum: settings, or none."""
    if not closer:
        return SAME_FIT
    told = ", ".join(f"{name}={value!r}" for name, value in closer.items())
    return f"its solver stopped early, so fit it with {told}"


def _closer(estimator: Any, surest: dict) -> Iterator[dict]:
    """Settings that bring it closer to its minimum."""
    own = estimator.get_params()
    for factor in TIGHTER:
        settings: dict[str, Any] = (
            {"tol": float(f"{own['tol'] * factor:.1e}")} if own.get("tol") else {}
        )
        if (own.get("max_iter") or 0) > 0:
            settings["max_iter"] = 10 * own["max_iter"]
        yield settings
    if surest:
        yield surest


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
