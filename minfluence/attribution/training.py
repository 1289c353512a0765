"""Training many small networks at once, as the ground truth of a comparison needs."""

import autograd.numpy as np
import numpy as onp
from autograd import grad

from minfluence import validate
from minfluence.attribution.mlp import MLP

STEP_SIZE = 0.02  # of Adam, at the start; it falls to 0 like a quarter of a cosine


def train(
    network: MLP,
    starts: onp.ndarray,
    X: onp.ndarray,
    y: onp.ndarray,
    l2: float,
    *,
    steps: int = 300,
    checkpoints: int = 1,
) -> tuple[onp.ndarray, onp.ndarray]:
    """Train by Adam on all examples at once; stacked networks train side by side.

    Parameters
    ----------
    network : MLP
    starts : array, shape (..., p)
    X : array, shape (..., n, d)
    y : array of int, shape (..., n)
    l2 : float
    steps : int
    checkpoints : int
        Parameters to return, at equal distances; the last are those at the end.

    Returns
    -------
    thetas : array, shape (checkpoints, ..., p)
    step_sizes : array, shape (checkpoints,)
        Sum of the step sizes of the part of training that ends in each checkpoint.

    References
    ----------
    Kingma & Ba (2015).
    """

    def risks(thetas: onp.ndarray) -> onp.ndarray:
        losses = np.mean(network(thetas, X, y), axis=-1)
        return np.sum(losses) + 0.5 * l2 * np.sum(thetas**2)  # networks do not see one another

    starts, X, y = _matching(network, starts, X, y)
    l2 = validate.number("l2", l2)
    steps = validate.count("steps", steps)
    checkpoints = validate.count("checkpoints", checkpoints, most=steps)
    sizes = STEP_SIZE * onp.cos(0.5 * onp.pi * onp.arange(steps) / steps)
    ends = onp.linspace(0, steps, checkpoints + 1).astype(int)
    theta, mean, square, path = starts, 0.0, 0.0, []
    for t, size in enumerate(sizes, start=1):
        g = grad(risks)(theta)
        mean, square = 0.9 * mean + 0.1 * g, 0.99 * square + 0.01 * g**2
        theta = theta - size * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.99**t)) + 1e-8)
        if t in ends:
            path.append(theta)
    return onp.stack(path), onp.add.reduceat(sizes, ends[:-1])


def _matching(
    network: MLP, starts: onp.ndarray, X: onp.ndarray, y: onp.ndarray
) -> tuple[onp.ndarray, onp.ndarray, onp.ndarray]:
    """Starts (..., p), inputs (..., n, d) and labels (..., n) that belong together."""
    starts = validate.finite("starts", starts)
    X, y = validate.finite("X", X), validate.finite("y", y)
    p = network.n_parameters(X.shape[-1]) if X.ndim > 1 else "p"
    stacks = {starts.shape[:-1], X.shape[:-2], y.shape[:-1]} - {()}
    if starts.shape[-1:] != (p,) or y.shape[-1:] != X.shape[-2:-1] or len(stacks) > 1:
        raise ValueError(
            f"Expected starts of shape (..., {p}), X (..., n, d) and y (..., n), one row and one "
            f"label for each example, got shapes {starts.shape}, {X.shape} and {y.shape}."
        )
    network.check_labels(y.ravel(), training=True)
    return validate.floating("starts", starts), X, y
