"""The extreme eigenvalues of a matrix that is known by its products, and the damping it needs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from minfluence import seam, validate
from minfluence.hessian import dense


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
        If `k` is out of range, `A` is not symmetric or has products that are not finite, or the
        eigenvalues did not settle within `max_steps`.

    References
    ----------
    Lanczos (1950), as in ARPACK through `scipy.sparse.linalg.eigsh`.
    """
    A = validate.square(A)
    p = A.shape[0]
    k = validate.count("k", k, most=p)
    rtol = validate.positive("rtol", rtol)
    max_steps = validate.count("max_steps", max_steps)
    if p <= max(64, 4 * k):  # too small to iterate
        M = _known(dense(A))
        _check_symmetric(M - M.T, M, rtol)
        values = np.linalg.eigvalsh(M)
        return values[:k], values[-k:]
    start = np.random.default_rng(0).standard_normal(p)  # the same in every run
    Av, Au = _known(A @ start), _known(A @ start[::-1])
    _check_symmetric(start[::-1] @ Av - start @ Au, abs(start) @ abs(Av), rtol)
    mean = (start @ Av) / (start @ start)
    # ARPACK gives up on c I, and only there is a random vector an eigenvector
    if abs(Av - mean * start).max() <= 100 * np.finfo(Av.dtype).eps * abs(Av).max():
        return np.full(k, mean), np.full(k, mean)
    return _by_lanczos(A, k, start, rtol, max_steps)


def _by_lanczos(
    A: seam.Operator, k: int, start: np.ndarray, rtol: float, max_steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k smallest and the k largest eigenvalues of a matrix with several."""
    operator = LinearOperator(A.shape, matvec=lambda v: _known(A @ v.ravel()), dtype=float)
    options: dict[str, Any] = {
        "return_eigenvectors": False,
        "maxiter": max_steps,
        "ncv": min(A.shape[0], 4 * k + 40),
        "v0": start,
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


def _known(values: Any) -> np.ndarray:
    """Entries or products of a matrix, as finite floats."""
    values = validate.floating("The matrix", np.asarray(values))
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        raise ValueError(
            "Expected a matrix whose products are finite numbers, got NaN, infinity or others: "
            "look at theta and at the losses, of which one may overflow."
        )
    return values


def _check_symmetric(gap: Any, size: Any, rtol: float) -> None:
    """Refuse a matrix that is not its own transpose, up to `rtol` of its size."""
    if np.max(abs(gap)) > rtol * np.max(abs(size)):
        raise ValueError(
            "Expected a symmetric matrix, got one that differs from its transpose: "
            "a Hessian is symmetric, and (A + A.T) / 2 has real eigenvalues."
        )


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
