"""Solve ``A x = b``: exactly, or touching `A` only through ``A @ v``.

`b` may be one vector (p,) or a block of right-hand sides (p, k).
"""

import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigvalsh, get_blas_funcs

from minfluence.hessian import dense


class NotPositiveDefinite(ValueError):
    """The matrix has a non-positive eigenvalue, so ``A x = b`` is no minimisation."""


class NotConverged(UserWarning):
    """An iterative method stopped before it reached its tolerance."""


@dataclass(frozen=True)
class Solution:
    """A solution and its certificate.

    Attributes
    ----------
    x : array, shape (p,) or (p, k)
    converged : bool, or array of bool, shape (k,)
    steps : int, or array of int, shape (k,)
        Products with `A` that the solution of each right-hand side took.
    residual : float, or array, shape (k,)
        ``||b - A x|| / ||b||``, computed from the final `x`; NaN never, 0 for ``b = 0``.
    """

    x: np.ndarray
    converged: np.ndarray
    steps: np.ndarray
    residual: np.ndarray


def factorize(A):
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
    matrix = _floating(dense(A)).T  # symmetric, and now in LAPACK's order of columns
    if isinstance(A, np.ndarray):
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


def _solve_with(factor, diagonal, b):
    b = _floating(b)
    x = cho_solve((factor, True), b)
    # LAPACK writes the lower factor and leaves the upper triangle of A: enough to check A x = b.
    symm = get_blas_funcs("symm", (factor,))
    X = x.reshape(len(x), -1)
    AX = symm(1.0, factor, X, lower=False) + (diagonal - factor.diagonal())[:, None] * X
    residual = _relative_residual(b, AX.reshape(b.shape))
    converged = residual <= np.sqrt(np.finfo(x.dtype).eps)
    return Solution(x, converged, np.ones_like(converged, dtype=int), residual)


def direct(A, b):
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


REMEDY = "Train closer to a minimum, raise l2, or damp it: Hessian(objective, theta, damping=...)."


def cg(A, b, *, rtol=None, max_steps=None, preconditioner=None):
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
    B = _floating(b).reshape(len(b), -1)
    if not np.isfinite(B).all():
        raise ValueError("The right-hand side b holds NaN or infinity.")
    if rtol is None:
        rtol = 1e-8 if B.dtype == np.float64 else 1e-5
    max_steps = 10 * len(B) if max_steps is None else max_steps
    apply_M = (lambda R: R) if preconditioner is None else preconditioner.__matmul__

    target = 0.9 * rtol * np.linalg.norm(B, axis=0)  # 0.9: room for rounding in R
    X, R = np.zeros_like(B), B
    steps = np.zeros(B.shape[1], dtype=int)
    live = np.arange(B.shape[1])  # columns still in the block
    P, rz_old = np.zeros_like(B), np.ones(B.shape[1], dtype=B.dtype)
    for step in range(max_steps + 1):
        going = np.linalg.norm(R, axis=0) > target[live]
        live, R, P, rz_old = live[going], R[:, going], P[:, going], rz_old[going]
        if step == max_steps or not live.size:
            break
        Z = apply_M(R)
        rz = _dots(R, Z)
        P = Z + (rz / rz_old) * P
        AP = A @ P
        curvature = _dots(P, AP)
        if not (curvature > 0).all():
            raise NotPositiveDefinite(
                f"vᵀAv = {curvature.min():.2e} at step {step}: "
                f"A has a non-positive eigenvalue. {REMEDY}"
            )
        alpha = rz / curvature
        X[:, live] += alpha * P
        R = R - alpha * AP
        rz_old = rz
        steps[live] += 1

    residual = _relative_residual(B, A @ X)
    converged = residual <= rtol
    if not converged.all():
        warnings.warn(
            f"cg stopped after {steps.max()} steps with relative residual {residual.max():.1e} "
            f"(asked: {rtol:.0e}) in {np.sum(~converged)} of {len(converged)} solves: allow "
            "more max_steps, give a preconditioner, raise l2 or damping, or ask for a larger rtol.",
            NotConverged,
            stacklevel=2,
        )
    if np.ndim(b) == 1:
        return Solution(X[:, 0], converged[0], steps[0], residual[0])
    return Solution(X, converged, steps, residual)


def _floating(A):
    """An array of floats; whole numbers become float64."""
    A = np.asarray(A)
    return A.astype(np.result_type(A, np.float32), copy=False)


def _dots(P, Q):
    """Inner product of each column of P with the same column of Q.  (p, k), (p, k) -> (k,)."""
    return np.einsum("pk,pk->k", P, Q)


def _relative_residual(b, Ax):
    norm_b = np.linalg.norm(b, axis=0)
    return np.linalg.norm(b - Ax, axis=0) / np.where(norm_b > 0, norm_b, 1.0)
