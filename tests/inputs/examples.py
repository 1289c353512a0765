"""Data that the parts share, and the numbers to compare with: loops over examples, dense algebra.

Nothing here is computed by the package but the minimisers, and these are checked by its tests.
"""

import atexit
import shutil
import tempfile
from pathlib import Path

import autograd.numpy as anp
import numpy as np
import torch

from minfluence import AutogradObjective, Influence, LinearObjective, TorchObjective, fit, models

FOLDER = Path(tempfile.mkdtemp(prefix="inputs-"))  # nothing outside of it is written
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


def new_folder():
    """A path that no other case uses, and where nothing is yet."""
    new_folder.made = getattr(new_folder, "made", 0) + 1
    return FOLDER / f"folder{new_folder.made}"


RNG = np.random.default_rng(7)
X = RNG.standard_normal((30, 3))
Y = np.where(X @ [1.0, -1.0, 0.5] + RNG.standard_normal(30) > 0, 1.0, -1.0)
X_TEST = RNG.standard_normal((4, 3))
Y_TEST = np.array([1.0, -1.0, 1.0, -1.0])
Y_REAL = X @ [1.0, 2.0, 3.0] + 0.1 * RNG.standard_normal(30)
Y_COUNT = np.arange(30) % 4
Y_CLASS = np.arange(30) % 3
Y_BINARY = (Y > 0).astype(int)
Y_TEST_BINARY = (Y_TEST > 0).astype(int)


# Models of a reader's own -------------------------------------------------------------------------


def own_logistic(theta, X, y):
    return anp.log(1 + anp.exp(-y * anp.dot(X, theta)))


def torch_logistic(theta, X, y):
    return torch.nn.functional.softplus(-y * (X @ theta))


def linear(X, y, l2=0.1, **options):
    return LinearObjective(models.logistic, X, y, l2, **options)


def own(X, y, l2=0.1, **options):
    return AutogradObjective(own_logistic, X, y, l2, p=3, **options)


def in_torch(X, y, l2=0.1, **options):
    return TorchObjective(torch_logistic, X, y, l2, p=3, **options)


MAKERS = {"Linear": linear, "Autograd": own, "Torch": in_torch}
LOGISTIC = linear(X, Y)
THETA = fit(LOGISTIC).theta
SQUARED = LinearObjective(models.squared, X, Y_REAL, 0.1)
THETA_SQUARED = fit(SQUARED).theta
for shared in (X, Y, X_TEST, Y_TEST, Y_REAL, THETA, THETA_SQUARED):
    shared.setflags(write=False)  # cases that write make a copy


def up_loss(objective, theta=THETA, **options):
    """What most cases ask for."""
    return Influence(objective, theta, **options).up_loss(X_TEST, Y_TEST)


# The same by hand ---------------------------------------------------------------------------------


def softmax_by_hand(x, y, theta, n_classes):
    """Loss, gradient and Hessian of one example."""
    scores = x @ theta.reshape(len(x), n_classes)
    e = np.exp(scores - scores.max())
    q = e / e.sum()
    residual = q - np.eye(n_classes)[int(y)]
    H = np.einsum("i,ab,j->iajb", x, np.diag(q) - np.outer(q, q), x)
    return -np.log(q[int(y)]), np.outer(x, residual).ravel(), H.reshape(theta.size, theta.size)


def logistic_slopes(s, y):
    """Loss, slope and curvature of log(1 + e^-m), also where e^-m is far below rounding."""
    m = y * s
    small = np.exp(-abs(m))  # nothing is subtracted from 1 below
    q = (small if m > 0 else 1.0) / (1 + small)  # 1 / (1 + e^m)
    return np.log1p(small) + max(-m, 0.0), -y * q, small / (1 + small) ** 2


SLOPES = {  # loss, slope and curvature in the score s
    "logistic": logistic_slopes,
    "squared": lambda s, y: (0.5 * (s - y) ** 2, s - y, 1.0),
    "poisson": lambda s, y: (np.exp(s) - y * s, np.exp(s) - y, np.exp(s)),
}


def by_hand(model, X, y, theta, n_classes=1):
    """Losses (n,), gradients (n, p) and Hessians (n, p, p), one example after another."""
    rows = []
    for x, label in zip(np.asarray(X, dtype=float), np.asarray(y), strict=True):
        if model == "softmax":
            rows.append(softmax_by_hand(x, label, theta, n_classes))
        else:
            loss, slope, curvature = SLOPES[model](x @ theta, float(label))
            rows.append((loss, slope * x, curvature * np.outer(x, x)))
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def up_loss_by_hand(
    model="logistic",
    X=X,
    y=Y,
    theta=THETA,
    l2=0.1,
    X_test=X_TEST,
    y_test=Y_TEST,
    *,
    n_classes=1,
    weights=None,
    fold_l2=True,
    inverse=np.linalg.inv,
):
    """KL (2) for every pair: -grad L(z_test) . H^-1 . grad L(z_i).  -> (m, n)."""
    weights = np.full(len(y), 1 / len(y)) if weights is None else weights
    _, G, H = by_hand(model, X, y, theta, n_classes)
    penalty = np.broadcast_to(l2, theta.shape)
    total = np.einsum("n,nij->ij", weights, H) + np.diag(
        penalty * (weights.sum() if fold_l2 else 1)
    )
    _, G_test, _ = by_hand(model, X_test, y_test, theta, n_classes)
    return -G_test @ inverse(total) @ (G + (penalty * theta if fold_l2 else 0)).T


def ridge_by_hand(X, y, l2, weights=None):
    """Minimiser of the mean of 1/2 (x . theta - y)^2 + l2/2 |theta|^2."""
    X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
    weights = np.full(len(y), 1 / len(y)) if weights is None else weights
    A = (X.T * weights) @ X + weights.sum() * np.diag(np.broadcast_to(l2, X.shape[1]))
    return np.linalg.solve(A, (X.T * weights) @ y)


def ridge_change_by_hand(X, y, l2, i, X_test, y_test):
    """Change of the test losses when example i leaves, by two exact fits."""
    weights = np.full(len(y), 1 / len(y))
    weights[i] = 0.0
    without, now = ridge_by_hand(X, y, l2, weights), ridge_by_hand(X, y, l2)
    return 0.5 * (X_test @ without - y_test) ** 2 - 0.5 * (X_test @ now - y_test) ** 2


UP_LOSS = up_loss_by_hand()
HESSIAN = np.einsum("nij->ij", by_hand("logistic", X, Y, THETA)[2]) / 30 + 0.1 * np.eye(3)
GRADS = by_hand("logistic", X, Y, THETA)[1] + 0.1 * THETA
