"""The ground truth: many refits as one block equal the refits one by one."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import CONVEX, OBJECTIVES, make_objective, make_problem

from minfluence import (
    AutogradObjective,
    Influence,
    NotConverged,
    actual_change,
    actual_perturbed_change,
    agreement,
    fit,
    inverse,
    refit_perturbed,
    refit_weighted,
    refit_without,
    refits,
)

GROUPS = [3, 17, [5], [0, 9], np.array([1, 2, 30, 31])]


def one_by_one(objective, theta_hat, groups):
    return np.stack([fit(objective.without(g), theta_hat, gtol=1e-12).theta for g in groups])


def test_a_block_of_refits_is_the_refits_one_by_one(problem):
    o, theta_hat = problem.objective, problem.theta_hat
    refits = refit_without(o, theta_hat, GROUPS, progress=False)
    assert refits.thetas.shape == (5, theta_hat.size)
    # gradients below 1e-10, over a smallest eigenvalue of 0.01
    assert_allclose(refits.thetas, one_by_one(o, theta_hat, GROUPS), rtol=1e-7, atol=2e-8)


def test_each_refit_reaches_a_minimum_of_its_own(problem):
    o = problem.objective
    refits = refit_without(o, problem.theta_hat, GROUPS, progress=False)
    own = [
        np.linalg.norm(o.without(g).grad(theta))
        for g, theta in zip(GROUPS, refits.thetas, strict=True)
    ]
    assert max(own) < 1e-10 and refits.converged.all()
    # the same numbers up to the order of summation, 1e-16
    assert_allclose(refits.grad_norm, own, atol=1e-14)
    assert (refits.steps >= 1).all()


@pytest.mark.parametrize("make_objective", OBJECTIVES)
def test_a_stricter_tolerance_is_kept(make_objective):
    o = make_objective()
    refits = refit_without(o, fit(o).theta, GROUPS, gtol=1e-13, progress=False)
    assert (refits.grad_norm <= 1e-13).all()


def outlier_problem():
    """Almost no penalty and one far-off example: without it, the Hessian is another one."""
    o = make_objective("LinearObjective", "logistic", l2=1e-4)
    o = o.perturbed(0, 30 * np.ones(4), o.y[0])
    return o, fit(o).theta


def test_refits_too_slow_for_the_block_are_finished_alone(monkeypatch):
    o, theta_hat = outlier_problem()
    alone, fit_ = [], refits.fit
    monkeypatch.setattr(refits, "fit", lambda *a, **k: alone.append(a) or fit_(*a, **k))
    groups = [0, 3, [0, 5], 7]
    found = refit_without(o, theta_hat, groups, progress=False)
    assert 1 <= len(alone) < 4  # some, not all
    assert found.converged.all() and (found.grad_norm <= 1e-10).all()
    expected = one_by_one(o, theta_hat, groups)
    assert_allclose(found.thetas, expected, rtol=1e-5)  # 1e-10 over an eigenvalue of 1e-4


def test_refits_without_a_minimum_are_flagged_and_told_once():
    def losses(theta, X, y):  # only example 1 has any curvature
        return X[:, 0] * theta[0] ** 2 + y * theta[0]

    o = AutogradObjective(losses, np.array([[0.0], [1.0], [0.0]]), np.array([1.0, -2.0, 0.5]), p=1)
    theta_hat = fit(o, np.zeros(1)).theta
    with pytest.warns(NotConverged, match="1 of 2 refits stopped .*raise l2") as told:
        refits = refit_without(o, theta_hat, [0, 1], progress=False)
    assert len(told) == 1
    assert refits.converged.tolist() == [True, False]
    assert told[0].filename == __file__  # it points at the reader's line


@pytest.mark.parametrize("key", CONVEX)
def test_predictions_agree_with_refits(key):
    p = make_problem(key)
    o = p.objective
    actual = actual_change(o, p.theta_hat, range(o.n), p.X_test, p.y_test, progress=False)
    predicted = Influence(o, p.theta_hat).predicted_change(p.X_test, p.y_test)
    # off by the leverage, about p / n = 0.1 to 0.3 of the change
    found = agreement(predicted, actual)
    assert found.pearson > 0.95 and 0.9 < found.slope < 1.4


def test_any_other_weights_can_be_refitted(problem):
    o, theta_hat = problem.objective, problem.theta_hat
    weights = np.random.default_rng(0).uniform(0.5, 1.5, (o.n, 3)) / o.n
    refits = refit_weighted(o, theta_hat, weights, progress=False)
    expected = [fit(o.reweighted(w), theta_hat, gtol=1e-12).theta for w in weights.T]
    assert_allclose(refits.thetas, expected, rtol=1e-7, atol=2e-8)
    unchanged = refit_weighted(o, theta_hat, o.weights[:, None], progress=False)
    assert_array_equal(unchanged.thetas[0], theta_hat)
    assert unchanged.steps[0] == 0


def test_refits_that_do_not_fit_in_memory_together_go_in_parts(logistic, monkeypatch):
    o, theta_hat = logistic.objective, logistic.theta_hat
    whole = refit_without(o, theta_hat, GROUPS, progress=False)
    monkeypatch.setattr(refits, "SCRATCH_BYTES", 2 * 8 * (o.n + o.p))  # two at a time
    parts = refit_without(o, theta_hat, GROUPS, progress=False)
    assert_allclose(parts.thetas, whole.thetas, rtol=1e-9)
    assert len(parts.grad_norm) == len(parts.steps) == len(parts.converged) == 5


def test_with_too_many_parameters_to_factorise_cg_solves(logistic, monkeypatch):
    o, theta_hat = logistic.objective, logistic.theta_hat
    whole = refit_without(o, theta_hat, GROUPS, progress=False)
    monkeypatch.setattr(inverse, "FACTOR_LIMIT", 3)
    monkeypatch.setattr(inverse, "SMALL", 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_cg = refit_without(o, theta_hat, GROUPS, progress=False)
    assert_allclose(by_cg.thetas, whole.thetas, atol=1e-8)


def test_actual_change_is_retrained_minus_original(problem):
    p = problem
    change = actual_change(p.objective, p.theta_hat, GROUPS, p.X_test, p.y_test, progress=False)
    assert change.shape == (3, 5)
    before = p.objective.test_losses(p.theta_hat, p.X_test, p.y_test)
    for k, theta in enumerate(one_by_one(p.objective, p.theta_hat, GROUPS)):
        after = p.objective.test_losses(theta, p.X_test, p.y_test)
        assert_allclose(change[:, k], after - before, atol=1e-7)


def test_groups_may_come_from_an_array_or_a_generator(logistic):
    o, theta_hat = logistic.objective, logistic.theta_hat
    from_list = refit_without(o, theta_hat, [4, 2], progress=False).thetas
    for groups in (np.array([4, 2]), (i for i in (4, 2))):
        assert_array_equal(refit_without(o, theta_hat, groups, progress=False).thetas, from_list)


def test_single_precision_is_refitted_in_double():
    o = make_objective("LinearObjective", "softmax", dtype=np.float32)
    refits = refit_without(o, fit(o).theta, GROUPS, progress=False)
    assert refits.thetas.dtype == np.float64 and refits.converged.all()
    double = make_problem("LinearObjective-softmax")
    expected = one_by_one(double.objective, double.theta_hat, GROUPS)
    assert_allclose(refits.thetas, expected, atol=1e-4)  # the features were rounded to 1e-7


def test_the_progress_bar_can_be_silenced(logistic, capfd):
    refit_without(logistic.objective, logistic.theta_hat, [1, 2], progress=False)
    assert capfd.readouterr() == ("", "")
    refit_without(logistic.objective, logistic.theta_hat, [1, 2])
    assert "refits: 100%" in capfd.readouterr().err


def test_the_progress_bar_counts_stragglers_too(capfd):
    o, theta_hat = outlier_problem()
    refit_without(o, theta_hat, [0, 3, [0, 5]])
    assert "3/3" in capfd.readouterr().err


# Agreement --------------------------------------------------------------------------------------


def test_a_perfect_line_correlates_perfectly_with_its_own_slope():
    x = np.random.default_rng(0).standard_normal(20)
    found = agreement(x, 2.5 * x - 1)
    assert_allclose([found.pearson, found.spearman, found.slope], [1, 1, 2.5], rtol=1e-12)
    assert found.n == 20
    assert str(found) == "Pearson 1.0000, Spearman 1.0000, slope 2.500 (n = 20)"


def test_a_falling_line_correlates_negatively():
    x = np.arange(5.0)
    found = agreement(x, -x)
    assert_allclose([found.pearson, found.spearman, found.slope], -1, rtol=1e-12)


def test_ranks_do_not_mind_a_monotone_curve():
    x = np.linspace(0, 3, 10)
    found = agreement(x, np.exp(x))
    assert found.spearman == pytest.approx(1) and found.pearson < 0.95


def test_tables_are_compared_entry_by_entry():
    x = np.random.default_rng(0).standard_normal((3, 4))
    assert agreement(x, 2 * x) == agreement(x.ravel(), 2 * x.ravel())


def test_a_block_of_changed_examples_is_the_changed_fits_one_by_one(problem):
    o, indices = problem.objective, [3, 17, 3]
    refits = refit_perturbed(
        o, problem.theta_hat, indices, problem.X_test, problem.y_test, progress=False
    )
    changes = zip(indices, problem.X_test, problem.y_test, strict=True)
    expected = [fit(o.perturbed(*c), problem.theta_hat, gtol=1e-12).theta for c in changes]
    # gradients below 1e-10, over a smallest eigenvalue of 0.01
    assert_allclose(refits.thetas, expected, rtol=1e-7, atol=2e-8)
    assert refits.converged.all()


def test_actual_perturbed_change_is_the_loss_after_minus_before(problem):
    o, theta_hat = problem.objective, problem.theta_hat
    test = problem.X_test, problem.y_test
    changes = actual_perturbed_change(o, theta_hat, [3, 17, 3], *test, *test, progress=False)
    moved = fit(o.perturbed(17, problem.X_test[1], problem.y_test[1]), theta_hat, gtol=1e-12).theta
    expected = o.test_losses(moved, *test) - o.test_losses(theta_hat, *test)
    assert changes.shape == (3, 3)
    assert_allclose(changes[:, 1], expected, rtol=1e-6, atol=1e-8)


def test_a_flipped_label_is_predicted_to_first_order():
    problem = make_problem("LinearObjective-logistic")
    o, n = problem.objective, problem.objective.n
    flipped = range(n), o.X, -o.y
    predicted = Influence(o, problem.theta_hat).predicted_perturbed_change(
        *flipped, problem.X_test, problem.y_test
    )
    actual = actual_perturbed_change(
        o, problem.theta_hat, *flipped, problem.X_test, problem.y_test, progress=False
    )
    assert agreement(predicted, actual).pearson > 0.98
