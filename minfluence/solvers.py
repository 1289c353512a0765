"""Solve ``A x = b``: exactly, by products ``A @ v``, or by products with random samples of `A`.

`b` may be one vector (p,) or a block of right-hand sides (p, k).  The iterative solvers compute
with whatever `b` is made of, NumPy arrays or tensors on a device; certificates are NumPy.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from array_api_compat import array_namespace, to_device
from numpy import ndarray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigvalsh, get_blas_funcs

from minfluence import seam, validate
from minfluence.hessian import dense
from minfluence.seam import Solution

REMEDY = "Train closer to a minimum, raise l2, or damp it: Hessian(objective, theta, damping=...)."


class NotPositiveDefinite(ValueError):
    """The matrix has a non-positive eigenvalue, so ``A x = b`` is no minimisation."""


class Diverged(ValueError):
    """The recursion of `lissa` grew instead of settling: its scale is too small."""


class NotConverged(UserWarning):
    """An iterative method stopped before it reached its tolerance."""


def factorize(A: seam.Operator) -> Callable[[Any], Solution]:
    """Factor a symmetric positive definite `A` once, to solve with it many times.

    Parameters
    ----------
    A : array, shape (p, p), or operator
        An operator is written out first: p^2 numbers, and p^3 / 3 multiplications.

    Returns
    -------
    callable ``b -> Solution``

    Raises
    ------
    NotPositiveDefinite
    """
    matrix = validate.floating(dense(A)).T  # symmetric, and now in LAPACK's order of columns
    if isinstance(A, ndarray):
        matrix = matrix.copy(order="F")  # the reader's matrix is not ours to overwrite
    diagonal = matrix.diagonal().copy()
    try:
        factor, _ = cho_factor(matrix, lower=True, overwrite_a=True)
    except LinAlgError:
        smallest = eigvalsh(dense(A), subset_by_index=[0, 0])[0]
        raise NotPositiveDefinite(
            f"The matrix has the eigenvalue {smallest:.2e}, and all must be positive. {REMEDY}"
        ) from None
    return partial(_solve_with, factor, diagonal)


def _solve_with(factor: ndarray, diagonal: ndarray, b: Any) -> Solution:
    b = validate.floating(b)
    x = cho_solve((factor, True), b)
    # LAPACK writes the lower factor and leaves the upper triangle of A: enough to check A x = b.
    symm = get_blas_funcs("symm", (factor,))
    X = x.reshape(len(x), -1)
    AX = symm(1.0, factor, X, lower=False) + (diagonal - factor.diagonal())[:, None] * X
    residual = relative_residual(b, AX.reshape(b.shape))
    converged = residual <= np.sqrt(np.finfo(x.dtype).eps)
    return Solution(x, converged, np.ones_like(converged, dtype=int), residual)


def direct(A: seam.Operator, b: Any) -> Solution:
    """Solve ``A x = b`` by Cholesky factorisation.

    Parameters
    ----------
    A : array, shape (p, p), or operator
        Symmetric positive definite.
    b : array, shape (p,) or (p, k)

    Returns
    -------
    Solution

    Raises
    ------
    NotPositiveDefinite
        If some eigenvalue is not positive; the message names the smallest.
    """
    return factorize(A)(b)


def cg(
    A: seam.Operator,
    b: Any,
    *,
    rtol: float | None = None,
    max_steps: int | None = None,
    preconditioner: seam.Operator | None = None,
) -> Solution:
    """Solve ``A x = b`` by conjugate gradients, touching `A` only through ``A @ v``.

    A block of right-hand sides advances together: one product with a block per step, columns
    leave it as they converge, and each keeps its own step lengths.

    Parameters
    ----------
    A : object with ``A @ v``
        Symmetric positive definite, acting on (p,) and (p, k). An ndarray will do.
    b : array, shape (p,) or (p, k)
    rtol : float, optional
        Stop when ``||b - A x|| <= rtol * ||b||``; default 1e-8, or 1e-5 in float32.
    max_steps : int, optional
        Default ``10 * p``; in exact arithmetic `p` steps are enough.
    preconditioner : object with ``M @ v``, optional
        Symmetric positive definite, close to the inverse of `A`.

    Returns
    -------
    Solution
        `x` like `b`; `residual` is computed afresh from `x` at the end.

    Warns
    -----
    NotConverged
        Once, when some column stopped at `max_steps`; its `converged` is False.

    Raises
    ------
    NotPositiveDefinite
        If a direction with ``vᵀ A v <= 0`` turns up, as it can for a neural network (KL 4.2).

    References
    ----------
    Koh & Liang (2017), section 3, "Conjugate gradients"; Hestenes & Stiefel (1952).
    """
    B = validate.right_hand_sides(b)
    xp = array_namespace(B)
    if rtol is None:
        rtol = 1e-8 if B.dtype == xp.float64 else 1e-5
    max_steps = 10 * len(B) if max_steps is None else max_steps
    apply_M = (lambda R: R) if preconditioner is None else preconditioner.__matmul__

    target = 0.9 * rtol * _norms(B)  # 0.9: room for rounding in R
    X, R = xp.zeros_like(B), B
    steps = np.zeros(B.shape[1], dtype=int)
    live = np.arange(B.shape[1])  # columns still in the block
    P, rz_old = xp.zeros_like(B), xp.ones_like(B[0])
    for step in range(max_steps + 1):
        going = _norms(R) > target[live]
        live, R, P, rz_old = live[going], R[:, going], P[:, going], rz_old[going]
        if step == max_steps or not live.size:
            break
        Z = apply_M(R)
        rz = _dots(R, Z)
        if not (rz > 0).all():
            raise NotPositiveDefinite(
                f"rᵀMr = {float(rz.min()):.2e} at step {step}: the preconditioner must be "
                "symmetric and positive definite, like the inverse of A."
            )
        P = Z + (rz / rz_old) * P
        AP = A @ P
        curvature = _dots(P, AP)
        if not (curvature > 0).all():
            raise NotPositiveDefinite(
                f"vᵀAv = {float(curvature.min()):.2e} at step {step}: "
                f"A has a non-positive eigenvalue. {REMEDY}"
            )
        alpha = rz / curvature
        X[:, live] += alpha * P
        R = R - alpha * AP
        rz_old = rz
        steps[live] += 1

    residual = relative_residual(B, A @ X)
    converged = residual <= rtol
    if not converged.all():
        warnings.warn(
            f"cg stopped after {steps.max()} steps with relative residual {residual.max():.1e} "
            f"(asked: {rtol:.0e}) in {np.sum(~converged)} of {len(converged)} solves: allow "
            "more max_steps, give a preconditioner, raise l2 or damping, or ask for a larger rtol.",
            NotConverged,
            stacklevel=2,
        )
    solution = Solution(X, converged, steps, residual)
    return solution if np.ndim(b) == 2 else _first_column(solution)


def lissa(
    A: seam.Operator,
    b: Any,
    *,
    scale: float | None = None,
    depth: int = 5_000,
    repeats: int = 10,
    batch_size: int = 1,
    rtol: float = 0.5,
    rng: np.random.Generator | int | None = None,
) -> Solution:
    """Solve ``A x = b`` by stochastic estimation, touching only random samples of `A`.

    The Neumann series ``1/a = 1 + (1 - a) + (1 - a)^2 + ...`` as a recursion, in which each step
    sees a few training examples and one whole `A` is never needed:

        x  <-  b + (I - A_sample / scale) x,    A⁻¹ b  ≈  x / scale.

    Parameters
    ----------
    A : object with ``A @ v``, ``sample(indices)`` and ``n``, such as a `Hessian`
        Symmetric positive definite; ``sample`` gives an unbiased estimate of it from some of the
        `n` examples. A matrix, which cannot be sampled, is used whole: the plain Neumann series.
    b : array, shape (p,) or (p, k)
    scale : float, optional
        No smaller than the largest eigenvalue of any sample, which keeps every factor from
        changing sign; half of it is enough for the variance to stay bounded. Found by
        `safe_scale` when not given.
    depth : int
        Steps of the recursion: bias shrinks like ``(1 - smallest eigenvalue / scale)^depth``.
    repeats : int
        Independent runs whose mean is returned: variance shrinks like 1 / repeats.
    batch_size : int
        Examples in each sample.
    rtol : float
        Relative residual up to which the estimate counts as converged; a rough one, as samples
        are noisy.
    rng : numpy.random.Generator or seed, optional
        Draws the samples; a fixed seed by default.

    Returns
    -------
    Solution
        `steps` counts products with a sample; `residual` takes one product with the whole `A`;
        `spread` is the error bar, which sees the noise of the samples but not the bias of a
        recursion that has not settled.

    Warns
    -----
    NotConverged
        Once, when some right-hand side is not converged.

    Raises
    ------
    Diverged
        When the recursion grows beyond what any convergent one could; names a scale that works.

    References
    ----------
    Koh & Liang (2017), section 3, "Stochastic estimation"; Agarwal, Bullins & Hazan (2017).
    """
    B = validate.right_hand_sides(b)
    validate.count("depth", depth)
    validate.count("repeats", repeats)
    batch_size, rng = _batch(A, batch_size), validate.generator(rng)
    if scale is None:
        scale = safe_scale(A, batch_size, rng)
    scale = validate.positive("scale", scale, "leave it out to find one")
    xp = array_namespace(B)
    runs = xp.stack(  # (repeats, p, k)
        [_neumann(A, B, scale, depth, batch_size, rng) / scale for _ in range(repeats)]
    )
    X, spread = xp.mean(runs, axis=0), _relative_spread(runs)
    residual = relative_residual(B, A @ X)
    steps = np.full(B.shape[1], depth * repeats)
    solution = Solution(X, residual <= rtol, steps, residual, spread)
    if not solution.converged.all():
        warnings.warn(
            f"lissa has a relative residual of {residual.max():.1e} (asked: {rtol:.0e}) after "
            f"{repeats} repeats of depth {depth} with scale {scale:.3g}: allow more depth "
            "(bias), more repeats or a larger batch_size (noise), or use cg.",
            NotConverged,
            stacklevel=2,
        )
    return solution if np.ndim(b) == 2 else _first_column(solution)


def safe_scale(
    A: seam.Operator, batch_size: int = 1, rng: np.random.Generator | int | None = None
) -> float:
    """Find a scale for which `lissa` settles: the largest curvature of any sample it meets.

    A single example can be far more curved than the mean of all, so the largest eigenvalue of `A`
    itself is not enough. Power iterations find it on 100 samples and on the whole `A`; that a
    sample not drawn is more than twice as curved is unlikely, and `lissa` notices it.

    Parameters
    ----------
    A : object with ``A @ v``, and ``sample(indices)`` and ``n`` if it can be sampled
    batch_size : int
    rng : numpy.random.Generator or seed, optional

    Returns
    -------
    float
    """
    batch_size, rng = _batch(A, batch_size), validate.generator(rng)
    draw = _sampler(A, batch_size, rng)
    samples = [A, *(draw() for _ in range(100 if isinstance(A, seam.SampledOperator) else 0))]
    return 1.05 * max(_largest_eigenvalue(sample, A.shape[0], rng) for sample in samples)


def _largest_eigenvalue(
    A: seam.Operator, p: int, rng: np.random.Generator, steps: int = 20
) -> float:
    """Power iteration.  A with ``A @ v`` -> float, from below."""
    v = rng.standard_normal(p)
    size = 0.0
    for _ in range(steps):
        v = A @ (v / np.linalg.norm(v))
        size = float(np.linalg.norm(v))
        if size == 0.0:
            break
    return size


def _batch(A: seam.Operator, batch_size: int) -> int:
    """A size of samples that `A` can give."""
    most = A.n if isinstance(A, seam.SampledOperator) else None
    return validate.count("batch_size", batch_size, most=most)


def _sampler(
    A: seam.Operator, batch_size: int, rng: np.random.Generator
) -> Callable[[], seam.Operator]:
    """Draws `A` seen through a few random examples, or `A` itself where that is all there is."""
    if not isinstance(A, seam.SampledOperator):
        return lambda: A
    n, sample = A.n, A.sample
    return lambda: sample(rng.choice(n, batch_size, replace=False))


def _neumann(
    A: seam.Operator, B: Any, scale: float, depth: int, batch_size: int, rng: np.random.Generator
) -> Any:
    """One run of the recursion: x = b + (I - A_sample / scale) x, `depth` times.  -> (p, k)."""
    X, size_b, draw = B, _size(B), _sampler(A, batch_size, rng)
    for step in range(depth):
        X = B + X - (draw() @ X) / scale
        # each step adds b, so while all factors shrink, x is at most (step + 2) b long
        if not _size(X) <= 10 * (step + 2) * size_b:
            raise Diverged(
                f"lissa diverged at step {step} with scale={scale:.3g}: some samples are more "
                f"curved than that. Use scale={safe_scale(A, batch_size):.3g}, or leave scale out."
            )
    return X


def _relative_spread(runs: Any) -> ndarray | None:
    """Standard error of the mean of repeats, relative to the mean.  (r, p, k) -> (k,) or None."""
    if len(runs) == 1:
        return None
    xp = array_namespace(runs)
    error = _norms(xp.std(runs, axis=0, correction=1)) / np.sqrt(len(runs))
    size = _norms(xp.mean(runs, axis=0))
    return error / np.where(size > 0, size, 1.0)


def _first_column(solution: Solution) -> Solution:
    """The solution for a single right-hand side, out of a block of one."""
    spread = None if solution.spread is None else solution.spread[0]
    return Solution(
        solution.x[:, 0], solution.converged[0], solution.steps[0], solution.residual[0], spread
    )


def _dots(P: Any, Q: Any) -> Any:
    """Inner product of each column of P with the same column of Q.  (p, k), (p, k) -> (k,)."""
    return array_namespace(P).einsum("pk,pk->k", P, Q)


def _norms(B: Any) -> ndarray:
    """Length of each column, as NumPy.  (p, k) -> (k,)."""
    return np.asarray(to_device(array_namespace(B).linalg.vector_norm(B, axis=0), "cpu"))


def _size(B: Any) -> float:
    return float(array_namespace(B).linalg.vector_norm(B))


def relative_residual(b: Any, Ax: Any) -> ndarray:
    """||b - A x|| / ||b|| of every right-hand side, and 0 for b = 0.  (p, k), (p, k) -> (k,)."""
    norm_b = _norms(b)
    return _norms(b - Ax) / np.where(norm_b > 0, norm_b, 1.0)


def certified(A: seam.Operator, b: Any, x: Any, steps: int, rtol: float = 1e-8) -> Solution:
    """A solution that another solver found, with the residual it has on `A` itself."""
    residual = relative_residual(b, A @ x)
    return Solution(x, residual <= rtol, np.full_like(residual, steps, dtype=int), residual)
