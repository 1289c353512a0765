"""The Hessian as something you multiply by."""

import numpy as np

from minfluence.training_set import check_strength


class Hessian:
    """H + damping * I, the Hessian of an objective's risk at theta, used as ``H @ v``.

    Parameters
    ----------
    objective : an objective
        Anything with ``hvp_at(theta)``.
    theta : array, shape (p,)
    damping : float
        Added to every eigenvalue; at least 0. Unlike `l2` it is no part of the model.

    References
    ----------
    Koh & Liang (2017), section 3 (products instead of the matrix) and 4.2 (damping).
    """

    def __init__(self, objective, theta, damping=0.0):
        self.objective, self.theta = objective, theta
        self.damping = check_strength("damping", damping)
        self.shape = (len(theta), len(theta))
        self._hvp = objective.hvp_at(theta)

    def __matmul__(self, V):
        """(H + damping * I) V, for one vector (p,) or a block of columns (p, k)."""
        return self._hvp(V) + self.damping * V

    def __array__(self, dtype=None, copy=None):
        """The matrix itself, for ``np.asarray(H)``."""
        H = self.objective.hessian(self.theta)
        H[np.diag_indices(len(H))] += self.damping
        return H if dtype is None else H.astype(dtype)


def dense(A):
    """Write any operator out as a matrix.  Something with ``A @ V`` -> (p, p)."""
    return np.asarray(A) if hasattr(A, "__array__") else A @ np.eye(A.shape[0])
