"""Gradients alone: their inner product, at the end of training or summed along the way."""

from collections.abc import Sequence

import numpy as np

from minfluence import seam, validate
from minfluence.influence import up_loss


def gradient_dot(
    objective: seam.Objective, theta: np.ndarray, X_test: np.ndarray, y_test: np.ndarray
) -> np.ndarray:
    """Influence with the identity in place of the Hessian: ``-∇L(z_test)ᵀ ∇L(z_i)``.

    What one step of gradient descent on z_i would do to the test loss, per unit of step size.
    Cost: n + m.

    Parameters
    ----------
    objective : an objective
    theta : array, shape (p,)
    X_test : array, shape (m, ...)
    y_test : array, shape (m,)

    Returns
    -------
    array, shape (m, n)
    """
    return up_loss(objective, theta, objective.test_grads(theta, X_test, y_test))


def tracin(
    objective: seam.Objective,
    thetas: Sequence[np.ndarray],
    step_sizes: Sequence[float],
    X_test: np.ndarray,
    y_test: np.ndarray,
) -> np.ndarray:
    """TracIn: gradient dot products summed over checkpoints, times the step taken from each.

    With gradient descent on the whole training set and every step a checkpoint, this is the first
    order of what extra weight on z_i does in each step, when later steps are taken to pass it on
    unchanged. Cost: (n + m) for each checkpoint.

    Parameters
    ----------
    objective : an objective
    thetas : sequence of arrays, shape (p,)
        Checkpoints.
    step_sizes : sequence of float
        Of each: the sum of the step sizes of that part of training for which it stands.
    X_test : array, shape (m, ...)
    y_test : array, shape (m,)

    Returns
    -------
    array, shape (m, n)
        Change of the test loss per unit of extra weight on each example, like `up_loss`.

    References
    ----------
    Pruthi, Liu, Kale & Sundararajan (2020), "TracInCP".
    """
    thetas = list(thetas)
    if not thetas:
        raise ValueError("Expected at least one checkpoint, got none.")
    sizes = validate.array("step_sizes", step_sizes, ("k",), dtype=float)
    if len(thetas) != len(sizes):
        raise ValueError(
            "Expected one step size for each checkpoint, the sum of those of the part of training "
            f"that ends there, got {len(sizes)} for {len(thetas)}."
        )
    scores = [
        size * gradient_dot(objective, theta, X_test, y_test)
        for size, theta in zip(sizes, thetas, strict=True)
    ]
    return np.sum(scores, axis=0)
