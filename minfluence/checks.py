"""Checks that you can run on your own model before you trust its influence scores."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minfluence import seam, validate

Random = np.random.Generator | int | None


def check_gradient(
    objective: seam.Objective, theta: np.ndarray, *, rtol: float = 1e-6, rng: Random = None
) -> float:
    """Compare the gradient of the risk with central differences along random directions.

    Parameters
    ----------
    objective : an objective
    theta : array, shape (p,)
    rtol : float
        Largest relative error allowed.
    rng : numpy.random.Generator or seed, optional
        Draws the directions; a fixed seed by default.

    Returns
    -------
    float
        The largest relative error met.

    Raises
    ------
    AssertionError
        When it exceeds `rtol`.
    """
    g = objective.grad(theta)
    return _compare("gradient", objective.risk, lambda v: g @ v, theta, rtol, rng)


def check_hvp(
    objective: seam.Objective, theta: np.ndarray, *, rtol: float = 1e-6, rng: Random = None
) -> float:
    """Compare Hessian-vector products with central differences of the gradient.

    Of the objective's *own* gradient: run `check_gradient` first.

    Parameters, result and error as in `check_gradient`.
    """
    return _compare(
        "Hessian-vector product", objective.grad, objective.hvp_at(theta), theta, rtol, rng
    )


def check_at_minimum(objective: seam.Objective, theta: np.ndarray, *, gtol: float = 1e-8) -> float:
    """Check that theta is a minimum: the gradient vanishes and no direction curves down.

    Parameters
    ----------
    objective : an objective
    theta : array, shape (p,)
    gtol : float
        Longest gradient allowed.

    Returns
    -------
    float
        The gradient norm.

    Raises
    ------
    AssertionError
        When the gradient is too long or the Hessian has a non-positive eigenvalue.
    """
    grad_norm = float(np.linalg.norm(objective.grad(theta)))
    if not grad_norm <= gtol:
        raise AssertionError(
            f"The gradient norm is {grad_norm:.1e}, more than {gtol:.0e}: theta is no minimum. "
            "Continue with fit(objective, theta)."
        )
    smallest = float(np.linalg.eigvalsh(objective.hessian(theta))[0])
    if smallest <= 0:
        raise AssertionError(
            f"The Hessian has the eigenvalue {smallest:.1e}: theta is a saddle or a flat valley. "
            "Start the fit elsewhere, or raise l2."
        )
    return grad_norm


def _compare(
    what: str, f: Callable, derivative: Callable, theta: Any, rtol: float, rng: Random
) -> float:
    rng, theta = validate.generator(rng), validate.theta(theta)
    h = np.finfo(float).eps ** (1 / 3) * max(1.0, np.abs(theta).max())  # balances both errors
    errors = []
    for _ in range(5):
        v = rng.standard_normal(len(theta))
        v /= np.linalg.norm(v)
        difference = (f(theta + h * v) - f(theta - h * v)) / (2 * h)
        error = np.linalg.norm(derivative(v) - difference)
        errors.append(error / np.maximum(np.linalg.norm(difference), 1e-3))
    worst = float(np.max(errors))  # NaN if any is
    if not worst <= rtol:
        raise AssertionError(
            f"The {what} differs from central differences by {worst:.1e} (relative), more than "
            f"{rtol:.0e}: is the loss smooth, and written with autograd.numpy?"
        )
    return worst
