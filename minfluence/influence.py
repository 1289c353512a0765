"""Influence functions: the equations of Koh & Liang (2017), one line each, and `Influence`.

Sign and scale. ``up_loss`` is a derivative: the change of a test loss per unit of extra weight
on a training example, so negative means helpful. ``predicted_change`` is a difference: the test
loss if the example is left out, minus the test loss now, so positive means helpful.
"""

import warnings
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from minfluence.hessian import Hessian
from minfluence.objectives.base import check_replacements, check_theta
from minfluence.solvers import Solution, cg, direct, factorize, lissa

SMALL = 2_000  # parameters up to which a factorisation is cheap, and exact, for any objective
FACTOR_LIMIT = 10_000  # parameters up to which the Hessian may be written out: 0.8 GB
STEPS = 40  # products that CG takes for one right-hand side, roughly, when it is preconditioned
SCRATCH_BYTES = 2**28  # working memory for blocks of test points or of example gradients


# The equations ----------------------------------------------------------------------------------


def up_params(H, example_grads, solve=direct):
    """KL (1), R (1): I_up,params(z) = -H⁻¹ ∇L(z).  (p,) or (k, p) -> the same shape."""
    return -solve(H, example_grads.T).x.T


def s_test(H, test_grads, solve=direct):
    """KL section 3: s_test = H⁻¹ ∇L(z_test).  (p,) or (m, p) -> the same shape."""
    return solve(H, test_grads.T).x.T


def up_loss(example_grads, s_test):
    """KL (2), R (2): I_up,loss(z, z_test) = -∇L(z_test)ᵀ H⁻¹ ∇L(z) = -s_testᵀ ∇L(z).

    (n, p), (p,) -> (n,); with several test points (m, p) -> (m, n).
    """
    return -(s_test @ example_grads.T)


def pert_params(H, moved_grads, example_grads, solve=direct):
    """KL (3), R (3): I_pert,params(z) = -H⁻¹ (∇L(z_δ) - ∇L(z)).  (p,) or (k, p) -> the same."""
    return up_params(H, moved_grads - example_grads, solve)


def pert_loss(objective, theta, s_test, indices):
    """KL (5): I_pert,loss(z, z_test)ᵀ = -s_testᵀ ∇_x ∇_θ L(z).  (p,), (k,) -> (k, ...)."""
    return -objective.input_grads(theta, s_test, indices)


def self_influence(example_grads, solved_grads):
    """I_up,loss(z, z) = -∇L(z)ᵀ H⁻¹ ∇L(z), never positive.  (n, p), (n, p) -> (n,)."""
    return -np.einsum("np,np->n", example_grads, solved_grads)


def predicted_change(up_loss, weights):
    """-w · I_up,loss: leaving z out takes away its weight w, usually 1/n (KL section 2.1)."""
    return -weights * up_loss


# The everyday object ----------------------------------------------------------------------------


class FarFromMinimum(UserWarning):
    """The gradient at theta is too large for influence to stand for retraining."""


@dataclass
class Report:
    """What stands behind the scores of an `Influence`.

    Attributes
    ----------
    solver : str
    damping : float
    curvature : str
    grad_norm : float
        Length of the risk's gradient at theta.
    example_push : float
        Root mean square length of one example's share ``w_i ∇L(z_i)`` of that gradient: leaving
        one example out is a step of this size, so `grad_norm` should be far smaller.
    solves : list of Solution
        One for each block of right-hand sides, without `x`: `steps`, `residual`, `converged`.
    """

    solver: str
    damping: float
    curvature: str
    grad_norm: float
    example_push: float
    solves: list = field(default_factory=list)

    @property
    def converged(self):
        """Whether every solve so far reached its tolerance."""
        return all(np.all(s.converged) for s in self.solves)

    @property
    def residual(self):
        """The largest relative residual so far."""
        return max((float(np.max(s.residual)) for s in self.solves), default=0.0)

    @property
    def steps(self):
        """The most steps that any right-hand side took."""
        return max((int(np.max(s.steps)) for s in self.solves), default=0)

    @property
    def spread(self):
        """The largest relative standard error of a stochastic solve; None without one."""
        return max(
            (float(np.max(s.spread)) for s in self.solves if s.spread is not None), default=None
        )

    def __str__(self):
        spread = "" if self.spread is None else f"spread {self.spread:.1e}, "
        converged = "all converged" if self.converged else "NOT all converged"
        on = "" if self.curvature == "hessian" else f" on the {self.curvature} matrix"
        return (
            f"solver {self.solver}, damping {self.damping:g}{on}; "
            f"gradient norm {self.grad_norm:.1e} (one example's push: {self.example_push:.1e}); "
            f"{len(self.solves)} block solves, at most {self.steps} steps, "
            f"residual {self.residual:.1e}, {spread}{converged}"
        )


class Influence:
    """Find the training examples that a prediction rests on.

    Parameters
    ----------
    objective : an objective
    theta : array, shape (p,)
        A minimiser of the objective's risk, from `minfluence.fit` or a fit of your own.
    solver : {"auto", "direct", "cg", "lissa"} or callable ``(A, B) -> Solution``
        "auto" is "direct" up to 2,000 parameters; beyond that it is whichever takes fewer
        operations for the right-hand sides at hand, "direct" or "cg" with the objective's own
        preconditioner. Options by `functools.partial`: ``partial(minfluence.cg, rtol=1e-6)``.
        A solver sees what the objective computes with: tensors from a `TorchObjective`.
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

    def __init__(self, objective, theta, *, solver="auto", damping=0.0, curvature="hessian"):
        self.objective = objective
        self.theta = check_theta(theta, objective.p)
        self.H = Hessian(objective, self.theta, damping, curvature)
        if solver == "auto" and self.theta.size <= SMALL:
            solver = "direct"
        if not (callable(solver) or solver in ("auto", "direct", "cg", "lissa")):
            raise ValueError(
                f'solver must be "auto", "direct", "cg", "lissa" or a callable (A, B) -> Solution, '
                f"got {solver!r}."
            )
        self._solver = {"direct": direct, "cg": cg, "lissa": lissa}.get(solver, solver)
        self._factor = None  # made at the first direct solve, then reused
        self._preconditioned = None  # made at the first solve by preconditioned CG
        self._latest = None  # the latest test gradients and their s_test
        self.report = Report(
            solver if isinstance(solver, str) else _name(solver),
            self.H.damping,
            curvature,
            float(np.linalg.norm(objective.grad(self.theta))),
            _example_push(objective, self.theta),
        )
        if self.report.grad_norm > self.report.example_push:
            warnings.warn(
                f"The gradient norm at theta is {self.report.grad_norm:.1e}, more than one "
                f"example's push on it ({self.report.example_push:.1e}): theta is not close to a "
                "minimum and the scores will not match retraining. Continue with "
                "fit(objective, theta), or pass the objective that theta minimises.",
                FarFromMinimum,
                stacklevel=2,
            )

    def up(self, gradient):
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
        gradient = np.asarray(gradient)
        if gradient.ndim not in (1, 2) or gradient.shape[-1] != self.theta.size:
            raise ValueError(
                f"gradient must have shape ({self.theta.size},) or (m, {self.theta.size}), "
                f"got {gradient.shape}."
            )
        scores = self.objective.example_dots(self.theta, self._solved(gradient).T)
        return np.negative(scores, out=scores).T  # in place: it may hold all pairs

    def s_test(self, X_test, y_test):
        """H⁻¹ ∇L(z_test).  One test point -> (p,); m of them -> (m, p)."""
        X_test, y_test, single = self._test_points(X_test, y_test)
        solved = self._solved(self.objective.test_grads(self.theta, X_test, y_test))
        return (solved[0] if single else solved).copy()

    def up_loss(self, X_test, y_test, batch_size=None):
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

    def predicted_change(self, X_test, y_test, batch_size=None):
        """Predicted test loss without each example, minus the test loss now: positive is helpful.

        ``-up_loss / n``, with parameters and result shaped as in `up_loss`.
        """
        to_change = partial(predicted_change, weights=self.objective.weights)
        return self._rows(X_test, y_test, batch_size, to_change)

    def pert_loss(self, x_test, y_test, indices=None):
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

    def predicted_perturbed_change(self, indices, X_new, y_new, X_test, y_test):
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
        indices = check_replacements(o, indices, X_new)
        before = o.test_grads(self.theta, *o.examples(indices))  # the penalty cancels
        moved = o.test_grads(self.theta, X_new, y_new)
        return o.weights[indices] * up_loss(moved - before, self.s_test(X_test, y_test))

    def top(self, x_test, y_test, k=5):
        """Find the `k` most helpful and the `k` most harmful examples for one test point.

        Returns
        -------
        helpful, harmful : integer arrays, shape (k,)
            Indices of training examples, strongest first.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}.")
        scores = self.up_loss(x_test, y_test)
        if scores.ndim != 1:
            raise ValueError(f"top expects one test point, got {len(scores)}: pass X_test[0].")
        order = np.argsort(scores, kind="stable")
        return order[:k], order[::-1][:k]

    def self_influence(self):
        """I_up,loss(z_i, z_i) of every training example, never positive.  -> (n,)."""
        rows = max(1, SCRATCH_BYTES // (8 * self.theta.size))
        parts = []
        for start in range(0, self.objective.n, rows):
            chosen = np.arange(start, min(start + rows, self.objective.n))
            G = self.objective.example_grads(self.theta, chosen)
            parts.append(self_influence(G, self._solve(G.T).x.T))
        return np.concatenate(parts)

    # ---------------------------------------------------------------------------------------------

    def _rows(self, X_test, y_test, batch_size, finish):
        X_test, y_test, single = self._test_points(X_test, y_test)
        if batch_size is not None:
            if batch_size < 1:
                raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
            return self._batches(X_test, y_test, batch_size, finish)
        scores = finish(self.up(self.objective.test_grads(self.theta, X_test, y_test)))
        return scores[0] if single else scores

    def _batches(self, X_test, y_test, batch_size, finish):
        for start in range(0, len(X_test), batch_size):
            part = slice(start, start + batch_size)
            yield finish(self.up(self.objective.test_grads(self.theta, X_test[part], y_test[part])))

    def _test_points(self, X_test, y_test):
        X_test, y_test = np.asarray(X_test), np.asarray(y_test)
        single = X_test.ndim == len(self.objective.example_shape) and y_test.ndim == 0
        if single:
            X_test, y_test = X_test[None], y_test[None]
        return *self.objective.check_test(X_test, y_test), single

    def _solved(self, gradients):
        """H⁻¹ times each row; the latest rows are remembered, so asking again is free."""
        if self._latest is None or not np.array_equal(self._latest[0], gradients):
            self._latest = gradients.copy(), self._solve(gradients.T).x.T
        return self._latest[1]

    def _solve(self, B):
        solver = self._solver
        if solver == "auto":
            solver = self._choose(B.shape[1])
            self.report.solver = f"auto ({_name(solver)})"
        if solver is direct:
            if self._factor is None:
                self._factor = factorize(self.H)
            solution = self._factor(B)
        else:
            solution = solver(self.H, self.objective.to_native(B))
            if not isinstance(solution, Solution):
                raise ValueError(
                    "A solver must return a minfluence.Solution(x, converged, steps, residual), "
                    f"got {type(solution).__name__}."
                )
            solution = replace(solution, x=self.objective.to_numpy(solution.x))
        self.report.solves.append(replace(solution, x=None))
        return solution

    def _choose(self, k):
        """The solver "auto" takes for k right-hand sides: the one with fewer operations.

        Writing the Hessian out and factorising it serves any number of right-hand sides; CG takes
        about `STEPS` products for each of them. An objective that does not count its operations
        has to write its Hessian out column by column, and that never pays for few.
        """
        p, (product, matrix) = self.theta.size, self.H.flops
        if self._factor is None and (p > FACTOR_LIMIT or matrix + p**3 / 3 > k * STEPS * product):
            if self._preconditioned is None:
                M = self.objective.preconditioner(self.theta, self.H.damping)
                self._preconditioned = partial(cg, preconditioner=M)
            return self._preconditioned
        return direct


def _name(solver):
    function = getattr(solver, "func", solver)  # inside a functools.partial
    return getattr(function, "__name__", type(function).__name__)


def _example_push(objective, theta, probes=8):
    """Root mean square of ||w_i ∇L(z_i)||, from a few random directions (Hutchinson)."""
    V = np.random.default_rng(0).standard_normal((theta.size, probes))
    dots = objective.example_dots(theta, V)  # E (g . v)^2 = ||g||^2
    return float(np.sqrt(np.mean((objective.weights[:, None] * dots) ** 2)))
