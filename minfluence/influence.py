"""Influence functions: the equations of Koh & Liang (2017), one line each, and `Influence`.

Sign and scale. ``up_loss`` is a derivative: the change of a test loss per unit of extra weight
on a training example, so negative means helpful. ``predicted_change`` is a difference: the test
loss if the example is left out, minus the test loss now, so positive means helpful.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy import ndarray

from minfluence import seam, validate
from minfluence.hessian import Hessian
from minfluence.inverse import Inverse
from minfluence.memory import SCRATCH_BYTES, blocks, rows_in
from minfluence.minimum import closeness
from minfluence.report import Report
from minfluence.seam import Objective, Solution

# The equations ----------------------------------------------------------------------------------
# `inverse` is H⁻¹ as a function, ``b -> Solution``: an `Inverse`, or what `factorize` returns.

Apply = Callable[[Any], Solution]


def up_params(inverse: Apply, example_grads: ndarray) -> ndarray:
    """KL (1), R (1): I_up,params(z) = -H⁻¹ ∇L(z).  (p,) or (k, p) -> the same shape."""
    return -inverse(example_grads.T).x.T


def s_test(inverse: Apply, test_grads: ndarray) -> ndarray:
    """KL section 3: s_test = H⁻¹ ∇L(z_test).  (p,) or (m, p) -> the same shape."""
    return inverse(test_grads.T).x.T


def up_loss(objective: Objective, theta: ndarray, s_test: ndarray) -> ndarray:
    """KL (2), R (2): I_up,loss(z_i, z_test) = -s_testᵀ ∇L(z_i), for every training example at once.

    (p,) -> (n,); with several test points (m, p) -> (m, n).
    """
    return objective.example_dots(theta, -s_test.T).T


def pert_params(inverse: Apply, moved_grads: ndarray, example_grads: ndarray) -> ndarray:
    """KL (3), R (3): I_pert,params(z) = -H⁻¹ (∇L(z_δ) - ∇L(z)).  (p,) or (k, p) -> the same."""
    return up_params(inverse, moved_grads - example_grads)


def pert_loss(objective: Objective, theta: ndarray, s_test: ndarray, indices: Any) -> ndarray:
    """KL (5): I_pert,loss(z, z_test)ᵀ = -s_testᵀ ∇_x ∇_θ L(z).  (p,), (k,) -> (k, ...)."""
    return -objective.input_grads(theta, s_test, indices)


def self_influence(example_grads: ndarray, solved_grads: ndarray) -> ndarray:
    """I_up,loss(z, z) = -∇L(z)ᵀ H⁻¹ ∇L(z), never positive.  (n, p), (n, p) -> (n,)."""
    return -np.einsum("np,np->n", example_grads, solved_grads)


def predicted_change(up_loss: ndarray, weights: ndarray) -> ndarray:
    """-w · I_up,loss: leaving z out takes away its weight w, usually 1/n (KL section 2.1)."""
    return -weights * up_loss


def predicted_reweighted_change(up_loss: ndarray, weights: ndarray, W: ndarray) -> ndarray:
    """I_up,loss · (w_new - w): any change of weights, to first order.  (m, n), (n, k) -> (m, k)."""
    return up_loss @ (W - weights[:, None])


def predicted_perturbed_change(
    weights: ndarray, s_test: ndarray, moved_grads: ndarray, example_grads: ndarray
) -> ndarray:
    """-w · s_testᵀ (∇L(z_δ) - ∇L(z)): what KL (3) does to a test loss.  -> (k,) or (m, k)."""
    return -weights * (s_test @ (moved_grads - example_grads).T)


# The everyday object ----------------------------------------------------------------------------


class FarFromMinimum(UserWarning):
    """The gradient at theta is too large for influence to stand for retraining."""


class Influence:
    """Find the training examples that a prediction rests on.

    Parameters
    ----------
    objective : an objective
    theta : array, shape (p,)
        A minimiser of the objective's risk, from `minfluence.fit` or a fit of your own.
    solver : {"auto", "direct", "cg", "lissa"} or callable ``(A, B) -> Solution``
        As in `minfluence.Inverse`; "auto" takes whichever is cheapest.
    damping : float
        Added to the eigenvalues of the Hessian.
    curvature : {"hessian", "gauss-newton"}
        "gauss-newton" for networks, whose Hessian has negative eigenvalues; see `Hessian`.

    Attributes
    ----------
    report : Report
        Gradient norm at theta, and steps, residual and converged flag of every solve.

    Warns
    -----
    FarFromMinimum
        When the gradient at theta is larger than one example's share of it.

    References
    ----------
    Koh & Liang (2017), KL (1), (2), (3), (5).
    """

    def __init__(
        self,
        objective: Objective,
        theta: ndarray,
        *,
        solver: str | seam.Solver = "auto",
        damping: float = 0.0,
        curvature: str = "hessian",
    ) -> None:
        self.objective = objective
        self.theta = validate.theta(theta, objective.p).copy()
        self.H = Hessian(objective, self.theta, damping, curvature)
        self._inverse = Inverse(self.H, solver)
        self._latest: Any = None  # the latest test gradients and their s_test
        near = closeness(objective, self.theta)
        self.report = Report(self._inverse.name, self.H.damping, curvature, *near)
        if self.report.far:
            warnings.warn(self.report.far, FarFromMinimum, stacklevel=2)

    def up(self, gradient: ndarray) -> ndarray:
        """Influence of every example on any quantity, given its gradient in theta.

        Parameters
        ----------
        gradient : array, shape (p,) or (m, p)
            Gradient of a logit, a group gap, a test loss, ... at theta.

        Returns
        -------
        array, shape (n,) or (m, n)
            Derivative of the quantity with respect to extra weight on each training example.
        """
        solved = self._solved(validate.rows("gradient", gradient, self.theta.size))
        return up_loss(self.objective, self.theta, solved)

    def s_test(self, X_test: Any, y_test: Any) -> ndarray:
        """H⁻¹ ∇L(z_test).  One test point -> (p,); m of them -> (m, p)."""
        X_test, y_test, single = self._test_points(X_test, y_test)
        solved = self._solved(self.objective.test_grads(self.theta, X_test, y_test))
        return (solved[0] if single else solved).copy()

    def up_loss(self, X_test: Any, y_test: Any, batch_size: int | None = None) -> Any:
        """I_up,loss(z_i, z_test) for every training example: negative is helpful.

        Parameters
        ----------
        X_test : array, shape (m, ...), or one test point (...)
        y_test : array, shape (m,), or scalar
        batch_size : int, optional
            When given, an iterator over blocks of this many rows comes back instead of all rows,
            so that memory stays bounded however many test points there are.

        Returns
        -------
        array, shape (m, n), or (n,) for one test point
            Change of the test loss per unit of extra weight.
        """
        return self._rows(X_test, y_test, batch_size, lambda scores: scores)

    def predicted_change(self, X_test: Any, y_test: Any, batch_size: int | None = None) -> Any:
        """Predicted test loss without each example, minus the test loss now: positive is helpful.

        ``-up_loss / n``, with parameters and result shaped as in `up_loss`.
        """
        to_change = partial(predicted_change, weights=self.objective.weights)
        return self._rows(X_test, y_test, batch_size, to_change)

    def predicted_reweighted_change(self, W: Any, X_test: Any, y_test: Any) -> ndarray:
        """Predicted test loss with other weights of the examples, minus the test loss now.

        Parameters
        ----------
        W : array, shape (n, k)
            One column of weights for each of k changes: groups left out, or classes balanced anew.
        X_test : array, shape (m, ...), or one test point (...)
        y_test : array, shape (m,), or scalar

        Returns
        -------
        array, shape (m, k), or (k,) for one test point
            What `minfluence.refit_weighted` does to the test loss.
        """
        W, weights = validate.weight_columns(W, self.objective.n), self.objective.weights
        return predicted_reweighted_change(self.up_loss(X_test, y_test), weights, W)

    def pert_loss(self, x_test: Any, y_test: Any, indices: Any = None) -> ndarray:
        """I_pert,loss(z_i, z_test), KL (5): what moving the *input* of an example does.

        Parameters
        ----------
        x_test : array, shape (...)
        y_test : scalar
        indices : sequence of int, optional
            Training examples; all by default.

        Returns
        -------
        array, shape (len(indices), ...), shaped like the inputs
            Change of the test loss per unit of weight and per unit of each input. Moving x_i by a
            small delta changes the test loss by ``weights[i] * (pert_loss[i] * delta).sum()``, with
            weights of 1/n.
        """
        solved = self.s_test(x_test, y_test)
        if solved.ndim != 1:
            raise ValueError(
                f"pert_loss expects one test point, got {len(solved)}: pass X_test[0], y_test[0]."
            )
        indices = np.arange(self.objective.n) if indices is None else indices
        return pert_loss(self.objective, self.theta, solved, indices)

    def predicted_perturbed_change(
        self, indices: Any, X_new: Any, y_new: Any, X_test: Any, y_test: Any
    ) -> ndarray:
        """Predicted test loss if each example is *replaced* by a changed one, minus now, KL (3).

        The gradients before and after are taken exactly, so the change of an example need not be
        small: a flipped label or a missing word will do. Only its effect on theta is linearised.

        Parameters
        ----------
        indices : sequence of k ints
            Training examples; one may be named several times, for several changes of it.
        X_new : array, shape (k, ...)
        y_new : array, shape (k,)
            What replaces each of them.
        X_test : array, shape (m, ...), or one test point (...)
        y_test : array, shape (m,), or scalar

        Returns
        -------
        array, shape (m, k), or (k,) for one test point
            Compare with `minfluence.actual_perturbed_change`.
        """
        o = self.objective
        X_new = o.inputs(X_new)
        indices = validate.replacements(indices, o.n, X_new)
        before = o.test_grads(self.theta, *o.examples(indices))  # the penalty cancels
        moved = o.test_grads(self.theta, X_new, y_new)
        s_test = self.s_test(X_test, y_test)
        return predicted_perturbed_change(o.weights[indices], s_test, moved, before)

    def top(self, x_test: Any, y_test: Any, k: int = 5) -> tuple[ndarray, ndarray]:
        """Find the `k` most helpful and the `k` most harmful examples for one test point.

        Returns
        -------
        helpful, harmful : integer arrays, shape (k,)
            Indices of training examples, strongest first.
        """
        k = validate.count("k", k)
        scores = self.up_loss(x_test, y_test)
        if scores.ndim != 1:
            raise ValueError(f"top expects one test point, got {len(scores)}: pass X_test[0].")
        order = np.argsort(scores, kind="stable")
        return order[:k], order[::-1][:k].copy()

    def self_influence(self) -> ndarray:
        """I_up,loss(z_i, z_i) of every training example, never positive.  -> (n,)."""
        parts = []
        for part in blocks(self.objective.n, rows_in(SCRATCH_BYTES, 8 * self.theta.size)):
            G = self.objective.example_grads(self.theta, np.arange(part.start, part.stop))
            parts.append(self_influence(G, s_test(self._solve, G)))
        return np.concatenate(parts)

    # ---------------------------------------------------------------------------------------------

    def _rows(self, X_test: Any, y_test: Any, batch_size: int | None, finish: Callable) -> Any:
        X_test, y_test, single = self._test_points(X_test, y_test)
        if batch_size is not None:  # all are checked now, not each when its turn comes
            X_test, y_test = self.objective.check_examples(X_test, y_test)
            parts = blocks(len(y_test), validate.count("batch_size", batch_size))
            return (finish(self._up_loss(X_test[part], y_test[part])) for part in parts)
        scores = finish(self._up_loss(X_test, y_test))
        return scores[0] if single else scores

    def _up_loss(self, X_test: ndarray, y_test: ndarray) -> ndarray:
        return self.up(self.objective.test_grads(self.theta, X_test, y_test))

    def _test_points(self, X_test: Any, y_test: Any) -> tuple[ndarray, ndarray, bool]:
        """Test points as rows, and whether it was a single one."""
        X_test, y_test = self.objective.inputs(X_test), validate.real("y_test", y_test)
        axes = len(self.objective.example_shape)
        single = X_test.ndim == axes or y_test.ndim == 0
        return *(validate.one_row(X_test, y_test, axes) if single else (X_test, y_test)), single

    def _solved(self, gradients: ndarray) -> ndarray:
        """H⁻¹ times each row; the latest rows are remembered, so asking again is free."""
        latest = self._latest  # read once: another thread may ask for other rows meanwhile
        if latest is None or not np.array_equal(latest[0], gradients):
            latest = self._latest = gradients.copy(), s_test(self._solve, gradients)
        return latest[1]

    def _solve(self, B: ndarray) -> Solution:
        """H⁻¹ B, noted in the report."""
        solution = self._inverse(B)
        self.report.solver = self._inverse.name
        self.report.solves.append(replace(solution, x=None))
        return solution
