"""scikit-learn's estimators, translated: what is predicted is what *their* refits do."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import (
    ElasticNet,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from minfluence import Influence, actual_change, agreement, models
from minfluence.estimators import from_sklearn

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
    from minfluence.estimators import _coding, _coefficients

    machine = SVC(C=1.0).fit(X, LABELS["two"][0])
    code = _coding(machine, X)
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
    if getattr(estimator, "class_weight", None):
        weights = np.ones(N)
    estimator = clone(estimator).fit(X, y, sample_weight=weights)
    objective, theta, code = from_sklearn(estimator, X, y, sample_weight=weights)
    ours = objective.losses.scores(theta, code.inputs(X_TEST))
    assert_allclose(ours, scores_of(estimator, X_TEST), rtol=1e-5, atol=1e-6)


def test_weights_of_another_length_are_refused():
    estimator, y = Ridge().fit(X, LABELS["number"][0]), LABELS["number"][0]
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(60,\), got \(3,\)"):
        from_sklearn(estimator, X, y, sample_weight=np.ones(3))


# What is refused ---------------------------------------------------------------------------------

Y2, Y3, YN = LABELS["two"][0], LABELS["three"][0], LABELS["number"][0]


def an_old_one_against_rest():
    estimator = LogisticRegression().fit(X, Y3)
    estimator.multi_class = "ovr"
    return estimator


def an_old_l1():
    estimator = LogisticRegression().fit(X, Y2)
    estimator.penalty = "l1"
    return estimator


REFUSED = {
    "another estimator": (ElasticNet().fit(X, YN), YN, "got ElasticNet: write its loss as losses"),
    "its relatives": (RidgeClassifier().fit(X, Y2), Y2, "got RidgeClassifier"),
    "no penalty at all": (LinearRegression().fit(X, YN), YN, "got LinearRegression"),
    "not of scikit-learn": (type("SVC", (), {})(), Y2, "got SVC"),
    "pipeline": (
        make_pipeline(StandardScaler(), Ridge()).fit(X, YN),
        YN,
        r"got Pipeline: pass its last step.*pipe\[:-1\].transform\(X\)",
    ),
    "not fitted": (Ridge(), YN, r"This Ridge is not fitted: call estimator.fit\(X, y\)"),
    "kinks": (
        LogisticRegression(l1_ratio=0.5, solver="saga").fit(X[:, :1] > 0, Y2),
        Y2,
        "L2 penalty, got an L1 part",
    ),
    "kinks, as they used to be said": (an_old_l1(), Y2, "L2 penalty, got an L1 part"),
    "one against the rest": (an_old_one_against_rest(), Y3, "one model for each class: use solver"),
    "linear svc with L1": (LinearSVC(penalty="l1").fit(X, Y2), Y2, "penalty='l2', got 'l1'"),
    "three classes": (SVC().fit(X, Y3), Y3, "two classes, got 3: fit one estimator"),
    "another kernel": (SVC(kernel="poly").fit(X, Y2), Y2, "kernel='rbf', got 'poly'"),
    "several targets": (Ridge().fit(X, np.c_[YN, YN]), YN, r"one target, y of shape \(n,\)"),
    "constraints": (Ridge(positive=True).fit(X, YN), YN, "positive=False"),
    "other examples": (Ridge().fit(X, YN), -YN, "at its minimum on these examples, got one whose"),
    "stopped early": (LogisticRegression(tol=10.0).fit(X, Y2), Y2, "fit it with a smaller tol"),
    "other labels": (Ridge().fit(X, YN), YN[:5], "one row and one label per example"),
    "unknown labels": (SVC().fit(X, Y2), np.full(N, "maybe"), r"\['no', 'yes'\].*got \['maybe'\]"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_anything_else_is_refused_in_one_sentence(why):
    estimator, y, words = REFUSED[why]
    with pytest.raises(ValueError, match=words) as caught:
        from_sklearn(estimator, X, y)
    message = str(caught.value)
    assert message.endswith(".") and ". " not in message and "\n" not in message, message


def test_inputs_of_another_width_and_sparse_inputs_are_refused():
    from scipy.sparse import csr_matrix

    estimator = Ridge().fit(X, YN)
    code = from_sklearn(estimator, X, YN).code
    with pytest.raises(ValueError, match=r"shape \(n, 3\), as the estimator was fitted on"):
        code(X[:, :2], YN)
    for machine in (estimator, SVC().fit(csr_matrix(X), Y2)):
        with pytest.raises(ValueError, match="dense X, got a sparse matrix: pass X.toarray"):
            from_sklearn(machine, csr_matrix(X), YN)


def test_a_temperature_that_moves_the_machine_too_far_is_refused():
    machine = SVC().fit(X, Y2)
    with pytest.raises(ValueError, match="or lower the temperature"):
        from_sklearn(machine, X, Y2, temperature=2.0)
