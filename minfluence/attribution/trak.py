"""TRAK: linearise the network, project its gradients at random, solve a logistic regression."""

from collections.abc import Sequence

import numpy as np

from minfluence import seam, validate


def trak(
    objective: seam.Objective,
    thetas: Sequence[np.ndarray],
    X_test: np.ndarray,
    y_test: np.ndarray,
    *,
    width: int,
    damping: float = 0.0,
    rng: np.random.Generator | int | None = None,
) -> np.ndarray:
    """Score by TRAK, averaged over several trained models.

    For a classifier, ``L = log(1 + exp(-f))`` with the log-odds f of the right class, so with
    ``q = 1 - exp(-L)``, the probability of all others, ``∇L = -q ∇f``. The model is replaced by
    logistic regression on the features ``φ = Pᵀ ∇f``, P random of shape (p, width), with influence

        up_loss  =  -q_test φ_testᵀ (1/n Σ φ_i φ_iᵀ + damping I)⁻¹ φ_i q_i

    except that TRAK leaves out the weights q (1 - q) of the Hessian of logistic regression.

    Parameters
    ----------
    objective : an objective
        Of a loss that is minus the log of a probability.
    thetas : sequence of arrays, shape (p,)
        Independently trained models.
    X_test : array, shape (m, ...)
    y_test : array, shape (m,)
    width : int
        Columns of P, smaller than n unless damped.
    damping : float
    rng : numpy.random.Generator or seed, optional
        Draws P, one for each model; a fixed seed by default.

    Returns
    -------
    array, shape (m, n)

    Notes
    -----
    Cost: n + m for each model, and its training. Gradients need only be stored as their `width`
    projections.

    References
    ----------
    Park, Georgiev, Ilyas, Leclerc & Madry (2023).
    """
    rng, damping = validate.generator(rng), validate.number("damping", damping)
    n, width = objective.n, validate.count("width", width)
    kernels, slopes, test_slopes = [], [], []
    if damping == 0 and width >= n:
        raise ValueError(f"width must be smaller than n = {n} without damping, got {width}.")
    for theta in thetas:
        P = rng.standard_normal((theta.size, width)) / np.sqrt(width)
        phi, q = _features(objective, theta, P, *objective.examples(np.arange(n)))
        phi_test, q_test = _features(objective, theta, P, X_test, y_test)
        C = phi.T @ phi / n + damping * np.eye(width)
        kernels.append(phi_test @ np.linalg.solve(C, phi.T))
        slopes.append(q)
        test_slopes.append(q_test)
    q, q_test = np.mean(slopes, axis=0), np.mean(test_slopes, axis=0)
    return -q_test[:, None] * np.mean(kernels, axis=0) * q


def _features(
    objective: seam.Objective, theta: np.ndarray, P: np.ndarray, X: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Projected gradients of the log-odds, and the probability of all other classes."""
    q = -np.expm1(-objective.test_losses(theta, X, y))
    return -(objective.test_grads(theta, X, y) @ P) / q[:, None], q
