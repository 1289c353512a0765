"""The Hessian as something you multiply by."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from minfluence import seam, validate


class Hessian:
    """H + damping * I, the Hessian of an objective's risk at theta, used as ``H @ v``.

    Parameters
    ----------
    objective : an objective
        Anything with ``hvp_at(theta)``.
    theta : array, shape (p,)
    damping : float
        Added to every eigenvalue; at least 0. Unlike `l2` it is no part of the model.
    curvature : {"hessian", "gauss-newton"}
        "gauss-newton" puts ``gnvp_at(theta)`` in the Hessian's place: the part of it that is never
        negative, and the same matrix for a model that is linear in theta.

    References
    ----------
    Koh & Liang (2017), section 3 (products instead of the matrix) and 4.2 (damping); Schraudolph
    (2002) for the Gauss-Newton product.
    """

    def __init__(
        self,
        objective: seam.Objective,
        theta: np.ndarray,
        damping: float = 0.0,
        curvature: str = "hessian",
    ) -> None:
        self.objective, self.theta = objective, theta
        self.damping = validate.number("damping", damping)
        self.curvature = validate.one_of("curvature", curvature, ("hessian", "gauss-newton"))
        self.shape = (len(theta), len(theta))
        whole, o = curvature == "hessian", objective
        self._product = o.hvp_at(theta) if whole else o.gnvp_at(theta)
        self._matrix = o.hessian if whole else o.gauss_newton

    def __matmul__(self, V: Any) -> Any:
        """(H + damping * I) V, for one vector (p,) or a block of columns (p, k)."""
        return self._product(V) + self.damping * V

    @property
    def flops(self) -> tuple[float, float]:
        """Operations of one product, and of the whole matrix: 0 and inf where none are counted."""
        o, whole = self.objective, self.curvature == "hessian"
        return o.hvp_flops, o.hessian_flops if whole else o.gauss_newton_flops

    @property
    def n(self) -> int:
        """Number of training examples that `sample` chooses from."""
        return self.objective.n

    def sample(self, indices: np.ndarray) -> "Hessian":
        """Unbiased estimate of this matrix from some examples.  (b,) -> Hessian."""
        return Hessian(self.objective.subset(indices), self.theta, self.damping, self.curvature)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The matrix itself, for ``np.asarray(H)``."""
        H = self._matrix(self.theta)
        H[np.diag_indices(len(H))] += self.damping
        return H if dtype is None else H.astype(dtype)


def dense(A: Any) -> np.ndarray:
    """Write any operator out as a matrix.  Something with ``A @ V`` -> (p, p)."""
    return np.asarray(A) if hasattr(A, "__array__") else A @ np.eye(A.shape[0])


def spectrum(
    A: seam.Operator, k: int = 1, *, rtol: float = 1e-3, max_steps: int = 300
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k smallest and the k largest eigenvalues, touching `A` only through ``A @ v``.

    A negative eigenvalue says that theta is no minimum; damping must exceed its size before the
    inverse means anything (KL 4.2).

    Parameters
    ----------
    A : object with ``A @ v`` and ``shape``
        Symmetric, such as a `Hessian`.
    k : int
    rtol : float
        Accuracy, in units of the largest eigenvalue's size. Eigenvalues that occur many times, as
        the penalty's do where features are always zero, settle slowly: ask for few digits.
    max_steps : int
        Restarts of the Lanczos process at most.

    Returns
    -------
    smallest, largest : arrays, shape (k,)
        Each in ascending order.

    Raises
    ------
    ValueError
        If `k` is out of range, or the eigenvalues did not settle within `max_steps`.

    References
    ----------
    Lanczos (1950), as in ARPACK through `scipy.sparse.linalg.eigsh`.
    """
    p = A.shape[0]
    k = validate.count("k", k, most=p)
    if p <= max(64, 4 * k):  # too small to iterate
        values = np.linalg.eigvalsh(dense(A))
        return values[:k], values[-k:]
    operator = LinearOperator(A.shape, matvec=lambda v: A @ v.ravel(), dtype=float)
    options: dict[str, Any] = {
        "return_eigenvectors": False,
        "maxiter": max_steps,
        "ncv": min(p, 4 * k + 40),
        "v0": np.random.default_rng(0).standard_normal(p),  # the same in every run
    }
    try:
        largest = np.sort(eigsh(operator, k, which="LA", tol=rtol, **options))
        # ARPACK measures errors against the eigenvalue itself: move those near 0 away from it
        shift = max(abs(largest[-1]), np.finfo(float).tiny)
        moved = operator - shift * LinearOperator(A.shape, matvec=lambda v: v, dtype=float)
        smallest = np.sort(eigsh(moved, k, which="SA", tol=rtol, **options)) + shift
    except ArpackNoConvergence:
        raise ValueError(
            f"The eigenvalues did not settle to rtol={rtol:g} in {max_steps} restarts: "
            "allow more max_steps, or ask for a larger rtol."
        ) from None
    return smallest, largest


@dataclass(frozen=True)
class SuggestedDamping:
    """How much damping a matrix needs, and why.

    Attributes
    ----------
    damping : float
    smallest, largest : float
        The extreme eigenvalues that the suggestion rests on.
    reason : str
    """

    damping: float
    smallest: float
    largest: float
    reason: str


def suggest_damping(A: seam.Operator, rtol: float = 1e-3) -> SuggestedDamping:
    """Look at the extreme eigenvalues of an undamped matrix, and suggest a damping.

    Parameters
    ----------
    A : object with ``A @ v`` and ``shape``
        Symmetric, such as ``Hessian(objective, theta)``.
    rtol : float
        Accuracy of the eigenvalues, in units of the largest: a smallest one that is closer to zero
        than this counts as not positive.

    Returns
    -------
    SuggestedDamping
        Zero for a matrix that is safely positive definite, since damping changes the answer; half
        as much again as the size of the most negative eigenvalue otherwise.

    Raises
    ------
    ValueError
        If no eigenvalue is positive.

    References
    ----------
    Koh & Liang (2017), section 4.2: damping of about the size of the most negative eigenvalue.
    """
    (smallest,), (largest,) = (values.tolist() for values in spectrum(A, rtol=rtol))
    if largest <= 0:
        raise ValueError(
            f"No eigenvalue is positive, the largest is {largest:.2e}: theta is far from a minimum "
            "and no damping gives the inverse a meaning. Train it first."
        )
    seen = f"The eigenvalues reach from {smallest:.2e} to {largest:.2e}"
    if smallest > rtol * largest:
        return SuggestedDamping(
            0.0, smallest, largest, f"{seen}, all positive: no damping is needed."
        )
    least = max(-smallest, rtol * largest)
    return SuggestedDamping(
        1.5 * least,
        smallest,
        largest,
        f"{seen}: damping must exceed {least:.2e} to make all of them positive, and half as much "
        "again keeps the smallest away from zero.",
    )
