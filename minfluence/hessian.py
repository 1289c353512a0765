"""The Hessian as something you multiply by."""

from typing import Any

import numpy as np
from numpy import ndarray

from minfluence import validate
from minfluence.seam import Objective


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
        self, objective: Objective, theta: ndarray, damping: float = 0.0, curvature: str = "hessian"
    ) -> None:
        self.objective, self.theta = validate.objective(objective), theta
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

    def sample(self, indices: ndarray) -> "Hessian":
        """Unbiased estimate of this matrix from some examples.  (b,) -> Hessian."""
        return Hessian(self.objective.subset(indices), self.theta, self.damping, self.curvature)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
        """The matrix itself, for ``np.asarray(H)``."""
        H = self._matrix(self.theta)
        H[np.diag_indices(len(H))] += self.damping
        return H if dtype is None else H.astype(dtype)


def dense(A: Any) -> ndarray:
    """Write any operator out as a matrix.  Something with ``A @ V`` -> (p, p)."""
    A = validate.square(A)
    return np.asarray(A) if hasattr(A, "__array__") else A @ np.eye(A.shape[0])
