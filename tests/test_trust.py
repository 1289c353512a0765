"""`trust`: each answer is "no" in a case built for it, and "yes" throughout in a good one."""

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import (
    HAS_TORCH,
    LINEAR,
    SEAM,
    make_examples,
    make_objective,
    make_problem,
    network_examples,
    network_losses,
)
from scipy.sparse import csr_array

import minfluence as mi
from minfluence.trust import CAREFUL, NO, NONE, YES, _interval

trust = mi.trust
MINIMUM, CURVATURE, SOLVED, LEVERAGE, DAMPING, REFITS = range(6)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mi.FarFromMinimum)
        warnings.simplefilter("ignore", mi.NotConverged)
        yield


def clouds(n=40, l2=0.01, losses=mi.models.logistic, **options):
    return mi.LinearObjective(losses, *mi.data.two_clouds(n, rng=2), l2, **options)


def ask(objective, theta=None, x=None, y=None, *, refits=0, top=10, **options):
    """The card for the cross, or another test point."""
    theta = mi.fit(objective).theta if theta is None else theta
    if x is None:
        X, labels = mi.data.two_clouds(40, rng=102)
        x, y = X[0], labels[0]
    return trust(mi.Influence(objective, theta, **options), x, y, refits=refits, top=top)


def verdicts(card):
    return [a.verdict for a in card.answers]


def network(l2=0.01):
    return mi.AutogradObjective(network_losses, *network_examples(), l2, p=17)


# All is well ------------------------------------------------------------------------------------


def test_a_good_model_gets_yes_throughout():
    card = ask(clouds(400), refits=20)
    assert verdicts(card) == [YES] * 6
    assert card.order == YES
    assert card.conclusion == (
        "Order: trust it. Sizes: as they are, to 10 %. Groups beyond about 5 %: retrain."
    )
    assert all(a.advice == "" for a in card.answers)


def test_example_24_needs_care_only_with_sizes_and_corrected_has_them():
    objective = clouds()
    card = ask(objective, refits=20)
    assert verdicts(card) == [YES, YES, YES, CAREFUL, YES, YES]
    assert card.leaders[0] == 24 and card.order == YES
    assert "Sizes: take corrected" in card.conclusion
    X, y = mi.data.two_clouds(40, rng=102)
    theta = mi.fit(objective).theta
    actual = mi.actual_change(objective, theta, card.leaders, X[:1], y[:1], progress=False)
    assert abs(card.predicted / actual - 1).max() > 0.2
    assert abs(card.corrected / actual - 1).max() < 0.05


# Each answer is "no" where it should be ---------------------------------------------------------


def test_an_unconverged_theta_is_at_no_minimum():
    objective = clouds()
    card = ask(objective, 0.5 * mi.fit(objective).theta)
    assert card.answers[MINIMUM].verdict == NO
    assert card.order == NO and card.conclusion.startswith("Order: do not trust it. Sizes: no.")
    assert "fit(objective, theta)" in card.conclusion


def twins(l2, noise=0.1, seed=38):
    """Two features that are nearly one: their difference is a flat direction."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(60)
    X = np.column_stack([a, a + noise * rng.standard_normal(60), np.ones(60)])
    return mi.LinearObjective(
        mi.models.logistic, X, np.where(a + rng.logistic(size=60) > 0, 1, -1), l2
    )


def test_a_short_gradient_along_a_flat_direction_is_far_from_the_minimum_too():
    # lengths of gradients do not see it, what is left to do to the test loss does
    objective = twins(1e-6, noise=0.003)
    theta = mi.fit(objective).theta + 100 * np.array([1.0, -1.0, 0.0])
    influence = mi.Influence(objective, theta)
    assert influence.report.far == ""
    card = trust(influence, np.array([1.0, -1.0, 1.0]), 1)
    assert card.answers[MINIMUM].verdict == NO
    assert "training on moves a test loss" in card.answers[MINIMUM].finding


def test_a_saddle_is_no_minimum_though_its_gradient_vanishes():
    objective = network()
    y = objective.y
    theta = np.zeros(17)
    theta[16] = np.log((y == 1).sum() / (y == -1).sum())
    for _ in range(20):
        theta[16] -= objective.grad(theta)[16]
    card = ask(objective, theta, np.ones(2), 1)
    assert verdicts(card) == [YES, NO, NO, NONE, NONE, NONE]
    assert "saddle" in card.answers[CURVATURE].advice
    assert card.leaders.size == 0 and card.order == NO


def test_an_indefinite_network_has_no_scores_and_with_damping_none_to_rely_on():
    objective, theta = network(), np.random.default_rng(0).standard_normal(17)
    for _ in range(30):
        theta = theta - 0.3 * objective.grad(theta)
    smallest = np.linalg.eigvalsh(objective.hessian(theta))[0]
    assert smallest < -0.01
    card = ask(objective, theta, np.ones(2), 1)
    assert verdicts(card) == [NO, NO, NO, NONE, NONE, NONE]
    damped = ask(objective, theta, np.ones(2), 1, damping=-1.5 * smallest)
    assert damped.answers[CURVATURE].verdict in (CAREFUL, NO)
    assert damped.answers[SOLVED].verdict == YES and damped.order == NO
    assert "half is too little" in damped.answers[DAMPING].finding
    refitted = ask(objective, theta, np.ones(2), 1, damping=-1.5 * smallest, refits=4)
    assert refitted.answers[REFITS].verdict != NONE and refitted.refitted.size == 4


def test_gauss_newton_is_judged_by_the_hessian_and_by_the_risk_along_the_steps():
    if not HAS_TORCH:
        pytest.skip("needs torch")
    problem = make_problem("TorchObjective-network")
    objective, theta = problem.objective, np.random.default_rng(0).standard_normal(17)
    card = ask(objective, theta, np.ones(2), 1, curvature="gauss-newton")
    smallest = np.linalg.eigvalsh(objective.hessian(theta))[0]
    assert smallest < 0
    assert_allclose(card.answers[CURVATURE].numbers["smallest"], smallest)
    assert card.answers[CURVATURE].verdict in (CAREFUL, NO)
    assert card.answers[SOLVED].verdict == YES


def test_a_solver_that_was_stopped_early_has_not_solved():
    card = ask(clouds(), solver=partial(mi.cg, max_steps=1))
    assert card.answers[SOLVED].verdict == NO
    assert "not converged" in card.answers[SOLVED].finding
    assert verdicts(ask(clouds(), solver="cg"))[SOLVED] == YES


def test_the_error_of_the_scores_is_the_one_they_have():
    objective = clouds()
    theta = mi.fit(objective).theta
    X, y = mi.data.two_clouds(40, rng=102)
    influence = mi.Influence(objective, theta, solver=partial(mi.cg, rtol=0.2, max_steps=2))
    exact = mi.Influence(objective, theta).predicted_change(X[0], y[0])
    rough = influence.predicted_change(X[0], y[0])
    card = trust(influence, X[0], y[0])
    error = abs(rough - exact)[card.leaders].max() / abs(rough).max()
    assert error > 1e-3
    assert 0.5 < card.answers[SOLVED].numbers["error"] / error < 2


def test_an_example_of_high_leverage_is_named():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_normal(30), np.ones(30)])
    y = X[:, 0] + 0.3 * rng.standard_normal(30)
    X[7], y[7] = [15.0, 1.0], 5.0
    objective = mi.LinearObjective(mi.models.squared, X, y)
    card = ask(objective, None, np.array([2.0, 1.0]), 0.0)
    assert verdicts(card) == [YES, YES, YES, NO, YES, NONE]
    assert "refit without 7." in card.answers[LEVERAGE].advice
    assert "confirm the leaders by refits" in card.conclusion


def test_a_ranking_that_damping_turns_over_is_the_dampings():
    card = ask(twins(1e-4), None, np.array([1.0, -1.0, 1.0]), 1, damping=0.01)
    assert card.answers[DAMPING].verdict == NO and card.order == NO
    assert card.answers[DAMPING].numbers["rank"] < 0.9


@pytest.mark.parametrize("losses", [mi.models.hinge, mi.models.smooth_hinge(0.003)])
def test_a_kink_is_curvature_that_the_hessian_does_not_see(losses):
    smooth = clouds(losses=mi.models.smooth_hinge(0.003))
    objective = clouds(losses=losses)
    card = ask(objective, mi.fit(smooth).theta)
    assert card.answers[CURVATURE].verdict == NO
    assert card.answers[CURVATURE].numbers["smallest"] >= 0.01 - 1e-9
    assert card.order == NO
    if losses is mi.models.hinge:
        assert card.curvature.min() > 2
        assert "kinks" in card.answers[CURVATURE].advice


def test_heavy_damping_spoils_sizes_and_the_card_says_why():
    objective = clouds()
    mean = np.trace(objective.hessian(mi.fit(objective).theta)) / 3
    card = ask(objective, damping=3 * mean)
    assert card.answers[CURVATURE].verdict in (CAREFUL, NO)
    assert "damping" in card.answers[CURVATURE].advice
    assert (card.curvature < 2 / 3).all()


def test_refits_that_disagree_say_no():
    objective = clouds(losses=mi.models.smooth_hinge(0.003))
    card = ask(objective, refits=20)
    assert card.answers[REFITS].verdict == NO
    assert card.answers[REFITS].numbers["pearson"] < 0.7
    assert "12 of the top, 8 at random" in card.answers[REFITS].finding


# What the numbers are ---------------------------------------------------------------------------


@pytest.mark.parametrize("fold_l2", [True, False])
@pytest.mark.parametrize("make", LINEAR)
def test_leverage_is_the_leverage_of_a_linear_model(make, fold_l2):
    objective = make(fold_l2=fold_l2)
    if objective.losses.n_outputs > 1:
        pytest.skip("leverage is of one score")
    theta, (x, y) = mi.fit(objective).theta, objective.examples([0])
    card = ask(objective, theta, x[0], y[0], top=5)
    assert_allclose(card.leverage, mi.leverage(objective, theta)[card.leaders], atol=1e-8)


@pytest.mark.parametrize("key", ["LinearObjective-softmax", "AutogradObjective-network"])
def test_one_over_one_less_leverage_is_the_best_multiple_of_the_step(key):
    p = make_problem(key)
    card = ask(p.objective, p.theta_hat, p.X_test[0], p.y_test[0], top=4)
    H = p.objective.hessian(p.theta_hat)
    for i, h in zip(card.leaders, card.leverage, strict=True):
        g = p.objective.test_grads(p.theta_hat, *p.objective.examples([i]))[0]
        own = p.objective.subset([i])
        H_i = own.hessian(p.theta_hat) - own.penalty * np.eye(len(H))
        w, u = p.objective.weights[i], np.linalg.solve(H, g)
        # the risk without i along a w u: -a w² u'g + a²/2 w² u'(H - w H_i) u
        best = (u @ g) / (u @ (H - w * H_i) @ u)
        assert_allclose(best, 1 / (1 - h), rtol=1e-6)


@pytest.mark.parametrize("fold_l2", [True, False])
def test_of_least_squares_the_curvature_is_met_exactly_and_corrected_is_the_truth(fold_l2):
    # with a penalty the step is not quite along H⁻¹ x_i, and the line search not all of the truth
    X, y = make_examples("squared", 30)
    objective = mi.LinearObjective(mi.models.squared, X, y, fold_l2=fold_l2)
    theta = mi.fit(objective).theta
    card = ask(objective, theta, X[0] + 1, 3.0)
    assert_allclose(card.curvature, 1, rtol=1e-9)
    X_test, y_test = X[:1] + 1, np.array([3.0])
    actual = mi.actual_change(objective, theta, card.leaders, X_test, y_test, progress=False)
    assert_allclose(card.corrected, actual, rtol=1e-7)
    penalised = mi.LinearObjective(mi.models.squared, X, y, 0.3, fold_l2=fold_l2)
    assert_allclose(ask(penalised, None, X[0] + 1, 3.0).curvature, 1, rtol=1e-9)


def test_predictions_and_leaders_are_those_of_the_influence():
    objective = clouds()
    influence = mi.Influence(objective, mi.fit(objective).theta)
    X, y = mi.data.two_clouds(40, rng=102)
    predicted = influence.predicted_change(X[:3], y[:3])
    card = trust(influence, X[:3], y[:3], top=6, refits=10)
    assert card.predicted.shape == card.corrected.shape == (3, 6)
    assert_allclose(card.predicted, predicted[:, card.leaders], rtol=1e-12)
    shares = (abs(predicted) / abs(predicted).max(axis=1, keepdims=True)).max(axis=0)
    assert set(card.leaders) == set(np.argsort(-shares)[:6])
    assert_allclose(card.refits[0], predicted[:, card.refitted], rtol=1e-12)
    actual = mi.actual_change(
        objective, influence.theta, card.refitted.tolist(), X[:3], y[:3], progress=False
    )
    assert_allclose(card.refits[1], actual, atol=1e-12)
    assert len(set(card.refitted)) == 10


def test_with_several_test_points_the_worst_decides():
    objective = clouds()
    influence = mi.Influence(objective, mi.fit(objective).theta)
    X, y = mi.data.two_clouds(40, rng=102)
    each = [
        trust(influence, *point).answers[DAMPING].numbers["rank"]
        for point in zip(X, y, strict=True)
    ]
    together = trust(influence, X, y).answers[DAMPING].numbers["rank"]
    assert_allclose(together, min(each))


def test_influence_is_left_as_it_was():
    influence = mi.Influence(clouds(), mi.fit(clouds()).theta)
    X, y = mi.data.two_clouds(40, rng=102)
    trust(influence, X[0], y[0])
    assert influence.report.solves == []


def test_the_interval_covers_the_correlation_of_so_many_leaders():
    rng, covered = np.random.default_rng(0), []
    for _ in range(300):
        predicted = rng.standard_t(3, 200)
        actual = predicted + rng.standard_normal(200)
        order = np.argsort(-abs(predicted))
        rest = order[12:]
        weights = np.r_[np.ones(12), np.full(188, 8 / 188)]  # what the sample is of, on average
        covariance = np.cov(predicted[order], actual[order], aweights=weights)
        truth = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        chosen = np.r_[order[:12], rng.choice(rest, 8, replace=False)]
        low, high = _interval(predicted[chosen], actual[chosen], np.arange(20) < 12, rng)
        covered.append(low <= truth <= high)
    assert np.mean(covered) > 0.9


# One answer whatever computes it ----------------------------------------------------------------


@pytest.mark.parametrize("key", [k for k in SEAM if "network" not in k])
def test_every_objective_is_asked_the_same(key):
    p = make_problem(key)
    card = ask(p.objective, p.theta_hat, p.X_test, p.y_test)
    name = key.split("-")[1]
    known = "ExponentialObjective" if name == "exponential" else "LinearObjective"
    reference = make_problem(f"{known}-{name}")
    expected = ask(reference.objective, reference.theta_hat, p.X_test, p.y_test)
    assert verdicts(card) == verdicts(expected)
    assert_allclose(card.corrected, expected.corrected, rtol=1e-4, atol=1e-7)
    assert_allclose(card.leverage, expected.leverage, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kind", ["LinearObjective", "AutogradObjective"])
def test_single_precision_gives_the_same_verdicts(kind):
    double, single = (make_objective(kind, "logistic", n=2_000, dtype=d) for d in "df")
    x = np.ones(4)
    cards = [ask(o, None, x, 1, refits=10) for o in (double, single)]
    assert verdicts(cards[0]) == verdicts(cards[1]) == [YES] * 6
    assert_allclose(cards[1].corrected, cards[0].corrected, rtol=1e-2)


def test_sparse_rows_and_many_parameters():
    rng = np.random.default_rng(0)
    X = (rng.random((120, 1_500)) < 0.02).astype(float)
    y = np.where(X[:, :200].sum(axis=1) + rng.standard_normal(120) > 4, 1, -1)
    cards = [
        ask(mi.LinearObjective(mi.models.logistic, form(X), y, 0.1), None, X[0], 1, solver="cg")
        for form in (np.asarray, csr_array)
    ]
    assert str(cards[0]) == str(cards[1])
    assert "convex losses, penalty 0.1" in cards[0].answers[CURVATURE].finding


def test_translated_estimators_are_asked_as_they_are():
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y = mi.data.two_clouds(400, rng=2)
    model = linear_model.LogisticRegression().fit(X[:, :2], y)
    objective, theta, code = mi.from_sklearn(model, X[:, :2], y)
    x, label = code(np.array([[0.5, -1.0]]), y[-1:])
    card = ask(objective, theta, x, label, refits=10)
    assert verdicts(card) == [YES] * 6


@pytest.mark.slow
def test_of_random_models_no_order_is_trusted_that_refits_contradict():
    trusted = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        name = rng.choice(["squared", "logistic", "softmax", "huber", "poisson", "smooth_hinge"])
        l2 = rng.choice([1e-3, 1e-2, 0.1])
        objective = make_objective("LinearObjective", name, n=60, l2=l2, seed=seed)
        theta = mi.fit(objective).theta
        start = theta * rng.choice([1.0, 1.0, 0.3])  # one in three has not converged
        x, y = (a[0] for a in make_examples(name, 3, seed=seed + 100))
        influence = mi.Influence(objective, start)
        card = trust(influence, x, y)
        if card.order == YES:
            trusted += 1
            predicted = influence.predicted_change(x, y)
            test = x[None], np.array([y])
            actual = mi.actual_change(objective, theta, range(60), *test, progress=False)[0]
            assert mi.agreement(predicted, actual).spearman > 0.8, (seed, name, str(card))
    assert trusted > 10


# What is printed, and what is refused -----------------------------------------------------------


def test_the_card_has_a_line_for_each_question_and_fits_a_page():
    card = ask(clouds(), refits=20)
    text = str(card)
    assert repr(card) == text
    assert max(map(len, text.splitlines())) <= 80
    assert [k for k in "123456" if f"\n{k} " in f"\n{text}"] == list("123456")
    assert text.splitlines()[-2].startswith("=> Order: trust it.")
    html = card._repr_html_()
    assert html.count("<tr>") == 7 and "e-1" not in text


def test_order_is_the_worst_answer_and_refits_are_the_truth():
    card = ask(clouds())

    def order(*words):
        answers = [replace(a, verdict=v) for a, v in zip(card.answers, words, strict=True)]
        return replace(card, answers=tuple(answers)).order

    assert order(YES, YES, YES, YES, YES, NONE) == YES
    assert order(YES, YES, YES, CAREFUL, YES, NONE) == YES  # leverage is about sizes
    assert order(YES, YES, YES, NO, YES, NONE) == CAREFUL
    assert order(YES, CAREFUL, YES, YES, YES, NONE) == CAREFUL
    assert order(YES, YES, YES, YES, NO, NONE) == NO
    assert order(YES, CAREFUL, YES, NO, YES, YES) == YES  # refits agree: one better
    assert order(YES, NO, YES, YES, YES, YES) == CAREFUL
    assert order(YES, YES, YES, YES, YES, NO) == NO
    assert order(YES, YES, YES, YES, YES, CAREFUL) == CAREFUL


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"top": 0}, "top must be a whole number of at least 1, got 0"),
        ({"refits": -1}, "refits must be a whole number of at least 0, got -1"),
        ({"refits": 2.5}, "refits must be a whole number"),
        ({"rng": "x"}, "rng"),
    ],
)
def test_bad_options_are_refused(options, words):
    influence = mi.Influence(clouds(), mi.fit(clouds()).theta)
    with pytest.raises(ValueError, match=words):
        trust(influence, *(a[0] for a in mi.data.two_clouds(40, rng=102)), **options)


def test_a_test_point_whose_loss_is_flat_is_refused():
    objective = clouds(losses=mi.models.squared_hinge)
    influence = mi.Influence(objective, mi.fit(objective).theta)
    with pytest.raises(ValueError, match="flat at theta, so all scores are 0"):
        trust(influence, np.array([9.0, 9.0, 1.0]), 1)


def test_something_else_than_an_influence_is_refused():
    with pytest.raises(ValueError, match=r"an Influence.*got LinearObjective"):
        trust(clouds(), np.ones(3), 1)
