"""Every derivative against finite differences, for every model and both objectives."""

import autograd.numpy as anp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import OBJECTIVES, TORCH, central_difference, make_problem

from minfluence import AutogradObjective

# Central differences with h = 1e-5 err by h² f'''/6 + 1e-16/h, both about 1e-10.
close = {"rtol": 1e-6, "atol": 1e-8}


def example_losses(problem, theta):
    """Penalised loss of every example, from the model alone."""
    o = problem.objective
    return problem.losses(theta, o.X, o.y) + o.l2 / 2 * theta @ theta


def test_risk_is_the_mean_of_the_penalised_losses(problem):
    risk = example_losses(problem, problem.theta).mean()
    assert_allclose(problem.objective.risk(problem.theta), risk, rtol=1e-12)


def test_risk_weighs_the_examples(problem):
    weights = np.random.default_rng(0).uniform(0, 2, problem.objective.n)
    risk = weights @ example_losses(problem, problem.theta)
    assert_allclose(problem.objective.reweighted(weights).risk(problem.theta), risk, rtol=1e-12)


def test_grad_is_the_derivative_of_the_risk(problem):
    o = problem.objective
    assert_allclose(o.grad(problem.theta), central_difference(o.risk, problem.theta), **close)


def test_grad_is_the_derivative_of_the_risk_after_a_change_of_weights(problem):
    o = problem.objective.without([0, 3]).upweighted(5, 0.2)
    assert_allclose(o.grad(problem.theta), central_difference(o.risk, problem.theta), **close)


def test_grads_of_a_block_are_the_gradients_one_by_one(problem):
    o, rng = problem.objective, np.random.default_rng(0)
    thetas = problem.theta[:, None] + 0.1 * rng.standard_normal((problem.theta.size, 3))
    weights = rng.uniform(0, 0.1, (o.n, 3))
    one_by_one = [o.reweighted(w).grad(theta) for theta, w in zip(thetas.T, weights.T, strict=True)]
    assert_allclose(o.grads(thetas, weights), np.stack(one_by_one, axis=1), rtol=1e-10, atol=1e-12)


def test_hessian_is_the_derivative_of_the_gradient(problem):
    for o in (problem.objective, problem.objective.without([0, 3]).upweighted(5, 0.2)):
        expected = central_difference(o.grad, problem.theta)
        assert_allclose(o.hessian(problem.theta), expected, **close)


def test_hessian_is_symmetric_to_the_last_bit(problem):
    H = problem.objective.hessian(problem.theta)
    assert_array_equal(H, H.T)


def test_hvp_multiplies_by_the_derivative_of_the_gradient(problem):
    o, theta = problem.objective, problem.theta
    v = np.random.default_rng(0).standard_normal(theta.size)
    expected = central_difference(lambda t: o.grad(theta + t * v), 0.0)
    assert_allclose(o.hvp(theta, v), expected, **close)


def test_hvp_of_a_block_is_the_hvp_of_its_columns(problem):
    o, theta = problem.objective, problem.theta
    V = np.random.default_rng(0).standard_normal((theta.size, 3))
    columns = [o.hvp(theta, v) for v in V.T]
    assert_allclose(o.hvp(theta, V), np.stack(columns, axis=1), rtol=1e-10, atol=1e-12)
    assert_allclose(o.hvp_at(theta)(V), o.hvp(theta, V), rtol=1e-12)
    assert o.hvp(theta, V[:, :1]).shape == (theta.size, 1)


def test_example_grads_are_the_derivatives_of_the_example_losses(problem):
    expected = central_difference(lambda t: example_losses(problem, t), problem.theta)
    everyone = np.arange(problem.objective.n)
    assert_allclose(problem.objective.example_grads(problem.theta, everyone), expected, **close)
    assert_allclose(
        problem.objective.example_grads(problem.theta, [7, 2]), expected[[7, 2]], **close
    )


def test_example_dots_are_gradients_times_a_vector_or_a_block(problem):
    o, theta = problem.objective, problem.theta
    V = np.random.default_rng(0).standard_normal((theta.size, 3))
    G = central_difference(lambda t: example_losses(problem, t), theta)
    assert_allclose(o.example_dots(theta, V), G @ V, **close)
    assert_allclose(o.example_dots(theta, V[:, 0]), G @ V[:, 0], **close)


def test_weighted_example_grads_sum_to_the_gradient(problem):
    o = problem.objective.upweighted(3, 0.5)
    G = o.example_grads(problem.theta, np.arange(o.n))
    assert_allclose(o.weights @ G, o.grad(problem.theta), rtol=1e-10, atol=1e-12)


def test_input_grads_are_derivatives_in_x_of_a_gradient_times_a_vector(problem):
    o, theta = problem.objective, problem.theta
    v = np.random.default_rng(0).standard_normal(theta.size)
    chosen = [7, 2]

    def dot(i):
        return lambda x: o.perturbed(i, x, o.y[i]).example_dots(theta, v)[i]

    expected = [central_difference(dot(i), o.X[i]) for i in chosen]
    assert_allclose(o.input_grads(theta, v, chosen), expected, **close)


def test_test_losses_carry_no_penalty(problem):
    p = problem
    bare = p.losses(p.theta, p.X_test, p.y_test)
    assert_allclose(p.objective.test_losses(p.theta, p.X_test, p.y_test), bare, rtol=1e-12)


def test_test_grads_are_the_derivatives_of_the_test_losses(problem):
    p = problem
    expected = central_difference(lambda t: p.losses(t, p.X_test, p.y_test), p.theta)
    assert_allclose(p.objective.test_grads(p.theta, p.X_test, p.y_test), expected, **close)


@pytest.mark.parametrize("make_objective", OBJECTIVES)
def test_losses_of_the_package_tell_the_number_of_parameters(make_objective):
    assert make_objective().p in (4, 8, 12)
    assert make_objective(d=5).p in (5, 10, 15)


def test_examples_may_have_any_shape():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 3, 2)), rng.standard_normal(6)

    def losses(theta, X, y):  # theta weighs the 3 x 2 entries of each example
        return 0.5 * (anp.einsum("nab,ab->n", X, theta.reshape(3, 2)) - y) ** 2

    theta, v = rng.standard_normal((2, 6))
    images, rows = AutogradObjective(losses, X, y, l2=0.1, p=6), make_squared(X.reshape(6, 6), y)
    assert_allclose(images.hvp(theta, v), rows.hvp(theta, v), rtol=1e-10)
    assert images.input_grads(theta, v, [4, 1]).shape == (2, 3, 2)
    assert_allclose(
        images.input_grads(theta, v, [4, 1]).reshape(2, 6),
        rows.input_grads(theta, v, [4, 1]),
        rtol=1e-10,
    )


def make_squared(X, y):
    return AutogradObjective(lambda theta, X, y: 0.5 * (X @ theta - y) ** 2, X, y, l2=0.1)


def test_whole_number_parameters_will_do(problem):
    ones = np.ones(problem.theta.size)
    assert_allclose(
        problem.objective.grad(ones.astype(int)), problem.objective.grad(ones), rtol=1e-14
    )


def test_no_verb_changes_the_objective_or_its_arguments():
    for key in (
        "AutogradObjective-softmax",
        "LinearObjective-softmax",
        "AutogradObjective-network",
        *TORCH,
    ):
        p = make_problem(key)
        o, theta, V = p.objective, p.theta.copy(), np.ones((p.theta.size, 2))
        before = [np.array(a) for a in (o.X, o.y, o.weights)]
        o.risk(theta), o.grad(theta), o.hessian(theta), o.hvp(theta, V)
        o.example_dots(theta, V), o.example_grads(theta, [1]), o.input_grads(theta, V[:, 0], [1])
        o.grads(np.stack([theta, theta], axis=1), np.ones((o.n, 2)))
        o.test_losses(theta, p.X_test, p.y_test), o.test_grads(theta, p.X_test, p.y_test)
        o.upweighted(1, 0.5), o.without([0, 1]), o.subset([3, 2]), o.reweighted(np.ones(o.n))
        o.perturbed(2, o.X[2] + 1, o.y[0])
        for old, now in zip(before, (o.X, o.y, o.weights), strict=True):
            assert_array_equal(old, now)
        assert_array_equal(theta, p.theta)
        assert_array_equal(V, 1.0)
