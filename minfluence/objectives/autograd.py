"""The empirical risk of any per-example loss, and its derivatives by autograd.

A model is one function ``losses(theta, X, y) -> (n,)`` written with ``autograd.numpy``;
row i of its result depends on example i alone.
"""

import autograd.numpy as anp
import numpy as np
from autograd import grad
from autograd.core import make_vjp

from minfluence.objectives.base import (
    TrainingSet,
    check_columns,
    check_examples,
    check_l2,
    check_theta,
)


class AutogradObjective(TrainingSet):
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
        are left out or reweighted.
    p : int, optional
        Number of parameters; known without being told for the losses of `minfluence.models`.

    References
    ----------
    Koh & Liang (2017), section 2: ``R(theta) = 1/n sum_i L(z_i, theta)``.
    """

    def __init__(self, losses, X, y, l2=0.0, *, fold_l2=True, p=None):
        super().__init__(X, y)
        self.losses, self.fold_l2 = losses, fold_l2
        self.p = losses.n_parameters(self.X.shape[1]) if hasattr(losses, "n_parameters") else p
        self.l2 = check_l2(l2, self.p)
        if hasattr(losses, "check_labels"):
            losses.check_labels(self.y, training=True)

    def risk(self, theta):
        """R(theta) = sum_i w_i L(z_i, theta), penalty included.  (p,) -> scalar."""
        return self._risk(check_theta(theta, self.p))

    def _risk(self, theta):
        losses = self.losses(theta, self.X, self.y)
        if anp.shape(losses) != (self.n,):
            raise ValueError(
                f"losses(theta, X, y) must return one loss per example, shape ({self.n},), "
                f"got {anp.shape(losses)}."
            )
        return anp.dot(self.weights, losses) + 0.5 * anp.dot(self._penalty * theta, theta)

    def grad(self, theta):
        """Gradient of the risk.  (p,) -> (p,)."""
        return grad(self._risk)(check_theta(theta, self.p))

    def grads(self, thetas, weights):
        """Gradients at many parameter vectors, each for its own weights of the examples.

        (p, k), (n, k) -> (p, k)
        """
        pairs = zip(thetas.T, weights.T, strict=True)
        return np.stack([self.reweighted(w).grad(theta) for theta, w in pairs], axis=1)

    def hvp_at(self, theta):
        """The map V -> Hessian of the risk at theta times V; V is (p,) or a block (p, k).

        The gradient is traced once and then differentiated along each column: reverse mode
        twice, because the Hessian is symmetric and not every function has a forward rule.
        """
        vjp, _ = make_vjp(grad(self._risk), check_theta(theta, self.p))
        return lambda V: _by_column(vjp, V, np.size(theta))

    def hvp(self, theta, V):
        """Hessian of the risk at theta times V.  (p,), (p,) or (p, k) -> like V."""
        return self.hvp_at(theta)(V)

    def gnvp_at(self, theta):
        """The map V -> Gauss-Newton matrix at theta times V; V is (p,) or a block (p, k).

        ``sum_i w_i J_iᵀ D_i J_i`` plus the penalty: J_i differentiates the scores of example i in
        theta, D_i is the Hessian of its loss in the scores. It is what remains of the Hessian when
        the curvature of the scores is dropped, and positive semi-definite for a convex loss.
        """
        if not (hasattr(self.losses, "scores") and hasattr(self.losses, "value")):
            raise ValueError(
                'curvature="gauss-newton" needs losses with the methods scores(theta, X) and '
                "value(scores, y), as those of minfluence.models have."
            )
        theta = check_theta(theta, self.p)
        transposed, S = make_vjp(lambda t: self.losses.scores(t, self.X), theta)
        J, _ = make_vjp(transposed, np.zeros_like(S))
        D, _ = make_vjp(grad(lambda S: anp.dot(self.weights, self.losses.value(S, self.y))), S)

        def product(v):
            return transposed(D(J(v))) + self._penalty * v

        return lambda V: _by_column(product, V, theta.size)

    def gnvp(self, theta, V):
        """Gauss-Newton matrix at theta times V.  (p,), (p,) or (p, k) -> like V."""
        return self.gnvp_at(theta)(V)

    def gauss_newton(self, theta):
        """The Gauss-Newton matrix itself, column by column.  (p,) -> (p, p)."""
        G = self.gnvp(theta, np.eye(np.size(theta)))
        return 0.5 * (G + G.T)  # symmetric to the last bit

    def hessian(self, theta):
        """The Hessian itself, column by column.  (p,) -> (p, p)."""
        H = self.hvp(theta, np.eye(np.size(theta)))
        return 0.5 * (H + H.T)  # symmetric to the last bit

    def example_dots(self, theta, V):
        """grad L(z_i, theta) . v for every i at once.  (p,), (p,) or (p, k) -> (n,) or (n, k).

        One Jacobian-vector product J v.  As ``u -> Jᵀ u`` is linear, its own transpose is
        ``v -> J v``: reverse mode twice, and never n gradients.
        """
        theta = check_theta(theta, self.p)
        vjp, losses = make_vjp(lambda t: self.losses(t, self.X, self.y), theta)
        jvp, _ = make_vjp(vjp, np.zeros_like(losses))
        return _by_column(jvp, V, theta.size) + (self._own_l2 * theta) @ V

    def example_grads(self, theta, indices):
        """Gradients of the penalised losses of some training examples.  -> (len(indices), p)."""
        indices, theta = self._indices(indices), check_theta(theta, self.p)
        return self._bare_grads(theta, self.X[indices], self.y[indices]) + self._own_l2 * theta

    def input_grads(self, theta, v, indices):
        """d/dx of grad L(z_i, theta) . v.  (p,), (p,), (k,) -> (k, ...), shaped like the inputs."""
        indices, theta = self._indices(indices), check_theta(theta, self.p)
        v = check_columns(v, theta.size)
        y = self.y[indices]

        def dot(X):
            return anp.dot(grad(lambda t: anp.sum(self.losses(t, X, y)))(theta), v)

        return grad(dot)(self.X[indices])

    def test_losses(self, theta, X_test, y_test):
        """Bare losses, without penalty, of test points.  -> (m,)."""
        return self.losses(check_theta(theta, self.p), *self.check_test(X_test, y_test))

    def test_grads(self, theta, X_test, y_test):
        """Gradients of the bare losses of test points.  -> (m, p)."""
        return self._bare_grads(theta, *self.check_test(X_test, y_test))

    def check_test(self, X_test, y_test):
        """Test points as arrays that fit this objective, or one clear sentence."""
        X_test, y_test = check_examples(X_test, y_test, self.X.dtype, like=self.X)
        if hasattr(self.losses, "check_labels"):
            self.losses.check_labels(y_test, training=False)
        return X_test, y_test

    def _bare_grads(self, theta, X, y):
        """The obvious loop: one example, one gradient."""
        theta = check_theta(theta, self.p)
        of_one = grad(lambda t, i: self.losses(t, X[i : i + 1], y[i : i + 1])[0])
        return np.stack([of_one(theta, i) for i in range(len(X))])


def _by_column(product, V, p):
    """Apply a linear map to one vector (p,), or to each column of a block (p, k)."""
    V = check_columns(V, p)
    return product(V) if V.ndim == 1 else np.stack([product(v) for v in V.T], axis=1)
