"""Stochastic estimation: solve ``A x = b`` by products with random samples of `A`."""

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from minfluence import seam, validate
from minfluence.samples import plan, safe_scale, sampler
from minfluence.seam import Solution
from minfluence.solvers import (
    certificate,
    check_curvature,
    dots,
    norms,
    relative_residual,
    units,
)


class Diverged(ValueError):
    """The recursion grew instead of settling: its scale is too small."""


def lissa(
    A: seam.Operator,
    b: Any,
    *,
    scale: float | None = None,
    depth: int = 5_000,
    repeats: int = 10,
    batch_size: int | None = None,
    rtol: float = 1e-2,
    rng: np.random.Generator | int | None = None,
) -> Solution:
    """Solve ``A x = b`` by stochastic estimation, refined until the residual is small.

    One run of the recursion of `neumann` leaves a residual: its samples are noisy, and where `A` is
    little curved it has not settled. So the next run solves for this residual, and what it gives
    is taken as a direction: made conjugate to the last one, and followed to the minimum along it,
    as in conjugate gradients. Each run is as deep as the least curvature met so far asks for.

    Parameters
    ----------
    A : object with ``A @ v``, ``sample(indices)`` and ``n``, such as a `Hessian`
        Symmetric positive definite; ``sample`` gives an unbiased estimate of it from some of the
        `n` examples. A matrix, which cannot be sampled, is used whole: the plain Neumann series.
    b : array, shape (p,) or (p, k)
    scale : float, optional
        As in `neumann`; found by `safe_scale` when not given, and doubled if a run diverges.
    depth, repeats : int
        A run takes `depth` steps at most, and all of them together ``depth * repeats``.
    batch_size : int, optional
        Examples in each sample. When not given, so many that one sample is about as curved as the
        whole: fewer need more steps, and more of them do not save any.
    rtol : float
        Stop when ``||b - A x|| <= rtol * ||b||``.
    rng : numpy.random.Generator or seed, optional
        Draws the samples; a fixed seed by default.

    Returns
    -------
    Solution
        `steps` counts products with a sample; each run takes one product with the whole `A`.

    Warns
    -----
    NotConverged
        Once, when some right-hand side did not reach `rtol`.

    Raises
    ------
    Diverged
        When the recursion grows beyond what any convergent one could; names a scale that works.
    NotPositiveDefinite
        If a direction with ``vᵀ A v <= 0`` turns up.

    References
    ----------
    Koh & Liang (2017), section 3, "Stochastic estimation"; Agarwal, Bullins & Hazan (2017). The
    steps along directions from an inexact inverse are those of Notay (2000).
    """
    given = validate.right_hand_sides(A, b)
    B, xp, largest = given / units(given), array_namespace(given), 0.0
    rtol, rng = validate.fraction("rtol", rtol), validate.generator(rng)
    depth, repeats = validate.count("depth", depth), validate.count("repeats", repeats)
    found = scale is None
    batch_size, scale = plan(A, batch_size, scale, rng)

    X, target = xp.zeros_like(B), rtol * norms(B)
    steps, most = np.zeros(B.shape[1], dtype=int), depth * repeats
    live = np.flatnonzero(target > 0)  # columns that are not done
    R, P, AP, least = B[:, live], None, None, scale
    while live.size and steps.max() < most:
        run = min(depth, most - int(steps.max()), max(50, int(2 * scale / least)))
        steps[live] += run
        try:
            D = neumann(A, R, scale=scale, depth=run, batch_size=batch_size, rng=rng)
        except Diverged:
            if not found:
                raise
            scale *= 2
            continue
        if P is not None:
            D = D - P * (dots(D, AP) / dots(P, AP))
        P = D / units(D)
        AP = A @ P
        curvature = dots(P, AP) / dots(P, P)
        largest = check_curvature(curvature, largest, int(steps.max()))
        least = min(least, float(curvature.min()))
        alpha = dots(P, R) / dots(P, AP)
        X[:, live] += alpha * P
        R = R - alpha * AP
        going = norms(R) > 0.9 * target[live]
        live, R, P, AP = live[going], R[:, going], P[:, going], AP[:, going]

    residual = relative_residual(B, A @ X)
    solution = Solution(X * units(given), residual <= rtol, steps, residual)
    otherwise = (
        f"lissa has a relative residual of {residual.max(initial=0):.1e} (asked: {rtol:.0e}) after "
        f"{steps.max(initial=0)} products with samples: allow more depth or repeats, or use cg."
    )
    return certificate(solution, np.ndim(b), otherwise)


def neumann(
    A: seam.Operator,
    B: Any,
    *,
    scale: float,
    depth: int,
    batch_size: int = 1,
    rng: np.random.Generator | int | None = None,
) -> Any:
    """One run of the paper's recursion, in which a whole `A` is never needed.

    The Neumann series ``1/a = 1 + (1 - a) + (1 - a)^2 + ...``, each step with other examples:

        x  <-  b + (I - A_sample / scale) x,    A⁻¹ b  ≈  x / scale.

    Parameters
    ----------
    A, B, batch_size, rng
        As in `lissa`.
    scale : float
        No smaller than the largest eigenvalue of any sample, which keeps every factor from
        changing sign; half of it is enough for the variance to stay bounded.
    depth : int
        Steps.

    Returns
    -------
    array like `B`
    """
    X, size_b, draw = B, _size(B), sampler(A, batch_size, validate.generator(rng))
    for step in range(depth):
        X = B + X - (draw() @ X) / scale
        # each step adds b, so while all factors shrink, x is at most (step + 2) b long
        if not _size(X) <= 10 * (step + 2) * size_b:
            raise Diverged(
                f"lissa diverged at step {step} with scale={scale:.3g}: some samples are more "
                f"curved than that. Use scale={safe_scale(A, batch_size):.3g}, or leave scale out."
            )
    return X / scale


def _size(B: Any) -> float:
    return float(array_namespace(B).linalg.vector_norm(B))
