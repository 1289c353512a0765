"""Per-example losses: a model is one function ``losses(theta, X, y) -> (n,)``.

The losses here see theta only through the scores ``S = X @ Theta``, where `Theta` is theta laid
out as a (d, c) matrix: one column per score.  Each therefore also knows its first and second
derivative with respect to the scores, which is all that `LinearObjective` needs.

Scores come as (n, c), or as (n, c, k) when k parameter vectors are evaluated side by side.
"""

from collections.abc import Callable
from dataclasses import dataclass

import autograd.numpy as np
import numpy as onp  # the original NumPy, for what is never differentiated


@dataclass(frozen=True)
class LinearLoss:
    """A loss of the scores ``X @ Theta``, with its derivatives in the scores.

    Calling it, ``loss(theta, X, y)``, makes it a per-example loss like any other.

    Attributes
    ----------
    name : str
    n_outputs : int
        Scores per example, `c`.
    value : callable ``(S, y) -> (n, ...)``
        The loss of every example.
    slope : callable ``(S, y) -> (n, c, ...)``
        Its gradient in the scores.
    curvature : callable ``(S, y, T) -> like T``
        Its Hessian in the scores, at the scores `S` (n, c), times `T` (n, c, k).
    check_labels : callable ``(y, training) -> None``
        Raises `ValueError` when the labels are not the ones this loss expects.
    """

    name: str
    n_outputs: int
    value: Callable
    slope: Callable
    curvature: Callable
    check_labels: Callable

    def __call__(self, theta, X, y):
        """Loss of every example.  (d * c,), (n, d), (n,) -> (n,)."""
        return self.value(X @ theta.reshape(X.shape[1], self.n_outputs), y)

    def n_parameters(self, n_features):
        """Length of theta for inputs of `n_features` values."""
        return n_features * self.n_outputs


def _column(y, S):
    """Labels (n,) with the axes and the precision of the scores, so that they broadcast."""
    return y.reshape(-1, *[1] * (S.ndim - 1)).astype(S.dtype)


def _any_number(y, training):
    pass


# Squared loss: 1/2 (s - y)^2 -------------------------------------------------------------------


def _squared_value(S, y):
    return 0.5 * (S - _column(y, S))[:, 0] ** 2


def _squared_slope(S, y):
    return S - _column(y, S)


def _squared_curvature(S, y, T):
    return onp.broadcast_to(T, (len(S), *T.shape[1:]))


squared = LinearLoss("squared", 1, _squared_value, _squared_slope, _squared_curvature, _any_number)


# Logistic loss: log(1 + exp(-y s)) -------------------------------------------------------------


def _sigmoid(t):
    return 0.5 * (1.0 + onp.tanh(0.5 * t))  # no overflow for any t


def _logistic_value(S, y):
    return np.logaddexp(0.0, -_column(y, S) * S)[:, 0]


def _logistic_slope(S, y):
    y = _column(y, S)
    return -y * _sigmoid(-y * S)


def _logistic_curvature(S, y, T):
    p = _sigmoid(S)[:, :, None]
    return p * (1.0 - p) * T


def _plus_minus_one(y, training):
    if not onp.isin(y, (-1, 1)).all():
        raise ValueError(
            f"The logistic loss expects labels -1 and +1, got {_some(y)}: "
            "map 0/1 labels with y = 2 * y - 1."
        )


logistic = LinearLoss(
    "logistic", 1, _logistic_value, _logistic_slope, _logistic_curvature, _plus_minus_one
)


# Softmax loss: log(sum_c exp(s_c)) - s_y -------------------------------------------------------


def _softmax(S):
    E = onp.exp(S - S.max(axis=1, keepdims=True))
    E /= E.sum(axis=1, keepdims=True)
    return E


def _softmax_value(S, y):
    top = S.max(axis=1)
    log_sum = top + np.log(np.exp(S - top[:, None]).sum(axis=1))
    return log_sum - S[onp.arange(len(S)), y.astype(int)]


def _softmax_slope(S, y):
    P = _softmax(S)
    P[onp.arange(len(S)), y.astype(int)] -= 1.0
    return P


def _softmax_curvature(S, y, T):
    P = _softmax(S)[:, :, None]
    PT = P * T
    PT -= P * PT.sum(axis=1, keepdims=True)  # (diag(p) - p pᵀ) T
    return PT


def softmax(n_classes):
    """Softmax (multinomial logistic) loss for labels 0 .. n_classes - 1.

    Parameters
    ----------
    n_classes : int
        Every class has its own score: theta holds a (d, n_classes) matrix, flattened by rows.

    Returns
    -------
    LinearLoss
    """
    if n_classes < 2:
        raise ValueError(f"Softmax expects at least 2 classes, got n_classes={n_classes}.")

    def check_labels(y, training):
        classes = onp.unique(y)
        if not onp.isin(classes, onp.arange(n_classes)).all():
            raise ValueError(
                f"softmax({n_classes}) expects labels 0 .. {n_classes - 1}, got {_some(y)}: "
                "relabel them, or pass the right n_classes."
            )
        if training and len(classes) < n_classes:
            missing = sorted(set(range(n_classes)) - set(classes.astype(int)))
            raise ValueError(
                f"softmax({n_classes}) expects every class among the training labels, but "
                f"{missing} never occurs: relabel the classes 0 .. {len(classes) - 1} without "
                f"gaps and use softmax({len(classes)})."
            )

    return LinearLoss(
        "softmax", n_classes, _softmax_value, _softmax_slope, _softmax_curvature, check_labels
    )


def _some(y, at_most=5):
    """A few of the distinct labels, for an error message."""
    values = onp.unique(y)
    shown = ", ".join(f"{v:g}" for v in values[:at_most])
    return shown + (", ..." if len(values) > at_most else "")
