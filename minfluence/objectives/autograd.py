"""The empirical risk of any per-example loss, and its derivatives by autograd.

A model is one function ``losses(theta, X, y) -> (n,)`` written with ``autograd.numpy``;
row i of its result depends on example i alone.
"""

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import grad
from autograd.core import make_vjp
from numpy import ndarray

from minfluence import validate
from minfluence.objectives.base import ArrayObjective


class AutogradObjective(ArrayObjective):
    """Penalised, weighted mean loss of a model, with its derivatives by autograd.

    Parameters
    ----------
    losses : callable ``(theta, X, y) -> (n,)``
        The loss of every example, in autograd NumPy; `theta` is one flat vector.
    X : array, shape (n, ...)
    y : array, shape (n,)
    l2 : float, or array, shape (p,)
        Strength of the penalty ``l2/2 * theta @ theta``, folded into each example's loss; or one
        strength for each parameter, ``1/2 * l2 @ theta**2``, 0 for an intercept that is free.
    fold_l2 : bool
        False for a penalty that is a term of the risk by itself: it stays as it is when examples
        are left out or reweighted, as in scikit-learn's ``C`` and in ridge regression.
    p : int, optional
        Number of parameters; known without being told for the losses of `minfluence.models`.
    dtype : dtype
        float64, or float32 for half the memory at seven digits.

    References
    ----------
    Koh & Liang (2017), section 2: ``R(theta) = 1/n sum_i L(z_i, theta)``.
    """

    _tried = False  # whether the losses were tried on a few examples

    def risk(self, theta: ndarray) -> float:
        """R(theta) = sum_i w_i L(z_i, theta), penalty included.  (p,) -> scalar."""
        return self._risk(self._theta(theta))

    def _risk(self, theta: ndarray) -> float:
        losses = self.losses(theta, self.X, self.y)
        return anp.dot(self.weights, losses) + 0.5 * anp.dot(self.penalty * theta, theta)

    def grad(self, theta: ndarray) -> ndarray:
        """Gradient of the risk.  (p,) -> (p,)."""
        return grad(self._risk)(self._theta(theta)).astype(self.dtype)

    def hvp_at(self, theta: ndarray) -> Callable[[ndarray], ndarray]:
        """The map V -> Hessian of the risk at theta times V; V is (p,) or a block (p, k).

        The gradient is traced once and then differentiated along each column: reverse mode
        twice, because the Hessian is symmetric and not every function has a forward rule.
        """
        theta = self._theta(theta)
        vjp, _ = make_vjp(grad(self._risk), theta)
        return _on_blocks(vjp, theta)

    def gnvp_at(self, theta: ndarray) -> Callable[[ndarray], ndarray]:
        """The map V -> Gauss-Newton matrix at theta times V; V is (p,) or a block (p, k).

        ``sum_i w_i J_iᵀ D_i J_i`` plus the penalty: J_i differentiates the scores of example i in
        theta, D_i is the Hessian of its loss in the scores. It is what remains of the Hessian when
        the curvature of the scores is dropped, and positive semi-definite for a convex loss.
        """
        losses, theta = validate.scored(self.losses), self._theta(theta)
        transposed, S = make_vjp(lambda t: losses.scores(t, self.X), theta)
        J, _ = make_vjp(transposed, np.zeros_like(S))
        D, _ = make_vjp(grad(lambda S: anp.dot(self.weights, losses.value(S, self.y))), S)

        def product(v: ndarray) -> ndarray:
            return transposed(D(J(v))) + self.penalty * v

        return _on_blocks(product, theta)

    def example_dots(self, theta: ndarray, V: ndarray) -> ndarray:
        """grad L(z_i, theta) . v for every i at once.  (p,), (p,) or (p, k) -> (n,) or (n, k).

        One Jacobian-vector product J v.  As ``u -> Jᵀ u`` is linear, its own transpose is
        ``v -> J v``: reverse mode twice, and never n gradients.
        """
        theta = self._theta(theta)
        vjp, losses = make_vjp(lambda t: self.losses(t, self.X, self.y), theta)
        jvp, _ = make_vjp(vjp, np.zeros_like(losses))
        dots = _on_blocks(jvp, theta)(V)
        return dots + (self.example_l2 * theta) @ np.asarray(V, dtype=self.dtype)

    def _loss_values(self, theta: ndarray, X: ndarray, y: ndarray) -> ndarray:
        return self.losses(theta, X, y).astype(self.dtype)

    def _loss_grads(self, theta: ndarray, X: ndarray, y: ndarray) -> ndarray:
        """The obvious loop: one example, one gradient."""
        of_one = grad(lambda t, i: self.losses(t, X[i : i + 1], y[i : i + 1])[0])
        return np.stack([of_one(theta, i) for i in range(len(X))], dtype=self.dtype)

    def _input_grads(self, theta: ndarray, v: ndarray, X: ndarray, y: ndarray) -> ndarray:
        def dot(X: ndarray) -> ndarray:
            return anp.dot(grad(lambda t: anp.sum(self.losses(t, X, y)))(theta), v)

        return grad(dot)(X)

    def _taken(self, X: Any, y: Any, dtype: Any, *shapes: Any) -> tuple[ndarray, ndarray]:
        X, y = super()._taken(X, y, dtype, *shapes)
        return X, validate.no_column(y)

    def _theta(self, theta: Any) -> ndarray:
        theta = super()._theta(theta)
        if not self._tried:
            validate.losses_by_autograd(self.losses, theta, self.X[:4], self.y[:4])
            self._tried = True
        return theta


def _on_blocks(product: Callable, theta: ndarray) -> Callable[[ndarray], ndarray]:
    """A linear map of vectors (p,) as one that takes each column of a block (p, k) as well."""

    def on_block(V: ndarray) -> ndarray:
        V = validate.columns(V, theta.size, theta.dtype)
        if V.ndim == 1:
            return product(V).astype(theta.dtype)
        columns = [product(v) for v in V.T] or [product(theta)]  # no columns have a shape too
        return np.stack(columns, axis=1, dtype=theta.dtype)[:, : V.shape[1]]

    return on_block
