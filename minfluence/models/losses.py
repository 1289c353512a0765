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
        """Refuse labels that are not the ones this loss expects; here one number for each."""
        if y.ndim != 1:
            raise ValueError(
                f"{self} expects one label for each example, y of shape (n,), got {y.shape}: "
                "use multi_target_squared(n_targets) for several numbers, or np.ravel(y) for one."
            )


def _hot(label: ndarray, S: ndarray) -> ndarray:
    """True where a score is that of the label.  (n, ...), (n, c, ...) -> (n, c, ...)."""
    classes = onp.arange(S.shape[1]).reshape(-1, *[1] * (S.ndim - 2))
    return classes == label[:, None]


def column(y: ndarray, S: ndarray) -> ndarray:
    """Labels (n,) with the axes and the precision of the scores, so that they broadcast."""
    return y.reshape(-1, *[1] * (S.ndim - 1)).astype(S.dtype)


def columns(y: ndarray, S: ndarray) -> ndarray:
    """The same for labels (n, c), one for each score."""
    return y.reshape(*y.shape, *[1] * (S.ndim - 2)).astype(S.dtype)


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
class MultiTargetSquared(LinearLoss):
    """Squared loss of several numbers for each example, ``sum_j (s_j - y_j)**2 / 2``.

    Attributes
    ----------
    n_targets : int
        Every target has its own score: theta holds a (d, n_targets) matrix, flattened by rows, and
        labels y have shape (n, n_targets).
    """

    n_targets: int

    def __post_init__(self) -> None:
        validate.count("n_targets", self.n_targets)

    @property
    def n_outputs(self) -> int:
        """Scores per example, one for each target."""
        return self.n_targets

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        return 0.5 * np.sum((S - columns(y, S)) ** 2, axis=1)

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        return S - columns(y, S)

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        return onp.ones_like(S)

    def check_labels(self, y: ndarray, training: bool) -> None:
        if y.ndim != 2 or y.shape[1] != self.n_targets:
            raise ValueError(
                f"{self} expects y of shape (n, {self.n_targets}), one column for each target, "
                f"got {y.shape}: pass the right n_targets, or use squared for y of shape (n,)."
            )


@dataclass(frozen=True)
class SquaredEpsilonInsensitive(LinearLoss):
    """Squared distance from a tube around the label, ``max(0, abs(s - y) - epsilon)**2``.

    Inside the tube an example neither pushes nor resists, like one beyond the margin of the squared
    hinge: support vector regression.

    Attributes
    ----------
    epsilon : float
        Half the width of the tube, in the units of the labels, at least 0.
    """

    epsilon: float

    def __post_init__(self) -> None:
        validate.number("epsilon", self.epsilon)

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        return np.maximum(0.0, np.abs(S - column(y, S)) - self.epsilon)[:, 0] ** 2

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        r = S - column(y, S)
        return 2.0 * (r - onp.clip(r, -self.epsilon, self.epsilon))

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        return 2.0 * (onp.abs(S - column(y, S)) >= self.epsilon).astype(S.dtype)


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


# Counts and amounts, whose mean is exp(s) ---------------------------------------------------------


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
        super().check_labels(y, training)
        _refuse_negative(self, "counts or rates", y)


@dataclass(frozen=True)
class PoissonExposure(LinearLoss):
    """Poisson loss of counts seen during an exposure E, with mean E exp(s): ``E exp(s) - y s``.

    Labels have shape (n, 2): the count, and its exposure (person-years, policy-years, area). The
    offset of a Poisson regression is log(E). scikit-learn, which knows no offset, takes the rate
    y / E as label and E as the weight of the example: that is the same loss, and so are then all
    derivatives, as long as a weight w_i of this objective is a weight w_i E_i of the other.
    """

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        return (column(y[:, 1], S) * np.exp(S) - column(y[:, 0], S) * S)[:, 0]

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        return column(y[:, 1], S) * onp.exp(S) - column(y[:, 0], S)

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        return column(y[:, 1], S) * onp.exp(S)

    def check_labels(self, y: ndarray, training: bool) -> None:
        if y.ndim != 2 or y.shape[1] != 2:
            raise ValueError(
                f"{self} expects y of shape (n, 2), counts and their exposures, got {y.shape}: "
                "use np.column_stack([counts, exposures]), or poisson where all are exposed alike."
            )
        _refuse_negative(self, "counts", y[:, 0])
        _refuse_zero(self, "exposures", y[:, 1])


@dataclass(frozen=True)
class Gamma(LinearLoss):
    """Gamma loss of amounts with mean exp(s), ``y exp(-s) + s``: half the deviance, but for log(y).

    An error of 10 % costs the same for small amounts and for large ones.
    """

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        return (column(y, S) * np.exp(-S) + S)[:, 0]

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        return 1.0 - column(y, S) * onp.exp(-S)

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        return column(y, S) * onp.exp(-S)

    def check_labels(self, y: ndarray, training: bool) -> None:
        super().check_labels(y, training)
        _refuse_zero(self, "amounts", y)


@dataclass(frozen=True)
class Tweedie(LinearLoss):
    """Tweedie loss, between Poisson and gamma: amounts of which some are exactly zero.

    With mean m = exp(s) it is ``m**(2 - power) / (2 - power) - y m**(1 - power) / (1 - power)``,
    half the deviance up to what theta does not see.

    Attributes
    ----------
    power : float
        The variance grows as ``m**power``. Between 1 and 2, where the loss is convex; `poisson`
        and `gamma` are the ends.
    """

    power: float

    def __post_init__(self) -> None:
        if not 1 < self.power < 2:
            raise ValueError(
                f"power must lie between 1 and 2, got {self.power!r}: use poisson for 1, gamma "
                "for 2, and squared for 0; beyond them the loss is not convex."
            )

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        a, b = 2.0 - self.power, 1.0 - self.power
        return (np.exp(a * S) / a - column(y, S) * np.exp(b * S) / b)[:, 0]

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        a, b = 2.0 - self.power, 1.0 - self.power
        return onp.exp(a * S) - column(y, S) * onp.exp(b * S)

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        a, b = 2.0 - self.power, 1.0 - self.power
        return a * onp.exp(a * S) - b * column(y, S) * onp.exp(b * S)

    def check_labels(self, y: ndarray, training: bool) -> None:
        super().check_labels(y, training)
        _refuse_negative(self, "amounts", y)


def _refuse_negative(loss: LinearLoss, what: str, y: ndarray) -> None:
    if (y < 0).any():
        raise ValueError(
            f"{loss} expects {what} of at least 0, got {y.min():g}: "
            "use squared or huber for labels of either sign."
        )


def _refuse_zero(loss: LinearLoss, what: str, y: ndarray) -> None:
    if (y <= 0).any():
        raise ValueError(
            f"{loss} expects {what} greater than 0, got {y.min():g}: "
            "leave those examples out, or use poisson or tweedie(power) for amounts that may be 0."
        )


# Labels -1 and +1 ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class MarginLoss(LinearLoss):
    """A loss of the margin y s, for labels -1 and +1."""

    def check_labels(self, y: ndarray, training: bool) -> None:
        super().check_labels(y, training)
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
        super().check_labels(y, training)
        c = self.n_classes
        validate.labels(
            y,
            onp.arange(c),
            f"{self} expects labels 0 .. {c - 1}",
            "relabel them, or pass the right n_classes",
        )
        missing = sorted(set(range(c)) - set(onp.unique(y).astype(int).tolist()))
        if training and missing:
            left = c - len(missing)
            raise ValueError(
                f"{self} expects every class among the training labels, but {missing} never "
                f"occurs: {_remedy_for_missing(left)}."
            )


def _remedy_for_missing(left: int) -> str:
    """What to do when so many classes are left."""
    if left < 2:
        return "one class alone needs no model, so add examples of another"
    return f"relabel the classes 0 .. {left - 1} without gaps and use softmax({left})"


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

squared, poisson, gamma, poisson_exposure = Squared(), Poisson(), Gamma(), PoissonExposure()
logistic, hinge, squared_hinge = Logistic(), Hinge(), SquaredHinge()
huber, smooth_hinge, softmax, centered_softmax = Huber, SmoothHinge, Softmax, CenteredSoftmax
multi_target_squared, squared_epsilon_insensitive = MultiTargetSquared, SquaredEpsilonInsensitive
tweedie = Tweedie
