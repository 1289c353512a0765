"""Solve ``A x = b``: exactly, or by products ``A @ v``.

`b` may be one vector (p,) or a block of right-hand sides (p, k).  The iterative solvers compute
with whatever `b` is made of, NumPy arrays or tensors on a device; certificates are NumPy.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, to_device
from numpy import ndarray
from scipy.linalg import (
    LinAlgError,
    cho_factor,
    cho_solve,
    eigh,
    eigvalsh,
    get_blas_funcs,
    get_lapack_funcs,
)

from minfluence import seam, validate
from minfluence.hessian import Hessian, dense
from minfluence.seam import Solution

REMEDY = "Train closer to a minimum, raise l2, or damp it: Hessian(objective, theta, damping=...)."

NOT_FINITE = "A @ v holds NaN or infinity: scale very large features down, or look at theta."


class NotPositiveDefinite(ValueError):
    """The matrix has a non-positive eigenvalue, so ``A x = b`` is no minimisation."""


class NotConverged(UserWarning):
    """An iterative method stopped before it reached its tolerance."""


def factorize(A: seam.Operator, *, unique: bool = True) -> Callable[[Any], Solution]:
    """Factor a symmetric positive definite `A` once, to solve with it many times.

    Parameters
    ----------
    A : array, shape (p, p), or operator
        An operator is written out first: p^2 numbers, and p^3 / 3 multiplications.
    unique : bool
        Refuse an `A` that is singular to the last digits. With False, the shortest of all solutions
        is returned for a `b` in the range of `A`: influence does not depend on the choice, as the
        gradients of all losses lie there too (those of `softmax` without a penalty, say).

    Returns
    -------
    callable ``b -> Solution``
        It warns of `NotConverged` where rounding has spoilt the solution, and raises
        `NotPositiveDefinite` where there is none.

    Raises
    ------
    NotPositiveDefinite
        If an eigenvalue is negative, or zero but for rounding.
    """
    matrix = validate.floating("The matrix A", dense(A)).T  # in LAPACK's order of columns
    validate.finite("The matrix A", matrix)
    if not isinstance(A, Hessian):
        matrix = matrix.copy(order="F")  # the reader's matrix is not ours to overwrite
    units = _units_of_parameters(matrix)
    matrix *= units
    matrix *= units[:, None]
    diagonal = matrix.diagonal().copy()
    norm = abs(matrix).sum(axis=0).max()
    try:
        factor, _ = cho_factor(matrix, lower=True, overwrite_a=True)
        rcond, _ = get_lapack_funcs("pocon", (factor,))(factor, norm, uplo="L")
    except LinAlgError:
        factor, rcond = matrix, 0.0
    if rcond > validate.tiny(factor):
        return partial(_solve_with, factor, diagonal, units)
    # LAPACK wrote into the lower triangle and the diagonal; the upper one still is that of A
    np.fill_diagonal(factor, diagonal)
    values, vectors = eigh(factor, lower=False, overwrite_a=True)
    zero = validate.tiny(vectors) * max(values[-1], 0.0)
    if values[0] < -zero or (unique and values[0] <= zero):
        raise NotPositiveDefinite(f"{validate.no_inverse(eigvalsh(dense(A)))} {REMEDY}")
    return partial(_solve_spectrally, values, vectors, units)


def _units_of_parameters(A: ndarray) -> ndarray:
    """Powers of two that bring the diagonal near 1, so that units decide nothing.  -> (p,)."""
    d = abs(A.diagonal())
    return np.ldexp(1.0, -np.frexp(np.where(d > 0, d, 1.0))[1] // 2).astype(A.dtype)


def _solve_with(factor: ndarray, diagonal: ndarray, units: ndarray, b: Any) -> Solution:
    """By Cholesky's factor of the matrix in those units."""
    B = np.asarray(to_device(validate.right_hand_sides(factor, b), "cpu"), factor.dtype)
    Y = cho_solve((factor, True), units[:, None] * B)
    # LAPACK writes the lower factor and leaves the upper triangle of A: enough to check A x = b.
    symm = get_blas_funcs("symm", (factor,))
    AY = symm(1.0, factor, Y, lower=False) + (diagonal - factor.diagonal())[:, None] * Y
    return _exact(units[:, None] * Y, relative_residual(B, AY / units[:, None]), np.ndim(b))


def _solve_spectrally(values: ndarray, vectors: ndarray, units: ndarray, b: Any) -> Solution:
    """By eigenvalues, some of which are zero: what `b` has in their directions must be rounding."""
    B = np.asarray(to_device(validate.right_hand_sides(vectors, b), "cpu"), vectors.dtype)
    seen = values > validate.tiny(vectors) * values[-1]
    U, N = vectors[:, seen], units[:, None] * vectors[:, ~seen]
    C = U.T @ (units[:, None] * B)
    residual = relative_residual(B, U @ C / units[:, None])
    if (residual > np.sqrt(np.finfo(U.dtype).eps)).any():
        share = f"{residual.max():.0%} of b lies where A is 0, so A x = b has no solution"
        raise NotPositiveDefinite(f"{validate.no_inverse(values)} And {share}. {REMEDY}")
    X, (N, _) = units[:, None] * (U @ (C / values[seen, None])), np.linalg.qr(N)
    return _exact(X - N @ (N.T @ X), residual, np.ndim(b))  # the shortest of all solutions


def _exact(X: ndarray, residual: ndarray, ndim: int) -> Solution:
    """What a solver in one step found."""
    converged = residual <= np.sqrt(np.finfo(X.dtype).eps)
    solution = Solution(X, converged, np.ones_like(converged, dtype=int), residual)
    otherwise = (
        f"direct has a relative residual of {residual.max(initial=0):.1e}: the matrix is close to "
        "singular, or not symmetric. Raise l2 or damping, or compute in float64."
    )
    return certificate(solution, ndim, otherwise, stacklevel=5)


def direct(A: seam.Operator, b: Any) -> Solution:
    """Solve ``A x = b`` by Cholesky factorisation, of `factorize`.

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
        If some eigenvalue is negative, or zero but for rounding; the message names the smallest.
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
    given = validate.right_hand_sides(A, b)
    B, xp, largest = given / units(given), array_namespace(given), 0.0
    if rtol is None:
        rtol = 1e-8 if B.dtype == xp.float64 else 1e-5
    rtol = validate.fraction("rtol", rtol)
    max_steps = 10 * len(B) if max_steps is None else validate.count("max_steps", max_steps, 0)
    apply_M = (lambda R: R) if preconditioner is None else preconditioner.__matmul__

    target = 0.9 * rtol * norms(B)  # 0.9: room for rounding in R
    X, R = xp.zeros_like(B), B
    steps = np.zeros(B.shape[1], dtype=int)
    live = np.arange(B.shape[1])  # columns still in the block
    P, rz_old = xp.zeros_like(B), xp.ones_like(B[0])
    for step in range(max_steps + 1):
        going = norms(R) > target[live]
        live, R, P, rz_old = live[going], R[:, going], P[:, going], rz_old[going]
        if step == max_steps or not live.size:
            break
        Z = apply_M(R)
        rz = dots(R, Z)
        if not (rz > 0).all():
            raise NotPositiveDefinite(
                f"rᵀMr = {float(rz.min()):.2e} at step {step}: the preconditioner must be "
                "symmetric and positive definite, like the inverse of A."
            )
        P = Z + (rz / rz_old) * P
        AP = A @ P
        curvature = dots(P, AP)
        largest = check_curvature(curvature / dots(P, P), largest, step)
        alpha = rz / curvature
        X[:, live] += alpha * P
        R = R - alpha * AP
        rz_old = rz
        steps[live] += 1

    residual = relative_residual(B, A @ X)
    converged = residual <= rtol
    otherwise = (
        f"cg stopped after {steps.max(initial=0)} steps with relative residual "
        f"{residual.max(initial=0):.1e} (asked: {rtol:.0e}) in {np.sum(~converged)} of "
        f"{len(converged)} solves: allow more max_steps, give a preconditioner, raise l2 or "
        "damping, or ask for a larger rtol."
    )
    return certificate(
        Solution(X * units(given), converged, steps, residual), np.ndim(b), otherwise
    )


def check_curvature(met: Any, largest: float, step: int) -> float:
    """Curvatures vᵀAv / vᵀv along some directions: positive, also beside rounding.  -> largest."""
    lowest, largest = float(met.min()), max(largest, float(met.max()))
    if not np.isfinite([lowest, largest]).all():
        raise ValueError(NOT_FINITE)
    eps = array_namespace(met).finfo(met.dtype).eps
    if not lowest > eps**1.5 * largest:
        small = f" but for rounding, beside {largest:.2e}" if abs(lowest) < eps * largest else ""
        raise NotPositiveDefinite(
            f"vᵀAv / vᵀv = {0.0 if small else lowest:.2e} at step {step}: A has a non-positive "
            f"eigenvalue{small}. {REMEDY}"
        )
    return largest


def certificate(solution: Solution, ndim: int, otherwise: str, stacklevel: int = 3) -> Solution:
    """The solution for `b` of 1 or 2 axes, and a warning unless all of it converged."""
    s = solution
    if not s.converged.all():
        warnings.warn(otherwise, NotConverged, stacklevel=stacklevel)
    return s if ndim == 2 else Solution(s.x[:, 0], s.converged[0], s.steps[0], s.residual[0])


def dots(P: Any, Q: Any) -> Any:
    """Inner product of each column of P with the same column of Q.  (p, k), (p, k) -> (k,)."""
    return array_namespace(P).einsum("pk,pk->k", P, Q)


def norms(B: Any) -> ndarray:
    """Length of each column, as NumPy.  (p, k) -> (k,)."""
    unit = units(B)  # squares of 1e200 would overflow
    lengths = array_namespace(B).linalg.vector_norm(B / unit, axis=0) * unit
    return np.asarray(to_device(lengths, "cpu"))


def units(B: Any) -> Any:
    """A power of two near the size of each column: divides without rounding.  (p, k) -> (k,)."""
    xp = array_namespace(B)
    largest = np.asarray(to_device(xp.max(xp.abs(B), axis=0), "cpu"))
    exponents = np.frexp(np.where(largest > 0, largest, 1.0))[1]
    return xp.asarray(np.ldexp(1.0, exponents), dtype=B.dtype, device=device(B))


def relative_residual(b: Any, Ax: Any) -> ndarray:
    """||b - A x|| / ||b|| of every right-hand side, and 0 for b = 0.  (p, k), (p, k) -> (k,)."""
    norm_b = norms(b)
    return norms(b - Ax) / np.where(norm_b > 0, norm_b, 1.0)


def certified(A: seam.Operator, b: Any, x: Any, steps: int, rtol: float = 1e-8) -> Solution:
    """A solution that another solver found, with the residual it has on `A` itself."""
    residual = relative_residual(b, A @ x)
    return Solution(x, residual <= rtol, np.full_like(residual, steps, dtype=int), residual)
