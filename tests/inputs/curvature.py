"""Hessians, their eigenvalues, and the damping these suggest."""

import numpy as np

import minfluence as mi
from inputs.examples import HESSIAN, LOGISTIC, RNG, THETA, X, Y, linear, own
from inputs.table import holds, refused, right, told
from minfluence import Hessian, LinearObjective, models, spectrum, suggest_damping

WIDE = np.random.default_rng(3).standard_normal((20, 100))
SIGNS = np.tile([1.0, -1.0], 10)


def cases():
    yield from of_hessians()
    yield from of_eigenvalues()
    yield from of_damping()


def of_hessians():
    for damping in (-1, np.nan, np.inf, "0", None, 1j):
        yield refused(
            f"Hessian: damping {damping!r}", Hessian, LOGISTIC, THETA, damping, saying="damping"
        )
    yield refused(
        "Hessian: curvature misspelt", Hessian, LOGISTIC, THETA, curvature="gn", saying="curvature"
    )
    yield refused("Hessian: theta of two axes", Hessian, LOGISTIC, [[1, 2, 3]], saying="shape|flat")
    yield refused("Hessian: theta too short", Hessian, LOGISTIC, THETA[:2], saying="shape")
    yield refused("Hessian: NaN in theta", Hessian, LOGISTIC, THETA * np.nan, saying="NaN")
    yield refused(
        "Gauss-Newton matrix of losses without scores",
        lambda: Hessian(own(X, Y), THETA, curvature="gauss-newton"),
        saying="scores",
    )
    yield refused(
        "Hessian @ too long a vector",
        Hessian(LOGISTIC, THETA).__matmul__,
        np.ones(4),
        saying="vector",
    )
    yield right(
        "Hessian: theta a list",
        lambda: mi.dense(Hessian(LOGISTIC, THETA.tolist())),
        expected=HESSIAN,
    )
    yield right(
        "Hessian @ a vector of whole numbers",
        Hessian(LOGISTIC, THETA).__matmul__,
        np.array([1, 0, 0]),
        expected=HESSIAN[:, 0],
    )


def of_eigenvalues():
    for k in (0, -1, 1.5, 4, "1"):
        yield refused(
            f"spectrum: k = {k!r} of 3", spectrum, Hessian(LOGISTIC, THETA), k, saying="k must"
        )
    yield refused("spectrum: not square", spectrum, np.ones((3, 2)), saying="square|shape")
    for p in (3, 100):
        yield refused(
            f"spectrum: NaN, p = {p}", spectrum, np.full((p, p), np.nan), saying="NaN|finite"
        )
    alike = {
        "2 I": 2 * np.eye(100),
        "minus I": -np.eye(100),
        "1e-12 I": 1e-12 * np.eye(100),
        "1e-300 I": 1e-300 * np.eye(100),
        "1e200 I": 1e200 * np.eye(100),
        "I, but for one entry": np.diag([3.0, *np.ones(99)]),
        "of rank one": np.outer(np.ones(100), np.ones(100)),
        "of two values": np.diag(np.r_[np.ones(50), 2 * np.ones(50)]),
        "I in float32": np.eye(100, dtype=np.float32),
        "I of whole numbers": np.eye(100, dtype=int),
    }
    for name, A in alike.items():
        values = np.linalg.eigvalsh(A.astype(float))
        yield right(
            f"spectrum: matrix {name}, p = 100",
            lambda A: np.ravel(spectrum(A)),
            A,
            expected=values[[0, -1]],
            tol=2e-3,  # rtol of the largest
        )
        yield right(
            f"spectrum: matrix {name}, p = 100, two of each",
            lambda A: np.ravel(spectrum(A, 2)),
            A,
            expected=values[[0, 1, -2, -1]],
            tol=2e-3,
        )
    yield right(
        "spectrum: matrix of zeros, p = 100",
        lambda: np.ravel(spectrum(np.zeros((100, 100)))),
        expected=[0, 0],
    )
    yield right(
        "spectrum: one number", lambda: np.ravel(spectrum(np.array([[5.0]]))), expected=[5, 5]
    )
    hinge = LinearObjective(models.hinge, WIDE, SIGNS, 0.1)
    yield right(
        "spectrum: Hessian of a hinge, which is l2 I",
        lambda: np.ravel(spectrum(Hessian(hinge, np.zeros(100)))),
        expected=[0.1, 0.1],
        tol=2e-3,
    )
    saturated = linear(WIDE * 1e4, SIGNS, 0.1)
    yield right(
        "spectrum: Hessian of a saturated model, which is l2 I",
        lambda: np.ravel(spectrum(Hessian(saturated, np.ones(100)))),
        expected=[0.1, 0.1],
        tol=2e-3,
    )
    yield holds("spectrum leaves the matrix as it is", matrix_kept)


def matrix_kept():
    A = RNG.standard_normal((5, 5))
    A = A + A.T
    before = A.copy()
    spectrum(A)
    return (A == before).all()


def of_damping():
    for p in (3, 100):
        for name, A in {"minus I": -np.eye(p), "zeros": np.zeros((p, p))}.items():
            yield told(
                f"suggest_damping: {name}, p = {p}", suggest_damping, A, saying="no eigenvalue"
            )
    for scale in (0.01, 1e-12, 1e100):
        yield right(
            f"suggest_damping: {scale:g} I, p = 100, which needs none",
            lambda scale=scale: suggest_damping(scale * np.eye(100)).damping,
            expected=0.0,
        )
    ones = np.outer(np.ones(100), np.ones(100))
    yield holds(
        "suggest_damping: a matrix of rank one needs some",
        lambda: 0 < suggest_damping(ones).damping < 1,
    )
    yield holds(
        "suggest_damping: an indefinite matrix, whose damping makes it definite",
        lambda: 1 < suggest_damping(np.diag([3.0, 1, -1])).damping < 3,
    )
