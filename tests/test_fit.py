"""The minimum: against closed forms and scikit-learn, with an honest certificate."""

import warnings

import autograd.numpy as anp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import CLASSES, OBJECTIVES, make_objective

from minfluence import AutogradObjective, NotConverged, checks, fit

both_objectives = pytest.mark.parametrize("kind", CLASSES)


def test_the_fit_ends_at_a_minimum(problem):
    # quadratic convergence: the last step goes from below 1e-7 to rounding
    assert checks.check_at_minimum(problem.objective, problem.theta_hat, gtol=1e-13) >= 0


@pytest.mark.parametrize("make_objective", OBJECTIVES)
def test_the_certificate_is_true(make_objective):
    o = make_objective()
    found = fit(o)
    assert found.converged is True and 1 <= found.steps < 20
    assert found.grad_norm == np.linalg.norm(o.grad(found.theta)) <= 1e-10


@pytest.mark.parametrize("make_objective", OBJECTIVES)
def test_a_convex_risk_has_one_minimum_wherever_the_fit_starts(make_objective):
    o = make_objective()
    start = 5 * np.random.default_rng(0).standard_normal(o.p)
    # gradients below 1e-10 over an l2 of 0.05: thetas within 4e-9
    assert_allclose(fit(o, start).theta, fit(o).theta, atol=1e-8)


@both_objectives
def test_least_squares_is_numpys_lstsq(kind):
    o = make_objective(kind, "squared", l2=0.0)
    expected = np.linalg.lstsq(o.X, o.y)[0]
    assert_allclose(fit(o).theta, expected, atol=1e-9)  # gtol over the smallest eigenvalue


@both_objectives
def test_penalised_least_squares_is_the_ridge_formula(kind):
    o = make_objective(kind, "squared", l2=0.3)
    expected = np.linalg.solve(o.X.T @ o.X / o.n + 0.3 * np.eye(4), o.X.T @ o.y / o.n)
    assert_allclose(fit(o).theta, expected, atol=1e-9)


@both_objectives
def test_ridge_agrees_with_scikit_learn(kind):
    from sklearn.linear_model import Ridge

    o = make_objective(kind, "squared", l2=0.3)
    theirs = Ridge(alpha=o.n * o.l2, fit_intercept=False, solver="cholesky").fit(o.X, o.y)
    assert_allclose(fit(o).theta, theirs.coef_, atol=1e-9)


@both_objectives
@pytest.mark.parametrize("name", ["logistic", "softmax"])
def test_classifiers_agree_with_scikit_learn(kind, name):
    from sklearn.linear_model import LogisticRegression

    o = make_objective(kind, name)
    theirs = LogisticRegression(
        C=1 / (o.n * o.l2), fit_intercept=False, solver="newton-cg", tol=1e-12, max_iter=1000
    ).fit(o.X, o.y)
    Theta = fit(o).theta.reshape(4, -1)
    # 1e-6: what scikit-learn's line search reaches, not ours
    assert_allclose(Theta, theirs.coef_.T, atol=1e-6)


@both_objectives
def test_weights_agree_with_scikit_learns_sample_weights(kind):
    from sklearn.linear_model import Ridge

    o = make_objective(kind, "squared", l2=0.3).without([1, 7]).upweighted(3, 0.1)
    alpha = o.weights.sum() * o.l2  # every unit of weight brings its share of the penalty
    theirs = Ridge(alpha=alpha, fit_intercept=False, solver="cholesky")
    theirs.fit(o.X, o.y, sample_weight=o.weights)
    assert_allclose(fit(o).theta, theirs.coef_, atol=1e-9)


def double_well(theta, X, y):
    """Minima at -1 and +1, a maximum at 0."""
    return (theta[0] ** 2 - 1) ** 2 + 0 * y


@pytest.mark.parametrize("start", [0.1, -0.3, 3.0])
def test_negative_curvature_on_the_way_is_left_behind(start):
    o = AutogradObjective(double_well, np.zeros((3, 1)), np.zeros(3), p=1)
    found = fit(o, np.array([start]))
    assert found.converged
    assert_allclose(found.theta, np.sign(start), atol=1e-10)


def test_a_network_goes_downhill_to_a_minimum_from_any_random_start(network):
    for seed in range(3):
        start = np.random.default_rng(seed).standard_normal(17)
        found = fit(network.objective, start)
        assert found.converged
        assert network.objective.risk(found.theta) < network.objective.risk(start)
        checks.check_at_minimum(network.objective, found.theta)


def test_a_fit_stopped_early_says_so_once(logistic):
    with pytest.warns(
        NotConverged, match=r"after 1 steps with gradient norm .* \(asked: \de-1\d\)"
    ) as told:
        found = fit(logistic.objective, max_steps=1)
    assert len(told) == 1
    assert found.converged is False and found.steps == 1 and found.grad_norm > 1e-10


def test_a_risk_without_a_minimum_is_not_called_converged():
    o = AutogradObjective(
        lambda theta, X, y: X @ theta, np.ones((3, 1)), np.zeros(3), p=1
    )  # a slope
    with pytest.warns(NotConverged, match="raise l2"):
        assert not fit(o, np.zeros(1), max_steps=20).converged


def test_a_gradient_of_nan_is_not_called_converged():
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        o = AutogradObjective(
            lambda theta, X, y: anp.sqrt(X @ theta), np.ones((3, 1)), np.zeros(3), p=1
        )
        with pytest.raises(ValueError, match="risk where fit starts is NaN"):
            fit(o, np.array([-1.0]))


@pytest.mark.parametrize("make_objective", OBJECTIVES)
def test_fitting_again_from_the_minimum_stays_there(make_objective):
    o = make_objective()
    found = fit(o)
    again = fit(o, found.theta)
    assert again.steps == 0 and (again.theta == found.theta).all()


def test_the_start_is_not_changed(logistic):
    start = np.zeros(4)
    found = fit(logistic.objective, start)
    found.theta[:] = 7.0
    assert (start == 0).all()
    at_minimum = logistic.theta_hat.copy()
    fit(logistic.objective, at_minimum).theta[:] = 7.0
    assert (at_minimum == logistic.theta_hat).all()
