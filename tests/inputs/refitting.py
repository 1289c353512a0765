"""The truth must not be able to lie: refits, in any units and precision."""

from functools import cache, partial

import numpy as np
from scipy.optimize import minimize

import minfluence as mi
from inputs.examples import (
    LOGISTIC,
    THETA,
    X_TEST,
    Y_REAL,
    Y_TEST,
    X,
    Y,
    linear,
    ridge_by_hand,
    ridge_change_by_hand,
)
from inputs.table import Unexpected, agree, refused, right, right_or_told, told
from minfluence import (
    LinearObjective,
    ShardedObjective,
    actual_change,
    actual_perturbed_change,
    agreement,
    fit,
    models,
    refit_perturbed,
    refit_weighted,
    refit_without,
)

CHANGE = partial(actual_change, LOGISTIC, THETA, progress=False)
NO_MINIMUM = "refits stopped|minimum|separ|gradient norm|eigenvalue"


def cases():
    yield from of_groups()
    yield from of_weights_and_changes()
    yield from of_truth()
    yield from of_units()
    yield from of_precision()
    yield from without_a_minimum()
    yield from of_agreement()


def of_groups():
    bad = {
        "a number": (3, "sequence"),
        "none": ([], "empty"),
        "a mask": (Y > 0, "whole numbers"),
        "negative": ([-1], "must lie"),
        "everything": ([range(30)], "keep at least"),
        "an empty one": ([[]], "index"),
        "floats": ([1.0], "whole"),
        "beyond the last": ([30], "must lie"),
        "the same example twice": ([[3, 3]], "once"),
    }
    for name, (groups, saying) in bad.items():
        yield refused(
            f"actual_change: groups {name}", CHANGE, groups, X_TEST, Y_TEST, saying=saying
        )
    groups = [[1, 2], [3]]
    yield right(
        "actual_change: groups from a generator",
        lambda: CHANGE((g for g in groups), X_TEST, Y_TEST),
        expected=lambda: CHANGE(groups, X_TEST, Y_TEST),
    )
    far = THETA + 3
    yield right(
        "actual_change: from a theta far away",
        lambda: (
            actual_change(LOGISTIC, far, [1], X_TEST, Y_TEST, progress=False)
            + LOGISTIC.test_losses(far, X_TEST, Y_TEST)[:, None]
        ),
        expected=lambda: LOGISTIC.test_losses(by_scipy([1]), X_TEST, Y_TEST)[:, None],
        tol=1e-5,
    )
    for value, saying in ((np.nan, "NaN"), (np.inf, "infinity|NaN")):
        yield refused(
            f"actual_change: {value} in theta",
            actual_change,
            LOGISTIC,
            THETA + value,
            [1],
            X_TEST,
            Y_TEST,
            saying=saying,
        )
    for gtol in (-1.0, np.nan, "1e-3"):
        yield told(
            f"refit_without: gtol = {gtol!r}",
            refit_without,
            LOGISTIC,
            THETA,
            [1],
            gtol=gtol,
            progress=False,
            saying="gtol|asked",
        )


@cache
def minimum(left_out):
    keep = ~np.isin(np.arange(30), left_out)

    def risk(t):
        return np.mean(np.logaddexp(0, -Y[keep] * (X[keep] @ t))) + 0.05 * t @ t

    return minimize(risk, np.zeros(3), tol=1e-13, options={"gtol": 1e-9}).x


def by_scipy(left_out):
    return minimum(tuple(left_out))


def of_weights_and_changes():
    weights = np.full((30, 2), 1 / 30)
    bad = {
        "rows for columns": (weights.T, "column"),
        "strings": (np.full((30, 2), "a"), "weights"),
        "NaN": (weights * np.nan, "finite"),
        "complex": (weights + 1j, "weights|complex"),
        "none": (weights[:, :0], "weights"),
        "all 0 in one column": (weights * [1, 0], "weight"),
    }
    for name, (W, saying) in bad.items():
        yield refused(
            f"refit_weighted: weights {name}",
            refit_weighted,
            LOGISTIC,
            THETA,
            W,
            progress=False,
            saying=saying,
        )
    bad = {
        "a generator for X": ([1], (x for x in X[:1]), Y[:1], "shape|index|X_new"),
        "no changes": ([], X[:0], Y[:0], "index|least"),
        "an index that is no whole number": ([1.0], X[:1], Y[:1], "whole"),
        "fewer labels than rows": ([1, 2], X[:2], Y[:1], "shape"),
        "NaN": ([1], X[:1] * np.nan, Y[:1], "NaN"),
        "labels 0 and 1": ([1, 2], X[:2], [0, 1], "labels"),
    }
    for name, (indices, X_new, y_new, saying) in bad.items():
        yield refused(
            f"refit_perturbed: {name}",
            refit_perturbed,
            LOGISTIC,
            THETA,
            indices,
            X_new,
            y_new,
            saying=saying,
        )
    sharded = ShardedObjective([LOGISTIC])
    yield refused(
        "refit_perturbed: a sum of parts",
        refit_perturbed,
        sharded,
        THETA,
        [1],
        X[:1],
        Y[:1],
        saying="cannot be changed",
    )


def of_truth():
    yield right(
        "actual_change against SciPy's minimiser",
        lambda: CHANGE([5, 8], X_TEST, Y_TEST),
        expected=lambda: np.column_stack([scipy_change([5]), scipy_change([8])]),
        tol=1e-4,
    )
    yield right(
        "actual_change of a group against SciPy's minimiser",
        lambda: CHANGE([[5, 8, 11]], X_TEST, Y_TEST)[:, 0],
        expected=lambda: scipy_change([5, 8, 11]),
        tol=1e-4,
    )


def scipy_change(left_out):
    now, without = (
        np.logaddexp(0, -Y_TEST * (X_TEST @ by_scipy(group))) for group in ([], left_out)
    )
    return without - now


def squared(unit=1.0, **options):
    return LinearObjective(models.squared, X, Y_REAL * unit, 0.1, **options)


def of_units():
    """Labels in small or large units: squared losses change with their square."""
    chosen = [3, 7, 12]
    by_fits = np.column_stack(
        [ridge_change_by_hand(X, Y_REAL, 0.1, i, X_TEST, Y_TEST) for i in chosen]
    )

    def change(unit):
        o = squared(unit)
        return (
            actual_change(o, fit(o).theta, chosen, X_TEST, Y_TEST * unit, progress=False) / unit**2
        )

    def perturbed_change(unit):
        o = squared(unit)
        found = actual_perturbed_change(
            o, fit(o).theta, [3], X[4:5], Y_REAL[4:5] * unit, X_TEST, Y_TEST * unit, progress=False
        )
        Z, z = X.copy(), Y_REAL.copy()
        Z[3], z[3] = X[4], Y_REAL[4]
        after, before = (
            0.5 * (X_TEST @ ridge_by_hand(*data, 0.1) - Y_TEST) ** 2
            for data in ((Z, z), (X, Y_REAL))
        )
        return found[:, 0] / unit**2, after - before

    for unit in (1e-30, 1e-11, 1e-6, 1, 1e6, 1e11):
        yield right(f"actual_change: labels in units of {unit:g}", change, unit, expected=by_fits)
    for unit in (1e-11, 1, 1e6):
        yield agree(f"actual_perturbed_change: labels in units of {unit:g}", perturbed_change, unit)
    for total in (1e-20, 1e8):
        o = LOGISTIC.reweighted(np.full(30, total))
        yield right(
            f"actual_change: weights of {total:g} each",
            lambda o=o: actual_change(o, THETA, [5], X_TEST, Y_TEST, progress=False)[:, 0],
            expected=lambda: scipy_change([5]),
            tol=1e-4,
        )
    zeros = LinearObjective(models.squared, X, np.zeros(30), 0.1)
    yield right(
        "actual_change: labels of zeros, where nothing changes",
        lambda: actual_change(zeros, np.zeros(3), [3], X_TEST, Y_TEST, progress=False) + 1,
        expected=np.ones((4, 1)),
    )


@cache
def many(n, dtype):
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((n, 5))
    z = np.where(Z[:, 0] + rng.standard_normal(n) > 0, 1.0, -1.0)
    o = LinearObjective(models.logistic, Z, z, 0.01, dtype=dtype)
    return o, fit(o).theta


def of_precision():
    """One of many examples moves theta by less than float32 resolves in the gradient's sum."""

    def change(n, dtype):
        o, theta = many(n, dtype)
        return actual_change(o, theta, range(20), o.X[:2], o.y[:2], progress=False)

    def moved(n, dtype):
        o, theta = many(n, dtype)
        refits = refit_without(o, theta, range(20), progress=False)
        return refits.thetas.astype(float) - theta

    def every_one_moves(n):
        o, theta = many(n, np.float32)
        thetas = refit_without(o, theta, range(20), progress=False).thetas
        if (thetas == theta).all(axis=1).any():
            raise Unexpected("a refit that took no step is called converged")
        return True

    for n in (1_000, 30_000, 100_000):
        yield right_or_told(
            f"actual_change in float32, n = {n:,}",
            change,
            n,
            np.float32,
            expected=lambda n=n: change(n, np.float64),
            saying="refits stopped",
            tol=0.1,
        )
    yield right_or_told(
        "refit_without in float32, n = 100,000: how far theta moves",
        moved,
        100_000,
        np.float32,
        expected=lambda: moved(100_000, np.float64),
        saying="refits stopped",
        tol=0.1,
    )
    yield right_or_told(
        "refit_without in float32, n = 100,000: every refit moves",
        every_one_moves,
        100_000,
        expected=True,
        saying="refits stopped",
    )


def without_a_minimum():
    Z, z = np.array([[1.0], [1.0], [1.2], [0.8]]), np.array([1.0, 1, -1, -1])
    one_class = LinearObjective(models.logistic, Z, z, 0.0)
    yield told(
        "actual_change, l2 = 0: what is left has one class",
        lambda: actual_change(
            one_class, fit(one_class).theta, [[2, 3]], [[1.0]], [1.0], progress=False
        ),
        saying=NO_MINIMUM,
    )
    points = np.array([[-2.0, 1], [-1, 1], [1, 1], [2, 1]]), np.array([-1.0, -1, 1, 1])
    separable = LinearObjective(models.logistic, *points, 0.0)
    theta = np.array([22.8, 0.0])
    yield told(
        "actual_change, l2 = 0: separable",
        lambda: actual_change(separable, theta, [0], [[1.0, 1]], [1.0], progress=False),
        saying=NO_MINIMUM,
    )
    mixed = linear(np.r_[[[0.3, 1.0]], points[0]], np.r_[-1.0, points[1]], 0.0)
    yield told(
        "actual_change, l2 = 0: separable without one example",
        lambda: actual_change(mixed, fit(mixed).theta, [0], [[1.0, 1]], [1.0], progress=False),
        saying=NO_MINIMUM,
    )


def of_agreement():
    bad = {
        "of different lengths": (np.ones(3), np.ones(4), "as many"),
        "with NaN": ([1, np.nan, 2], [1, 2, 3], "finite"),
        "all equal": ([1, 1, 1.0], [1, 2, 3], "equal"),
        "one number": ([1.0], [2.0], "two|at least|equal"),
        "none": ([], [], "two|at least|equal|as many"),
        "of strings": (["a", "b"], ["a", "b"], "number|finite"),
    }
    for name, (predicted, actual, saying) in bad.items():
        yield refused(f"agreement: numbers {name}", agreement, predicted, actual, saying=saying)
    for unit in (1e-200, 1e-30, 1e30, 1e200):
        yield right(
            f"agreement: numbers of {unit:g}",
            lambda unit=unit: (
                mi.agreement(np.arange(5.0) * unit, 2 * np.arange(5.0) * unit).pearson
            ),
            expected=1.0,
        )
