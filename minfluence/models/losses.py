"""Losses that see theta only through the scores ``S = X @ Theta``.

`Theta` is theta laid out as a (d, c) matrix, one column per score.  Each loss knows its value, its
slope and its curvature in the scores, which is all that `LinearObjective` needs; and it is a
per-example loss like any other when it is called, ``loss(theta, X, y)``.

Scores come as (n, c), or as (n, c, k) when k parameter vectors are evaluated side by side.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import autograd.numpy as np
import numpy as onp  # the original NumPy, for what is never differentiated
from numpy import ndarray
from scipy.linalg import helmert
from scipy.special import expit

from minfluence import validate


@dataclass(frozen=True)
class LinearLoss(ABC):
    """What losses of the scores share; each adds `value`, `slope` and `curvature`.

    Attributes
    ----------
    n_outputs : int
        Scores per example, `c`.
    shift_invariant : bool
        Whether a constant added to all scores of an example leaves its loss as it was.
    """

    shift_invariant: ClassVar[bool] = False

    @property
    def n_outputs(self) -> int:
        """Scores per example: one, unless the loss is of several classes."""
        return 1

    def __call__(self, theta: ndarray, X: ndarray, y: ndarray) -> ndarray:
        """Loss of every example.  (d * c,), (n, d), (n,) -> (n,)."""
        return self.value(self.scores(theta, X), y)

    def scores(self, theta: ndarray, X: ndarray) -> ndarray:
        """Scores of every example.  (d * c,), (n, d) -> (n, c)."""
        return X @ theta.reshape(X.shape[1], self.n_outputs)

    def n_parameters(self, n_features: int) -> int:
        """Length of theta for inputs of `n_features` values."""
        return n_features * self.n_outputs

    @abstractmethod
    def value(self, S: ndarray, y: ndarray) -> ndarray:
        """The loss of every example.  (n, c, ...), (n,) -> (n, ...)."""

    @abstractmethod
    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        """Its gradient in the scores.  (n, c, ...), (n,) -> (n, c, ...)."""

    @abstractmethod
    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        """What its Hessian in the scores depends on; for one score, the second derivative itself.

        (n, c), (n,) -> (n, c)
        """

    def times(self, Q: ndarray, T: ndarray) -> ndarray:
        """The Hessian in the scores, given the curvature, times T.  (n, c), (n, c, k) -> like T."""
        return Q[:, :, None] * T

    def check_labels(self, y: ndarray, training: bool) -> None:
        """Refuse labels that are not the ones this loss expects; here any number will do."""


def _hot(label: ndarray, S: ndarray) -> ndarray:
    """True where a score is that of the label.  (n, ...), (n, c, ...) -> (n, c, ...)."""
    classes = onp.arange(S.shape[1]).reshape(-1, *[1] * (S.ndim - 2))
    return classes == label[:, None]


def column(y: ndarray, S: ndarray) -> ndarray:
    """Labels (n,) with the axes and the precision of the scores, so that they broadcast."""
    return y.reshape(-1, *[1] * (S.ndim - 1)).astype(S.dtype)


# Numbers as labels --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Squared(LinearLoss):
    """Squared loss, ``(s - y)**2 / 2``."""

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        return 0.5 * (S - column(y, S))[:, 0] ** 2

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        return S - column(y, S)

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        return onp.ones_like(S)


@dataclass(frozen=True)
class Huber(LinearLoss):
    """Huber loss: squared for residuals up to `delta`, a straight line beyond.

    With r = s - y it is ``r**2 / 2`` up to `delta` and ``delta * (abs(r) - delta / 2)`` beyond.

    Its slope is at most `delta`, however wrong a label is. Its second derivative is 1 up to `delta`
    and 0 beyond: an example far off pushes, but it does not resist.

    Attributes
    ----------
    delta : float
        In the units of the labels, greater than 0; ``squared`` is the limit of a large one.

    References
    ----------
    Huber (1964).
    """

    delta: float

    def __post_init__(self) -> None:
        validate.positive("delta", self.delta, "use squared for no limit")

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        r = (S - column(y, S))[:, 0]
        inside = np.clip(r, -self.delta, self.delta)
        return inside * r - 0.5 * inside**2

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        return onp.clip(S - column(y, S), -self.delta, self.delta)

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        return (onp.abs(S - column(y, S)) <= self.delta).astype(S.dtype)


@dataclass(frozen=True)
class Poisson(LinearLoss):
    """Poisson loss of counts with mean exp(s), ``exp(s) - y s``.

    Minus the log-likelihood, up to log(y!), which theta does not see.
    """

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        return (np.exp(S) - column(y, S) * S)[:, 0]

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        return onp.exp(S) - column(y, S)

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        return onp.exp(S)

    def check_labels(self, y: ndarray, training: bool) -> None:
        if (y < 0).any():
            raise ValueError(
                f"{self} expects counts or rates of at least 0, got {y.min():g}: "
                "use squared or huber for labels of either sign."
            )


# Labels -1 and +1 ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class MarginLoss(LinearLoss):
    """A loss of the margin y s, for labels -1 and +1."""

    def check_labels(self, y: ndarray, training: bool) -> None:
        remedy = "map 0/1 labels with y = 2 * y - 1"
        validate.labels(y, (-1, 1), f"{self} expects labels -1 and +1", remedy)


@dataclass(frozen=True)
class Logistic(MarginLoss):
    """Logistic loss, ``log(1 + exp(-y s))``."""

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        return np.logaddexp(0.0, -column(y, S) * S)[:, 0]

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        y = column(y, S)
        return -y * expit(-y * S)

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        return expit(S) * expit(-S)  # not p (1 - p), which is 0 for margins above 37


@dataclass(frozen=True)
class Hinge(MarginLoss):
    """Hinge loss, ``max(0, 1 - y s)``; at the kink itself its slope is 0, as the paper takes it."""

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        return np.maximum(0.0, 1.0 - column(y, S) * S)[:, 0]

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        y = column(y, S)
        return onp.where(y * S < 1.0, -y, onp.zeros_like(S))

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        return onp.zeros_like(S)


@dataclass(frozen=True)
class SquaredHinge(MarginLoss):
    """Squared hinge loss, ``max(0, 1 - y s)**2``."""

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        return np.maximum(0.0, 1.0 - column(y, S) * S)[:, 0] ** 2

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        y = column(y, S)
        return -2.0 * y * onp.maximum(0.0, 1.0 - y * S)

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        return 2.0 * (column(y, S) * S < 1.0).astype(S.dtype)


@dataclass(frozen=True)
class SmoothHinge(MarginLoss):
    """KL 4.3: SmoothHinge(s, t) = t log(1 + exp((1 - s) / t)) of the margin s = y x . theta.

    It approaches the hinge as t falls to 0, and unlike the hinge has a second derivative, which
    is large within a few t of the kink at s = 1 and vanishes elsewhere.

    Attributes
    ----------
    temperature : float
        t, greater than 0; ``hinge`` is the limit t = 0.

    References
    ----------
    Koh & Liang (2017), section 4.3.
    """

    temperature: float

    def __post_init__(self) -> None:
        validate.positive("temperature", self.temperature, "use hinge for t = 0")

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        t = self.temperature
        return t * np.logaddexp(0.0, (1.0 - column(y, S) * S) / t)[:, 0]

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        y = column(y, S)
        return -y * expit((1.0 - y * S) / self.temperature)

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        z = (1.0 - column(y, S) * S) / self.temperature
        return expit(z) * expit(-z) / self.temperature


# Classes 0 .. c - 1 -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Softmax(LinearLoss):
    """Softmax (multinomial logistic) loss, ``log(sum_c exp(s_c)) - s_y``.

    Attributes
    ----------
    n_classes : int
        Every class has its own score: theta holds a (d, n_classes) matrix, flattened by rows.
        Labels are 0 .. n_classes - 1.
    """

    n_classes: int
    shift_invariant: ClassVar[bool] = True

    def __post_init__(self) -> None:
        validate.count("n_classes", self.n_classes, least=2)

    @property
    def n_outputs(self) -> int:
        """Scores per example, one for each class."""
        return self.n_classes

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        # apart from the largest, so that a loss of 1e-20 is not rounded to log(1) = 0
        first = _hot(np.argmax(S, axis=1), S)
        top = np.sum(S * first, axis=1)
        others = np.sum(np.exp(S - top[:, None]) * ~first, axis=1)
        return top - S[onp.arange(len(S)), y.astype(int)] + np.log1p(others)

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        P, rows, label = self.curvature(S, y), onp.arange(len(S)), y.astype(int)
        P[rows, label] = 0.0
        P[rows, label] = -P.sum(axis=1)  # p - 1, also where p rounds to 1
        return P

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        """The probabilities p, of which the Hessian ``diag(p) - p pᵀ`` is made.  -> (n, c)."""
        E = onp.exp(S - S.max(axis=1, keepdims=True))
        E /= E.sum(axis=1, keepdims=True)
        return E

    def times(self, Q: ndarray, T: ndarray) -> ndarray:
        P, T = Q[:, :, None], onp.broadcast_to(T, (len(Q), *T.shape[1:]))
        # a constant changes nothing: without that of the likeliest class no large terms cancel
        PU = P * (T - T[onp.arange(len(Q)), Q.argmax(axis=1)][:, None])
        PU -= P * PU.sum(axis=1, keepdims=True)  # (diag(p) - p pᵀ) T
        return PU

    def check_labels(self, y: ndarray, training: bool) -> None:
        c = self.n_classes
        validate.labels(
            y,
            onp.arange(c),
            f"{self} expects labels 0 .. {c - 1}",
            "relabel them, or pass the right n_classes",
        )
        missing = sorted(set(range(c)) - set(onp.unique(y).astype(int).tolist()))
        if training and missing:
            raise ValueError(
                f"{self} expects every class among the training labels, but {missing} never "
                f"occurs: relabel the classes 0 .. {c - len(missing) - 1} without gaps and use "
                f"softmax({c - len(missing)})."
            )


@dataclass(frozen=True)
class CenteredSoftmax(LinearLoss):
    """Softmax loss of scores that sum to zero over the classes, with n_classes - 1 columns.

    Adding the same number to all scores of `softmax` changes nothing, so without a penalty on the
    intercepts its minimum is a whole line and its Hessian is singular. Here the scores are
    ``S @ contrasts(n_classes).T``, which leaves out that direction and nothing else: the minimum is
    scikit-learn's, and ``theta @ theta`` is still the sum of squares of all coefficients.

    Attributes
    ----------
    n_classes : int
        theta holds a (d, n_classes - 1) matrix, flattened by rows; labels are 0 .. n_classes - 1.
    """

    n_classes: int

    def __post_init__(self) -> None:
        validate.count("n_classes", self.n_classes, least=2)

    @property
    def n_outputs(self) -> int:
        """Scores per example, one fewer than classes."""
        return self.n_classes - 1

    @property
    def whole(self) -> Softmax:
        """The loss of all scores."""
        return Softmax(self.n_classes)

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        return self.whole.value(self._all(S), y)

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        return self._back(self.whole.slope(self._all(S), y))

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        return self.whole.curvature(self._all(S), y)

    def times(self, Q: ndarray, T: ndarray) -> ndarray:
        return self._back(self.whole.times(Q, self._all(T)))

    def check_labels(self, y: ndarray, training: bool) -> None:
        self.whole.check_labels(y, training)

    def _all(self, S: ndarray) -> ndarray:
        """From n_classes - 1 scores to all of them."""
        return np.einsum("ac,nc...->na...", contrasts(self.n_classes).astype(S.dtype), S)

    def _back(self, T: ndarray) -> ndarray:
        """From all scores to n_classes - 1 of them: the transpose."""
        return onp.einsum("ac,na...->nc...", contrasts(self.n_classes).astype(T.dtype), T)


def contrasts(n_classes: int) -> ndarray:
    """Orthonormal directions in which n_classes scores can differ.  -> (n_classes, n_classes - 1).

    Columns of Helmert's matrix: each is orthogonal to the others and to (1, ..., 1).
    """
    return helmert(n_classes).T


# As one writes them -------------------------------------------------------------------------------

squared, poisson = Squared(), Poisson()
logistic, hinge, squared_hinge = Logistic(), Hinge(), SquaredHinge()
huber, smooth_hinge, softmax, centered_softmax = Huber, SmoothHinge, Softmax, CenteredSoftmax
