"""Kernel machines: models that are linear in the right features."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from minfluence import validate


@dataclass(frozen=True)
class RBFFeatures:
    """Features in which a linear model is an RBF kernel machine; call it as ``features(X)``.

    Attributes
    ----------
    centers : array, shape (k, d)
    gamma : float
    whitening : array, shape (k, r)
        ``V diag(s)^-1/2`` of the kernel matrix ``K = V diag(s) Vᵀ`` of the centers.
    """

    centers: np.ndarray
    gamma: float
    whitening: np.ndarray

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Features of each example.  (n, d) -> (n, r)."""
        X = validate.array("X", X, ("n", self.centers.shape[1]), dtype=float)
        return _rbf_kernel(X, self.centers, self.gamma) @ self.whitening


def rbf_features(centers: np.ndarray, gamma: float, rtol: float = 1e-10) -> RBFFeatures:
    """Learn features whose inner product is ``exp(-gamma ||x - x'||^2)`` on the centers.

    A linear model with penalty ``l2/2 * theta @ theta`` on these features *is* the kernel machine
    on the centers: theta @ theta is the squared norm of its function. With all training inputs as
    centers nothing is approximated; with a part of them it is Nystroem's approximation.

    Parameters
    ----------
    centers : array, shape (k, d)
        Usually the training inputs.
    gamma : float
        Inverse squared width, greater than 0.
    rtol : float
        Directions of the kernel matrix with a smaller share of its largest eigenvalue are dropped:
        two equal centers have no more to say than one.

    Returns
    -------
    RBFFeatures
    """
    centers = validate.array("centers", centers, ("k", "d"), dtype=float)
    validate.count("The number of centers", len(centers))
    gamma = validate.positive("gamma", gamma)
    if validate.number("rtol", rtol) >= 1:
        raise ValueError(f"rtol must be below 1, or no direction is left, got {rtol:g}.")
    eigenvalues, vectors = np.linalg.eigh(_rbf_kernel(centers, centers, gamma))
    kept = eigenvalues > rtol * eigenvalues[-1]
    return RBFFeatures(centers, gamma, vectors[:, kept] / np.sqrt(eigenvalues[kept]))


def _rbf_kernel(X: np.ndarray, Z: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-gamma ||x - z||^2) of every pair.  (n, d), (k, d) -> (n, k)."""
    return np.exp(-gamma * cdist(X, Z, "sqeuclidean"))
