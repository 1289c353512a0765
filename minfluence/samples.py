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
    whole = largest_eigenvalue(A, A.shape[0], rng)
    return _with_margin(whole, _most_curved(A, batch_size, rng))


def plan(
    A: seam.Operator, batch_size: int | None, scale: float | None, rng: np.random.Generator
) -> tuple[int, float]:
    """The `batch_size` and the `scale` of `lissa`, found where they are not given."""
    found = scale
    if batch_size is None:
        batch_size, found = balanced_batch(A, rng)
    elif scale is None:
        found = safe_scale(A, batch_size, rng)
    scale = validate.positive(
        "scale", found if scale is None else scale, "leave it out to find one"
    )
    return batch(A, batch_size), scale


def balanced_batch(A: seam.Operator, rng: np.random.Generator) -> tuple[int, float]:
    """Examples with which a sample is at most about twice as curved as the whole, and its scale."""
    whole = largest_eigenvalue(A, A.shape[0], rng)
    if not isinstance(A, seam.SampledOperator):
        return 1, _with_margin(whole)
    one = _with_margin(whole, _most_curved(A, 1, rng))
    batch_size = A.n if one >= A.n * whole else int(np.ceil(one / whole))
    return batch_size, _with_margin(whole, _most_curved(A, batch_size, rng))


def _most_curved(A: seam.Operator, batch_size: int, rng: np.random.Generator) -> float:
    """The largest curvature of 100 samples: the most of many, so a few steps for each will do."""
    if not isinstance(A, seam.SampledOperator):
        return 0.0
    draw = sampler(A, batch_size, rng)
    return float(np.max([largest_eigenvalue(draw(), A.shape[0], rng, 5) for _ in range(100)]))


def _with_margin(*curvatures: float) -> float:
    scale = 1.05 * np.max(curvatures)
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
