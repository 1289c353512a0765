"""Reweighting, leaving out, perturbing: what every objective has in common."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import OBJECTIVES, loss_of, make_objective

from minfluence import fit

each = pytest.mark.parametrize("make_objective", OBJECTIVES)


@each
def test_leaving_out_is_upweighting_by_minus_one_over_n(make_objective):
    o = make_objective()
    theta = np.random.default_rng(0).standard_normal(o.p)
    left_out, lighter = o.without(3), o.upweighted(3, -1 / o.n)
    assert_allclose(left_out.risk(theta), lighter.risk(theta), rtol=1e-13)
    assert_allclose(left_out.grad(theta), lighter.grad(theta), rtol=1e-12, atol=1e-15)


@each
@pytest.mark.parametrize("gone", [5, [5, 0, 11]])
def test_leaving_out_is_the_fit_on_the_other_examples(make_objective, gone):
    o = make_objective()
    X, y = np.delete(o.X, gone, axis=0), np.delete(o.y, gone)
    others = type(o)(loss_of(o), X, y, l2=o.l2)
    # both gradients are below 1e-12, over a curvature of at least 0.05
    expected = fit(others, gtol=1e-12).theta
    assert_allclose(fit(o.without(gone), gtol=1e-12).theta, expected, rtol=1e-8, atol=1e-10)


@each
def test_a_subset_is_a_training_set_of_its_own(make_objective):
    o, chosen = make_objective(), np.array([0, 1, 2, 30, 7])
    theta = np.random.default_rng(0).standard_normal(o.p)
    alone = type(o)(loss_of(o), o.X[chosen], o.y[chosen], l2=o.l2)
    part = o.subset(chosen)
    assert part.n == 5
    assert_allclose(part.weights, 1 / 5, rtol=1e-14)
    assert_allclose(part.risk(theta), alone.risk(theta), rtol=1e-13)
    assert_allclose(part.hessian(theta), alone.hessian(theta), rtol=1e-11, atol=1e-14)


@each
def test_perturbing_replaces_one_example(make_objective):
    o = make_objective()
    theta = np.random.default_rng(0).standard_normal(o.p)
    x, y = o.X[8] + 1, o.y[9]
    X_new, y_new = o.X.copy(), o.y.copy()
    X_new[4], y_new[4] = x, y
    expected = type(o)(loss_of(o), X_new, y_new, l2=o.l2)
    changed = o.perturbed(4, x, y)
    assert_allclose(changed.risk(theta), expected.risk(theta), rtol=1e-14)
    assert_allclose(changed.grad(theta), expected.grad(theta), rtol=1e-12, atol=1e-15)
    assert_array_equal(o.perturbed(4, o.X[4], o.y[4]).X, o.X)


@each
def test_the_old_objective_is_untouched(make_objective):
    o = make_objective()
    X, y, weights = o.X.copy(), o.y.copy(), o.weights.copy()
    o.upweighted(0, 1.0), o.without([0, 1]), o.subset([3, 4]), o.reweighted(2 * weights)
    o.perturbed(0, o.X[1] + 1, o.y[1])
    for now, before in ((o.X, X), (o.y, y), (o.weights, weights)):
        assert_array_equal(now, before)


@each
def test_changes_add_up(make_objective):
    o = make_objective()
    assert_allclose(o.upweighted(2, 0.1).upweighted(2, -0.1).weights, o.weights, atol=1e-16)
    assert_array_equal(o.without(2).without(5).weights, o.without([5, 2]).weights)
    assert_allclose(o.upweighted([2, 5], 0.1).weights[[2, 5]], 1 / 40 + 0.1, rtol=1e-14)
    assert o.without(2).weights[2] == 0


def test_the_penalty_leaves_with_the_example():
    o = make_objective("LinearObjective", "squared", l2=0.5)
    theta = np.ones(4)
    bare = make_objective("LinearObjective", "squared", l2=0.0)
    penalty = o.without(3).risk(theta) - bare.without(3).risk(theta)
    assert_allclose(penalty, 39 / 40 * 0.5 / 2 * theta @ theta, rtol=1e-12)


@pytest.mark.parametrize("i", [3, np.int64(3), np.uint8(3), [3], np.array([3])])
def test_an_index_may_come_in_any_whole_number_type(i):
    o = make_objective("LinearObjective", "squared")
    assert o.without(i).weights[3] == 0 and np.count_nonzero(o.without(i).weights) == 39


def test_a_new_target_is_not_rounded_when_the_old_ones_are_whole_numbers():
    o = make_objective("LinearObjective", "squared")
    whole = type(o)(o.losses, o.X, np.round(o.y).astype(int))
    assert whole.perturbed(3, o.X[3], 2.5).y[3] == 2.5


def test_lists_will_do():
    o = make_objective("LinearObjective", "squared")
    from_lists = type(o)(o.losses, o.X.tolist(), o.y.tolist(), l2=o.l2)
    assert from_lists.risk(np.ones(4)) == o.risk(np.ones(4))


def test_extended_adds_examples_that_do_not_count_yet(problem):
    o = problem.objective
    more = o.extended(problem.X_test, problem.y_test)
    assert more.n == o.n + 3 and o.n == 40
    assert_allclose(more.risk(problem.theta), o.risk(problem.theta), rtol=1e-14)
    assert_allclose(more.grad(problem.theta), o.grad(problem.theta), rtol=1e-12, atol=1e-15)


def test_a_changed_example_is_a_reweighted_one(problem):
    o, (x, y) = problem.objective, (problem.X_test[0], problem.y_test[0])
    weights = o.extended([x], [y]).weights.copy()
    weights[[5, 40]] = 0.0, weights[5]
    swapped = o.extended([x], [y]).reweighted(weights)
    moved = o.perturbed(5, x, y)
    assert_allclose(swapped.risk(problem.theta), moved.risk(problem.theta), rtol=1e-13)
    assert_allclose(swapped.grad(problem.theta), moved.grad(problem.theta), rtol=1e-11, atol=1e-14)
