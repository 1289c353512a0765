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
from inputs.table import Unexpected, agree, holds, refused, right_or_told, told
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


def of_equal_columns():
    double, test = X[:, [0, 0]], X_TEST[:, [0, 0]]
    apart = X_TEST[:, :2]  # its two features differ: outside the rows of training
    objectives = {
        "Linear, squared": (
            LinearObjective(models.squared, double, Y_REAL, 0.0),
            "squared",
            Y_REAL,
        ),
        "Linear": (LinearObjective(models.logistic, double, Y, 0.0), "logistic", Y),
        "Autograd": (AutogradObjective(own_logistic, double, Y, 0.0, p=2), "logistic", Y),
        "Torch": (TorchObjective(torch_logistic, double, Y, 0.0, p=2), "logistic", Y),
    }
    for name, (objective, model, y) in objectives.items():
        theta = fit(objective).theta
        inside = up_loss_by_hand(model, double, y, theta, 0.0, test, Y_TEST, inverse=PINV)
        for solver in ("direct", "cg"):
            influence = Influence(objective, theta, solver=solver)
            yield right_or_told(
                f"{name}, equal columns, {solver}: a test point like the training rows",
                influence.up_loss,
                test,
                Y_TEST,
                expected=inside,
                saying=SINGULAR,
            )
            yield told(
                f"{name}, equal columns, {solver}: a test point unlike the training rows",
                influence.up_loss,
                apart,
                Y_TEST,
                saying=TOLD,
            )
    o = objectives["Linear, squared"][0]
    theta = fit(o).theta
    _, G, H = by_hand("squared", double, Y_REAL, theta)
    yield right_or_told(
        "equal columns: self-influence",
        lambda: Influence(o, theta).self_influence(),
        expected=-np.einsum("ni,ij,nj->n", G, PINV(H.mean(axis=0)), G),
        saying=SINGULAR,
    )
    for n in (6, 10, 40, 100):
        yield told(
            f"equal columns of {n} numbers: a test point unlike them", off_the_rows, n, saying=TOLD
        )
    yield told(
        "three equal columns: a test point unlike them",
        lambda: Influence(
            LinearObjective(models.squared, X[:, [0, 0, 0]] / 3, Y_REAL, 0.0), np.zeros(3)
        ).s_test([[1.0, -1, 0]], [3.0]),
        saying=TOLD,
    )
    for gap in (1e-12, 1e-9):
        yield right_or_told(
            f"columns that differ by {gap:g}",
            lambda gap=gap: Influence(
                LinearObjective(models.squared, double * [1, 1 + gap], Y_REAL, 0.0), theta
            ).up_loss(test * [1, 1 + gap], Y_TEST),
            expected=inside_squared(double, theta, test),
            saying=TOLD,
            tol=1e-3,
        )
    damped = Influence(o, theta, damping=1e-3)
    yield agree(
        "equal columns, damped: an answer everywhere", damped_by_hand, damped, double, apart
    )


def scores(objective, theta, X_test, y_test):
    return Influence(objective, theta).up_loss(X_test, y_test)


def off_the_rows(n):
    rng = np.random.default_rng(2)
    column = rng.standard_normal((n, 1))
    o = LinearObjective(models.squared, np.hstack([column, column]), rng.standard_normal(n), 0.0)
    return Influence(o, fit(o).theta).up_loss([[1.0, -1]], [3.0])


def inside_squared(Z, theta, Z_test):
    return up_loss_by_hand("squared", Z, Y_REAL, theta, 0.0, Z_test, Y_TEST, inverse=PINV)


def damped_by_hand(influence, Z, Z_test):
    theta = influence.theta
    by = partial(up_loss_by_hand, "squared", Z, Y_REAL, theta, 0.0, Z_test, Y_TEST)
    return influence.up_loss(Z_test, Y_TEST), by(
        inverse=lambda H: np.linalg.inv(H + 1e-3 * np.eye(2))
    )


def of_other_reasons():
    """An intercept beside all of the categories, a feature of zeros, more features than rows."""
    category = np.arange(30) % 3
    trap = np.column_stack([np.eye(3)[category], np.ones(30)])
    zeros = np.column_stack([X, np.zeros(30)])
    wide = np.random.default_rng(8).standard_normal((5, 12))
    problems = {
        "every category and an intercept": (trap, Y_REAL),
        "a feature of zeros": (zeros, Y_REAL),
        "12 features of 5 examples": (wide, np.arange(5.0)),
        "an intercept twice": (np.column_stack([X, np.ones((30, 2))]), Y_REAL),
    }
    for name, (Z, y) in problems.items():
        o = LinearObjective(models.squared, Z, y, 0.0)
        theta = fit(o).theta
        influence = partial(scores, o, theta)
        unlike = np.linalg.svd(Z)[2][-1:]  # orthogonal to all rows
        yield right_or_told(
            f"{name}: a training row as test point",
            lambda influence, Z, y: influence(Z[:2], y[:2] + 1) + 1,
            influence,
            Z,
            y,
            expected=up_loss_by_hand("squared", Z, y, theta, 0.0, Z[:2], y[:2] + 1, inverse=PINV)
            + 1,
            saying=TOLD,
        )
        yield told(
            f"{name}: a test point orthogonal to the rows",
            influence,
            unlike,
            np.array([3.0]),
            saying=TOLD,
        )
    hinge = LinearObjective(models.hinge, X, Y, 0.0)
    yield told(
        "hinge, l2 = 0: no curvature at all",
        lambda: Influence(hinge, np.ones(3)).up_loss(X_TEST, Y_TEST),
        saying=TOLD,
    )


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


def softmaxes(n_classes):
    """Right where there is an answer; a refusal counts as well."""
    found, by_hand = [], []
    for seed in range(20):
        o, theta, Z, z = softmax_problem(seed, n_classes)
        expected = up_loss_by_hand(
            "softmax", Z, z, theta, 0.0, Z[:2], z[:2], n_classes=n_classes, inverse=PINV
        )
        try:
            scores = Influence(o, theta).up_loss(Z[:2], z[:2])
        except NotPositiveDefinite:
            scores = expected
        found, by_hand = [*found, scores], [*by_hand, expected]
    return found, by_hand


def alike(n_classes):
    refusals = 0
    for seed in range(20):
        o, theta, Z, z = softmax_problem(seed, n_classes)
        try:
            Influence(o, theta).up_loss(Z[:2], z[:2])
        except NotPositiveDefinite:
            refusals += 1
    if 0 < refusals < 20:
        raise Unexpected(f"{refusals} of 20 problems of the same kind are refused")
    return True


def of_words():
    """A refusal names no positive eigenvalue as the reason."""
    rows = np.array([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]])
    o = LinearObjective(models.squared, rows, [1.0, -1, 1], 0.0)
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
