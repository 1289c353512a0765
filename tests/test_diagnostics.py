"""Leverage and Cook's distance: the hat matrix, the field's closed forms, and refits."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import LOSSES, make_examples

from minfluence import AutogradObjective, LinearObjective, cg, fit, models, refit_without
from minfluence.diagnostics import cooks_distance, leverage

ONE_SCORE = [name for name, loss in LOSSES.items() if loss.n_outputs == 1]


def problem(name, l2=0.0, n=40, **options):
    X, y = make_examples(name, n)
    X[:, -1] = 1.0
    objective = LinearObjective(LOSSES[name], X, y, l2, fold_l2=False, **options)
    return objective, fit(objective).theta


def test_leverage_of_least_squares_is_the_diagonal_of_the_hat_matrix():
    o, theta = problem("squared")
    hat = o.X @ np.linalg.inv(o.X.T @ o.X) @ o.X.T
    h = leverage(o, theta)
    assert_allclose(h, np.diag(hat), rtol=1e-10)
    y = o.y.copy()
    y[3] += 1.0  # the score follows its label
    moved = fit(LinearObjective(models.squared, o.X, y)).theta
    assert (o.X @ (moved - theta))[3] == pytest.approx(h[3], rel=1e-8)


@pytest.mark.parametrize("name", ONE_SCORE)
def test_leverages_sum_to_the_number_of_parameters_that_no_penalty_holds(name):
    l2 = 0.0 if name not in ("squared_hinge", "smooth_hinge") else 1e-3
    o, theta = problem(name, l2)
    H, D = o.hessian(theta), o.losses.curvature(o.losses.scores(theta, o.X), o.y)[:, 0]
    expected = np.trace(np.linalg.solve(H, (o.X.T * (o.weights * D)) @ o.X))
    assert leverage(o, theta).sum() == pytest.approx(expected, rel=1e-9)
    if not l2:
        assert leverage(o, theta).sum() == pytest.approx(4, rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_cooks_distance_of_least_squares_is_that_of_exact_refits(weighted):
    o, theta = problem("squared")
    u = np.where(weighted, np.resize([0.5, 1.0, 3.0], o.n), 1.0)
    o = o.reweighted(u / o.n)
    theta = fit(o).theta
    gram = (o.X.T * u) @ o.X
    s2 = u @ (o.y - o.X @ theta) ** 2 / (o.n - 4)
    without = refit_without(o, theta, range(o.n), progress=False).thetas
    moved = without - theta
    expected = np.einsum("ip,pq,iq->i", moved, gram, moved) / (4 * s2)
    assert_allclose(cooks_distance(o, theta), expected, rtol=1e-6)


def test_cooks_distance_of_least_squares_is_the_textbooks():
    o, theta = problem("squared")
    e, h = o.y - o.X @ theta, leverage(o, theta)
    s2 = e @ e / (o.n - 4)
    assert_allclose(cooks_distance(o, theta), e**2 * h / (1 - h) ** 2 / (4 * s2), rtol=1e-9)


@pytest.mark.parametrize("name", ["logistic", "poisson"])
def test_cooks_distance_of_classes_and_counts_has_pearson_residuals(name):
    o, theta = problem(name)
    s = o.X @ theta
    if name == "poisson":
        pearson2, W = (o.y - np.exp(s)) ** 2 / np.exp(s), np.exp(s)
    else:
        mean = 1 / (1 + np.exp(-s))
        pearson2, W = ((o.y + 1) / 2 - mean) ** 2 / (mean * (1 - mean)), mean * (1 - mean)
    half = np.sqrt(W)[:, None] * o.X
    h = np.diag(half @ np.linalg.inv(half.T @ half) @ half.T)
    assert_allclose(leverage(o, theta), h, rtol=1e-8)
    assert_allclose(cooks_distance(o, theta), pearson2 * h / (1 - h) ** 2 / 4, rtol=1e-7)
    assert_allclose(cooks_distance(o, theta, dispersion=2.0) * 2, cooks_distance(o, theta))


@pytest.mark.parametrize("name", ["logistic", "poisson", "smooth_hinge", "huber"])
def test_cooks_distance_ranks_examples_as_refits_do(name):
    o, theta = problem(name, l2=0.01)
    moved = refit_without(o, theta, range(o.n), progress=False).thetas - theta
    H = o.hessian(theta)
    actual = o.n * np.einsum("ip,pq,iq->i", moved, H, moved) / leverage(o, theta).sum()
    found = cooks_distance(o, theta)
    assert np.corrcoef(found, actual)[0, 1] > 0.95
    assert_allclose(np.median(found / actual), 1, atol=0.15)


def test_an_example_that_decides_a_parameter_alone_is_infinitely_far():
    X = np.eye(5)[:, :2] + np.array([[0, 0], [0, 0], [0, 1], [0, 2], [0, 3]])
    o = LinearObjective(models.squared, X, np.array([5.0, 1, 2, 2, 4]))
    theta = fit(o).theta
    assert leverage(o, theta)[0] == pytest.approx(1)
    found = cooks_distance(o, theta)
    assert found[0] == np.inf and np.isfinite(found[1:]).all()


def test_an_example_of_weight_zero_has_no_leverage_and_no_distance():
    o, _ = problem("squared")
    o = o.without(3)
    theta = fit(o).theta
    assert leverage(o, theta)[3] == cooks_distance(o, theta)[3] == 0
    kept = np.delete(np.arange(40), 3)
    alone = LinearObjective(models.squared, o.X[kept], o.y[kept])
    assert_allclose(cooks_distance(o, theta)[kept], cooks_distance(alone, theta), rtol=1e-8)


def test_the_units_of_weights_and_labels_do_not_matter():
    o, theta = problem("squared")
    scaled = LinearObjective(models.squared, o.X, 1e6 * o.y).reweighted(7 * o.weights)
    assert_allclose(cooks_distance(scaled, 1e6 * theta), cooks_distance(o, theta), rtol=1e-8)


def test_wide_data_go_by_products():
    X = np.random.default_rng(0).standard_normal((20, 60))
    o = LinearObjective(models.squared, X, X[:, 0], 0.1, fold_l2=False)
    theta = fit(o).theta
    hat = X @ np.linalg.solve(X.T @ X + 20 * 0.1 * np.eye(60), X.T)
    by_products = leverage(o, theta, solver=partial(cg, rtol=1e-12))
    assert_allclose(by_products, np.diag(hat), rtol=1e-8)
    assert_allclose(leverage(o, theta), np.diag(hat), rtol=1e-8)


def test_rows_are_taken_in_blocks(monkeypatch):
    o, theta = problem("logistic")
    whole = cooks_distance(o, theta)
    monkeypatch.setattr("minfluence.diagnostics.SCRATCH_BYTES", 8 * 4 * 7)  # seven rows at a time
    assert_allclose(cooks_distance(o, theta), whole, rtol=1e-12)


def test_autograd_has_the_same_leverages():
    o, theta = problem("logistic")
    slow = AutogradObjective(models.logistic, o.X, o.y)
    assert_allclose(leverage(slow, theta), leverage(o, theta), rtol=1e-8)


def test_what_has_no_leverage_is_refused_in_one_sentence():
    X, y = make_examples("softmax")
    with pytest.raises(ValueError, match=r"one score for each example.*got Softmax\(n_classes=3\)"):
        leverage(LinearObjective(models.softmax(3), X, y, 0.1), np.zeros(12))
    with pytest.raises(ValueError, match="Expected an objective"):
        leverage(X, np.zeros(4))
    exact = LinearObjective(models.squared, X, X[:, 0])
    with pytest.raises(ValueError, match="leave no variance .* is exact: pass dispersion"):
        cooks_distance(exact, fit(exact).theta)
    o = LinearObjective(models.hinge, X, np.where(X[:, 0] > 0, 1, -1), 0.1)
    with pytest.raises(ValueError, match="No example resists"):
        cooks_distance(o, np.zeros(4))
    o, theta = problem("squared")
    with pytest.raises(ValueError, match="dispersion must be greater than 0, got -1"):
        cooks_distance(o, theta, dispersion=-1)
