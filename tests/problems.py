"""Tiny problems that the tests share: every model, both objectives, and a network."""

from dataclasses import dataclass
from functools import cache, partial

import autograd.numpy as anp
import numpy as np
import pytest

from minfluence import LinearObjective, Objective, fit, models

LOSSES = {
    "squared": models.squared,
    "logistic": models.logistic,
    "smooth_hinge": models.smooth_hinge(0.5),
    "softmax": models.softmax(3),
}
CLASSES = {"Objective": Objective, "LinearObjective": LinearObjective}


@dataclass(frozen=True)
class Problem:
    """An objective, its minimiser, some other parameters, and test points."""

    objective: object
    theta_hat: np.ndarray
    theta: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    @property
    def losses(self):
        """The model, whichever name the objective gives it."""
        return loss_of(self.objective)


def loss_of(objective):
    """The per-example loss of either objective."""
    return objective.loss if isinstance(objective, LinearObjective) else objective.losses


def make_examples(name, n=40, d=4, seed=0):
    """Noisy examples of a linear model, so that no class can be separated."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    if name == "squared":
        return X, X @ rng.standard_normal(d) + 0.5 * rng.standard_normal(n)
    if name != "softmax":
        return X, np.where(X @ rng.standard_normal(d) + rng.logistic(size=n) > 0, 1, -1)
    y = np.argmax(X @ rng.standard_normal((d, 3)) + rng.gumbel(size=(n, 3)), axis=1)
    y[:3] = range(3)  # every class occurs
    return X, y


def make_objective(kind, name, *, n=40, d=4, l2=0.05, seed=0, **options):
    """Build one of the eight objectives, on examples of its own."""
    return CLASSES[kind](LOSSES[name], *make_examples(name, n, d, seed), l2=l2, **options)


OBJECTIVES = [
    pytest.param(partial(make_objective, kind, name), id=f"{kind}-{name}")
    for kind in CLASSES
    for name in LOSSES
]
LINEAR = [
    pytest.param(partial(make_objective, "LinearObjective", name), id=name) for name in LOSSES
]


def network_losses(theta, X, y):
    """A reader's own model: 2 inputs, 4 tanh units, 1 logit; labels -1 or +1."""
    W, b, v, c = theta[:8].reshape(2, 4), theta[8:12], theta[12:16], theta[16]
    return anp.logaddexp(0.0, -y * (anp.tanh(anp.dot(X, W) + b) @ v + c))


def network_examples(n=40, seed=0):
    """Two noisy classes that no line separates: inside and outside a ring."""
    rng = np.random.default_rng(seed)
    X = 1.5 * rng.standard_normal((n, 2))
    return X, np.where((X**2).sum(axis=1) + 0.5 * rng.standard_normal(n) > 2.5, 1, -1)


CONVEX = [f"{kind}-{name}" for kind in CLASSES for name in LOSSES]
PROBLEMS = [*CONVEX, "Objective-network"]


@cache  # objectives are never changed, so the tests may share them
def make_problem(key):
    """Fit one of `PROBLEMS`, and set test points beside it."""
    kind, name = key.split("-")
    if name == "network":
        objective = Objective(network_losses, *network_examples(), l2=0.01)
        start = np.random.default_rng(0).standard_normal(17)
        X_test, y_test = network_examples(3, seed=1)
    else:
        objective, start = make_objective(kind, name), None
        X_test, y_test = make_examples(name, 3, seed=1)
    theta_hat = fit(objective, start, gtol=1e-13).theta
    theta = theta_hat + 0.3 * np.random.default_rng(2).standard_normal(theta_hat.size)
    return Problem(objective, theta_hat, theta, X_test, y_test)


def central_difference(f, x, h=1e-5):
    """Derivative of f along every coordinate of x, on the last axes: error about 1e-10."""
    x = np.asarray(x, dtype=float)
    slopes = []
    for k in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[k] = h
        slopes.append((np.asarray(f(x + step)) - np.asarray(f(x - step))) / (2 * h))
    return np.stack(slopes, axis=-1).reshape(*np.shape(slopes[0]), *x.shape)
