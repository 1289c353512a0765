"""What all objectives share: the weight of each example, the penalty, and verbs made of verbs.

Everything that the paper does to a training set (give an example more weight, leave it out,
change it) is here, once; each objective adds its way of computing derivatives.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy import ndarray

from minfluence import seam, validate
from minfluence.objectives import rows


class BaseObjective(ABC):
    """Penalised, weighted mean loss: ``sum_i weights[i] * (loss_i(theta) + l2/2 theta @ theta)``.

    Weights are 1/n unless changed. The paper folds the penalty into each example's loss, so an
    example that is left out takes its share of the penalty with it.

    Parameters
    ----------
    losses : callable ``(theta, X, y) -> (n,)``
        The model.
    n : int
        Number of examples.
    p : int or None
        Number of parameters, where it is known beforehand.
    l2 : float, or array, shape (p,)
        Strength of the penalty, one for all parameters or one for each.
    fold_l2 : bool
        False for a penalty that is a term of the risk by itself.
    dtype : dtype
        Floating-point type of every result.
    """

    # Operations of one product and of the whole matrices, where an objective counts them.
    hvp_flops: Any = 0.0
    hessian_flops: Any = np.inf
    gauss_newton_flops: Any = np.inf
    rank: Any = np.inf
    columns: list | None = None  # names, where the examples came as a table

    def __init__(
        self,
        losses: Any,
        n: int,
        p: int | None,
        l2: Any = 0.0,
        fold_l2: bool = True,
        dtype: Any = np.float64,
    ) -> None:
        self.losses, self.fold_l2 = losses, fold_l2
        self.p = None if p is None else validate.count("p", p)
        self.l2 = validate.l2(l2, p, dtype)
        self.weights = np.full(n, 1.0 / n, dtype=dtype)

    @property
    def n(self) -> int:
        """Number of training examples, also those of weight zero."""
        return len(self.weights)

    @property
    def dtype(self) -> np.dtype:
        """Floating-point type of the examples and of every result."""
        return self.weights.dtype

    # What an objective adds -----------------------------------------------------------------------

    @property
    @abstractmethod
    def example_shape(self) -> tuple[int, ...]:
        """Shape of one input."""

    @abstractmethod
    def examples(self, indices: Any) -> tuple[ndarray, ndarray]:
        """Inputs and labels of some examples, which may be named more than once."""

    @abstractmethod
    def check_examples(self, X: Any, y: Any) -> tuple[ndarray, ndarray]:
        """More examples as arrays that fit these, or one clear sentence."""

    @abstractmethod
    def risk(self, theta: ndarray) -> float:
        """R(theta) = sum_i w_i L(z_i, theta), penalty included.  (p,) -> scalar."""

    @abstractmethod
    def grad(self, theta: ndarray) -> ndarray:
        """Gradient of the risk.  (p,) -> (p,)."""

    @abstractmethod
    def hvp_at(self, theta: ndarray) -> Callable[[ndarray], ndarray]:
        """The map V -> Hessian of the risk at theta times V; V is (p,) or a block (p, k)."""

    @abstractmethod
    def gnvp_at(self, theta: ndarray) -> Callable[[ndarray], ndarray]:
        """The map V -> Gauss-Newton matrix at theta times V; V is (p,) or a block (p, k)."""

    @abstractmethod
    def example_dots(self, theta: ndarray, V: ndarray) -> ndarray:
        """grad L(z_i, theta) . v for every i at once.  (p,), (p,) or (p, k) -> (n,) or (n, k)."""

    # The same for inputs that were checked, without penalty, as NumPy

    @abstractmethod
    def _loss_values(self, theta: ndarray, X: ndarray, y: ndarray) -> ndarray:
        """(p,), (m, ...), (m,) -> (m,)."""

    @abstractmethod
    def _loss_grads(self, theta: ndarray, X: ndarray, y: ndarray) -> ndarray:
        """(p,), (m, ...), (m,) -> (m, p)."""

    @abstractmethod
    def _input_grads(self, theta: ndarray, v: ndarray, X: ndarray, y: ndarray) -> ndarray:
        """(p,), (p,), (m, ...), (m,) -> (m, ...)."""

    @abstractmethod
    def _of(self, X: ndarray, y: ndarray, weights: ndarray) -> "BaseObjective":
        """Other examples with this model and penalty."""

    def inputs(self, X: Any) -> Any:
        """Inputs of one example or of several as one array, or one clear sentence."""
        return validate.inputs("X", X, self.columns)

    # Other weights, other examples ----------------------------------------------------------------

    def reweighted(self, weights: ndarray) -> Self:
        """The same examples with other weights in the risk.  (n,) -> a new objective."""
        return self._changed(weights=validate.weights(weights, self.n, self.dtype))

    def upweighted(self, i: Any, eps: float) -> Self:
        """Add `eps` to the weight of example `i` (or of each of several examples)."""
        weights = self.weights.copy()
        weights[validate.indices(i, self.n)] += validate.array("eps", eps, ())
        return self.reweighted(weights)

    def without(self, indices: Any) -> Self:
        """Leave out one example or several; the others keep their weight."""
        weights = self.weights.copy()
        weights[validate.indices(indices, self.n)] = 0.0
        if not weights.any():
            raise ValueError("without(indices) would leave no example: keep at least one.")
        return self.reweighted(weights)

    def subset(self, indices: Any) -> "BaseObjective":
        """Only these examples, each with the weight that keeps the risk a mean."""
        indices = validate.indices(indices, self.n)
        return self._of(*self.examples(indices), self.weights[indices] * (self.n / len(indices)))

    def on(self, X: Any, y: Any) -> "BaseObjective":
        """The same model and penalty on other examples, with equal weights.  -> a new objective."""
        X, y = self.check_examples(X, y)
        return self._of(X, y, np.full(len(y), 1.0 / len(y), dtype=self.dtype))

    # The penalty ----------------------------------------------------------------------------------

    @property
    def penalty(self) -> ndarray:
        """Strength of the penalty in the risk: a number, or one for each parameter (p,)."""
        return self.penalties(self.weights)

    def penalties(self, weights: ndarray) -> ndarray:
        """The same for other weights.  (n,) -> as `l2`; (n, k) -> (k,), or (p, k)."""
        totals = weights.sum(axis=0) if self.fold_l2 else np.ones(weights.shape[1:])
        return np.multiply.outer(self.l2, totals).astype(self.dtype)

    @property
    def example_l2(self) -> Any:
        """Strength of the penalty in the loss of one example."""
        return self.l2 if self.fold_l2 else 0.0

    # Verbs made of verbs --------------------------------------------------------------------------

    def grads(self, thetas: ndarray, weights: ndarray) -> ndarray:
        """Gradients at many parameter vectors, each for its own weights of the examples.

        (p, k), (n, k) -> (p, k)
        """
        pairs = zip(thetas.T, weights.T, strict=True)
        return np.stack([self._weighing(w).grad(theta) for theta, w in pairs], axis=1)

    def hvp(self, theta: ndarray, V: ndarray) -> ndarray:
        """Hessian of the risk at theta times V.  (p,), (p,) or (p, k) -> like V."""
        return self.hvp_at(theta)(V)

    def hessian(self, theta: ndarray) -> ndarray:
        """The Hessian itself, column by column.  (p,) -> (p, p)."""
        return symmetric(self.hvp(theta, np.eye(np.size(theta), dtype=self.dtype)))

    def gnvp(self, theta: ndarray, V: ndarray) -> ndarray:
        """Gauss-Newton matrix at theta times V.  (p,), (p,) or (p, k) -> like V."""
        return self.gnvp_at(theta)(V)

    def gauss_newton(self, theta: ndarray) -> ndarray:
        """The Gauss-Newton matrix itself, column by column.  (p,) -> (p, p)."""
        return symmetric(self.gnvp(theta, np.eye(np.size(theta), dtype=self.dtype)))

    def example_grads(self, theta: ndarray, indices: Any) -> ndarray:
        """Gradients of the penalised losses of some training examples.  -> (len(indices), p)."""
        indices, theta = validate.indices(indices, self.n), self._theta(theta)
        return self._loss_grads(theta, *self.examples(indices)) + self.example_l2 * theta

    def input_grads(self, theta: ndarray, v: ndarray, indices: Any) -> ndarray:
        """d/dx of grad L(z_i, theta) . v.  (p,), (p,), (k,) -> (k, ...), shaped like the inputs."""
        indices, theta = validate.indices(indices, self.n), self._theta(theta)
        v = validate.array("v", v, (theta.size,), self.dtype)
        return self._input_grads(theta, v, *self.examples(indices))

    def test_losses(self, theta: ndarray, X_test: Any, y_test: Any) -> ndarray:
        """Bare losses, without penalty, of test points.  -> (m,)."""
        return self._loss_values(self._theta(theta), *self.check_examples(X_test, y_test))

    def test_grads(self, theta: ndarray, X_test: Any, y_test: Any) -> ndarray:
        """Gradients of the bare losses of test points.  -> (m, p)."""
        return self._loss_grads(self._theta(theta), *self.check_examples(X_test, y_test))

    def preconditioner(
        self, theta: ndarray, damping: float = 0.0, budget: float = np.inf
    ) -> seam.Operator | None:
        """Approximate inverse of ``H + damping I`` for `minfluence.cg`; None if it has none."""
        return None

    def to_native(self, V: ndarray) -> Any:
        """An array in the form in which this objective computes: here as it is."""
        return V

    def to_numpy(self, V: Any) -> ndarray:
        """The way back from `to_native`."""
        return V

    def _theta(self, theta: Any) -> ndarray:
        return validate.cast("theta", validate.theta(theta, self.p), self.dtype)

    def _weighing(self, weights: ndarray) -> Self:
        """`reweighted`, for weights that were checked; those of a part may all be 0."""
        return self._changed(weights=weights.astype(self.dtype, copy=False))

    def _changed(self, **attributes: Any) -> Self:
        new = copy.copy(self)
        vars(new).update(attributes)
        return new


class ArrayObjective(BaseObjective):
    """An objective whose examples are arrays in memory, so that they can be replaced.

    Parameters
    ----------
    losses, l2, fold_l2, p
        As in `BaseObjective`; `p` need not be told for losses with ``n_parameters``.
    X : array, shape (n, ...)
        One example per row. Copied, unless it is read-only: ``X.setflags(write=False)`` before
        saves the memory where X is large.
    y : array, shape (n,)
    dtype : dtype
        Floating-point type of `X` and of every result.

    Raises
    ------
    ValueError
        For empty, non-finite, masked or mismatched arrays, unscaled 8-bit pixels, labels that the
        losses do not know, a negative `l2`, or numbers too large for `dtype`.
    """

    def __init__(
        self,
        losses: Any,
        X: Any,
        y: Any,
        l2: Any = 0.0,
        *,
        fold_l2: bool = True,
        p: int | None = None,
        dtype: Any = np.float64,
    ) -> None:
        losses, self.columns = validate.losses(losses), validate.column_names(X)
        taken = self._taken(X, y, validate.precision(dtype))
        self.X, self.y = map(validate.own, taken, (X, y))
        if isinstance(losses, seam.SizedLosses):
            p = losses.n_parameters(self.X.shape[1])
        if isinstance(losses, seam.CheckedLosses):
            losses.check_labels(self.y, training=True)
        super().__init__(losses, len(self.y), p, l2, fold_l2, dtype)

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.X.shape[1:]

    def examples(self, indices: Any) -> tuple[ndarray, ndarray]:
        """Inputs and labels of some examples, which may be named more than once."""
        return self.X[indices], self.y[indices]

    def check_examples(self, X: Any, y: Any) -> tuple[ndarray, ndarray]:
        """More examples as arrays that fit these, or one clear sentence."""
        X, y = self._taken(self.inputs(X), y, self.dtype, self.example_shape, self.y.shape[1:])
        if isinstance(self.losses, seam.CheckedLosses):
            self.losses.check_labels(y, training=False)
        return X, y

    def replaced(self, indices: Any, X_new: Any, y_new: Any) -> Self:
        """Other examples in the place of these, with their weights.  -> a new objective."""
        X_new, y_new = self.check_examples(X_new, y_new)
        indices = validate.replacements(validate.indices(indices, self.n), self.n, X_new)
        X, y = rows.replaced(self.X, indices, X_new), rows.replaced(self.y, indices, y_new)
        return self._of(X, y, self.weights)

    def perturbed(self, i: Any, x: Any, y: Any) -> Self:
        """Replace example `i` by ``(x, y)``."""
        return self.replaced(i, *validate.one_row(self.inputs(x), y, len(self.example_shape)))

    def extended(self, X_new: Any, y_new: Any) -> Self:
        """The same risk, with new examples that wait at the end with weight zero."""
        X_new, y_new = self.check_examples(X_new, y_new)
        return self._of(
            rows.stacked(self.X, X_new),
            np.concatenate([self.y, y_new]),
            np.concatenate([self.weights, np.zeros(len(y_new), self.dtype)]),
        )

    def _taken(self, X: Any, y: Any, dtype: Any, *shapes: Any) -> tuple[ndarray, ndarray]:
        """Examples in the form in which this objective computes."""
        return validate.examples(validate.dense(X), y, dtype, *shapes)

    def _of(self, X: ndarray, y: ndarray, weights: ndarray) -> Self:
        return self._changed(X=X, y=y, weights=weights)

    # The obvious way, from the losses one by one; where there is a faster one, it replaces these

    def risk(self, theta: ndarray) -> float:
        """R(theta) = sum_i w_i L(z_i, theta), penalty included.  (p,) -> scalar."""
        theta = self._theta(theta)
        losses = self._loss_values(theta, self.X, self.y)
        return self.weights @ losses + 0.5 * (self.penalty * theta) @ theta

    def grad(self, theta: ndarray) -> ndarray:
        """Gradient of the risk.  (p,) -> (p,)."""
        theta = self._theta(theta)
        return self.weights @ self._loss_grads(theta, self.X, self.y) + self.penalty * theta

    def example_dots(self, theta: ndarray, V: ndarray) -> ndarray:
        """grad L(z_i, theta) . v for every i at once.  (p,), (p,) or (p, k) -> (n,) or (n, k)."""
        theta = self._theta(theta)
        V = validate.columns(V, theta.size, self.dtype)
        return self._loss_grads(theta, self.X, self.y) @ V + (self.example_l2 * theta) @ V


def symmetric(A: ndarray) -> ndarray:
    """A matrix that is symmetric but for rounding, symmetric to the last bit."""
    return 0.5 * (A + A.T)
