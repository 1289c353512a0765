"""Audits: planted faults are found, and sums are sums."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import make_examples, make_problem

from minfluence import Influence, LinearObjective, audit, fit, models


def test_self_influence_of_least_squares_is_the_squared_error_times_the_leverage():
    X, y = make_examples("squared")
    o = LinearObjective(models.squared, X, y)
    theta = fit(o).theta
    leverage = np.einsum("np,np->n", X, np.linalg.solve(X.T @ X, X.T).T)
    # grad L = (x . theta - y) x and H = XᵀX / n
    expected = -len(X) * (X @ theta - y) ** 2 * leverage
    influence = Influence(o, theta)
    assert_allclose(influence.self_influence(), expected, rtol=1e-9)
    assert_array_equal(audit.rank_suspicious_labels(influence), np.argsort(expected))


def test_planted_mislabels_come_first():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    y = np.where(X @ [2.0, -1.0, 0.5] > 0, 1, -1)
    planted = rng.choice(200, 10, replace=False)
    y[planted] *= -1
    o = LinearObjective(models.logistic, X, y, l2=0.01)
    order = audit.rank_suspicious_labels(Influence(o, fit(o).theta))
    recall = audit.found(order, planted)
    assert recall[19] >= 0.8  # chance would find one in ten
    assert recall[-1] == 1


def test_recall_counts_what_is_found_so_far():
    assert_allclose(audit.found([3, 1, 0, 2], [0, 3]), [0.5, 0.5, 1, 1])
    with pytest.raises(ValueError, match="planted is empty"):
        audit.found([0, 1], [])


@pytest.mark.parametrize(
    ("order", "planted", "words"),
    [
        ([2, 0, 1], [True, False, False], r"pass np.flatnonzero\(mask\)"),
        ([2, 0, 1], [0, 0], "once"),
        ([2, 0, 1], [3], "must lie in 0 .. 2"),
        ([2, 0, 1], [-1], "must lie in 0 .. 2"),
        ([2, 0, 1], [1.0], "whole numbers"),
        ([2, 0, 0], [1], "once"),
        ([2.0, 0.0, 1.0], [1], "whole numbers"),
    ],
)
def test_recall_is_not_counted_of_what_is_no_order_or_no_index(order, planted, words):
    with pytest.raises(ValueError, match=words):
        audit.found(order, planted)


def test_names_with_gaps_are_a_group_of_their_own():
    names = np.array(["a", None, "a", np.nan], dtype=object)
    groups = audit.by_group([1.0, 2.0, 3.0, 7.0], names)
    assert [(g.name, g.total) for g in groups] == [("nan", 7.0), ("a", 4.0), ("None", 2.0)]


def test_groups_are_added_up_and_the_largest_comes_first():
    groups = audit.by_group([1.0, -5.0, 2.0, 0.5], ["a", "b", "a", "c"], name="kind ")
    assert [(g.name, g.n, g.total) for g in groups] == [
        ("kind b", 1, -5.0),
        ("kind a", 2, 3.0),
        ("kind c", 1, 0.5),
    ]
    assert groups[1].mean == 1.5
    assert str(groups[1]) == "kind a: n = 2, total +3.0000, mean +1.50e+00"


def test_the_totals_of_all_groups_add_up_to_zero_at_a_minimum(problem):
    influence = Influence(problem.objective, problem.theta_hat)
    scores = influence.predicted_change(problem.X_test, problem.y_test)[0]
    groups = audit.by_group(scores, np.arange(40) % 3)
    # because the scores themselves do; gradients are below 1e-13, scores below 1e3
    assert abs(sum(group.total for group in groups)) < 1e-9


def test_every_category_of_a_table_is_ranked_by_total_or_by_mean():
    X = np.array([[1, 0, 3.5], [1, 0, 1.0], [0, 1, 0.0], [1, 0, 2.0]])
    names = ["many", "one", "a number"]
    scores = np.array([1.0, 1.0, -2.5, 1.0])
    assert [g.name for g in audit.top_groups(scores, X, names)] == ["many", "one"]
    assert [g.name for g in audit.top_groups(scores, X, names, k=1, by="mean")] == ["one"]


def test_a_group_left_out_changes_the_loss_as_its_total_says():
    problem = make_problem("LinearObjective-logistic")
    o = problem.objective
    scores = Influence(o, problem.theta_hat).predicted_change(problem.X_test, problem.y_test)[0]
    small = np.arange(40) == 7
    group = next(g for g in audit.by_group(scores, small) if g.name == "True")
    refitted = fit(o.without(np.flatnonzero(small)), problem.theta_hat).theta
    before, after = (
        o.test_losses(t, problem.X_test[:1], problem.y_test[:1])[0]
        for t in (problem.theta_hat, refitted)
    )
    assert group.total == pytest.approx(after - before, rel=0.2)  # first order, n = 40


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: audit.by_group([1.0], ["a", "b"]), r"got \(1,\) and \(2,\)"),
        (lambda: audit.top_groups([1.0], np.ones((2, 1)), ["a"]), r"got \(1,\), \(2, 1\)"),
        (lambda: audit.top_groups([1.0], np.ones((1, 1)), ["a"], by="size"), "got 'size'"),
        (lambda: audit.top_groups([1.0], np.ones((1, 1)), ["a"], k=-1), "k must be a whole"),
        (lambda: audit.top_groups([np.nan], np.ones((1, 1)), ["a"]), "scores holds NaN"),
        (lambda: audit.by_group([1.0, np.nan], ["a", "b"]), "scores holds NaN"),
        (lambda: audit.by_group([1.0, np.inf], ["a", "b"]), "scores holds NaN or infinity"),
        (lambda: audit.by_group(["1", "2"], ["a", "b"]), "scores must hold numbers"),
    ],
)
def test_scores_that_do_not_fit_the_table_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_self_influence_that_is_not_known_is_not_ranked():
    class Unknown:
        self_influence = staticmethod(lambda: np.array([-1.0, np.nan, -2.0]))

    with pytest.raises(ValueError, match="self_influence holds NaN"):
        audit.rank_suspicious_labels(Unknown)
