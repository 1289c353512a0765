"""Tiny problems that the tests share: every model, every objective, and a network."""

import importlib.util
from dataclasses import dataclass, replace
from functools import cache, partial

import autograd.numpy as anp
import numpy as np
import pytest
from templates.objective import ExponentialObjective, exponential

from minfluence import AutogradObjective, LinearObjective, ShardedObjective, fit, lissa, models

LOSSES = {
    "squared": models.squared,
    "logistic": models.logistic,
    "smooth_hinge": models.smooth_hinge(0.5),
    "softmax": models.softmax(3),
    "huber": models.huber(0.5),
    "poisson": models.poisson,
    "squared_hinge": models.squared_hinge,
    "centered_softmax": models.centered_softmax(3),
}
CLASSES = {"AutogradObjective": AutogradObjective, "LinearObjective": LinearObjective}
HAS_TORCH = importlib.util.find_spec("torch") is not None


@dataclass(frozen=True)
class Problem:
    """An objective, its minimiser, some other parameters, and test points."""

    objective: object
    theta_hat: np.ndarray
    theta: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    losses: object  # the model, in NumPy


def make_examples(name, n=40, d=4, seed=0):
    """Noisy examples of a linear model, so that no class can be separated."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    if name in ("squared", "huber"):
        return X, X @ rng.standard_normal(d) + 0.5 * rng.standard_normal(n)
    if name == "poisson":
        return X, rng.poisson(np.exp(0.3 * X @ rng.standard_normal(d)))
    if "softmax" not in name:
        return X, np.where(X @ rng.standard_normal(d) + rng.logistic(size=n) > 0, 1, -1)
    y = np.argmax(X @ rng.standard_normal((d, 3)) + rng.gumbel(size=(n, 3)), axis=1)
    y[:3] = range(3)  # every class occurs
    return X, y


def make_objective(kind, name, *, n=40, d=4, l2=0.05, seed=0, **options):
    """Build an objective, on examples of its own."""
    if kind == "TorchObjective":
        return make_torch_objective(name, *make_examples(name, n, d, seed), l2=l2, **options)
    return CLASSES[kind](LOSSES[name], *make_examples(name, n, d, seed), l2=l2, **options)


OBJECTIVES = [
    pytest.param(partial(make_objective, kind, name), id=f"{kind}-{name}")
    for kind in CLASSES
    for name in LOSSES
]
SOLVERS = {"direct": "direct", "cg": "cg", "lissa": partial(lissa, depth=100, repeats=2)}
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


def make_torch_objective(name, X, y, **options):
    """The same models in torch, a few examples at a time."""
    import torch
    from torch.nn import functional as F

    from minfluence.objectives.torch import TorchObjective

    def margin(S, y):
        return y * S[:, 0]

    values = {
        "squared": lambda S, y: 0.5 * (S[:, 0] - y) ** 2,
        "huber": lambda S, y: F.huber_loss(S[:, 0], y, reduction="none", delta=0.5),
        "poisson": lambda S, y: F.poisson_nll_loss(S[:, 0], y, reduction="none"),
        "squared_hinge": lambda S, y: F.relu(1 - margin(S, y)) ** 2,
        "logistic": lambda S, y: F.softplus(-margin(S, y)),
        "network": lambda S, y: F.softplus(-margin(S, y)),
        "smooth_hinge": lambda S, y: 0.5 * F.softplus((1 - margin(S, y)) / 0.5),
        "softmax": lambda S, y: F.cross_entropy(S, y, reduction="none"),
        "centered_softmax": lambda S, y: F.cross_entropy(
            S @ torch.tensor(models.contrasts(3).T, dtype=S.dtype), y, reduction="none"
        ),
    }

    class Losses:
        value = staticmethod(values[name])

        def __call__(self, theta, X, y):
            return self.value(self.scores(theta, X), y)

        def scores(self, theta, X):
            if name != "network":
                return X @ theta.reshape(X.shape[1], -1)
            W, b, v, c = theta[:8].reshape(2, 4), theta[8:12], theta[12:16], theta[16]
            return (torch.tanh(X @ W + b) @ v + c)[:, None]

    p = 17 if name == "network" else LOSSES[name].n_parameters(X.shape[1])
    rows = 24 if name == "network" else 13  # several batches, few where there is much to trace
    return TorchObjective(Losses(), X, y, p=p, **{"batch_size": rows} | options)


CONVEX = [f"{kind}-{name}" for kind in CLASSES for name in LOSSES]
TORCH = [f"TorchObjective-{name}" for name in (*LOSSES, "network")] if HAS_TORCH else []
PROBLEMS = [*CONVEX, "AutogradObjective-network", *TORCH]
SHARDED = ["ShardedObjective-softmax", "ShardedObjective-logistic"]
SEAM = [*PROBLEMS, *SHARDED, "ExponentialObjective-exponential"]  # the last is a reader's own


@cache  # objectives are never changed, so the tests may share them
def make_problem(key):
    """Fit one of `SEAM`, and set test points beside it."""
    kind, name = key.split("-")
    if name == "exponential":
        objective, start = ExponentialObjective(*make_examples("logistic"), l2=0.05), None
        X_test, y_test = make_examples("logistic", 3, seed=1)
    elif kind == "ShardedObjective":
        whole = make_problem(f"LinearObjective-{name}")
        o = whole.objective
        parts = [o.on(o.X[part], o.y[part]) for part in (slice(13), slice(13, None))]
        return replace(whole, objective=ShardedObjective(parts))
    elif name == "network":
        make = make_torch_objective if kind == "TorchObjective" else AutogradObjective
        model = "network" if kind == "TorchObjective" else network_losses
        objective = make(model, *network_examples(), l2=0.01)
        start = np.random.default_rng(0).standard_normal(17)
        X_test, y_test = network_examples(3, seed=1)
    else:
        objective, start = make_objective(kind, name), None
        X_test, y_test = make_examples(name, 3, seed=1)
    theta_hat = fit(objective, start, gtol=1e-13).theta
    theta = theta_hat + 0.3 * np.random.default_rng(2).standard_normal(theta_hat.size)
    losses = {"network": network_losses, "exponential": exponential, **LOSSES}[name]
    return Problem(objective, theta_hat, theta, X_test, y_test, losses)


def central_difference(f, x, h=1e-5):
    """Derivative of f along every coordinate of x, on the last axes: error about 1e-10."""
    x = np.asarray(x, dtype=float)
    slopes = []
    for k in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[k] = h
        slopes.append((np.asarray(f(x + step)) - np.asarray(f(x - step))) / (2 * h))
    return np.stack(slopes, axis=-1).reshape(*np.shape(slopes[0]), *x.shape)
