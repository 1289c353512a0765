"""Fit: go to the minimum of an objective, far enough that influence is a derivative there."""

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy import ndarray

from minfluence import minimum, validate
from minfluence.hessian import Hessian
from minfluence.inverse import Inverse
from minfluence.seam import Objective
from minfluence.solvers import NotConverged, NotPositiveDefinite, cg


@dataclass(frozen=True)
class Fit:
    """A minimiser and its certificate.

    Attributes
    ----------
    theta : array, shape (p,)
    grad_norm : float
        Length of the risk's gradient at `theta`; zero at an exact minimum.
    steps : int
        Newton steps tried.
    converged : bool
        Whether `grad_norm` reached the tolerance, at no saddle.
    """

    theta: ndarray
    grad_norm: float
    steps: int
    converged: bool


def fit(
    objective: Objective, theta: Any = None, *, gtol: float | None = None, max_steps: int = 200
) -> Fit:
    """Minimise the risk by damped Newton steps, each solved by conjugate gradients.

    A step that meets negative curvature, or does not go downhill, is tried again with more
    damping; a step that succeeds lowers the damping, so that near a minimum the steps become
    Newton's and the gradient shrinks quadratically.

    Parameters
    ----------
    objective : an objective
    theta : array, shape (p,), optional
        Where to start; zeros by default. A network needs a random start: zeros is a saddle.
    gtol : float, optional
        Stop when the gradient is shorter. By default it must be short beside what cancels in it,
        and beside one example's push, whatever the units of features and labels.
    max_steps : int
        Newton steps to try at most.

    Returns
    -------
    Fit

    Warns
    -----
    NotConverged
        When the gradient is still longer than `gtol` at the end, or has vanished at a saddle.

    Raises
    ------
    ValueError
        Where the risk at the start is not finite.
    """
    objective = validate.objective(objective)
    if theta is None:
        if objective.p is None:
            raise ValueError("fit needs a starting point for this model: fit(objective, theta).")
        theta = np.zeros(objective.p)
    theta = validate.cast("theta", validate.theta(theta, objective.p), objective.dtype).copy()
    max_steps = validate.count("max_steps", max_steps)
    given = None if gtol is None else validate.positive("gtol", gtol)
    objective, units = minimum.in_natural_units(objective, given)
    theta = theta / units

    g, risk, damping, steps = objective.grad(theta), objective.risk(theta), 0.0, 0
    minimum.check_start(risk, g)
    aim, enough = minimum.tolerances(objective, theta, given)
    least = 1e-4  # damping that is worth a try
    rounding = 1e-12 if objective.dtype == np.float64 else 1e-6
    while np.linalg.norm(g) > aim and steps < max_steps and damping < 1e12:
        steps += 1
        step = _newton_step(objective, theta, g, damping)
        if step is not None:
            new = theta + step
            new_g, new_risk = objective.grad(new), objective.risk(new)
            # Close to the minimum the risk changes by less than its rounding: ask the gradient.
            level = new_risk <= risk + rounding * abs(risk)
            if new_risk < risk or (level and np.linalg.norm(new_g) < np.linalg.norm(g)):
                theta, g, risk = new, new_g, new_risk
                aim, enough = minimum.tolerances(objective, theta, given)
                damping = 0.0 if damping < 1e-2 * least else damping / 10
                continue
        if np.linalg.norm(g) <= enough:
            break
        least = min(1e-4, minimum.curvature_along(objective, theta, g))
        damping = max(least, 10 * damping)

    grad_norm = float(np.linalg.norm(g))
    trouble = minimum.what_is_wrong(objective, theta, grad_norm, enough)
    if trouble:
        warnings.warn(f"fit stopped after {steps} steps {trouble}.", NotConverged, stacklevel=2)
    return Fit(theta * units, float(np.linalg.norm(g / units)), steps, not trouble)


def _newton_step(
    objective: Objective, theta: ndarray, g: ndarray, damping: float
) -> ndarray | None:
    """-(H + damping I)^-1 g, solved more exactly as g shrinks; None where H curves down."""
    rough = partial(cg, rtol=min(0.1, float(np.sqrt(np.linalg.norm(g)))), max_steps=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConverged)  # any descent direction will do
        try:
            return -Inverse(Hessian(objective, theta, damping), rough)(g).x
        except NotPositiveDefinite:
            return None
