"""Checks that you can run on your own model before you trust its influence scores."""

from collections.abc import Callable

import numpy as np

from minfluence import seam, validate

Random = np.random.Generator | int | None


def check_gradient(
    objective: seam.Objective, theta: np.ndarray, *, rtol: float | None = None, rng: Random = None
) -> float:
    """Compare the gradient of the risk with central differences along random directions.

    Parameters
    ----------
    objective : an objective
    theta : array, shape (p,)
    rtol : float, optional
        Largest relative error allowed: by default 1e-6, and 1e-2 where the objective computes in
        float32. What rounding alone may do is not counted.
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
    theta = validate.theta(theta)
    g = objective.grad(theta)
    return _compare("gradient", objective.risk, lambda v: g @ v, theta, rtol, rng, g.dtype)


def check_hvp(
    objective: seam.Objective, theta: np.ndarray, *, rtol: float | None = None, rng: Random = None
) -> float:
    """Compare Hessian-vector products with central differences of the gradient.

    Of the objective's *own* gradient: run `check_gradient` first.

    Parameters, result and error as in `check_gradient`.
    """
    theta = validate.theta(theta)
    product, dtype = objective.hvp_at(theta), objective.grad(theta).dtype
    return _compare("Hessian-vector product", objective.grad, product, theta, rtol, rng, dtype)


def check_at_minimum(
    objective: seam.Objective, theta: np.ndarray, *, gtol: float | None = None
) -> float:
    """Check that theta is a minimum: the gradient vanishes and no direction curves down.

    Parameters
    ----------
    objective : an objective
    theta : array, shape (p,)
    gtol : float, optional
        Longest gradient allowed: by default 1e-8, and 1e-5 where the objective computes in float32.

    Returns
    -------
    float
        The gradient norm.

    Raises
    ------
    AssertionError
        When the gradient is too long or the Hessian has a non-positive eigenvalue.
    """
    g = objective.grad(theta)
    default = 1e-5 if g.dtype == np.float32 else 1e-8
    gtol = validate.number("gtol", default if gtol is None else gtol)
    grad_norm = float(np.linalg.norm(g))
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
    what: str,
    f: Callable,
    derivative: Callable,
    theta: np.ndarray,
    rtol: float | None,
    rng: Random,
    dtype: np.dtype,
) -> float:
    single, eps = dtype == np.float32, float(np.finfo(dtype).eps)
    rtol = validate.positive("rtol", (1e-2 if single else 1e-6) if rtol is None else rtol)
    rng = validate.generator(rng)
    h = eps ** (1 / 3) * max(1.0, np.abs(theta).max())  # balances both errors
    errors = []
    for _ in range(5):
        v = rng.standard_normal(len(theta))
        v /= np.linalg.norm(v)
        plus, minus = (np.asarray(f(theta + step * v), dtype=float) for step in (h, -h))
        difference = (plus - minus) / (2 * h)
        error = np.linalg.norm(derivative(v) - difference)
        rounding = 10 * eps * np.linalg.norm(plus) / h  # what the difference may be off by itself
        errors.append(error / max(np.linalg.norm(difference), 1e-3, rounding / rtol))
    worst = float(np.max(errors))  # NaN if any is
    if not worst <= rtol:
        raise AssertionError(
            f"The {what} differs from central differences by {worst:.1e} (relative), more than "
            f"{rtol:.0e}: is the loss smooth, and written with autograd.numpy?"
        )
    return worst
