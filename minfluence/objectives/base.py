"""The training examples and the weight of each: what every objective has in common.

Everything that the paper does to a training set (give an example more weight, leave it out,
change it) is here, once; `AutogradObjective` and `LinearObjective` add the derivatives.
"""

import copy
from numbers import Real

import numpy as np


class TrainingSet:
    """Examples `X`, `y`, their weights in the risk, and the strength of the L2 penalty.

    The risk is ``sum_i weights[i] * (loss_i(theta) + l2/2 * theta @ theta)`` with weights 1/n
    unless changed: the paper folds the penalty into each example's loss, so an example that is
    left out takes its share of the penalty with it.

    Parameters
    ----------
    X : array, shape (n, ...)
        One example per row.
    y : array, shape (n,)
    l2 : float
        Strength of the penalty ``l2/2 * theta @ theta``, at least 0.
    dtype : dtype
        Floating-point type of `X` and of every result.

    Raises
    ------
    ValueError
        For empty, non-finite or mismatched arrays, unscaled 8-bit pixels, or a negative `l2`.
    """

    fold_l2 = True  # whether each example's loss carries its share of the penalty

    def __init__(self, X, y, l2=0.0, dtype=np.float64):
        self.X, self.y = check_examples(X, y, dtype)
        self.l2 = check_strength("l2", l2)
        self.weights = np.full(self.n, 1.0 / self.n, dtype=self.X.dtype)

    # Operations of one product and of the whole matrices, where an objective counts them.
    hvp_flops, hessian_flops, gauss_newton_flops = 0.0, np.inf, np.inf

    @property
    def n(self):
        """Number of training examples (rows of `X`, also those of weight zero)."""
        return len(self.X)

    @property
    def dtype(self):
        """Floating-point type of the examples and of every result."""
        return self.X.dtype

    @property
    def example_shape(self):
        """Shape of one input."""
        return self.X.shape[1:]

    def examples(self, indices):
        """Inputs and labels of some examples, which may be named more than once."""
        return self.X[indices], self.y[indices]

    def on(self, X, y):
        """The same model and penalty on other examples, with equal weights.  -> a new objective."""
        X, y = self.check_test(X, y)
        return self._changed(X=X, y=y, weights=np.full(len(X), 1.0 / len(X), dtype=self.dtype))

    def preconditioner(self, theta, damping=0.0):
        """Approximate inverse of ``H + damping I`` for `minfluence.cg`; None if nobody has one."""

    def reweighted(self, weights):
        """The same examples with other weights in the risk.  (n,) -> a new objective."""
        weights = np.asarray(weights, dtype=self.dtype)
        if weights.shape != (self.n,) or not np.isfinite(weights).all():
            raise ValueError(f"weights must be {self.n} finite numbers, got shape {weights.shape}.")
        return self._changed(weights=weights)

    def upweighted(self, i, eps):
        """Add `eps` to the weight of example `i` (or of each of several examples)."""
        weights = self.weights.copy()
        weights[self._indices(i)] += eps
        return self.reweighted(weights)

    def without(self, indices):
        """Leave out one example or several; the others keep their weight."""
        weights = self.weights.copy()
        weights[self._indices(indices)] = 0.0
        if not weights.any():
            raise ValueError("without(indices) would leave no example: keep at least one.")
        return self.reweighted(weights)

    def perturbed(self, i, x, y):
        """Replace example `i` by ``(x, y)``."""
        i = self._indices(i)
        if len(i) > 1:
            raise ValueError(f"perturbed replaces one example, got the indices {i.tolist()}.")
        X_new, y_new = self.check_test(np.asarray(x)[None], np.asarray(y)[None])
        X, y = self.X.copy(), self.y.astype(np.result_type(self.y, y_new))
        X[i], y[i] = X_new, y_new
        return self._changed(X=X, y=y)

    def extended(self, X_new, y_new):
        """The same risk, with new examples that wait at the end with weight zero."""
        X_new, y_new = self.check_test(X_new, y_new)
        return self._changed(
            X=np.concatenate([self.X, X_new]),
            y=np.concatenate([self.y, y_new]),
            weights=np.concatenate([self.weights, np.zeros(len(X_new), self.X.dtype)]),
        )

    def subset(self, indices):
        """Only these examples, each with the weight that keeps the risk a mean."""
        indices = self._indices(indices)
        weights = self.weights[indices] * (self.n / len(indices))
        return self._changed(X=self.X[indices], y=self.y[indices], weights=weights)

    @property
    def _penalty(self):
        """Strength of the penalty in the risk: a number, or one for each parameter (p,)."""
        return self._penalties(self.weights)

    def _penalties(self, weights):
        """The same for other weights.  (n,) -> as `l2`; (n, k) -> (k,), or (p, k)."""
        totals = weights.sum(axis=0) if self.fold_l2 else np.ones(weights.shape[1:])
        return np.multiply.outer(self.l2, totals).astype(self.dtype)

    @property
    def _own_l2(self):
        """Strength of the penalty in the loss of one example."""
        return self.l2 if self.fold_l2 else 0.0

    def to_native(self, V):
        """An array in the form in which this objective computes: here as it is."""
        return V

    def to_numpy(self, V):
        """The way back from `to_native`."""
        return V

    def _changed(self, **attributes):
        new = copy.copy(self)
        vars(new).update(attributes)
        return new

    def _indices(self, indices):
        """Distinct positions in 0 .. n - 1 as an array, or one clear sentence."""
        indices = np.atleast_1d(np.asarray(indices))
        if indices.ndim != 1 or indices.size == 0 or indices.dtype.kind not in "iu":
            raise ValueError(
                f"Expected one index or a list of indices (whole numbers), got {indices!r}."
            )
        if indices.min() < 0 or indices.max() >= self.n:
            raise ValueError(
                f"Indices must lie in 0 .. {self.n - 1}, got {indices.min()} .. {indices.max()}."
            )
        if len(np.unique(indices)) < len(indices):
            raise ValueError(f"Each index may occur once, got {indices.tolist()}.")
        return indices


def check_examples(X, y, dtype=np.float64, like=None):
    """Examples as finite floating-point arrays of matching length, or one clear sentence.

    Parameters
    ----------
    X : array, shape (n, ...)
    y : array, shape (n,)
    dtype : dtype
    like : array, optional
        Training inputs whose feature shape `X` must share.

    Returns
    -------
    X, y : arrays
        `X` in the given dtype; `y` as it came, or in the given dtype if it holds floats.
    """
    X, y = np.asarray(X), np.asarray(y)
    if X.ndim < 2 or y.ndim != 1 or len(X) != len(y):
        raise ValueError(
            "Expected X of shape (n, ...) and y of shape (n,), one row and one label per example, "
            f"got {X.shape} and {y.shape}."
        )
    if len(X) == 0:
        raise ValueError("Expected at least one example, got none.")
    if like is not None and X.shape[1:] != like.shape[1:]:
        raise ValueError(
            f"Expected examples of shape {like.shape[1:]} as in training, got {X.shape[1:]}."
        )
    if X.dtype == np.uint8:
        raise ValueError(
            "X holds 8-bit integers: pass pixels as X / 255.0, or counts as X.astype(float)."
        )
    for name, values in (("X", X), ("y", y)):
        if values.dtype.kind not in "fiub":
            raise ValueError(f"{name} must hold numbers, got dtype {values.dtype}.")
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds NaN or infinity: drop or fill those entries first.")
    return X.astype(dtype, copy=False), y.astype(dtype) if y.dtype.kind == "f" else y


def check_replacements(objective, indices, X_new):
    """Positions of the examples to be replaced, one for each new input, or one clear sentence."""
    indices = np.asarray(indices)
    if indices.shape != (len(X_new),) or indices.dtype.kind not in "iu" or not indices.size:
        raise ValueError(
            "Expected one index for each changed example, a list of whole numbers of length "
            f"{len(X_new)}, got {indices!r}."
        )
    objective._indices(np.unique(indices))
    return indices


def check_strength(name, value):
    """A finite number of at least 0 as a float, or one clear sentence."""
    if not (isinstance(value, Real) and np.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be a number of at least 0, got {value!r}.")
    return float(value)


def check_l2(l2, p, dtype=np.float64):
    """One strength for all parameters, or one for each of them (p,), or one clear sentence."""
    if not (isinstance(l2, np.ndarray) and l2.ndim):
        return check_strength("l2", l2)
    good = l2.dtype.kind in "fiu" and p in (None, l2.size) and l2.ndim == 1
    if not (good and np.isfinite(l2).all() and (l2 >= 0).all()):
        expected = "a vector with one for each parameter" if p is None else f"a vector of {p}"
        raise ValueError(
            f"l2 must be a number of at least 0, or {expected}, got an array of shape {l2.shape}."
        )
    return l2.astype(dtype)


def check_columns(V, p, dtype=np.float64):
    """A vector (p,) or a block of columns (p, k), or one clear sentence."""
    V = np.asarray(V, dtype=dtype)
    if V.ndim not in (1, 2) or len(V) != p:
        raise ValueError(
            f"Expected a vector of shape ({p},) or ({p}, k) for k columns, got {V.shape}."
        )
    return V


def check_theta(theta, p=None):
    """Parameters as one finite, flat vector (of length p, when known), or one clear sentence."""
    theta = np.asarray(theta)
    if theta.dtype.kind in "iub":
        theta = theta.astype(float)
    if theta.ndim != 1 or (p is not None and theta.size != p):
        expected = "(p,)" if p is None else f"({p},)"
        raise ValueError(
            f"theta must be one flat vector of shape {expected}, got {theta.shape}: "
            "flatten matrices with .ravel()."
        )
    if not np.isfinite(theta).all():
        raise ValueError("theta holds NaN or infinity: the fit that made it has diverged.")
    return theta
