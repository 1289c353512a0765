"""How much each example decides: leverage, and the distance that Cook (1977) gave his name to.

Both are of models with one score per example.  With w_i the weight of example i in the risk, r_i
the slope and D_i the curvature of its loss in its score, and q_i = x_iᵀ H⁻¹ x_i,

    leverage          h_i = w_i D_i q_i
    Cook's distance   C_i = n w_i² r_i² q_i / (1 - h_i)² / (p s²)

For least squares the first is the diagonal of the hat matrix, and the second what Cook defined.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import ndarray

from minfluence import models, seam, validate
from minfluence.hessian import Hessian
from minfluence.inverse import Inverse
from minfluence.memory import SCRATCH_BYTES, blocks, rows_in
from minfluence.objectives.rows import written_out

ALONE = 1e-10  # a rest of 1 - h that is nothing but rounding
EXACT = 1e-12  # residuals, in units of the labels, that are nothing but rounding


def leverage(
    objective: seam.Objective,
    theta: Any,
    *,
    solver: str | seam.Solver = "auto",
    damping: float = 0.0,
) -> ndarray:
    """How far each example's score follows its own label: 0 not at all, 1 wherever it goes.

    For least squares it is the diagonal of the hat matrix ``X (XᵀX)⁻¹ Xᵀ``: as label i grows by
    1, score i grows by h_i. For other losses it is that of the weighted least squares which the
    last Newton step solves. Without a penalty the sum is the number of parameters.

    Parameters
    ----------
    objective : LinearObjective
        Of a loss with one score for each example, such as ``squared``, ``logistic`` or ``poisson``.
    theta : array, shape (p,)
        Its minimum.
    solver, damping
        As in `minfluence.Influence`.

    Returns
    -------
    array, shape (n,)

    References
    ----------
    Hoaglin and Welsch (1978); Pregibon (1981) for logistic regression.
    """
    return _parts(objective, theta, solver, damping).leverage


def cooks_distance(
    objective: seam.Objective,
    theta: Any,
    *,
    dispersion: float | None = None,
    solver: str | seam.Solver = "auto",
    damping: float = 0.0,
) -> ndarray:
    """How far the whole fit moves if each example is left out, in units of its uncertainty.

    For least squares it is ``(b - b_i)ᵀ XᵀX (b - b_i) / (p s²)``, exactly, where b_i is the fit
    without example i. For other losses b_i is one Newton step away, and H takes the place of XᵀX:
    for logistic and Poisson regression that gives Pearson residuals, as in R's ``cooks.distance``.
    A penalty stays whole when an example leaves, and p is then the sum of the leverages.

    Parameters
    ----------
    objective : LinearObjective
        Of a loss with one score for each example. An example of weight 1/n counts as one.
    theta : array, shape (p,)
        Its minimum.
    dispersion : float, optional
        s², the variance of the residuals in units of what the model expects. By default it is
        estimated for the squared loss, from the squares of the residuals divided by n - p, and 1
        for all other losses, as it is for counts and classes.
    solver, damping
        As in `minfluence.Influence`.

    Returns
    -------
    array, shape (n,)
        Infinite where the leverage is 1: without that example some parameter could be anything.

    References
    ----------
    Cook (1977); Pregibon (1981) for the Newton step.
    """
    at = _parts(objective, theta, solver, damping)
    h, n, p = at.leverage, objective.n, at.leverage.sum()
    if dispersion is None:
        dispersion = _variance(at, objective, p) if _is_squared(objective) else 1.0
    s2 = validate.positive("dispersion", dispersion)
    if p < ALONE:
        raise ValueError("No example resists the fit, all curvatures are 0: there is no distance.")
    alone = 1 - h < ALONE
    rest = np.where(alone, 1.0, 1 - h)
    distance = n * at.weights**2 * at.slope**2 * at.reach / rest**2 / (p * s2)
    return np.where(alone, np.inf, distance)


@dataclass(frozen=True)
class _Parts:
    """What both are made of, each (n,)."""

    weights: ndarray
    slope: ndarray
    curvature: ndarray
    reach: ndarray  # x_iᵀ H⁻¹ x_i

    @property
    def leverage(self) -> ndarray:
        return self.weights * self.curvature * self.reach


def _parts(objective: Any, theta: Any, solver: str | seam.Solver, damping: float) -> _Parts:
    """Slopes, curvatures and x_iᵀ H⁻¹ x_i, a block of rows at a time."""
    losses = getattr(validate.objective(objective), "losses", None)
    if not (isinstance(losses, seam.LinearLosses) and losses.n_outputs == 1):
        raise ValueError(
            "Leverage is of a loss with one score for each example, such as squared, logistic or "
            f"poisson, got {losses!r}: use Influence(objective, theta).self_influence() for others."
        )
    validate.changeable(objective)
    theta = validate.theta(theta, objective.p)
    inverse = Inverse(Hessian(objective, theta, damping), solver)
    parts = []
    for part in blocks(objective.n, rows_in(SCRATCH_BYTES, 8 * theta.size)):
        rows, y = objective.X[part], objective.y[part]
        X = written_out(rows)
        S = losses.scores(theta.astype(objective.dtype, copy=False), X)
        reach = np.einsum("np,pn->n", X, inverse(X.T).x)
        parts.append((losses.slope(S, y)[:, 0], losses.curvature(S, y)[:, 0], reach))
    return _Parts(objective.weights, *(np.concatenate(p) for p in zip(*parts, strict=True)))


def _is_squared(objective: Any) -> bool:
    return isinstance(objective.losses, models.Squared)


def _variance(at: _Parts, objective: Any, p: float) -> float:
    """The residuals' variance, with n - p degrees of freedom."""
    free = np.count_nonzero(at.weights) - p
    squares = objective.n * at.weights @ at.slope**2
    if free < ALONE * objective.n or squares <= EXACT**2 * (objective.y @ objective.y):
        raise ValueError(
            f"The residuals of {objective.n} examples leave no variance to measure a distance by, "
            f"the fit with {p:.3g} free parameters is exact: pass dispersion."
        )
    return float(squares / free)
