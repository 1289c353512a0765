"""Approximate inverses of the Hessian of a linear model, for conjugate gradients.

With B the examples, one per row and scaled by the square roots of their weights, and D the mean
curvature in the scores, the Hessian is about ``BᵀB ⊗ D`` plus the penalty. Its inverse takes the
eigenvalues of D and either of the d x d matrix BᵀB or of the n x n matrix B Bᵀ, whichever is
smaller; where both are large, of the diagonal alone.
"""

from typing import Any

import numpy as np
from numpy import ndarray

from minfluence import validate
from minfluence.memory import FACTOR_LIMIT
from minfluence.objectives import rows

EIGENVALUES = 10.0  # operations for all of them, in units of the size of the matrix cubed
UNEVEN = 10.0  # a diagonal more even than this does CG no harm, and its inverse does no good


def approximate_inverse(
    objective: Any, theta: ndarray, ridge: Any, budget: float
) -> "KroneckerInverse | DualInverse | DiagonalInverse | None":
    """The best that so many operations allow; None where a diagonal would do no good.

    Parameters
    ----------
    objective : LinearObjective
    theta : array, shape (p,)
    ridge : float, or array, shape (p,)
        Penalty and damping.
    budget : float
    """
    n, (d,) = objective.n, objective.example_shape
    side = min(n, d)
    if side > FACTOR_LIMIT or side * (objective.stored * n + EIGENVALUES * side**2) > budget:
        diagonal = DiagonalInverse(_diagonal(objective, theta) + ridge)
        return diagonal if diagonal.pays else None
    if n < d:
        return DualInverse(*_scaled_examples(objective, theta), ridge)
    A, D_sum = objective.curvature_factors(theta)
    return KroneckerInverse(A, D_sum / validate.total(objective.weights), ridge)


def _scaled_examples(objective: Any, theta: ndarray) -> tuple[Any, ndarray]:
    """B and D of the Hessian, which is exactly ``BᵀB`` where an example has one score.

    -> (n, d), (c, c)
    """
    w, D = objective.weights, np.concatenate([D for *_, D in objective.curvatures(theta)])
    if D.shape[1] == 1:
        return rows.times(objective.X, rows.root(w * D[:, 0, 0])[:, None]), np.ones_like(D[0])
    return rows.times(objective.X, rows.root(w)[:, None]), np.einsum(
        "n,nab->ab", w, D
    ) / validate.total(w)


def _diagonal(objective: Any, theta: ndarray) -> ndarray:
    """The diagonal of the Hessian, without the penalty.  -> (p,)."""
    parts = objective.curvatures(theta)
    return sum(
        (rows.squared(X).T @ (w[:, None] * np.einsum("naa->na", D))) for X, w, D in parts
    ).ravel()


class KroneckerInverse:
    """Inverse of ``A ⊗ D + ridge I``, used as ``M @ v``.

    Parameters
    ----------
    A : array, shape (d, d)
    D : array, shape (c, c)
        Both symmetric positive semi-definite.
    ridge : float, or array, shape (d * c,)
        Of several strengths the mean is taken.
    """

    def __init__(self, A: ndarray, D: ndarray, ridge: Any) -> None:
        a, self._U = np.linalg.eigh(A)
        b, self._Q = np.linalg.eigh(D)
        values = np.outer(a, b) + np.mean(ridge)
        self._values = np.maximum(values, np.finfo(A.dtype).eps * values.max())  # never 0
        self.shape = (values.size, values.size)

    def __matmul__(self, V: ndarray) -> ndarray:
        """(A ⊗ D + ridge I)⁻¹ V, for (p,) or (p, k): into the eigenvectors, divide, and back."""
        d, c = self._values.shape
        W = self._Q.T @ (self._U.T @ V.reshape(d, -1)).reshape(d, c, -1)
        W = self._Q @ (W / self._values[:, :, None])
        return (self._U @ W.reshape(d, -1)).reshape(V.shape)


class DualInverse:
    """Inverse of ``BᵀB ⊗ D + ridge I`` for a wide B, used as ``M @ v``: d x d is never needed.

    With ``B Bᵀ = Z diag(a) Zᵀ`` and the eigenvalues b of D it is, by Woodbury's identity and in the
    eigenvectors of D, ``(I - Bᵀ Z diag(b / (a b + ridge)) Zᵀ B) / ridge``.

    Parameters
    ----------
    B : array, shape (n, d), or sparse matrix
    D : array, shape (c, c)
        Symmetric positive semi-definite.
    ridge : float, or array, shape (d * c,)
        Of several strengths the mean is taken.
    """

    def __init__(self, B: Any, D: ndarray, ridge: Any) -> None:
        a, self._Z = np.linalg.eigh(rows.written_out(B @ B.T))
        b, self._Q = np.linalg.eigh(D)
        values = np.outer(a, b)
        self._B = B
        self._ridge = max(float(np.mean(ridge)), 8 * np.finfo(D.dtype).eps * values.max())
        self._share = b / (np.maximum(values, 0.0) + self._ridge)  # (n, c)
        self.shape = (B.shape[1] * len(b), B.shape[1] * len(b))

    def __matmul__(self, V: ndarray) -> ndarray:
        """Times V, for (p,) or (p, k): to the examples, divide, and back."""
        d, c = self._B.shape[1], len(self._Q)
        W = self._Q.T @ (self._Z.T @ (self._B @ V.reshape(d, -1))).reshape(len(self._Z), c, -1)
        W = self._Q @ (W * self._share[:, :, None])
        seen = self._B.T @ (self._Z @ W.reshape(len(W), -1))
        return (V - seen.reshape(V.shape)) / self._ridge


class DiagonalInverse:
    """Inverse of a diagonal, used as ``M @ v``.

    Parameters
    ----------
    diagonal : array, shape (p,)
        Where it is not positive, its mean takes its place.
    """

    rough = True  # a larger budget would bring a better one

    def __init__(self, diagonal: ndarray) -> None:
        positive = diagonal > np.finfo(diagonal.dtype).tiny
        mean = diagonal[positive].mean() if positive.any() else 1.0
        self._values = np.where(positive, diagonal, mean)
        self.shape = (len(diagonal), len(diagonal))

    @property
    def pays(self) -> bool:
        """Whether the parameters have so different units that they hide all else."""
        return bool(self._values.max() > UNEVEN * self._values.min())

    def __matmul__(self, V: ndarray) -> ndarray:
        """(p,) or (p, k) -> like V."""
        return V / self._values.reshape(-1, *[1] * (V.ndim - 1))
