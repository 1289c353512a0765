"""scikit-learn's estimators, translated: what is predicted is what *their* refits do."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.feature_selection import RFE
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    HuberRegressor,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    RANSACRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, LinearSVR
from sklearn.utils import all_estimators

import minfluence
from minfluence import Influence, NotConverged, actual_change, agreement, fit, models
from minfluence.estimators import conventions, from_sklearn
from minfluence.estimators.translate import _coefficients

RNG = np.random.default_rng(0)
N = 60
X, X_TEST = RNG.standard_normal((N, 3)) + 0.2, RNG.standard_normal((8, 3))
S, S_TEST = (x @ [1.0, -1.0, 0.5] + 0.3 for x in (X, X_TEST))
LABELS = {  # training and test labels for each kind of estimator
    "two": (np.where(S + RNG.logistic(size=N) > 0, "yes", "no"), np.repeat(["no", "yes"], 4)),
    "three": (
        np.digitize(S + RNG.logistic(size=N), [-1, 1]) * 10,
        np.array([0, 10, 20, 0, 10, 20, 0, 10]),
    ),
    # residuals of 1 and -1: at a residual of 0 the test loss has no slope to predict with
    "number": (S + RNG.standard_normal(N), S_TEST + np.resize([1, -1], 8)),
    "count": (RNG.poisson(np.exp(0.3 * S)), np.arange(8) // 2),
}
TIGHT = {"tol": 1e-11, "max_iter": 100_000}
# name -> estimator, labels, and how well single removals are predicted: Pearson and slope
CASES = {
    "logistic": (LogisticRegression(C=0.5, **TIGHT), "two", 0.995, 1.1),
    "no intercept": (LogisticRegression(fit_intercept=False, **TIGHT), "two", 0.995, 1.1),
    "no penalty": (LogisticRegression(C=np.inf, **TIGHT), "two", 0.99, 1.2),
    "three classes": (LogisticRegression(C=0.5, **TIGHT), "three", 0.99, 1.2),
    "liblinear": (
        LogisticRegression(C=0.5, solver="liblinear", intercept_scaling=2.0, **TIGHT),
        "two",
        0.995,
        1.1,
    ),
    "class weights": (
        LogisticRegression(C=0.5, class_weight={"yes": 3, "no": 1}, **TIGHT),
        "two",
        0.995,
        1.1,
    ),
    "ridge": (Ridge(alpha=3.0, tol=1e-12), "number", 0.97, 1.2),
    "poisson": (PoissonRegressor(alpha=0.3, **TIGHT), "count", 0.99, 1.2),
    "linear svc": (LinearSVC(C=0.5, intercept_scaling=2.0, **TIGHT), "two", 0.98, 1.15),
}
each = pytest.mark.parametrize("case", CASES)


def fitted(case):
    """A fitted estimator and its translation."""
    estimator, kind, *_ = CASES[case]
    y, y_test = LABELS[kind]
    estimator = clone(estimator).fit(X, y)
    return estimator, y, y_test, from_sklearn(estimator, X, y)


def scores_of(estimator, X):
    """What the estimator says before it is made into a class or a mean.  -> (m, c)."""
    if hasattr(estimator, "decision_function"):
        S = estimator.decision_function(X)
        return S[:, None] if S.ndim == 1 else S @ models.contrasts(S.shape[1])
    S = estimator.predict(X)[:, None]
    return np.log(S) if isinstance(estimator, PoissonRegressor) else S


def refits(estimator, y, indices):
    """The estimator, fitted by scikit-learn without each of some examples."""
    return [clone(estimator).fit(np.delete(X, i, 0), np.delete(y, i)) for i in indices]


@each
def test_the_minimum_is_scikit_learns(case):
    estimator, y, _, (objective, theta, code) = fitted(case)
    ours = objective.losses.scores(theta, code.inputs(X_TEST))
    assert_allclose(ours, scores_of(estimator, X_TEST), rtol=1e-5, atol=1e-6)  # tol of the solvers
    assert np.linalg.norm(objective.grad(theta)) < 1e-10


@each
def test_leaving_out_is_scikit_learns_refit(case):
    estimator, y, y_test, (objective, theta, code) = fitted(case)
    inputs, labels = code(X_TEST, y_test)
    before = objective.losses.value(scores_of(estimator, X_TEST), labels)
    actual = np.stack(
        [
            objective.losses.value(scores_of(refit, X_TEST), labels) - before
            for refit in refits(estimator, y, range(N))
        ],
        axis=1,
    )
    ours = actual_change(objective, theta, range(N), inputs, labels, progress=False)
    assert_allclose(ours, actual, rtol=1e-4, atol=1e-5 * np.abs(actual).max())
    predicted = Influence(objective, theta).predicted_change(inputs, labels)
    found = agreement(predicted, actual)
    *_, pearson, slope = CASES[case]
    assert found.pearson > pearson and 1 < found.slope < slope, str(found)


@each
def test_up_is_the_derivative_in_scikit_learns_sample_weight(case):
    estimator, y, _, (objective, theta, code) = fitted(case)
    x, eps = code.inputs(X_TEST[:1])[0], 1e-3
    for i in (0, 7, 21):
        plus, minus = (
            scores_of(clone(estimator).fit(X, y, sample_weight=w), X_TEST[:1])[0, 0]
            for w in (1 + s * eps * (np.arange(N) == i) for s in (1, -1))
        )
        gradient = np.zeros((len(x), objective.losses.n_outputs))
        gradient[:, 0] = x
        slope = Influence(objective, theta).up(gradient.ravel())[i]
        # a weight of 1 + eps is eps/n more, times the class weight of the example; the folded
        # penalty of Poisson regression grows along, but scikit-learn divides by the sum of weights
        share = objective.weights[i]
        assert_allclose((plus - minus) / (2 * eps), slope * share, rtol=2e-3, atol=1e-6)


def test_the_intercept_is_free_where_scikit_learn_leaves_it_free():
    free = {case: fitted(case)[3].objective.l2 for case in CASES}
    d = 3
    for case in ("logistic", "class weights", "ridge", "poisson"):
        assert free[case][d:] == 0 and (free[case][:d] > 0).all()
    assert_allclose(free["three classes"], [1 / 30] * 6 + [0, 0])
    for case in ("liblinear", "linear svc"):
        assert_allclose(free[case], 1 / 30)  # 1 / (n C)
    assert free["no intercept"].shape == (3,) and not free["no penalty"].any()


def test_only_the_mean_of_poisson_regression_takes_its_penalty_along():
    folded = {case: fitted(case)[3].objective.fold_l2 for case in CASES}
    assert [case for case in CASES if folded[case]] == ["poisson"]


# Kernel machines and the hinge -------------------------------------------------------------------

HINGES = {
    "svc": SVC(C=1.0, tol=1e-9),
    "svc with gamma": SVC(C=1.0, gamma=0.2, tol=1e-9),
    "svc with auto": SVC(C=1.0, gamma="auto", tol=1e-9),
    "linear svc": LinearSVC(C=0.5, loss="hinge", **TIGHT),
}


@pytest.mark.parametrize("name", HINGES)
def test_a_low_temperature_is_scikit_learns_machine(name):
    y = LABELS["two"][0]
    machine = clone(HINGES[name]).fit(X, y)
    theirs = machine.decision_function(X_TEST)
    distances = []
    for temperature in (0.1, 0.01, 0.001):
        objective, theta, code = from_sklearn(machine, X, y, temperature=temperature)
        ours = objective.losses.scores(theta, code.inputs(X_TEST))[:, 0]
        distances.append(np.abs(ours - theirs).max())
    assert distances[0] > 2 * distances[1] > 4 * distances[2]
    assert distances[2] < 0.01


def test_coefficients_of_the_kernel_machine_give_its_decision_function():
    machine = SVC(C=1.0).fit(X, LABELS["two"][0])
    code = from_sklearn(machine, X, LABELS["two"][0]).code
    theta = _coefficients(machine, code)
    assert_allclose(code.inputs(X_TEST) @ theta, machine.decision_function(X_TEST), rtol=1e-6)


@pytest.mark.parametrize(("name", "pearson"), [("svc", 0.7), ("linear svc", 0.75)])
def test_removals_from_a_machine_with_a_hinge_are_estimated(name, pearson):
    y = LABELS["two"][0]
    machine = clone(HINGES[name]).fit(X, y)
    objective, theta, code = from_sklearn(machine, X, y)
    before = machine.decision_function(X_TEST)
    actual = [m.decision_function(X_TEST) - before for m in refits(machine, y, range(N))]
    predicted = -Influence(objective, theta).up(code.inputs(X_TEST)) / N
    found = agreement(predicted, np.transpose(actual))
    assert found.pearson > pearson and 0.7 < found.slope < 1.4, str(found)


# Weights -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "kind"),
    [
        (LogisticRegression(C=0.5, **TIGHT), "two"),
        (LogisticRegression(C=0.5, class_weight="balanced", **TIGHT), "two"),
        (Ridge(alpha=3.0), "number"),
        (PoissonRegressor(alpha=0.3, **TIGHT), "count"),
        (LinearSVC(C=0.5, class_weight="balanced", **TIGHT), "two"),
    ],
)
def test_sample_weights_are_taken_over(estimator, kind):
    y, weights = LABELS[kind][0], np.linspace(0.5, 2, N)
    estimator = clone(estimator).fit(X, y, sample_weight=weights)
    objective, theta, code = from_sklearn(estimator, X, y, sample_weight=weights)
    ours = objective.losses.scores(theta, code.inputs(X_TEST))
    assert_allclose(ours, scores_of(estimator, X_TEST), rtol=1e-5, atol=1e-6)


def test_weights_of_another_length_are_refused():
    estimator, y = Ridge().fit(X, LABELS["number"][0]), LABELS["number"][0]
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(60,\), got \(3,\)"):
        from_sklearn(estimator, X, y, sample_weight=np.ones(3))


# Any settings ------------------------------------------------------------------------------------

CLASSES = {
    2: (["no", "yes"], [0, 10], [-5.0, 2.0], [False, True]),
    3: (["c", "a", "b"], [3, 20, 1]),
}
FINE = {"tol": 1e-10, "max_iter": 300_000}


def drawn(seed):
    """An estimator with settings at random, fitted.  -> estimator, X, y, sample_weight."""
    rng = np.random.default_rng(seed)
    n, d, k = int(rng.integers(20, 80)), int(rng.integers(1, 5)), int(rng.integers(2, 4))
    X = rng.standard_normal((n, d)) + rng.standard_normal()
    S = X @ rng.standard_normal(d)
    classes = CLASSES[k][rng.integers(len(CLASSES[k]))]
    code = np.digitize(S + rng.logistic(size=n), np.quantile(S, [0.5] if k == 2 else [0.3, 0.6]))
    code[: 2 * k] = np.arange(2 * k) % k  # every class occurs, with weights
    weights = [None, rng.choice([0, 1, 2, 3.0], n), rng.uniform(0.3, 3, n), 1 + 0.3 * (code == 1)]
    weights = weights[rng.integers(4)]
    if weights is not None:
        weights[: 2 * k] = 1.0
    y, C, free = np.array(classes)[code], 10 ** rng.uniform(-1.5, 1.5), bool(rng.integers(2))
    by_class = dict(zip(classes, rng.uniform(0.5, 3, k).tolist(), strict=True))
    linear = {
        "C": C,
        "fit_intercept": free,
        "class_weight": [None, "balanced", "balanced", by_class][rng.integers(4)],
    }
    solvers = ("lbfgs", "newton-cg", "newton-cholesky") + ("liblinear",) * (k == 2)
    makes = [
        lambda: LogisticRegression(solver=solvers[rng.integers(len(solvers))], **linear, **FINE),
        lambda: Ridge(alpha=[1 / C, np.array([1 / C])][rng.integers(2)]),
        lambda: PoissonRegressor(alpha=1 / C, fit_intercept=free, **FINE),
        lambda: LinearSVC(**linear, **FINE),
    ]
    kind = rng.integers(4 if k == 2 else 3)
    if kind == 1:
        y = S + rng.standard_normal(n) + 100
    if kind == 2:
        y = rng.poisson(np.exp(np.clip(0.5 * S, -3, 3)))
    return makes[kind]().fit(X, y, sample_weight=weights), X, y, weights


@pytest.mark.parametrize("first", range(0, 160, 20))
def test_scores_and_refits_are_scikit_learns_whatever_the_settings(first):
    for seed in range(first, first + 20):
        estimator, X, y, weights = drawn(seed)
        objective, theta, code = from_sklearn(estimator, X, y, sample_weight=weights)
        scores = objective.losses.scores
        theirs = scores_of(estimator, X)
        close = {"rtol": 1e-5, "atol": 1e-5 * np.abs(theirs - theirs.mean()).max()}
        assert_allclose(scores(theta, code.inputs(X)), theirs, **close, err_msg=f"seed {seed}")
        # without an example: class weights stay, so the refit is told each example's weight
        i = len(X) - 1
        kept = np.delete(objective.weights * len(X), i)
        refit = clone(estimator)
        if hasattr(refit, "class_weight"):
            refit.set_params(class_weight=None)
        if isinstance(refit, PoissonRegressor):
            kept = kept / kept.mean()
        refit.fit(X[:-1], y[:-1], sample_weight=kept)
        ours = fit(objective.without(i), theta).theta
        theirs = scores_of(refit, X)
        assert_allclose(scores(ours, code.inputs(X)), theirs, **close, err_msg=f"seed {seed}")


@pytest.mark.parametrize("class_weight", [None, "balanced", {"yes": 3, "no": 1}])
@pytest.mark.parametrize("gamma", ["scale", "auto", 0.5])
def test_the_kernel_machine_is_scikit_learns_whatever_its_weights(class_weight, gamma):
    y, weights = LABELS["two"][0], np.resize([0.0, 1.0, 2.0, 1.3], N)
    machine = SVC(class_weight=class_weight, gamma=gamma, tol=1e-9).fit(X, y, sample_weight=weights)
    objective, theta, code = from_sklearn(machine, X, y, sample_weight=weights, temperature=2e-4)
    ours = objective.losses.scores(theta, code.inputs(X_TEST))[:, 0]
    assert_allclose(ours, machine.decision_function(X_TEST), atol=0.01)  # the temperature's


@pytest.mark.parametrize("gamma", ["scale", "auto", 0.5])
def test_a_kernel_of_inputs_that_are_all_equal_is_no_division_by_zero(gamma):
    y = np.array([0, 1, 0, 1, 1, 1])
    machine = SVC(gamma=gamma).fit(np.ones((6, 2)), y)
    objective, theta, code = from_sklearn(machine, np.ones((6, 2)), y)
    scores = objective.losses.scores(theta, code.inputs(np.ones((1, 2))))
    assert_allclose(scores, machine.decision_function(np.ones((1, 2)))[:, None], atol=0.1)


def test_an_estimator_fitted_on_a_sparse_matrix_takes_the_same_examples_dense():
    from scipy.sparse import csr_matrix

    y = LABELS["two"][0]
    for make in (lambda: SVC(tol=1e-9), lambda: LogisticRegression(**TIGHT)):
        dense, sparse = make().fit(X, y), make().fit(csr_matrix(X), y)
        if isinstance(sparse, LogisticRegression):
            sparse.sparsify()
        one, other = (from_sklearn(estimator, X, y) for estimator in (dense, sparse))
        assert_allclose(other.theta, one.theta, atol=1e-6)


# The gate ----------------------------------------------------------------------------------------

HONEST = {  # with the tolerances that they have by default, on features of one size
    "two": [
        *(LogisticRegression(solver=s) for s in ("lbfgs", "newton-cg", "liblinear", "sag", "saga")),
        LogisticRegression(class_weight="balanced"),
        LinearSVC(),
        LinearSVC(class_weight="balanced"),
        RidgeClassifier(),
    ],
    "three": [LogisticRegression(), RidgeClassifier()],
    "number": [
        LinearRegression(),
        *(Ridge(solver=s) for s in ("auto", "lsqr", "sparse_cg", "sag", "saga")),
        LinearSVR(loss="squared_epsilon_insensitive", epsilon=0.2),
        TweedieRegressor(),
    ],
    "count": [PoissonRegressor(), TweedieRegressor(power=1.5)],
}


@pytest.mark.parametrize("kind", HONEST)
def test_honest_fits_with_default_tolerances_pass(kind):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        n, d = int(rng.integers(30, 300)), int(rng.integers(1, 10))
        Z = rng.standard_normal((n, d))
        s = Z @ rng.standard_normal(d)
        y = {
            "two": np.where(s + rng.logistic(size=n) > 0, 1, 0),
            "three": np.digitize(s + rng.logistic(size=n), [-1, 1]),
            "number": s + rng.standard_normal(n) + 10,
            "count": rng.poisson(np.exp(np.clip(0.5 * s, -3, 3))),
        }[kind]
        for estimator in HONEST[kind]:
            from_sklearn(clone(estimator).fit(Z, y), Z, y)


def test_a_fit_in_raw_units_is_told_what_brings_it_to_its_minimum_and_that_does():
    rng = np.random.default_rng(0)
    raw = rng.standard_normal((200, 4)) * [1, 1000, 0.01, 30] + [0, 1950, 0, 500]
    s = (raw - raw.mean(axis=0)) / raw.std(axis=0) @ [1, -1, 1, 0.5]
    told = 0
    for estimator, y in (
        (LogisticRegression(), s + rng.logistic(size=200) > 0),
        (LogisticRegression(), np.digitize(s + rng.logistic(size=200), [-1, 1])),
        (LogisticRegression(solver="sag", random_state=0), s + rng.logistic(size=200) > 0),
        (PoissonRegressor(), rng.poisson(np.exp(0.3 * s))),
        (LinearSVR(loss="squared_epsilon_insensitive", random_state=0), s + 10),
        (Ridge(solver="lsqr"), s + 10),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(raw, y)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", NotConverged)  # of those that are not far off
                from_sklearn(estimator, raw, y)
        except (ValueError, NotConverged) as error:
            told += 1
            assert "its solver stopped early, so fit it with" in str(error), (estimator, error)
            advice = str(error).split("so fit it with ")[1].removesuffix(", for both to be one.")
            settings = eval(f"dict({advice.rstrip('.')})")
            from_sklearn(estimator.set_params(**settings).fit(raw, y), raw, y)
    assert told > 3


@pytest.mark.parametrize(
    ("wrong", "estimator", "kind"),
    [
        ("penalised_intercept", LogisticRegression(**TIGHT), "two"),
        ("strength", Ridge(alpha=1), "number"),  # scores move by half a percent
        ("divided_by", PoissonRegressor(alpha=0.01, **TIGHT), "count"),
        ("divided_by", PoissonRegressor(**TIGHT), "count"),
        ("loss", PoissonRegressor(**TIGHT), "count"),
    ],
)
def test_a_wrong_row_of_the_table_is_noticed_and_the_reader_is_not_blamed(
    monkeypatch, wrong, estimator, kind
):
    value = {
        "penalised_intercept": True,
        "strength": lambda e: 2 * e.alpha,
        "divided_by": "nothing",
        "loss": models.squared,
    }[wrong]
    changed = tuple(
        replace(row, **{wrong: value}) if row.estimator == type(estimator).__name__ else row
        for row in conventions.CONVENTIONS
    )
    monkeypatch.setattr(conventions, "CONVENTIONS", changed)
    y = LABELS[kind][0]
    with pytest.raises(ValueError, match="report that its translation is wrong"):
        from_sklearn(clone(estimator).fit(X, y), X, y)


# What is refused ---------------------------------------------------------------------------------

Y2, Y3, YN = LABELS["two"][0], LABELS["three"][0], LABELS["number"][0]


def an_old_one_against_rest():
    estimator = LogisticRegression().fit(X, Y3)
    estimator.multi_class = "ovr"
    return estimator


def a_binary_multinomial():
    estimator = LogisticRegression().fit(X, Y2)
    estimator.multi_class = "multinomial"
    return estimator


def an_old_l1():
    estimator = LogisticRegression().fit(X, Y2)
    estimator.penalty = "l1"
    return estimator


REFUSED = {
    "another estimator": (
        ElasticNet().fit(X, YN),
        YN,
        "got ElasticNet: the L1 .* kinks: use Ridge",
    ),
    "not of scikit-learn": (type("SVC", (), {})(), Y2, "got SVC: write its loss as losses"),
    "a class": (Ridge, YN, r"got the class Ridge: make one of the class and fit it, Ridge\(\).fit"),
    "pipeline without an estimator": (
        make_pipeline(StandardScaler(), "passthrough").fit(X, YN),
        YN,
        "got str: pass a fitted estimator, or a pipeline that ends in one",
    ),
    "pipeline that ends in a transformer": (
        make_pipeline(StandardScaler(), StandardScaler()).fit(X, YN),
        YN,
        "got StandardScaler: pass a fitted estimator, or a pipeline",
    ),
    "not fitted": (Ridge(), YN, r"This Ridge is not fitted: call estimator.fit\(X, y\)"),
    "kinks": (
        LogisticRegression(l1_ratio=0.5, solver="saga").fit(X[:, :1] > 0, Y2),
        Y2,
        "L2 penalty, got an L1 part",
    ),
    "kinks, as they used to be said": (an_old_l1(), Y2, "L2 penalty, got an L1 part"),
    "one against the rest": (an_old_one_against_rest(), Y3, "one model for each class: use solver"),
    "linear svc with L1": (
        LinearSVC(penalty="l1", dual=False).fit(X, Y2),
        Y2,
        "penalty='l2', got 'l1'",
    ),
    "three classes": (SVC().fit(X, Y3), Y3, "two classes, got 3: fit one estimator"),
    "another kernel": (SVC(kernel="poly").fit(X, Y2), Y2, "kernel='rbf', got 'poly'"),
    "several targets, given one": (
        Ridge().fit(X, np.c_[YN, YN]),
        YN,
        r"expects y of shape \(n, 2\), one column for each target, got \(60,\)",
    ),
    "one target, given several": (Ridge().fit(X, YN), np.c_[YN, YN], r"y of shape \(n,\), got"),
    "classes in several columns": (
        RidgeClassifier().fit(X, np.c_[Y2 == "yes", Y3 > 0]),
        np.c_[Y2 == "yes", Y3 > 0],
        r"one row and one label per example, got y of shape \(60, 2\)",
    ),
    "constraints": (Ridge(positive=True).fit(X, YN), YN, "positive=False"),
    "other examples": (
        Ridge().fit(X, YN),
        -YN,
        "fitted again on these X, y .* reaches it, so pass",
    ),
    "two classes as three": (a_binary_multinomial(), Y2, "multi_class='multinomial' for two"),
    "another machine": (
        LinearSVC(multi_class="crammer_singer").fit(X, Y2),
        Y2,
        "multi_class='ovr', got 'crammer_singer'",
    ),
    "other inputs behind a large intercept": (
        Ridge().fit(X, YN + 1000),
        np.roll(YN, 1) + 1000,
        "at its minimum on these examples",
    ),
    "words for numbers": (Ridge().fit(X, YN), np.full(N, "1"), "y must hold numbers"),
    "numbers as words": (
        LogisticRegression(**TIGHT).fit(X, Y3),
        Y3.astype(str),
        r"labels out of \[0, 10, 20\].*got \['0', '10', '20'\]",
    ),
    "unknown labels of any kind": (SVC().fit(X, Y2), np.resize([None, 1], N), r"got \[1, None\]"),
    "stopped early": (
        LogisticRegression(tol=10.0).fit(X, Y2),
        Y2,
        "its solver stopped early, so fit it with tol=",
    ),
    "separable": (
        LogisticRegression(C=np.inf).fit(X, S > 0),
        S > 0,
        "without a penalty for separable classes, so raise the penalty",
    ),
    "linear svr": (LinearSVR().fit(X, YN), YN, "got 'epsilon_insensitive', which has kinks"),
    "power": (TweedieRegressor(power=3).fit(X, abs(YN)), abs(YN), "from 1 to 2, got 3.*not convex"),
    "link": (
        TweedieRegressor(power=0, link="log").fit(X, abs(YN)),
        abs(YN),
        "link='auto', got 'log' for power 0, whose loss is not convex",
    ),
    "sgd of a hinge": (SGDClassifier().fit(X, Y2), Y2, "loss='log_loss', got 'hinge': use"),
    "sgd of several": (
        SGDClassifier(loss="log_loss").fit(X, Y3),
        Y3,
        "two classes, got 3, one model for each: use LogisticRegression",
    ),
    "other labels": (Ridge().fit(X, YN), YN[:5], "one row and one label per example"),
    "unknown labels": (SVC().fit(X, Y2), np.full(N, "maybe"), r"\['no', 'yes'\].*got \['maybe'\]"),
}


@pytest.mark.filterwarnings("ignore::minfluence.NotConverged")  # where there is no minimum
@pytest.mark.parametrize("why", REFUSED)
def test_anything_else_is_refused_in_one_sentence(why):
    estimator, y, words = REFUSED[why]
    with pytest.raises(ValueError, match=words) as caught:
        from_sklearn(estimator, X, y)
    message = str(caught.value)
    assert message.endswith(".") and ". " not in message and "\n" not in message, message


def test_a_solver_that_stopped_early_is_told_so_and_its_minimum_is_traced():
    uneven = X * [1.0, 10.0, 0.1]
    early = LogisticRegression(C=10.0, tol=0.03).fit(uneven, Y2)
    with pytest.warns(NotConverged, match=r"stopped early, so fit it with tol=.*to be one") as told:
        theta = from_sklearn(early, uneven, Y2).theta
    assert told[0].filename == __file__
    exact = LogisticRegression(C=10.0, **TIGHT).fit(uneven, Y2)
    assert_allclose(theta, from_sklearn(exact, uneven, Y2).theta, rtol=1e-5)
    weights = np.where(Y2 == "yes", 1.05, 1.0)  # with which it was not fitted
    with pytest.raises(ValueError, match="at its minimum on these examples"):
        from_sklearn(early, uneven, Y2, sample_weight=weights)


REMEDIES = {  # a refused model -> what its sentence advises, done; the minimum must be the same
    "search": (
        lambda: GridSearchCV(LogisticRegression(**TIGHT), {"C": [0.1, 1.0]}).fit(X, Y2),
        lambda model: (model.best_estimator_, X, Y2),
        r"pass search.best_estimator_",
    ),
    "chosen C": (
        lambda: LogisticRegressionCV(Cs=3, **TIGHT).fit(X, Y2),
        lambda model: (LogisticRegression(C=np.ravel(model.C_)[0], **TIGHT).fit(X, Y2), X, Y2),
        "fit LogisticRegression with the C in its C_",
    ),
    "chosen alpha": (
        lambda: RidgeCV().fit(X, YN),
        lambda model: (Ridge(alpha=model.alpha_).fit(X, YN), X, YN),
        r"fit Ridge\(alpha=model.alpha_\)",
    ),
    "chosen alpha of a classifier": (
        lambda: RidgeClassifierCV().fit(X, Y2),
        lambda model: (RidgeClassifier(alpha=model.alpha_).fit(X, Y2), X, Y2),
        r"fit RidgeClassifier\(alpha=model.alpha_\)",
    ),
    "evidence": (
        lambda: BayesianRidge(tol=1e-12).fit(X, YN),
        lambda model: (Ridge(alpha=model.lambda_ / model.alpha_).fit(X, YN), X, YN),
        r"fit Ridge\(alpha=model.lambda_ / model.alpha_\)",
    ),
    "selected features": (
        lambda: RFE(Ridge(), n_features_to_select=2).fit(X, YN),
        lambda model: (model.estimator_, model.transform(X), YN),
        r"estimator_ with model.transform\(X\)",
    ),
    "inliers": (
        lambda: RANSACRegressor(random_state=0).fit(X, YN),
        lambda model: (model.estimator_, X[model.inlier_mask_], YN[model.inlier_mask_]),
        r"pass its estimator_ with its inliers, X\[model.inlier_mask_\]",
    ),
    "transformed target": (
        lambda: TransformedTargetRegressor(Ridge(), transformer=StandardScaler()).fit(X, YN),
        lambda model: (model.regressor_, X, model.transformer_.transform(YN[:, None]).ravel()),
        r"pass its regressor_ with .* model.transformer_.transform\(y\[:, None\]\).ravel\(\)",
    ),
    "calibrated": (
        lambda: CalibratedClassifierCV(LogisticRegression(**TIGHT)).fit(X, Y2),
        lambda model: (clone(model.estimator).fit(X, Y2), X, Y2),
        r"by itself, clone\(calibrated.estimator\).fit\(X, y\)",
    ),
    "several models": (
        lambda: OneVsRestClassifier(LogisticRegression(**TIGHT)).fit(X, Y3),
        lambda model: (model.estimators_[1], X, Y3 == model.classes_[1]),
        r"each of its estimators_ with y == class",
    ),
    "several outputs": (
        lambda: MultiOutputRegressor(Ridge()).fit(X, np.c_[YN, -YN]),
        lambda model: (model.estimators_[1], X, -YN),
        r"each of its estimators_ with y\[:, j\]",
    ),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("kind", REMEDIES)
def test_what_is_advised_for_another_estimator_works(kind):
    make, done, words = REMEDIES[kind]
    model = make()
    with pytest.raises(ValueError, match=words):
        from_sklearn(model, X, Y2)
    estimator, rows, y = done(model)
    objective, theta, code = from_sklearn(estimator, rows, y)
    if hasattr(model, "coef_"):  # the model that was refused has the same minimum
        assert_allclose(_coefficients(model, code), theta, rtol=1e-4)


def test_a_huber_regressor_and_stochastic_least_squares_have_the_minimum_that_is_advised():
    huber = HuberRegressor(alpha=0.1, fit_intercept=False, tol=1e-9, max_iter=1000).fit(X, YN)
    with pytest.raises(ValueError, match="its scale is fitted along, so hold it: Linear") as caught:
        from_sklearn(huber, X, YN)
    names = {"minfluence": minfluence, "LinearObjective": minfluence.LinearObjective}
    advised = str(caught.value).split("so hold it: ")[1][:-1]
    objective = eval(advised, names | {"model": huber, "X": X, "y": YN})
    assert_allclose(fit(objective).theta, huber.coef_, rtol=1e-4)
    sgd = SGDRegressor(alpha=0.05, average=True, tol=None, max_iter=5000, random_state=0)
    sgd.fit(X, YN)
    with pytest.raises(ValueError, match=r"fit Ridge\(alpha=model.alpha \* len\(X\)\)"):
        from_sklearn(sgd, X, YN)
    assert_allclose(sgd.coef_, Ridge(alpha=sgd.alpha * N).fit(X, YN).coef_, atol=5e-3)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_every_estimator_of_scikit_learn_is_translated_or_refused_in_one_sentence():
    answered = 0
    for _, kind in all_estimators(type_filter=["classifier", "regressor"]):
        y = Y2 if issubclass(kind, ClassifierMixin) else np.abs(YN) + 0.1
        try:
            estimator = kind().fit(np.abs(X), y)
        except (TypeError, ValueError):  # it needs arguments, or labels of another kind
            continue
        answered += 1
        try:
            from_sklearn(estimator, np.abs(X), y)
        except ValueError as error:
            message = str(error)
            assert message.endswith(".") and ": " in message and ". " not in message, message
    assert answered > 60


def test_inputs_of_another_width_are_refused():
    code = from_sklearn(Ridge().fit(X, YN), X, YN).code
    with pytest.raises(ValueError, match=r"shape \(n, 3\), as the estimator was fitted on"):
        code(X[:, :2], YN)


def test_inputs_without_numbers_and_weights_without_examples_are_refused():
    estimator = LogisticRegression(**TIGHT).fit(X, Y2)
    code = from_sklearn(estimator, X, Y2).code
    for bad in (X * np.nan, X * 1j, X.astype(str)):
        with pytest.raises(ValueError, match="X (holds NaN|must hold (real )?numbers)"):
            code(bad, Y2)
    with pytest.raises(ValueError, match="sum of sample_weight must be greater than 0"):
        from_sklearn(estimator, X, Y2, sample_weight=np.zeros(N))
    balanced = LogisticRegression(class_weight="balanced").fit(X, Y2)
    with (
        # scikit-learn before 1.7 counts heads, and then this is the fit of other examples
        pytest.raises(ValueError, match="No example of the class 'no' is left|at its minimum on"),
    ):
        from_sklearn(balanced, X, Y2, sample_weight=np.where(Y2 == "yes", 1.0, 0.0))


def test_a_temperature_that_moves_the_machine_too_far_is_refused():
    machine = SVC().fit(X, Y2)
    with pytest.raises(ValueError, match="or lower the temperature"):
        from_sklearn(machine, X, Y2, temperature=2.0)
