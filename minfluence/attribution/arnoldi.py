"""Invert the Hessian on its strongest directions only, found by Arnoldi's iteration."""

from typing import Any

import numpy as np
from scipy.linalg import norm  # scales, where squares of 1e200 would overflow

from minfluence import seam, validate
from minfluence.seam import Solution
from minfluence.solvers import certified


def arnoldi(
    A: seam.Operator,
    B: Any,
    *,
    rank: int,
    steps: int | None = None,
    rng: np.random.Generator | int | None = None,
) -> Solution:
    """Solve ``A x = b`` in the span of the eigenvectors of largest eigenvalue; a solver.

    Everything outside that span is dropped, as if the curvature there were infinite.

    Parameters
    ----------
    A : object with ``A @ v``
        Symmetric, such as a `Hessian`.
    B : array, shape (p,) or (p, m)
    rank : int
        Eigenvalues kept, those of largest size.
    steps : int, optional
        Products with `A`: the dimension of the Krylov space, by default twice `rank`.
    rng : numpy.random.Generator or seed, optional
        Draws the starting vector; a fixed seed by default.

    Returns
    -------
    Solution
        `residual` is far from 0 unless `rank` is close to p: it counts what was dropped.

    Notes
    -----
    Cost: 2 n for each step, however many right-hand sides. Gradients need only be stored as their
    `rank` coordinates in the span.

    References
    ----------
    Schioppa, Zablotskaia, Vilar & Sokolov (2022); Arnoldi (1951). Where `A` is symmetric this is
    Lanczos' iteration with all vectors kept orthogonal.
    """
    A = validate.square(A)
    p = A.shape[0]
    B = validate.columns(B, p)
    rank = validate.count("rank", rank)
    steps = validate.count("steps", 2 * rank if steps is None else steps)
    rank = validate.count("rank", rank, most=steps)
    start = validate.generator(rng).standard_normal(p)
    values, U = _ritz(A, start, min(steps, p))
    strongest = np.argsort(-abs(values))[:rank]
    values, U = values[strongest], U[:, strongest]
    x = U @ ((U.T @ B).T / values).T  # (p, rank) (rank, m)
    return certified(A, B, x, steps)


def _ritz(A: seam.Operator, v: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors of A in the Krylov space of v.  -> (r,), (p, r)."""
    Q, AQ, size = np.empty((len(v), 0)), np.empty((len(v), 0)), 0.0
    while Q.shape[1] < steps:
        for _ in range(2):  # once is not enough in floating point
            v = v - Q @ (Q.T @ v)
        if norm(v) <= 1e-10 * size:  # A leads nowhere new
            break
        Q = np.column_stack([Q, v / norm(v)])
        v = A @ Q[:, -1]
        validate.finite("The product of A with a vector", v)
        AQ, size = np.column_stack([AQ, v]), max(size, norm(v))
    values, vectors = np.linalg.eigh(Q.T @ AQ)
    seen = abs(values) > 1e-10 * abs(values).max()  # what A sends to 0 has no inverse
    return values[seen], Q @ vectors[:, seen]
