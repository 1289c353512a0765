"""Each estimator of the table against its own refits: the same theta, and predictions of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC, LinearSVR
from sklearn.utils.class_weight import compute_class_weight

from minfluence import Influence, NotConverged, agreement, from_sklearn, models, refit_weighted
from minfluence.estimators.conventions import CONVENTIONS, UNKNOWN
from minfluence.estimators.translate import _coefficients

RNG = np.random.default_rng(0)
N = 60
X, X_TEST = RNG.standard_normal((N, 3)) + 0.2, RNG.standard_normal((8, 3))
S = X @ [1.0, -1.0, 0.5] + 0.3
NOISY = S + RNG.logistic(size=N)
LABELS = {
    "two": np.where(NOISY > 0, "yes", "no"),
    "three": np.digitize(NOISY, [-1, 1]) * 10,
    "number": S + RNG.standard_normal(N),
    "numbers": np.column_stack([S, -2 * S]) + RNG.standard_normal((N, 2)),
    "count": RNG.poisson(np.exp(0.3 * S)),
    "amount": np.exp(0.3 * S) * RNG.gamma(2.0, size=N),
    "amount or nothing": np.exp(0.3 * S) * RNG.gamma(2.0, size=N) * (RNG.random(N) > 0.3),
}
# residuals of both signs: where a residual is 0, the test loss has no slope to predict with
TEST_LABELS = {
    "two": np.repeat(["no", "yes"], 4),
    "three": np.array([0, 10, 20, 0, 10, 20, 0, 10]),
    "number": X_TEST @ [1.0, -1.0, 0.5] + np.resize([1, -1], 8),
    "numbers": np.outer(X_TEST @ [1.0, -1.0, 0.5], [1, -2]) + np.resize([1, -1], 8)[:, None],
    "count": np.arange(8) // 2,
    "amount": np.arange(8) / 3 + 0.1,
    "amount or nothing": np.arange(8) // 2,
}
NEWTON = {"solver": "newton-cholesky", "tol": 1e-13, "max_iter": 1000}
TIGHT = {"tol": 1e-12, "max_iter": 1_000_000}
ESTIMATORS = {  # name -> estimator, at its minimum to many digits, and labels
    "logistic": (LogisticRegression(C=0.5, **NEWTON), "two"),
    "logistic, no intercept": (LogisticRegression(C=0.5, fit_intercept=False, **NEWTON), "two"),
    "logistic, no penalty": (LogisticRegression(C=np.inf, **NEWTON), "two"),
    "logistic, three classes": (
        LogisticRegression(C=0.5, solver="newton-cg", tol=1e-13, max_iter=1000),
        "three",
    ),
    "logistic, liblinear": (
        LogisticRegression(C=0.5, solver="liblinear", intercept_scaling=2.0, **TIGHT),
        "two",
    ),
    "linear svc": (LinearSVC(C=0.5, intercept_scaling=2.0, dual=False, **TIGHT), "two"),
    "linear svr": (
        LinearSVR(
            C=0.5,
            epsilon=0.3,
            intercept_scaling=2.0,
            loss="squared_epsilon_insensitive",
            dual=False,
            **TIGHT,
        ),
        "number",
    ),
    "least squares": (LinearRegression(), "number"),
    "least squares, no intercept": (LinearRegression(fit_intercept=False), "number"),
    "least squares, two targets": (LinearRegression(), "numbers"),
    "ridge": (Ridge(alpha=3.0), "number"),
    "ridge, two targets": (Ridge(alpha=3.0), "numbers"),
    "ridge, two strengths": (Ridge(alpha=np.array([3.0, 30.0])), "numbers"),
    "ridge classifier": (RidgeClassifier(alpha=3.0), "two"),
    "ridge classifier, three": (RidgeClassifier(alpha=3.0), "three"),
    "poisson": (PoissonRegressor(alpha=0.3, **NEWTON), "count"),
    "gamma": (GammaRegressor(alpha=0.3, **NEWTON), "amount"),
    "tweedie, power 0": (TweedieRegressor(power=0, alpha=0.3, **NEWTON), "number"),
    "tweedie, power 1": (TweedieRegressor(power=1, alpha=0.3, **NEWTON), "count"),
    "tweedie, power 1.5": (
        TweedieRegressor(power=1.5, alpha=0.3, **NEWTON),
        "amount or nothing",
    ),
    "tweedie, power 2": (TweedieRegressor(power=2, alpha=0.3, **NEWTON), "amount"),
}
DIGITS = {"linear svc": 1e-6, "linear svr": 1e-6, "logistic, liblinear": 1e-6}  # LIBLINEAR's
BY_CLASS = {"two": {"yes": 3, "no": 1}, "three": {0: 1, 10: 5, 20: 0.2}}
WEIGHTS = {
    "none": None,
    "some": np.linspace(0.5, 2, N),
    "some 0": np.resize([0.0, 1.0, 2.0, 1.0, 1.3], N),
}
CASES = [
    (name, given, by_class)
    for name, (estimator, kind) in ESTIMATORS.items()
    for given in WEIGHTS
    for by_class in (None, "balanced", "by hand")
    if by_class is None or hasattr(estimator, "class_weight")
]
LEFT_OUT = [0, 7, [3, 21, 40], 59]


@dataclass(frozen=True)
class Refitted:
    """An estimator, its translation, and both refitted without each group."""

    translation: Any
    estimator: Any
    theirs: np.ndarray  # (k, p)
    ours: np.ndarray  # (k, p)
    W: np.ndarray  # (n, k)


def refitted(name, given, by_class, groups, around=lambda estimator: estimator):
    """The estimator's own refits, in the layout of theta, and ours."""
    estimator, kind = ESTIMATORS[name]
    y, weights, estimator = LABELS[kind], WEIGHTS[given], clone(estimator)
    if by_class is not None:
        estimator.set_params(class_weight=BY_CLASS[kind] if by_class == "by hand" else by_class)
    model = fit_on(around(estimator), X, y, weights)
    translation = from_sklearn(model, X, y, sample_weight=weights)
    objective, theta, code = translation
    theirs = []
    for group in groups:
        kept = np.delete(np.arange(N), group)
        last = clone(estimator)  # behind transformers that stay as they are
        fit_on(last, code.transform(X)[kept], y[kept], None if weights is None else weights[kept])
        theirs.append(_coefficients(last, code))
    W = translation.weights_without(groups)
    ours = refit_weighted(objective, theta, W, gtol=1e-13, progress=False).thetas
    return Refitted(translation, model, np.array(theirs), ours, W)


def fit_on(model, X, y, weights):
    if weights is None:
        return model.fit(X, y)
    steps = getattr(model, "steps", None)
    return model.fit(
        X, y, **{f"{steps[-1][0]}__sample_weight" if steps else "sample_weight": weights}
    )


def off(ours, theirs):
    """Largest difference of parameters, relative to the largest parameter."""
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def predicted(name, r):
    """Changes of test losses as predicted, and as the estimator's own refits have them."""
    objective, theta, code = r.translation
    tested = code(X_TEST, TEST_LABELS[ESTIMATORS[name][1]])
    ours = Influence(objective, theta).predicted_reweighted_change(r.W, *tested)
    before = objective.test_losses(theta, *tested)
    after = [objective.test_losses(t, *tested) for t in r.theirs]
    return ours, np.transpose(after) - before[:, None]


@pytest.mark.filterwarnings("ignore:.*gradient norm:UserWarning")  # a tighter gtol than needed
@pytest.mark.parametrize(("name", "given", "by_class"), CASES)
def test_a_refit_is_the_estimators_own_whatever_its_weights(name, given, by_class):
    r = refitted(name, given, by_class, LEFT_OUT)
    digits = DIGITS.get(name, 1e-9)
    assert (
        off(_coefficients(last_of(r.estimator), r.translation.code), r.translation.theta) < digits
    )
    for ours, theirs in zip(r.ours, r.theirs, strict=True):
        assert off(ours, theirs) < digits


def last_of(model):
    return model.steps[-1][1] if hasattr(model, "steps") else model


@pytest.mark.parametrize(
    ("name", "by_class"),
    [case[::2] for case in CASES if case[1] == "none" and case[2] != "by hand"],
)
def test_predictions_of_single_removals_follow_the_estimators_refits(name, by_class):
    r = refitted(name, "none", by_class, range(N))
    found = agreement(*predicted(name, r))
    assert found.pearson > 0.96 and 0.9 < found.slope < 1.3, str(found)


def test_every_row_of_the_table_is_tested_here_or_named_in_this_test():
    elsewhere = {("LinearSVC", "hinged"), ("SVC", "always"), ("SGDClassifier", "always")}
    fitted = [clone(estimator).fit(X, LABELS[kind]) for estimator, kind in ESTIMATORS.values()]
    for row in CONVENTIONS:
        if (row.estimator, row.where.__name__) in elsewhere:
            continue
        first = [
            next(r for r in CONVENTIONS if r.estimator == type(e).__name__ and r.where(e))
            for e in fitted
            if type(e).__name__ == row.estimator
        ]
        assert any(r is row for r in first), row
    assert {unknown.estimator for unknown in UNKNOWN} <= {row.estimator for row in CONVENTIONS}


# In a pipeline -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ESTIMATORS)
def test_in_a_pipeline_it_is_the_same_with_the_scaler_held(name):
    def around(estimator):
        return make_pipeline(StandardScaler(), "passthrough", estimator)

    by_class = "balanced" if hasattr(ESTIMATORS[name][0], "class_weight") else None
    r = refitted(name, "some", by_class, LEFT_OUT, around)
    assert off(r.ours, r.theirs) < DIGITS.get(name, 1e-9)


# Weights that depend on the data ------------------------------------------------------------------


def test_balanced_weights_move_with_the_examples_and_predictions_need_their_move():
    from scipy.stats import spearmanr

    rare = np.where(NOISY > 1.5, "yes", "no")
    model = LogisticRegression(C=0.5, class_weight="balanced", **NEWTON).fit(X, rare)
    translation = from_sklearn(model, X, rare)
    objective, theta, code = translation
    tested = code(X_TEST, TEST_LABELS["two"])
    before = objective.test_losses(theta, *tested)
    actual = []
    for i in range(N):
        other = clone(model).fit(np.delete(X, i, 0), np.delete(rare, i))
        actual.append(objective.test_losses(_coefficients(other, code), *tested) - before)
    influence = Influence(objective, theta)
    W = translation.weights_without(range(N))
    with_move = influence.predicted_reweighted_change(W, *tested)
    held = influence.predicted_change(*tested)
    found = [
        np.mean([spearmanr(p, a)[0] for p, a in zip(rows, np.transpose(actual), strict=True)])
        for rows in (held, with_move)
    ]
    assert found[0] < 0.9 and found[1] > 0.99, found


@pytest.mark.parametrize("given", WEIGHTS)
@pytest.mark.parametrize("make", [LogisticRegression, LinearSVC, RidgeClassifier])
def test_balanced_weights_are_scikit_learns_for_every_group(make, given):
    y, weights = LABELS["two"], WEIGHTS[given]
    model = make(class_weight="balanced").set_params(tol=1e-8).fit(X, y, sample_weight=weights)
    W = from_sklearn(model, X, y, sample_weight=weights).weights_without(LEFT_OUT)
    weights = np.ones(N) if weights is None else weights
    for j, group in enumerate(LEFT_OUT):
        kept = np.delete(np.arange(N), group)
        counted = weights[kept] if make is not RidgeClassifier else np.ones(len(kept))
        try:
            by_class = compute_class_weight(
                "balanced", classes=model.classes_, y=y[kept], sample_weight=counted
            )
        except TypeError:  # before scikit-learn 1.7 all of them counted heads
            by_class = compute_class_weight("balanced", classes=model.classes_, y=y[kept])
        expected = np.zeros(N)
        expected[kept] = weights[kept] * by_class[np.searchsorted(model.classes_, y[kept])] / N
        assert_allclose(W[:, j], expected, rtol=1e-12)


def test_without_balanced_the_weights_of_a_refit_are_those_of_leaving_out():
    for name in ("logistic", "poisson", "ridge"):
        estimator, kind = ESTIMATORS[name]
        translation = from_sklearn(clone(estimator).fit(X, LABELS[kind]), X, LABELS[kind])
        W = translation.weights_without([4, [1, 2]])
        left = [translation.objective.without(group).weights for group in (4, [1, 2])]
        share = W.sum(axis=0) / np.sum(left, axis=1)  # of a mean, all weigh more
        assert_allclose(W / share, np.transpose(left), rtol=1e-12)
        assert_allclose(share, 1 if name != "poisson" else [N / (N - 1), N / (N - 2)])


def test_a_class_that_would_be_lost_is_named():
    y = np.array(["a", "b", "b", "b"])
    model = LogisticRegression(**NEWTON).fit(X[:4], y)
    translation = from_sklearn(model, X[:4], y)
    with pytest.raises(ValueError, match="No example of the class 'a' is left with a weight"):
        translation.weights_without([1, 0])


# Stochastic gradients ----------------------------------------------------------------------------


def same_as_sgd(sgd, n, weights):
    """LogisticRegression with SGDClassifier's minimum: n alpha/2 |w|^2 + sum_i u_i loss_i."""
    return LogisticRegression(C=1 / (n * sgd.alpha), class_weight=sgd.class_weight, **NEWTON)


@pytest.mark.parametrize("given", WEIGHTS)
@pytest.mark.parametrize("by_class", [None, {"yes": 3, "no": 1}])
def test_stochastic_gradients_that_have_converged_count_examples(given, by_class):
    y, weights = LABELS["two"], WEIGHTS[given]
    sgd = SGDClassifier(
        loss="log_loss",
        alpha=0.05,
        class_weight=by_class,
        average=True,
        tol=None,
        max_iter=3000,
        random_state=0,
    ).fit(X, y, sample_weight=weights)
    translation = from_sklearn(sgd, X, y, sample_weight=weights)
    objective, theta, code = translation
    ours = refit_weighted(objective, theta, translation.weights_without(LEFT_OUT), progress=False)
    for t, kept in [
        (theta, np.arange(N)),
        *zip(ours.thetas, (np.delete(np.arange(N), g) for g in LEFT_OUT), strict=True),
    ]:
        w = None if weights is None else weights[kept]
        exact = same_as_sgd(sgd, len(kept), w).fit(X[kept], y[kept], sample_weight=w)
        assert off(t, _coefficients(exact, code)) < 1e-6
    if given == "none" and by_class is None:  # then leaving out takes a share of the penalty along
        assert_allclose(objective.fold_l2, True)
        W = translation.weights_without([5])[:, 0]
        o = objective.without(5)
        assert_allclose(o.grad(theta) * N / (N - 1), objective.reweighted(W).grad(theta))


def test_stochastic_gradients_that_have_not_converged_are_told_what_does():
    y = LABELS["two"]
    sgd = SGDClassifier(loss="log_loss", alpha=0.05, random_state=0).fit(X, y)
    with pytest.warns(NotConverged, match="this SGDClassifier.*so fit it with ") as caught:
        from_sklearn(sgd, X, y)
    advice = str(caught[0].message).split("so fit it with ")[1]
    told = eval(f"dict({advice.removesuffix(', for both to be one.')})")
    from_sklearn(sgd.set_params(**told).fit(X, y), X, y)


# Least squares without a unique minimum -----------------------------------------------------------


@pytest.mark.parametrize("shape", [(12, 30), (40, 6)])
def test_theta_of_least_squares_is_the_smallest_where_there_are_many(shape):
    rng = np.random.default_rng(0)
    Z = rng.standard_normal(shape)
    if shape[0] > shape[1]:
        Z[:, 5] = Z[:, 0] + Z[:, 1]
    y = Z[:, 0] + rng.standard_normal(len(Z)) + 5
    _, theta, _ = from_sklearn(LinearRegression().fit(Z, y), Z, y)
    smallest = np.linalg.pinv(Z - Z.mean(axis=0)) @ (y - y.mean())
    assert_allclose(theta[:-1], smallest, rtol=1e-8, atol=1e-10)
    assert_allclose(theta[-1], y.mean() - Z.mean(axis=0) @ smallest, rtol=1e-8)


def test_several_targets_of_one_column_are_taken_as_they_were_fitted():
    y = LABELS["number"]
    for estimator in (Ridge(), LinearRegression()):
        objective, theta, code = from_sklearn(clone(estimator).fit(X, y[:, None]), X, y[:, None])
        flat = from_sklearn(clone(estimator).fit(X, y), X, y[:, None])
        assert_allclose(theta, flat.theta, rtol=1e-9)
        assert flat.objective.losses == models.squared
