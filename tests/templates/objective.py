"""Skeleton of an objective; goes into a file of its own in ``minfluence/objectives/``."""

import numpy as np

from minfluence import validate
from minfluence.objectives.base import ArrayObjective


def exponential(theta, X, y):
    """AdaBoost's loss, exp(-y x . theta); labels are -1 or +1.  (d,), (n, d), (n,) -> (n,)."""
    return np.exp(-y * (X @ theta))


class ExponentialObjective(ArrayObjective):
    """Penalised, weighted mean of the exponential loss, with its derivatives by hand.

    `ArrayObjective` makes all other verbs of these five; where one of them can be had faster,
    write it here too.
    """

    def __init__(self, X, y, l2=0.0):
        super().__init__(exponential, X, y, l2, p=np.shape(X)[1])

    def _loss_values(self, theta, X, y):
        return exponential(theta, X, y)

    def _loss_grads(self, theta, X, y):
        return -(y * exponential(theta, X, y))[:, None] * X

    def _input_grads(self, theta, v, X, y):
        of_one = exponential(theta, X, y)[:, None]  # grad L . v = -y exp(-y x . theta) x . v
        return of_one * ((X @ v)[:, None] * theta - y[:, None] * v)

    def hvp_at(self, theta):
        theta = self._theta(theta)
        curvature = self.weights * exponential(theta, self.X, self.y)

        def product(V):
            V = validate.columns(V, self.p)
            return (self.X.T * curvature) @ (self.X @ V) + self.penalty * V

        return product

    def gnvp_at(self, theta):
        return self.hvp_at(theta)  # the scores are linear in theta
