"""Directions without curvature: the answer where it is unique, and else a refusal with true words.

Equal columns, more features than examples, softmax without penalty: the Hessian is singular, and a
test point has influence only if its gradient lies where the Hessian does not vanish.
"""

from functools import partial

import numpy as np

from inputs.examples import (
    X_TEST,
    Y_REAL,
    Y_TEST,
    X,
    Y,
    by_hand,
    own_logistic,
    torch_logistic,
    up_loss_by_hand,
)
from inputs.table import Unexpected, agree, holds, refused, right, right_or_told, told
from minfluence import (
    AutogradObjective,
    Influence,
    LinearObjective,
    NotPositiveDefinite,
    TorchObjective,
    fit,
    models,
)

PINV = partial(np.linalg.pinv, rcond=1e-10, hermitian=True)
SINGULAR = r"singular|eigenvalue -|eigenvalue 0|not positive|non-positive|does not determine"
TOLD = f"{SINGULAR}|residual|converged"


def cases():
    yield from of_equal_columns()
    yield from of_other_reasons()
    yield from of_softmax()
    yield from of_words()


DOUBLE, TEST = X[:, [0, 0]], X_TEST[:, [0, 0]]
APART = X_TEST[:, :2]  # two features that differ: outside the rows of training


def scores(objective, X_test=TEST, y_test=Y_TEST, **options):
    """Influence at a theta that everybody knows; its scores are a formula like any others."""
    return Influence(objective, a_theta(objective.p), **options).up_loss(X_test, y_test)


def a_theta(p):
    return np.linspace(0.2, 0.4, p)


def scores_by_hand(model, X, y, X_test=TEST, y_test=Y_TEST, inverse=PINV):
    theta = a_theta(X.shape[1])
    return up_loss_by_hand(model, X, y, theta, 0.0, X_test, y_test, inverse=inverse)


def squared(X, y=Y_REAL):
    return LinearObjective(models.squared, X, y, 0.0)


def of_equal_columns():
    objectives = {
        "Linear, squared": squared(DOUBLE),
        "Linear": LinearObjective(models.logistic, DOUBLE, Y, 0.0),
        "Autograd": AutogradObjective(own_logistic, DOUBLE, Y, 0.0, p=2),
        "Torch": TorchObjective(torch_logistic, DOUBLE, Y, 0.0, p=2),
    }
    for name, o in objectives.items():
        model = "squared" if "squared" in name else "logistic"
        for solver in ("direct", "cg"):
            about = f"{name}, equal columns, {solver}: a test point"
            yield right_or_told(
                f"{about} like the training rows",
                scores,
                o,
                solver=solver,
                expected=scores_by_hand(model, DOUBLE, o.y),
                saying=SINGULAR,
            )
            yield told(
                f"{about} unlike the training rows", scores, o, APART, solver=solver, saying=TOLD
            )
    o = objectives["Linear, squared"]
    _, G, H = by_hand("squared", DOUBLE, Y_REAL, a_theta(2))
    yield right_or_told(
        "equal columns: self-influence",
        lambda: Influence(o, a_theta(2)).self_influence(),
        expected=-np.einsum("ni,ij,nj->n", G, PINV(H.mean(axis=0)), G),
        saying=SINGULAR,
    )
    for n in (6, 10, 40, 100):
        yield told(
            f"equal columns of {n} numbers: a test point unlike them", off_the_rows, n, saying=TOLD
        )
    yield told(
        "three equal columns: a test point unlike them",
        scores,
        squared(X[:, [0, 0, 0]] / 3),
        [[1.0, -1, 0]],
        [3.0],
        saying=TOLD,
    )
    for gap in (1e-12, 1e-9):
        yield right_or_told(
            f"columns that differ by {gap:g}",
            scores,
            squared(DOUBLE * [1, 1 + gap]),
            TEST * [1, 1 + gap],
            expected=scores_by_hand("squared", DOUBLE, Y_REAL),
            saying=TOLD,
            tol=1e-3,
        )
    yield right(
        "equal columns, damped: an answer everywhere",
        scores,
        o,
        APART,
        damping=1e-3,
        expected=scores_by_hand(
            "squared", DOUBLE, Y_REAL, APART, inverse=lambda H: np.linalg.inv(H + 1e-3 * np.eye(2))
        ),
    )


def off_the_rows(n):
    rng = np.random.default_rng(2)
    column = rng.standard_normal((n, 1))
    o = squared(np.hstack([column, column]), rng.standard_normal(n))
    return Influence(o, fit(o).theta).up_loss([[1.0, -1]], [3.0])


def of_other_reasons():
    """An intercept beside all of the categories, a feature of zeros, more features than rows."""
    trap = np.column_stack([np.eye(3)[np.arange(30) % 3], np.ones(30)])
    wide = np.random.default_rng(8).standard_normal((5, 12))
    problems = {
        "every category and an intercept": (trap, Y_REAL),
        "a feature of zeros": (np.column_stack([X, np.zeros(30)]), Y_REAL),
        "12 features of 5 examples": (wide, np.arange(5.0)),
        "an intercept twice": (np.column_stack([X, np.ones((30, 2))]), Y_REAL),
    }
    for name, (Z, y) in problems.items():
        unlike = np.linalg.svd(Z)[2][-1:]  # orthogonal to all rows
        yield right_or_told(
            f"{name}: a training row as test point",
            scores,
            squared(Z, y),
            Z[:2],
            y[:2],
            expected=scores_by_hand("squared", Z, y, Z[:2], y[:2]),
            saying=TOLD,
        )
        yield told(
            f"{name}: a test point orthogonal to the rows",
            scores,
            squared(Z, y),
            unlike,
            [3.0],
            saying=TOLD,
        )
    hinge = LinearObjective(models.hinge, X, Y, 0.0)
    yield told("hinge, l2 = 0: no curvature at all", scores, hinge, X_TEST, saying=TOLD)


def softmax_problem(seed, n_classes):
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((40, 3))
    z = rng.integers(0, n_classes, 40)
    z[:n_classes] = range(n_classes)
    o = LinearObjective(models.softmax(n_classes), Z, z, 0.0)
    return o, fit(o).theta, Z, z


def of_softmax():
    """Scores that share a constant: no penalty fixes it, and no prediction depends on it."""
    for n_classes in (2, 3, 5):
        yield agree(f"softmax of {n_classes} classes, l2 = 0: 20 problems", softmaxes, n_classes)
        yield holds(
            f"softmax of {n_classes} classes, l2 = 0: all are treated alike", alike, n_classes
        )


def softmax_scores(n_classes):
    """Influence in 20 problems, and by hand; None for a refusal."""
    for seed in range(20):
        o, theta, Z, z = softmax_problem(seed, n_classes)
        by_hand = up_loss_by_hand(
            "softmax", Z, z, theta, 0.0, Z[:2], z[:2], n_classes=n_classes, inverse=PINV
        )
        try:
            yield Influence(o, theta).up_loss(Z[:2], z[:2]), by_hand
        except NotPositiveDefinite:
            yield None, by_hand


def softmaxes(n_classes):
    """Right where there is an answer; a refusal counts as well."""
    pairs = list(softmax_scores(n_classes))
    return [expected if found is None else found for found, expected in pairs], [
        expected for _, expected in pairs
    ]


def alike(n_classes):
    refusals = sum(found is None for found, _ in softmax_scores(n_classes))
    if 0 < refusals < 20:
        raise Unexpected(f"{refusals} of 20 problems of the same kind are refused")
    return True


def of_words():
    """A refusal names no positive eigenvalue as the reason."""
    rows = np.array([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]])
    o = squared(rows, np.array([1.0, -1, 1]))
    yield refused(
        "singular by rounding: the eigenvalue that is named",
        lambda: Influence(o, fit(o).theta).up_loss([[1.0, -1]], [3.0]),
        saying=SINGULAR,
    )
    concave = AutogradObjective(lambda t, X, y: -(t[0] ** 2) * X[:, 0] ** 2, X, Y, 0.0, p=1)
    yield refused(
        "a risk that curves down: the eigenvalue that is named",
        lambda: Influence(concave, [0.0]).up(np.ones(1)),
        saying="eigenvalue -",
    )
