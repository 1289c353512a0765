"""K-FAC and EK-FAC: curvature, layer by layer, as a product of two small matrices."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minfluence import seam, validate
from minfluence.seam import Solution
from minfluence.solvers import NotPositiveDefinite, certified


def kfac(A: Any, B: np.ndarray) -> Solution:
    """Solve ``A x = b`` with K-FAC's approximation of the Gauss-Newton matrix; a solver.

    The gradient of one example in the matrix of a layer is ``outer(a, g)``: what the layer saw,
    and the gradient in its outputs. K-FAC takes the two for independent,

        E[(a aᵀ) ⊗ (g gᵀ)]  ≈  E[a aᵀ] ⊗ E[g gᵀ],

    and layers for independent of one another. Both small matrices have eigenvectors, Q_a and Q_g,
    in which the product is diagonal.

    Parameters
    ----------
    A : Hessian
        Of an objective whose losses are an `MLP`.
    B : array, shape (p,) or (p, m)

    Returns
    -------
    Solution
        `residual` is measured on `A` itself, so it says how crude the approximation is.

    Notes
    -----
    Cost: c n, one backward pass for each class, since g is averaged over the labels that the model
    itself would draw. (Drawing one label, as large models must, costs n.)

    References
    ----------
    Martens & Grosse (2015).
    """
    return _solve(A, B, lambda a, g, of_a, of_g, w: np.outer(of_a, of_g))


def ekfac(A: Any, B: np.ndarray) -> Solution:
    """Solve ``A x = b`` with EK-FAC: K-FAC's eigenvectors, and along each the true curvature.

    Parameters and result as in `kfac`, cost as well: the second moments ``E[(Q_aᵀ a)² (Q_gᵀ g)²]``
    are taken from the same pass.

    References
    ----------
    George et al. (2018); Grosse et al. (2023) for influence.
    """
    return _solve(A, B, lambda a, g, of_a, of_g, w: (a**2 * w).T @ (g**2).sum(axis=0))


def _solve(A: Any, B: np.ndarray, eigenvalues: Callable) -> Solution:
    """Divide by the eigenvalues in each layer's own eigenvectors."""
    o = getattr(A, "objective", None)
    if o is None or not isinstance(o.losses, seam.LayeredLosses) or np.ndim(o.l2):
        raise ValueError(
            "K-FAC needs a Hessian of an objective whose losses are a minfluence.attribution.MLP, "
            "with one l2 for all parameters."
        )
    B = validate.columns(B, len(A.theta), np.result_type(np.asarray(B), np.float32))
    X, _ = o.examples(np.arange(o.n))
    w = o.weights[:, None] / validate.total(o.weights)
    x, start = np.empty_like(B), 0
    for a, g in o.losses.by_label(A.theta, X):
        of_a, Q_a = np.linalg.eigh(a.T @ (w * a))
        of_g, Q_g = np.linalg.eigh(np.einsum("cni,cnj->ij", w * g, g))
        scale = o.weights.sum() * eigenvalues(a @ Q_a, g @ Q_g, of_a, of_g, w)  # (in, out)
        scale = scale + o.penalty + A.damping
        if scale.min() <= np.finfo(float).eps * scale.max():
            raise NotPositiveDefinite(
                f"K-FAC's matrix has the eigenvalue {scale.min():.1e}, and no inverse: raise l2, "
                "or damp it."
            )
        block = slice(start, start + scale.size)
        V = np.einsum("ia,ijm,jb->abm", Q_a, B[block].reshape(*scale.shape, -1), Q_g, optimize=True)
        V = np.einsum("ia,abm,jb->ijm", Q_a, V / scale[:, :, None], Q_g, optimize=True)
        x[block] = V.reshape(B[block].shape)
        start = block.stop
    return certified(A, B, x, steps=0)
