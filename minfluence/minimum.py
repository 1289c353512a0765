"""Whether theta is a minimum: when a gradient is short, and whether the risk falls somewhere."""

import warnings
from functools import partial
from typing import Any

import numpy as np
from numpy import ndarray

from minfluence import seam
from minfluence.hessian import Hessian
from minfluence.inverse import Inverse
from minfluence.objectives import rows
from minfluence.objectives.linear import LinearObjective
from minfluence.seam import Objective
from minfluence.solvers import NotConverged, NotPositiveDefinite, cg

FAR = 1e3  # from size 1, beyond which a feature is measured in a unit of its own


def in_natural_units(objective: Objective, gtol: float | None = None) -> tuple[Any, Any]:
    """The same risk with features in units of their own size, and the units of its theta.

    Lengths of gradients of a linear model are compared and cut off. A feature of size 1e-8 beside
    one of 1e8 would never be seen there, so where sizes are that far from 1 each feature is
    measured in its own: theta is `units` times that of the objective returned. A tolerance `gtol`
    is meant in the reader's units.

    Returns
    -------
    objective
    units : array, shape (p,), or 1.0 where the objective is the one given
    """
    if gtol or not isinstance(objective, LinearObjective):
        return objective, 1.0
    least = np.reshape(np.broadcast_to(objective.l2, objective.p), (objective.X.shape[1], -1))
    size = np.sqrt(rows.mean_squares(objective.X) + least.min(axis=1))
    size[size == 0] = 1.0
    if 1 / FAR < size.min() and size.max() < FAR:
        return objective, 1.0
    units = np.ldexp(1.0, -np.frexp(size)[1]).astype(objective.dtype)  # powers of two: exact
    return objective.rescaled(units), np.repeat(units, objective.losses.n_outputs)


def tolerances(
    objective: Objective, theta: ndarray, gtol: float | None = None
) -> tuple[float, float]:
    """How short a gradient to aim at, and which is enough where rounding allows no shorter one.

    Enough is relative, so that units do not matter: short beside what cancels in the gradient,
    which is n pushes of one example and ``H theta``; and beside a single push, which is what a
    refit without one example has to resolve.
    """
    if gtol is not None:
        return gtol, gtol
    double, push = objective.dtype == np.float64, example_push(objective, theta)
    curved = float(np.linalg.norm(objective.hvp(theta, theta)))
    short = min((1e-10 if double else 1e-5) * (objective.n * push + curved), 1e-2 * push)
    enough = max(short, rounding(objective, curved))
    return min(enough, 1e-2 * push, 1e-10 if double else 1e-5), enough


def rounding(objective: Objective, curved: float) -> float:
    """Length of a gradient that rounding can leave, of one that cancels ||H theta||."""
    return 4 * float(np.finfo(objective.dtype).eps) * curved


def closeness(objective: Objective, theta: ndarray) -> tuple[float, float, float]:
    """Lengths of the gradient, of one example's push, and of what rounding leaves of a gradient."""
    objective, units = in_natural_units(objective)
    theta = theta / units
    length, push = grad_norm(objective, theta), example_push(objective, theta)
    if length <= push:  # which is all that matters
        return length, push, 0.0
    curved = float(np.linalg.norm(objective.hvp(theta, theta)))
    return length, push, 16 * rounding(objective, curved)  # whatever solver found theta


def curvature_along(objective: Objective, theta: ndarray, v: ndarray) -> float:
    """Size of the Hessian along one direction, ||H v|| / ||v||."""
    return float(np.linalg.norm(objective.hvp(theta, v)) / np.linalg.norm(v))


def grad_norm(objective: Objective, theta: ndarray) -> float:
    """Length of the risk's gradient, NaN where the risk itself is not finite."""
    finite = np.isfinite(objective.risk(theta))
    return float(np.linalg.norm(objective.grad(theta))) if finite else np.nan


def example_push(objective: Objective, theta: ndarray) -> float:
    """Root mean square of ||w_i ∇L(z_i)||, from eight random directions (Hutchinson)."""
    V = np.random.default_rng(0).standard_normal((theta.size, 8))
    dots = objective.example_dots(theta, V)  # E (g . v)^2 = ||g||^2
    pushes = objective.weights[:, None] * dots
    largest = float(abs(pushes).max()) or 1.0  # squares of 1e200 would overflow
    return largest * float(np.sqrt(np.mean((pushes / largest) ** 2)))


def check_start(risk: float, g: ndarray) -> None:
    """Refuse to go on from a risk, or a gradient, that is not finite."""
    if not (np.isfinite(risk) and np.isfinite(g).all()):
        raise ValueError(
            "The risk where fit starts is NaN or infinite, or its gradient is: start where all "
            "losses are finite, and scale features of very large numbers."
        )


def what_is_wrong(objective: Objective, theta: ndarray, grad_norm: float, enough: float) -> str:
    """Why theta is no minimum, as the end of a sentence; nothing if it is one."""
    if not grad_norm <= enough:
        return (
            f"with gradient norm {grad_norm:.1e} (asked: {enough:.0e}): scale the features, raise "
            "l2 (without it, separable classes have no finite minimum), or allow more max_steps"
        )
    if runs_away(objective, theta):
        return (
            "where the risk still falls along theta: raise l2, without which separable classes "
            "have no finite minimum"
        )
    if _curves_down(objective, theta):
        return "at a saddle, where the risk falls in some direction: start somewhere else"
    return ""


def runs_away(objective: Objective, theta: ndarray) -> bool:
    """Whether a convex risk still falls where theta is twice as long, so that no minimum is near.

    So it is for separable classes without a penalty: gradient and curvature vanish together.
    """
    if not isinstance(objective.losses, seam.LinearLosses):
        return False
    risk = objective.risk(theta)
    rounding = 8 * float(np.finfo(objective.dtype).eps) * abs(risk)
    return bool(objective.risk(2 * theta) < risk - rounding)


def _curves_down(objective: Objective, theta: ndarray) -> bool:
    """Whether the risk falls in some direction, though its gradient vanishes.

    Conjugate gradients meet such a direction from a random start.  The losses of
    `minfluence.models` are convex in theta, and are spared the products.
    """
    if isinstance(objective.losses, seam.LinearLosses):
        return False
    v = np.random.default_rng(0).standard_normal(theta.size)
    flat = 1e-6 * curvature_along(objective, theta, v)  # curvature that is 0 but for rounding
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConverged)
        try:
            solver = partial(cg, rtol=1e-2, max_steps=50)
            Inverse(Hessian(objective, theta, flat), solver)(v)
        except NotPositiveDefinite:
            return True
    return False
