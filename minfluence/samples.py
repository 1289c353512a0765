"""A matrix seen through a few of its examples: drawing samples, and how curved they can be."""

from collections.abc import Callable

import numpy as np

from minfluence import seam, validate
from minfluence.solvers import NOT_FINITE, REMEDY, NotPositiveDefinite


def safe_scale(
    A: seam.Operator, batch_size: int = 1, rng: np.random.Generator | int | None = None
) -> float:
    """Find a scale for which `lissa` settles: the largest curvature of any sample it meets.

    A single example can be far more curved than the mean of all, so the largest eigenvalue of `A`
    itself is not enough. Power iterations find it on 100 samples and on the whole `A`; that a
    sample not drawn is more than twice as curved is unlikely, and `lissa` notices it.

    Parameters
    ----------
    A : object with ``A @ v``, and ``sample(indices)`` and ``n`` if it can be sampled
    batch_size : int
    rng : numpy.random.Generator or seed, optional

    Returns
    -------
    float
    """
    batch_size, rng = batch(A, batch_size), validate.generator(rng)
    return _scale(A, largest_eigenvalue(A, A.shape[0], rng), batch_size, rng)


def plan(
    A: seam.Operator, batch_size: int | None, scale: float | None, rng: np.random.Generator
) -> tuple[int, float]:
    """The `batch_size` and the `scale` of `lissa`, found where they are not given."""
    if batch_size is not None:
        batch_size = batch(A, batch_size)
    if scale is not None:
        scale = validate.positive("scale", scale, "leave it out to find one")
    if batch_size is None or scale is None:
        whole = largest_eigenvalue(A, A.shape[0], rng)
        batch_size = batch_size or _balanced_batch(A, whole, rng)
        scale = scale or _scale(A, whole, batch_size, rng)
    return batch_size, scale


def _balanced_batch(A: seam.Operator, whole: float, rng: np.random.Generator) -> int:
    """Examples with which a sample is at most about twice as curved as the whole."""
    if not isinstance(A, seam.SampledOperator):
        return 1
    one = _scale(A, whole, 1, rng)
    return A.n if one >= A.n * whole else int(np.ceil(one / whole))


def _scale(A: seam.Operator, whole: float, batch_size: int, rng: np.random.Generator) -> float:
    """The most curved of 100 samples and the whole; a few steps for each of so many will do."""
    sampled = isinstance(A, seam.SampledOperator) and batch_size < A.n
    draw = sampler(A, batch_size, rng)
    met = [largest_eigenvalue(draw(), A.shape[0], rng, 5) for _ in range(100 if sampled else 0)]
    scale = 1.05 * np.max([whole, *met])
    if not np.isfinite(scale):
        raise ValueError(NOT_FINITE)
    if scale == 0.0:
        raise NotPositiveDefinite(f"A is zero, so no eigenvalue is positive. {REMEDY}")
    return float(scale)


def largest_eigenvalue(
    A: seam.Operator, p: int, rng: np.random.Generator, steps: int = 20
) -> float:
    """Power iteration.  A with ``A @ v`` -> float, from below."""
    v = rng.standard_normal(p)
    size = 0.0
    for _ in range(steps):
        v = A @ (v / np.linalg.norm(v))
        size = float(np.linalg.norm(v))
        if size == 0.0:
            break
    return size


def batch(A: seam.Operator, batch_size: int) -> int:
    """A size of samples that `A` can give."""
    most = A.n if isinstance(A, seam.SampledOperator) else None
    return validate.count("batch_size", batch_size, most=most)


def sampler(
    A: seam.Operator, batch_size: int, rng: np.random.Generator
) -> Callable[[], seam.Operator]:
    """Draws `A` seen through a few random examples, or `A` itself where that is all there is."""
    if not isinstance(A, seam.SampledOperator):
        return lambda: A
    n, sample = A.n, A.sample
    return lambda: sample(rng.choice(n, batch_size, replace=False))
