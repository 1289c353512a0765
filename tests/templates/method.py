"""Skeleton of an attribution method; goes into a file of its own in ``minfluence/attribution/``."""

import numpy as np

from minfluence.influence import up_loss


def gradient_cosine(objective, theta, X_test, y_test):
    """Minus the cosine between the gradients of a test and of a training example.

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
        With the sign of ``up_loss``: negative where more of an example means less test loss.
    """
    G = objective.example_grads(theta, np.arange(objective.n))
    T = objective.test_grads(theta, X_test, y_test)
    sizes = np.outer(np.linalg.norm(T, axis=1), np.linalg.norm(G, axis=1))
    return up_loss(objective, theta, T) / np.where(sizes > 0, sizes, 1.0)
