"""The checks that readers run on their own models: silent when right, loud when wrong."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.extend import defvjp, primitive
from problems import make_examples, make_objective, make_problem

from minfluence import AutogradObjective, LinearObjective, checks, fit, models


def test_every_model_passes(problem):
    assert checks.check_gradient(problem.objective, problem.theta) < 1e-6
    assert checks.check_hvp(problem.objective, problem.theta) < 1e-6
    assert checks.check_at_minimum(problem.objective, problem.theta_hat) < 1e-8


def test_the_directions_can_be_drawn_by_the_reader(logistic):
    for check in (checks.check_gradient, checks.check_hvp):
        a, b = (
            check(logistic.objective, logistic.theta, rng=np.random.default_rng(s)) for s in (1, 2)
        )
        assert a != b


@primitive
def square(t):
    return t**2


defvjp(square, lambda ans, t: lambda g: g * 3.0 * t)  # wrong: 2 t


def objective_of(losses):
    X, y = np.random.default_rng(0).standard_normal((20, 3)), np.ones(20)
    return AutogradObjective(losses, X, y, p=3)


def test_a_wrong_gradient_is_found():
    o = objective_of(lambda theta, X, y: square(X @ theta))
    with pytest.raises(AssertionError, match="The gradient differs .* more than 1e-06"):
        checks.check_gradient(o, np.ones(3))


def test_a_wrong_hessian_is_found():
    class Wrong:
        grad = staticmethod(lambda theta: theta**3)
        hvp_at = staticmethod(lambda theta: lambda v: 2 * theta**2 * v)  # wrong: 3 theta^2

    with pytest.raises(AssertionError, match="Hessian-vector product differs"):
        checks.check_hvp(Wrong, np.ones(3))


def test_a_kink_is_found():
    o = AutogradObjective(
        lambda t, X, y: anp.maximum(0.0, 1 - y * (X @ t)), np.eye(3), np.ones(3), p=3
    )
    with pytest.raises(AssertionError, match="is the loss smooth"):
        checks.check_gradient(o, np.full(3, 1 - 1e-6))  # the hinge, a hair from its kink at 1


def test_a_gradient_of_nan_does_not_pass():
    o = objective_of(lambda theta, X, y: anp.sqrt((X @ theta) ** 2))  # 0/0 at theta = 0
    with np.errstate(all="ignore"), pytest.raises(AssertionError, match="gradient"):
        checks.check_gradient(o, np.zeros(3))


def test_a_point_beside_the_minimum_is_no_minimum(problem):
    with pytest.raises(AssertionError, match=r"gradient norm is .*fit\(objective, theta\)"):
        checks.check_at_minimum(problem.objective, problem.theta)


def test_a_saddle_is_no_minimum():
    o = objective_of(lambda theta, X, y: theta[0] ** 2 - theta[1] ** 2 + theta[2] ** 2 + 0 * y)
    assert np.all(fit(o).theta == 0)  # starting at zeros, the gradient is zero already
    with pytest.raises(AssertionError, match="eigenvalue -2.0e\\+00: theta is a saddle"):
        checks.check_at_minimum(o, np.zeros(3))


def objective_32(cls=LinearObjective):
    X, y = make_examples("logistic")
    return cls(models.logistic, X, y, 0.1, dtype=np.float32)


class Off(LinearObjective):
    """Gradients and products that are 5 % too long."""

    def grad(self, theta):
        return super().grad(theta) * self.dtype.type(1.05)

    def hvp_at(self, theta):
        product = super().hvp_at(theta)
        return lambda V: product(V) * 1.2


@pytest.mark.parametrize("distance", [0, 0.05, 1, 10])
def test_single_precision_passes_where_it_is_right_and_only_there(distance):
    o, off = objective_32(), objective_32(Off)
    theta = fit(make_problem("LinearObjective-logistic").objective).theta + distance
    assert checks.check_gradient(o, theta) < 1e-2
    assert checks.check_hvp(o, theta) < 1e-2
    if distance:  # at the minimum a gradient 5 % too long is rounding
        with pytest.raises(AssertionError, match="gradient differs"):
            checks.check_gradient(off, theta)
    with pytest.raises(AssertionError, match="Hessian-vector product differs"):
        checks.check_hvp(off, theta)


@pytest.mark.parametrize("name", ["squared", "logistic", "softmax", "poisson"])
def test_smooth_models_pass_in_single_precision(name):
    o = make_objective("LinearObjective", name, dtype=np.float32)
    for seed in range(4):
        theta = np.random.default_rng(seed).standard_normal(o.p)
        assert checks.check_gradient(o, theta) < 1e-2
        assert checks.check_hvp(o, theta) < 1e-2


def test_the_minimum_in_single_precision_is_one():
    o = objective_32()
    theta = fit(o).theta
    assert checks.check_at_minimum(o, theta) < 1e-5
    with pytest.raises(AssertionError, match="theta is no minimum"):
        checks.check_at_minimum(o, theta + 1e-2)


def test_a_large_risk_hides_no_right_gradient():
    X, y = make_examples("squared")
    o = LinearObjective(models.squared, X, 1e4 * y, 0.1)
    assert checks.check_gradient(o, fit(o).theta) < 1e-6  # a gradient of 0 beside a risk of 1e7


@pytest.mark.parametrize("rtol", [0, -1.0, np.nan])
def test_a_check_that_nothing_or_everything_passes_is_refused(problem, rtol):
    with pytest.raises(ValueError, match="rtol must be greater than 0"):
        checks.check_gradient(problem.objective, problem.theta, rtol=rtol)
