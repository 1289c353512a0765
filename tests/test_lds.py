"""The linear datamodeling score: what it is worth, and how well it is known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import make_problem
from scipy.stats import spearmanr

import minfluence as mi
from minfluence.lds import LDS, lds, random_halves, retrain


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_every_half_is_a_half_and_every_example_is_drawn(rng):
    kept = random_halves(21, 300, rng)
    assert kept.shape == (300, 21)
    assert (kept.sum(axis=1) == 10).all()
    # each is kept with probability 10/21: within five standard errors of it
    assert_allclose(kept.mean(axis=0), 10 / 21, atol=5 * np.sqrt(0.25 / 300))


def test_scores_whose_sums_are_the_outcomes_get_one(rng):
    kept, scores = random_halves(20, 40, rng), rng.standard_normal((3, 20))
    found = lds(scores, kept, 5.0 + scores @ kept.T)
    assert_allclose(found.each, 1.0)
    assert found.error < 1e-12
    assert_allclose(lds(-scores, kept, scores @ kept.T).mean, -1.0)


def test_neither_scale_nor_a_constant_nor_a_monotone_outcome_matters(rng):
    kept, scores = random_halves(20, 40, rng), rng.standard_normal((3, 20))
    outcomes = scores @ kept.T + rng.standard_normal((3, 40))
    same = lds(7 * scores + 3, kept, np.exp(outcomes))
    assert_array_equal(same.each, lds(scores, kept, outcomes).each)


def test_the_correlation_is_scipys(rng):
    kept, scores = random_halves(20, 40, rng), rng.standard_normal((3, 20)).round()  # with ties
    outcomes = rng.standard_normal((3, 40))
    expected = [spearmanr(s @ kept.T, o).statistic for s, o in zip(scores, outcomes, strict=True)]
    assert_allclose(lds(scores, kept, outcomes).each, expected)


def test_scores_that_know_nothing_get_zero_within_their_error(rng):
    kept, scores = random_halves(20, 200, rng), rng.standard_normal((30, 20))
    found = lds(scores, kept, rng.standard_normal((30, 200)))
    assert abs(found.mean) < 4 * found.error


def test_equal_scores_get_zero(rng):
    kept = random_halves(20, 10, rng)
    assert lds(np.ones((1, 20)), kept, rng.standard_normal((1, 10))).mean == 0.0


def test_the_bootstrap_error_is_the_scatter_over_fresh_halves(rng):
    scores = rng.standard_normal((4, 20))

    def measure():
        kept = random_halves(20, 50, rng)
        return lds(scores, kept, scores @ kept.T + 3 * rng.standard_normal((4, 50)), resamples=60)

    found = [measure() for _ in range(60)]
    scatter, claimed = np.std([f.mean for f in found]), np.mean([f.error for f in found])
    assert 0.7 < claimed / scatter < 1.4  # 60 draws know their scatter to about 10 %


def test_retraining_is_fitting_each_half_alone(rng):
    p = make_problem("LinearObjective-logistic")
    kept = random_halves(p.objective.n, 4, rng)
    outcomes = retrain(p.objective, kept, p.X_test, p.y_test, theta_hat=p.theta_hat)
    alone = [mi.fit(p.objective.subset(np.flatnonzero(k))).theta for k in kept]
    expected = [p.objective.test_losses(theta, p.X_test, p.y_test) for theta in alone]
    assert_allclose(outcomes[0].T, expected, atol=1e-8)


def test_influence_scores_high_on_a_convex_model(rng):
    p = make_problem("LinearObjective-logistic")
    kept = random_halves(p.objective.n, 60, rng)
    outcomes = retrain(p.objective, kept, p.X_test, p.y_test, theta_hat=p.theta_hat)[0]
    scores = mi.Influence(p.objective, p.theta_hat).up_loss(p.X_test, p.y_test)
    assert lds(scores, kept, outcomes).mean > 0.9


def test_a_training_of_ones_own_is_asked_for_every_repeat(rng):
    p = make_problem("LinearObjective-logistic")
    kept = random_halves(p.objective.n, 3, rng)

    def train(kept, repeat):
        return np.tile(p.theta_hat + repeat, (len(kept), 1))

    outcomes = retrain(p.objective, kept, p.X_test, p.y_test, train=train, repeats=2)
    expected = p.objective.test_losses(p.theta_hat + 1, p.X_test, p.y_test)
    assert outcomes.shape == (2, 3, 3)
    assert_allclose(outcomes[1], np.tile(expected[:, None], 3))


def test_it_is_printed_with_its_error():
    assert str(LDS(0.4567, 0.0123, np.zeros(1))) == "0.46 ± 0.01"


# Bad input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kept": np.ones((4, 5))}, r"booleans of shape \(k, 5\).*float64"),
        ({"kept": np.ones((4, 6), dtype=bool)}, r"booleans of shape \(k, 5\)"),
        ({"kept": np.tri(4, 5, dtype=bool)}, "subsets of equal size"),
        ({"outcomes": np.zeros((2, 3))}, r"scores \(m, n\) and outcomes \(m, k\)"),
        ({"outcomes": np.full((2, 4), np.nan)}, "outcomes holds NaN"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(change, words):
    good = {"scores": np.ones((2, 5)), "kept": np.ones((4, 5), bool), "outcomes": np.ones((2, 4))}
    with pytest.raises(ValueError, match=words):
        lds(**good | change)


def test_halves_of_nothing_and_retraining_from_nowhere_are_refused(rng):
    with pytest.raises(ValueError, match="n must be a whole number of at least 2, got 1"):
        random_halves(1, 3, rng)
    p = make_problem("LinearObjective-logistic")
    kept = random_halves(p.objective.n, 3, rng)
    with pytest.raises(ValueError, match="Expected theta_hat"):
        retrain(p.objective, kept, p.X_test, p.y_test)


def test_trainings_that_are_not_one_for_each_subset_are_refused(logistic):
    o, theta, kept = logistic.objective, logistic.theta_hat, random_halves(40, 4, 0)
    points = logistic.X_test, logistic.y_test
    for thetas, words in (([theta], r"must have shape \(4, p\)"), ([theta * np.nan] * 4, "NaN")):
        with pytest.raises(ValueError, match=words):
            retrain(o, kept, *points, train=lambda kept, seed, thetas=thetas: thetas)


def test_a_score_of_no_test_points_is_refused():
    with pytest.raises(ValueError, match="number of test points .* got 0"):
        lds(np.ones((0, 40)), random_halves(40, 4, 0), np.ones((0, 4)))
