"""Per-example losses: a model is one function ``losses(theta, X, y) -> (n,)``.

Most losses here see theta only through the scores ``S = X @ Theta``, where `Theta` is theta laid
out as a (d, c) matrix: one column per score.  Each therefore also knows its first and second
derivative with respect to the scores, which is all that `LinearObjective` needs.

Scores come as (n, c), or as (n, c, k) when k parameter vectors are evaluated side by side.

Two things go beyond straight lines: `rbf_features`, in which a linear model is a kernel machine,
and `conv_net`, the small network of the paper's section 4.2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import autograd.numpy as np
import numpy as onp  # the original NumPy, for what is never differentiated
from autograd.extend import defvjp, primitive
from scipy.linalg import helmert
from scipy.spatial.distance import cdist


def _elementwise(Q, T):
    return Q[:, :, None] * T


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
    second : callable ``(S, y) -> (n, c)``
        What its Hessian in the scores depends on: for one score, the second derivative itself.
    check_labels : callable ``(y, training) -> None``
        Raises `ValueError` when the labels are not the ones this loss expects.
    times : callable ``(Q, T) -> like T``
        The Hessian in the scores, given what `second` returned, times `T` (n, c, k).
    shift_invariant : bool
        Whether a constant added to all scores of an example leaves its loss as it was.
    """

    name: str
    n_outputs: int
    value: Callable
    slope: Callable
    second: Callable
    check_labels: Callable
    times: Callable = _elementwise
    shift_invariant: bool = False

    def __call__(self, theta, X, y):
        """Loss of every example.  (d * c,), (n, d), (n,) -> (n,)."""
        return self.value(self.scores(theta, X), y)

    def scores(self, theta, X):
        """Scores of every example.  (d * c,), (n, d) -> (n, c)."""
        return X @ theta.reshape(X.shape[1], self.n_outputs)

    def curvature(self, S, y, T):
        """Hessian in the scores, at the scores `S` (n, c), times `T` (n, c, k).  -> like T."""
        return self.times(self.second(S, y), T)

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


def _squared_second(S, y):
    return onp.ones_like(S)


squared = LinearLoss("squared", 1, _squared_value, _squared_slope, _squared_second, _any_number)


# Huber loss: squared for residuals up to delta, a straight line beyond ---------------------------


def huber(delta):
    """Huber loss: squared for residuals up to `delta`, a straight line beyond.

    With r = s - y it is ``r**2 / 2`` up to `delta` and ``delta * (abs(r) - delta / 2)`` beyond.

    Its slope is at most `delta`, however wrong a label is. Its second derivative is 1 up to `delta`
    and 0 beyond: an example far off pushes, but it does not resist.

    Parameters
    ----------
    delta : float
        In the units of the labels, greater than 0; ``squared`` is the limit of a large one.

    Returns
    -------
    LinearLoss

    References
    ----------
    Huber (1964).
    """
    if not (onp.isfinite(delta) and delta > 0):
        raise ValueError(f"delta must be greater than 0, got {delta!r}: use squared for no limit.")

    def value(S, y):
        r = (S - _column(y, S))[:, 0]
        inside = np.clip(r, -delta, delta)
        return inside * r - 0.5 * inside**2

    def slope(S, y):
        return onp.clip(S - _column(y, S), -delta, delta)

    def second(S, y):
        return (onp.abs(S - _column(y, S)) <= delta).astype(S.dtype)

    return LinearLoss(f"Huber (delta = {delta:g})", 1, value, slope, second, _any_number)


# Poisson loss: exp(s) - y s ----------------------------------------------------------------------
# Minus the log-likelihood of a count y with mean exp(s), up to log(y!), which theta does not see.


def _poisson_value(S, y):
    return (np.exp(S) - _column(y, S) * S)[:, 0]


def _poisson_slope(S, y):
    return onp.exp(S) - _column(y, S)


def _poisson_second(S, y):
    return onp.exp(S)


def _counts(y, training):
    if (y < 0).any():
        raise ValueError(
            f"The Poisson loss expects counts or rates of at least 0, got {y.min():g}: "
            "use squared or huber for labels of either sign."
        )


poisson = LinearLoss("Poisson", 1, _poisson_value, _poisson_slope, _poisson_second, _counts)


# Logistic loss: log(1 + exp(-y s)) -------------------------------------------------------------


def _sigmoid(t):
    return 0.5 * (1.0 + onp.tanh(0.5 * t))  # no overflow for any t


def _logistic_value(S, y):
    return np.logaddexp(0.0, -_column(y, S) * S)[:, 0]


def _logistic_slope(S, y):
    y = _column(y, S)
    return -y * _sigmoid(-y * S)


def _logistic_second(S, y):
    p = _sigmoid(S)
    return p * (1.0 - p)


def _plus_minus_one(name):
    def check_labels(y, training):
        if not onp.isin(y, (-1, 1)).all():
            raise ValueError(
                f"The {name} loss expects labels -1 and +1, got {_some(y)}: "
                "map 0/1 labels with y = 2 * y - 1."
            )

    return check_labels


logistic = LinearLoss(
    "logistic",
    1,
    _logistic_value,
    _logistic_slope,
    _logistic_second,
    _plus_minus_one("logistic"),
)


# Hinge loss: max(0, 1 - y s), and its smooth version ---------------------------------------------
# At the kink itself the slope is taken to be 0, as the paper takes it.


def _hinge_value(S, y):
    return np.maximum(0.0, 1.0 - _column(y, S) * S)[:, 0]


def _hinge_slope(S, y):
    y = _column(y, S)
    return onp.where(y * S < 1.0, -y, onp.zeros_like(S))


def _hinge_second(S, y):
    return onp.zeros_like(S)


hinge = LinearLoss("hinge", 1, _hinge_value, _hinge_slope, _hinge_second, _plus_minus_one("hinge"))


def _squared_hinge_value(S, y):
    return np.maximum(0.0, 1.0 - _column(y, S) * S)[:, 0] ** 2


def _squared_hinge_slope(S, y):
    y = _column(y, S)
    return -2.0 * y * onp.maximum(0.0, 1.0 - y * S)


def _squared_hinge_second(S, y):
    return 2.0 * (_column(y, S) * S < 1.0).astype(S.dtype)


squared_hinge = LinearLoss(
    "squared hinge",
    1,
    _squared_hinge_value,
    _squared_hinge_slope,
    _squared_hinge_second,
    _plus_minus_one("squared hinge"),
)


def smooth_hinge(temperature):
    """KL 4.3: SmoothHinge(s, t) = t log(1 + exp((1 - s) / t)) of the margin s = y x . theta.

    It approaches the hinge as t falls to 0, and unlike the hinge has a second derivative, which
    is large within a few t of the kink at s = 1 and vanishes elsewhere.

    Parameters
    ----------
    temperature : float
        t, greater than 0; ``hinge`` is the limit t = 0.

    Returns
    -------
    LinearLoss

    References
    ----------
    Koh & Liang (2017), section 4.3.
    """
    t = temperature
    if not (onp.isfinite(t) and t > 0):
        raise ValueError(f"temperature must be greater than 0, got {t!r}: use hinge for t = 0.")

    def value(S, y):
        return t * np.logaddexp(0.0, (1.0 - _column(y, S) * S) / t)[:, 0]

    def slope(S, y):
        y = _column(y, S)
        return -y * _sigmoid((1.0 - y * S) / t)

    def second(S, y):
        p = _sigmoid((1.0 - _column(y, S) * S) / t)
        return p * (1.0 - p) / t

    name = f"smooth hinge (t = {t:g})"
    return LinearLoss(name, 1, value, slope, second, _plus_minus_one("smooth hinge"))


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


def _softmax_second(S, y):
    return _softmax(S)


def _softmax_times(P, T):
    P = P[:, :, None]
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
        "softmax",
        n_classes,
        _softmax_value,
        _softmax_slope,
        _softmax_second,
        check_labels,
        _softmax_times,
        shift_invariant=True,
    )


def contrasts(n_classes):
    """Orthonormal directions in which n_classes scores can differ.  -> (n_classes, n_classes - 1).

    Columns of Helmert's matrix: each is orthogonal to the others and to (1, ..., 1).
    """
    return helmert(n_classes).T


def centered_softmax(n_classes):
    """Softmax loss of scores that sum to zero over the classes, with n_classes - 1 columns.

    Adding the same number to all scores of `softmax` changes nothing, so without a penalty on the
    intercepts its minimum is a whole line and its Hessian is singular. Here the scores are
    ``S @ contrasts(n_classes).T``, which leaves out that direction and nothing else: the minimum is
    scikit-learn's, and ``theta @ theta`` is still the sum of squares of all coefficients.

    Parameters
    ----------
    n_classes : int
        theta holds a (d, n_classes - 1) matrix, flattened by rows; labels are 0 .. n_classes - 1.

    Returns
    -------
    LinearLoss
    """
    whole = softmax(n_classes)
    C = contrasts(n_classes)

    def all_scores(S):
        return np.einsum("ac,nc...->na...", C.astype(S.dtype), S)

    def back(T):
        return onp.einsum("ac,na...->nc...", C.astype(T.dtype), T)

    def value(S, y):
        return whole.value(all_scores(S), y)

    def slope(S, y):
        return back(whole.slope(all_scores(S), y))

    def second(S, y):
        return whole.second(all_scores(S), y)

    def times(P, T):
        return back(whole.times(P, all_scores(T)))

    return LinearLoss(
        "centered softmax", n_classes - 1, value, slope, second, whole.check_labels, times
    )


# Kernel machines: linear in the right features ---------------------------------------------------


@dataclass(frozen=True)
class RBFFeatures:
    """Features in which a linear model is an RBF kernel machine; call it as ``features(X)``.

    Attributes
    ----------
    centers : array, shape (k, d)
    gamma : float
    whitening : array, shape (k, r)
        ``V diag(s)^-1/2`` of the kernel matrix ``K = V diag(s) Vᵀ`` of the centers.
    """

    centers: onp.ndarray
    gamma: float
    whitening: onp.ndarray

    def __call__(self, X):
        """Features of each example.  (n, d) -> (n, r)."""
        return _rbf_kernel(onp.asarray(X), self.centers, self.gamma) @ self.whitening


def rbf_features(centers, gamma, rtol=1e-10):
    """Learn features whose inner product is ``exp(-gamma ||x - x'||^2)`` on the centers.

    A linear model with penalty ``l2/2 * theta @ theta`` on these features *is* the kernel machine
    on the centers: theta @ theta is the squared norm of its function. With all training inputs as
    centers nothing is approximated; with a part of them it is Nystroem's approximation.

    Parameters
    ----------
    centers : array, shape (k, d)
        Usually the training inputs.
    gamma : float
        Inverse squared width, greater than 0.
    rtol : float
        Directions of the kernel matrix with a smaller share of its largest eigenvalue are dropped:
        two equal centers have no more to say than one.

    Returns
    -------
    RBFFeatures
    """
    centers = onp.asarray(centers, dtype=float)
    if centers.ndim != 2 or not onp.isfinite(centers).all():
        raise ValueError(f"centers must be finite, shape (k, d), got shape {centers.shape}.")
    if not (onp.isfinite(gamma) and gamma > 0):
        raise ValueError(f"gamma must be greater than 0, got {gamma!r}.")
    eigenvalues, vectors = onp.linalg.eigh(_rbf_kernel(centers, centers, gamma))
    kept = eigenvalues > rtol * eigenvalues[-1]
    return RBFFeatures(centers, gamma, vectors[:, kept] / onp.sqrt(eigenvalues[kept]))


def _rbf_kernel(X, Z, gamma):
    """exp(-gamma ||x - z||^2) of every pair.  (n, d), (k, d) -> (n, k)."""
    return onp.exp(-gamma * cdist(X, Z, "sqeuclidean"))


# A small convolutional network ------------------------------------------------------------------

# Size, stride of each convolution of the paper's network; all have tanh units, none is padded.
CONVOLUTIONS = ((3, 1), (3, 2), (3, 1), (3, 2), (3, 1), (1, 1))


@dataclass(frozen=True)
class ConvNet:
    """Per-example loss of a convolutional network, ``losses(theta, X, y) -> (n,)``.

    Attributes
    ----------
    side : int
        Images have side x side pixels and come as rows of ``X``, shape (n, side * side).
    shapes : tuple of tuples
        Shape of the weights and of the biases of each layer, in their order in theta.
    """

    side: int
    shapes: tuple

    def __call__(self, theta, X, y):
        """Softmax loss of every image.  (p,), (n, side * side), (n,) -> (n,)."""
        return self.value(self.scores(theta, X), y)

    def value(self, scores, y):
        """Softmax loss, given the scores.  (n, n_classes), (n,) -> (n,)."""
        return _softmax_value(scores, y)

    def scores(self, theta, X):
        """Scores of every class.  (p,), (n, side * side) -> (n, n_classes)."""
        *layers, (W_top, b_top) = self._layers(theta)
        A = X.reshape(-1, self.side, self.side, 1)
        for (W, b), (size, stride) in zip(layers, CONVOLUTIONS, strict=True):
            A = np.tanh(np.dot(_patches(A, size, stride), W) + b)
        return np.dot(np.mean(A, axis=(1, 2)), W_top) + b_top

    def n_parameters(self, n_features):
        """Length of theta; images of another size are refused."""
        if n_features != self.side**2:
            raise ValueError(
                f"This network expects images of {self.side} x {self.side} = {self.side**2} "
                f"pixels, got {n_features}: conv_net(side=...)."
            )
        return sum(int(onp.prod(shape)) for shape in self.shapes)

    def start(self, rng):
        """Random parameters to start training from: variance 1 / inputs, biases 0.  -> (p,)."""
        weights = self.shapes[::2]
        parts = [rng.standard_normal(shape) / onp.sqrt(shape[0]) for shape in weights]
        zeros = [onp.zeros(shape) for shape in self.shapes[1::2]]
        return onp.concatenate([a.ravel() for pair in zip(parts, zeros, strict=True) for a in pair])

    def _layers(self, theta):
        """Theta cut into (weights, biases) of every layer."""
        arrays, start = [], 0
        for shape in self.shapes:
            size = int(onp.prod(shape))
            arrays.append(theta[start : start + size].reshape(shape))
            start += size
        return list(zip(arrays[::2], arrays[1::2], strict=True))


def conv_net(side=28, filters=8, n_classes=10):
    """Build the network of KL 4.2: three stages of `filters` 3 x 3 tanh filters, and a softmax.

    Each of the first two stages is a convolution and one of stride 2; the third is a convolution
    and one of size 1 with `n_classes` filters, whose outputs are averaged over the image. With the
    defaults p = 2,616, as in the paper's code.

    Parameters
    ----------
    side : int
        Images of side x side pixels, at least 21.
    filters : int
    n_classes : int

    Returns
    -------
    ConvNet
        Use it as the loss of an `AutogradObjective`; `ConvNet.start` gives a theta to fit from.

    References
    ----------
    Koh & Liang (2017), section 4.2, and the network of their published code.
    """
    if side < 21:
        raise ValueError(f"side must be at least 21 for five unpadded convolutions, got {side}.")
    widths = [1, *[filters] * 5, n_classes]
    shapes = []
    for (size, _), c_in, c_out in zip(CONVOLUTIONS, widths[:-1], widths[1:], strict=True):
        shapes += [(size * size * c_in, c_out), (c_out,)]
    return ConvNet(side, (*shapes, (n_classes, n_classes), (n_classes,)))


@primitive
def _patches(A, size, stride):
    """Every size x size patch, flattened.  (n, h, w, c) -> (n, h', w', size * size * c)."""
    windows = onp.lib.stride_tricks.sliding_window_view(A, (size, size), axis=(1, 2))
    windows = windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)
    return windows.reshape(*windows.shape[:3], -1)


@primitive
def _unpatched(P, shape, size, stride):
    """Add patches back where they came from: the transpose of `_patches`."""
    A = onp.zeros(shape)
    n, h, w, _ = P.shape
    P = P.reshape(n, h, w, size, size, -1)
    for i in range(size):
        for j in range(size):
            rows, columns = slice(i, i + stride * h, stride), slice(j, j + stride * w, stride)
            A[:, rows, columns] += P[:, :, :, i, j]
    return A


# Both maps are linear and each is the other's transpose, so derivatives of any order follow.
defvjp(
    _patches,
    lambda ans, A, size, stride: lambda G: _unpatched(G, A.shape, size, stride),
    argnums=[0],
)
defvjp(
    _unpatched,
    lambda ans, P, shape, size, stride: lambda G: _patches(G, size, stride),
    argnums=[0],
)


def _some(y, at_most=5):
    """A few of the distinct labels, for an error message."""
    values = onp.unique(y)
    shown = ", ".join(f"{v:g}" for v in values[:at_most])
    return shown + (", ..." if len(values) > at_most else "")
