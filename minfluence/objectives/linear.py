"""The same derivatives in closed form, for losses that see theta only through ``X @ Theta``.

Write r_i for the slope and D_i for the curvature of example i's loss in its scores.  Then

    grad L(z_i)  =  x_i r_iᵀ                     (a d x c matrix, flattened)
    H V          =  sum_i w_i x_i D_i (x_iᵀ V)   plus the penalty

so every verb is a few matrix products, as fast as BLAS, or as SciPy where X is sparse.  Rows are
taken in chunks small enough to stay in the processor's cache, so memory does not grow with n.
"""

from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
from numpy import ndarray

from minfluence import seam, validate
from minfluence.memory import CHUNK_BYTES, blocks, rows_in
from minfluence.objectives import rows
from minfluence.objectives.base import ArrayObjective
from minfluence.objectives.preconditioners import approximate_inverse


class LinearObjective(ArrayObjective):
    """Penalised, weighted mean loss of a linear model, with its derivatives in closed form.

    Parameters
    ----------
    losses : LinearLoss
        One of ``minfluence.models``, such as ``logistic`` or ``softmax(n_classes)``.
    X : array, shape (n, d), or sparse matrix
        A sparse one, of word counts for example, is never written out.
    y : array, shape (n,)
    l2, fold_l2
        As in `AutogradObjective`.
    dtype : dtype
        float64, or float32 for half the memory and twice the speed at seven digits.

    References
    ----------
    Koh & Liang (2017), sections 2 and 2.3.
    """

    losses: seam.LinearLosses
    p: int

    def __init__(
        self,
        losses: seam.LinearLosses,
        X: Any,
        y: Any,
        l2: Any = 0.0,
        *,
        fold_l2: bool = True,
        dtype: Any = np.float64,
    ) -> None:
        losses = validate.linear_losses(losses, X)
        super().__init__(losses, X, y, l2, fold_l2=fold_l2, dtype=dtype)

    def _taken(self, X: Any, y: Any, dtype: Any, *shapes: Any) -> tuple[Any, ndarray]:
        """Examples as they are, dense or sparse; more of them like those of training."""
        X, y = validate.examples(X, y, dtype, *shapes)
        return rows.like(self.X, X) if shapes else X, y

    def rescaled(self, units: ndarray) -> Self:
        """The same risk of theta / units: every feature times its unit.  (d,) -> objective."""
        l2 = (self.l2 * np.repeat(units, self.losses.n_outputs) ** 2).astype(self.dtype)
        return self._changed(X=rows.times(self.X, units), l2=l2)

    def grad(self, theta: ndarray) -> ndarray:
        """Gradient of the risk.  (p,) -> (p,)."""
        return self.grads(self._theta(theta)[:, None], self.weights[:, None])[:, 0]

    def grads(self, thetas: ndarray, weights: ndarray) -> ndarray:
        """Gradients at many parameter vectors, each for its own weights of the examples.

        (p, k), (n, k) -> (p, k)
        """
        G = self.penalties(weights) * thetas
        for X, y, w in self._chunks(self.y, weights, columns=thetas.shape[1]):
            slope = self.losses.slope(self._scores(X, thetas), y)
            slope *= w[:, None, :]
            G += self._to_theta(X, slope)
        return G

    def hvp_at(self, theta: ndarray) -> Callable[[ndarray], ndarray]:
        """The map V -> Hessian of the risk at theta times V; V is (p,) or a block (p, k).

        What depends on theta is computed once and shared by all later products.
        """
        curvature = self.losses.curvature(self._scores(self.X, self._theta(theta)), self.y)

        def hvp(V: ndarray) -> ndarray:
            block = self._block(V)
            HV = self.penalty[..., None] * block
            for X, w, Q in self._chunks(self.weights, curvature, columns=block.shape[1]):
                curved = self.losses.times(Q, self._scores(X, block))
                curved *= w[:, None, None]
                HV += self._to_theta(X, curved)
            return HV.reshape(np.shape(V))

        return hvp

    def gnvp_at(self, theta: ndarray) -> Callable[[ndarray], ndarray]:
        """The Gauss-Newton product: of a model linear in theta it is the Hessian's."""
        return self.hvp_at(theta)

    def gauss_newton(self, theta: ndarray) -> ndarray:
        """The Gauss-Newton matrix itself, which is the Hessian.  (p,) -> (p, p)."""
        return self.hessian(theta)

    def hessian(self, theta: ndarray) -> ndarray:
        """The Hessian itself, from one weighted product XᵀX for each pair of scores.

        Where a constant added to all scores changes nothing, the rows of D_i sum to zero, and the
        pairs of a score with itself follow from the others: c (c - 1) / 2 products instead of
        c (c + 1) / 2.  (p,) -> (p, p)
        """
        d, c = self.X.shape[1], self.losses.n_outputs
        blocks = np.zeros((len(self._pairs), d, d), dtype=self.dtype)
        for X, w, D in self.curvatures(theta):
            for block, (a, b) in zip(blocks, self._pairs, strict=True):
                rows.add_gram(block, X, w * D[:, a, b])
        H = np.zeros((d, c, d, c), dtype=self.dtype)
        for block, (a, b) in zip(blocks, self._pairs, strict=True):
            H[:, a, :, b] = H[:, b, :, a] = rows.mirrored(block)
        if self.losses.shift_invariant:
            for a in range(c):
                H[:, a, :, a] = -sum(H[:, a, :, b] for b in range(c) if b != a)
        H = H.reshape(self.p, self.p)
        H[np.diag_indices(self.p)] += self.penalty
        return H

    @property
    def hvp_flops(self) -> float:
        """Floating-point operations of one product with the Hessian: X V and Xᵀ U."""
        return 4.0 * self.n * self.stored * self.losses.n_outputs

    @property
    def hessian_flops(self) -> float:
        """Floating-point operations of the Hessian: symmetric products take half of 2 n d^2."""
        return 1.0 * len(self._pairs) * self.n * self.stored * self.X.shape[1]

    gauss_newton_flops = hessian_flops

    @property
    def rank(self) -> float:
        """Eigenvalues of the Hessian that can differ from the penalty."""
        return self.n * self.losses.n_outputs

    def preconditioner(self, theta: ndarray, damping: float = 0.0, budget: float = np.inf) -> Any:
        """Approximate inverse of ``H + damping I``, for `minfluence.cg`.

        If every example had the mean curvature D, the Hessian would be the Kronecker product of
        ``sum_i w_i x_i x_iᵀ`` with D, plus the penalty; its inverse takes the eigenvalues of D and
        of a matrix as small as there are features, or examples. For the squared loss this is exact.

        Parameters
        ----------
        theta : array, shape (p,)
        damping : float
        budget : float
            Operations that it may cost. Where this is exceeded the diagonal alone is inverted, if
            it is uneven.

        Returns
        -------
        operator or None
            Used as ``M @ v``, on (p,) or (p, k).
        """
        return approximate_inverse(self, theta, self.penalty + damping, budget)

    def curvature_factors(self, theta: ndarray) -> tuple[ndarray, ndarray]:
        """Factors ``sum_i w_i x_i x_iᵀ`` and ``sum_i w_i D_i``.  -> (d, d), (c, c).

        Sums, so those of parts of a training set may be added.
        """
        d, c = self.X.shape[1], self.losses.n_outputs
        A, D_sum = np.zeros((d, d), dtype=self.dtype), np.zeros((c, c), dtype=self.dtype)
        for X, w, D in self.curvatures(theta):
            rows.add_gram(A, X, w)
            D_sum += np.einsum("n,nab->ab", w, D)
        return rows.mirrored(A), D_sum

    def example_dots(self, theta: ndarray, V: ndarray) -> ndarray:
        """grad L(z_i, theta) . v for every i at once.  (p,), (p,) or (p, k) -> (n,) or (n, k)."""
        theta, block = self._theta(theta), self._block(V)
        dots = np.empty((self.n, block.shape[1]), dtype=self.dtype)
        for X, y, out in self._chunks(self.y, dots, columns=block.shape[1]):
            slope = self.losses.slope(self._scores(X, theta), y)
            out[:] = np.einsum("nc,nck->nk", slope, self._scores(X, block))
        dots += (self.example_l2 * theta) @ block
        return dots.reshape(self.n, *np.shape(V)[1:])

    def _loss_values(self, theta: ndarray, X: ndarray, y: ndarray) -> ndarray:
        return self.losses.value(self._scores(X, theta), y)

    def _loss_grads(self, theta: ndarray, X: ndarray, y: ndarray) -> ndarray:
        slope = self.losses.slope(self._scores(X, theta), y)
        return (rows.written_out(X)[:, :, None] * slope[:, None, :]).reshape(-1, self.p)

    def _input_grads(self, theta: ndarray, v: ndarray, X: ndarray, y: ndarray) -> ndarray:
        """From grad L . v = r(xᵀTheta)ᵀ (Vᵀ x): the product rule gives V r + Theta D (Vᵀ x)."""
        Theta, V = (t.reshape(X.shape[1], -1) for t in (theta, v))
        S = X @ Theta
        curved = self.losses.times(self.losses.curvature(S, y), (X @ V)[:, :, None])[:, :, 0]
        return self.losses.slope(S, y) @ V.T + curved @ Theta.T

    @property
    def stored(self) -> int:
        """Numbers kept of one input, on the average: of a sparse one those that are not zero."""
        return rows.stored(self.X)

    # Between flat theta and scores -------------------------------------------------------------

    def _block(self, V: ndarray) -> ndarray:
        """One vector or a block of columns, always as (p, k)."""
        return validate.columns(V, self.p, self.dtype).reshape(self.p, -1)

    def _scores(self, X: ndarray, theta: ndarray) -> ndarray:
        """X @ Theta.  (n, d), (p,) -> (n, c); for a block (p, k) -> (n, c, k)."""
        c = self.losses.n_outputs
        return (X @ theta.reshape(X.shape[1], -1)).reshape(X.shape[0], c, *theta.shape[1:])

    def _to_theta(self, X: ndarray, U: ndarray) -> ndarray:
        """Xᵀ U, flattened like theta.  (n, d), (n, c, k) -> (p, k)."""
        return (X.T @ U.reshape(X.shape[0], -1)).reshape(self.p, -1)

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        """The pairs of scores whose blocks of the Hessian must be computed."""
        return [
            (a, b)
            for a in range(self.losses.n_outputs)
            for b in range(a + (not self.losses.shift_invariant))
        ]

    def curvatures(self, theta: ndarray) -> Iterator[tuple[ndarray, ...]]:
        """Chunks of X, the weights, and every example's curvature D (rows, c, c) in its scores."""
        c = self.losses.n_outputs
        curvature = self.losses.curvature(self._scores(self.X, self._theta(theta)), self.y)
        unit = np.eye(c, dtype=self.dtype)[None]
        for X, w, Q in self._chunks(self.weights, curvature, columns=c):
            yield X, w, self.losses.times(Q, unit)

    def _chunks(self, *arrays: ndarray, columns: int) -> Iterator[tuple[ndarray, ...]]:
        """Rows of X, and of the other arrays, a cache-sized chunk at a time."""
        width = max(self.stored, self.losses.n_outputs * columns)
        for part in blocks(self.n, rows_in(CHUNK_BYTES, self.dtype.itemsize * width)):
            yield self.X[part], *(a[part] for a in arrays)
