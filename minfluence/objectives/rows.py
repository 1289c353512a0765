"""Rows of examples, dense or sparse: put together, replaced, written out, multiplied."""

from typing import Any

import numpy as np
from numpy import ndarray
from scipy.linalg import get_blas_funcs
from scipy.sparse import csr_array, issparse, vstack


def stacked(X: Any, Z: Any) -> Any:
    """The rows of both.  (n, ...), (m, ...) -> (n + m, ...)."""
    return vstack([X, Z], format="csr") if issparse(X) else np.concatenate([X, Z])


def replaced(X: Any, indices: ndarray, X_new: Any) -> Any:
    """Other rows in the place of these.  (n, ...), (k,), (k, ...) -> (n, ...)."""
    rows = np.arange(X.shape[0])
    rows[indices] = X.shape[0] + np.arange(len(indices))
    return stacked(X, X_new)[rows]


def like(X: Any, Z: Any) -> Any:
    """Z dense or sparse, as X is."""
    if issparse(X):
        return csr_array(Z)
    return written_out(Z)


def written_out(X: Any) -> ndarray:
    """Rows with all their zeros."""
    return X.toarray() if issparse(X) else X


def stored(X: Any) -> int:
    """Numbers that are kept of one row, on the average."""
    return -(-X.nnz // X.shape[0]) if issparse(X) else int(np.prod(X.shape[1:]))


def times(X: Any, factors: ndarray) -> Any:
    """Each number times a factor.  (n, d), broadcast to it -> (n, d)."""
    return X.multiply(factors).tocsr() if issparse(X) else X * factors


def squared(X: Any) -> Any:
    """The square of every number."""
    return X.power(2) if issparse(X) else X**2


def mean_squares(X: Any) -> ndarray:
    """Of every column.  (n, d) -> (d,)."""
    if issparse(X):
        return np.asarray(squared(X).sum(axis=0)).ravel() / X.shape[0]
    return np.einsum("nd,nd->d", X, X) / len(X)


def root(weights: ndarray) -> ndarray:
    """Square roots, 0 of what is negative."""
    return np.sqrt(np.maximum(weights, 0.0))


def add_gram(A: ndarray, X: Any, weights: ndarray) -> None:
    """Add the upper triangle of Xᵀ diag(weights) X to A, in half the work of a whole product."""
    if issparse(X):
        A += (X.T @ times(X, weights[:, None])).toarray()
        return
    syrk = get_blas_funcs("syrk", (A,))
    for sign in (1.0, -1.0):  # a square root needs weights of one sign
        half = root(sign * weights)
        if half.any():  # A.T and (...).T are in BLAS's order of columns, so nothing is copied
            syrk(sign, times(X, half[:, None]).T, beta=1.0, c=A.T, lower=True, overwrite_c=True)


def mirrored(A: ndarray) -> ndarray:
    """The whole matrix, given its upper triangle.  (d, d) -> (d, d)."""
    upper = np.triu(A)
    return upper + np.triu(A, 1).T
