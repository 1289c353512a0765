"""Whatever calls itself an objective has what ``seam.py`` says, and it means what is said there.

Every objective of the package on every model, and a reader's own (``templates/objective.py``), are
held against the model alone: losses one by one, finite differences of them, and sums.
"""

import inspect
import pickle

import autograd.numpy as anp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import (
    LOSSES,
    OBJECTIVES,
    SEAM,
    central_difference,
    make_examples,
    make_objective,
    make_problem,
)

import minfluence as mi
from minfluence import models, seam

# Central differences with h = 1e-5 err by h² f'''/6 + 1e-16/h, both about 1e-10.
close = {"rtol": 1e-6, "atol": 1e-8}
exact = {"rtol": 1e-10, "atol": 1e-12}
each = pytest.mark.parametrize("make_objective", OBJECTIVES)


@pytest.fixture(params=SEAM)
def problem(request):
    return make_problem(request.param)


def everyone(o):
    """Inputs and labels of all examples, wherever they lie."""
    return o.examples(np.arange(o.n))


def example_losses(problem, theta):
    """Penalised loss of every example, from the model alone."""
    o = problem.objective
    return problem.losses(theta, *everyone(o)) + o.l2 / 2 * theta @ theta


# What is there ------------------------------------------------------------------------------------


def members(protocol):
    """Everything public that a protocol names."""
    return {name: m for name, m in vars(protocol).items() if not name.startswith("_")}


def test_every_required_member_is_there_and_called_as_the_seam_says(problem):
    for name, member in members(seam.Objective).items():
        assert hasattr(problem.objective, name), name
        if inspect.isfunction(member):
            ours = inspect.signature(getattr(problem.objective, name)).parameters
            assert list(ours) == list(inspect.signature(member).parameters)[1:], name


def test_optional_members_are_there_together_or_not_at_all(problem):
    for protocol in (seam.ChangeableObjective, seam.FactoredObjective):
        found = [hasattr(problem.objective, name) for name in members(protocol)]
        assert all(found) == any(found) == isinstance(problem.objective, protocol)


@pytest.mark.parametrize("key", ["LinearObjective-softmax", "AutogradObjective-logistic"])
def test_an_objective_can_be_sent_to_another_process(key):
    p = make_problem(key)
    again = pickle.loads(pickle.dumps(p.objective))
    assert again.losses == p.objective.losses
    assert_array_equal(again.grad(p.theta), p.objective.grad(p.theta))


@pytest.mark.parametrize("name", LOSSES)
def test_losses_have_what_linear_losses_must_have_and_can_be_compared(name):
    loss = LOSSES[name]
    assert isinstance(loss, seam.LinearLosses)
    again = pickle.loads(pickle.dumps(loss))
    assert again == loss and hash(again) == hash(loss) and repr(again) == repr(loss)
    assert [other for other in LOSSES.values() if other == loss] == [loss]
    assert models.softmax(3) == models.softmax(3) != models.softmax(4)


@pytest.mark.parametrize("solver", [mi.direct, mi.cg, mi.lissa])
def test_solvers_take_a_matrix_and_a_right_hand_side_and_give_a_solution(solver):
    names = list(inspect.signature(solver).parameters)[:2]
    assert names == ["A", "b"]
    assert isinstance(solver(np.diag([1.0, 2.0]), np.ones(2)), seam.Solution)


# The risk and its derivatives ---------------------------------------------------------------------


def test_risk_is_the_weighted_sum_of_the_penalised_losses(problem):
    losses = example_losses(problem, problem.theta)
    assert_allclose(problem.objective.risk(problem.theta), losses.mean(), rtol=1e-12)
    weights = np.random.default_rng(0).uniform(0, 2, problem.objective.n)
    risk = problem.objective.reweighted(weights).risk(problem.theta)
    assert_allclose(risk, weights @ losses, rtol=1e-12)


def test_grad_is_the_derivative_of_the_risk(problem):
    for o in (problem.objective, problem.objective.without([0, 3]).upweighted(5, 0.2)):
        assert_allclose(o.grad(problem.theta), central_difference(o.risk, problem.theta), **close)


def test_grads_of_a_block_are_the_gradients_one_by_one(problem):
    o, rng = problem.objective, np.random.default_rng(0)
    thetas = problem.theta[:, None] + 0.1 * rng.standard_normal((problem.theta.size, 3))
    weights = rng.uniform(0, 0.1, (o.n, 3))
    one_by_one = [o.reweighted(w).grad(theta) for theta, w in zip(thetas.T, weights.T, strict=True)]
    assert_allclose(o.grads(thetas, weights), np.stack(one_by_one, axis=1), **exact)


def test_hessian_is_the_derivative_of_the_gradient_and_symmetric_to_the_last_bit(problem):
    for o in (problem.objective, problem.objective.without([0, 3]).upweighted(5, 0.2)):
        H = o.hessian(problem.theta)
        assert_allclose(H, central_difference(o.grad, problem.theta), **close)
        assert_array_equal(H, H.T)


def test_hvp_multiplies_a_vector_or_a_block_by_the_hessian(problem):
    o, theta = problem.objective, problem.theta
    V = np.random.default_rng(0).standard_normal((theta.size, 3))
    H = central_difference(o.grad, theta)
    assert_allclose(o.hvp(theta, V), H @ V, **close)
    assert_allclose(o.hvp(theta, V[:, 0]), o.hvp(theta, V)[:, 0], **exact)
    assert_allclose(o.hvp_at(theta)(V), o.hvp(theta, V), rtol=1e-12)
    assert o.hvp(theta, V[:, :1]).shape == (theta.size, 1)


def test_gnvp_multiplies_by_the_gauss_newton_matrix_which_is_never_indefinite(problem):
    o, theta = problem.objective, problem.theta
    if not isinstance(o.losses, seam.ScoredLosses) and isinstance(o, mi.AutogradObjective):
        with pytest.raises(ValueError, match="needs losses with the methods scores"):
            o.gnvp_at(theta)
        return
    V, G = np.random.default_rng(0).standard_normal((theta.size, 3)), o.gauss_newton(theta)
    assert_allclose(o.gnvp(theta, V), G @ V, **exact)
    assert_allclose(o.gnvp_at(theta)(V[:, 0]), G @ V[:, 0], **exact)
    assert np.linalg.eigvalsh(G)[0] > 0  # the losses are convex in the scores, and there is l2


# One example's loss -------------------------------------------------------------------------------


def test_example_grads_are_the_derivatives_of_the_example_losses(problem):
    o, expected = (
        problem.objective,
        central_difference(lambda t: example_losses(problem, t), problem.theta),
    )
    assert_allclose(o.example_grads(problem.theta, np.arange(o.n)), expected, **close)
    assert_allclose(o.example_grads(problem.theta, [7, 2]), expected[[7, 2]], **close)


def test_example_dots_are_gradients_times_a_vector_or_a_block(problem):
    o, theta = problem.objective, problem.theta
    V = np.random.default_rng(0).standard_normal((theta.size, 3))
    G = central_difference(lambda t: example_losses(problem, t), theta)
    assert_allclose(o.example_dots(theta, V), G @ V, **close)
    assert_allclose(o.example_dots(theta, V[:, 0]), G @ V[:, 0], **close)


def test_weighted_example_grads_sum_to_the_gradient(problem):
    o = problem.objective.upweighted(3, 0.5)
    G = o.example_grads(problem.theta, np.arange(o.n))
    assert_allclose(o.weights @ G, o.grad(problem.theta), **exact)


def test_input_grads_are_derivatives_in_x_of_a_gradient_times_a_vector(problem):
    o, theta, chosen = problem.objective, problem.theta, [7, 2]
    v = np.random.default_rng(0).standard_normal(theta.size)
    X, y = o.examples(chosen)

    def dot(k):
        return lambda x: o.test_grads(theta, x[None], y[[k]])[0] @ v

    expected = [central_difference(dot(k), X[k]) for k in range(2)]
    assert_allclose(o.input_grads(theta, v, chosen), expected, **close)


def test_test_losses_and_their_gradients_carry_no_penalty(problem):
    p, test = problem, (problem.X_test, problem.y_test)
    assert_allclose(p.objective.test_losses(p.theta, *test), p.losses(p.theta, *test), rtol=1e-12)
    expected = central_difference(lambda t: p.losses(t, *test), p.theta)
    assert_allclose(p.objective.test_grads(p.theta, *test), expected, **close)


# Other weights and other examples -----------------------------------------------------------------


def test_leaving_out_is_upweighting_by_minus_one_over_n(problem):
    o, theta = problem.objective, problem.theta
    left_out, lighter = o.without(3), o.upweighted(3, -1 / o.n)
    assert_allclose(left_out.risk(theta), lighter.risk(theta), rtol=1e-13)
    assert_allclose(left_out.grad(theta), lighter.grad(theta), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("gone", [5, [5, 0, 11]])
def test_leaving_out_is_the_fit_on_the_other_examples(problem, gone):
    o, start = problem.objective, problem.theta_hat
    others = o.on(*(np.delete(a, gone, axis=0) for a in everyone(o)))
    # both gradients are below 1e-12, over a curvature of at least 0.01
    expected = mi.fit(others, start, gtol=1e-12).theta
    assert_allclose(
        mi.fit(o.without(gone), start, gtol=1e-12).theta, expected, rtol=1e-7, atol=1e-9
    )


def test_a_subset_is_a_training_set_of_its_own(problem):
    o, theta, chosen = problem.objective, problem.theta, np.array([0, 1, 2, 30, 7])
    alone, part = o.on(*o.examples(chosen)), o.subset(chosen)
    assert part.n == alone.n == 5
    assert_allclose(part.weights, 1 / 5, rtol=1e-14)
    assert_allclose(part.risk(theta), alone.risk(theta), rtol=1e-13)
    assert_allclose(part.hessian(theta), alone.hessian(theta), rtol=1e-11, atol=1e-14)


def test_changes_of_weights_add_up(problem):
    o = problem.objective
    assert_allclose(o.upweighted(2, 0.1).upweighted(2, -0.1).weights, o.weights, atol=1e-16)
    assert_array_equal(o.without(2).without(5).weights, o.without([5, 2]).weights)
    assert_allclose(o.upweighted([2, 5], 0.1).weights[[2, 5]], 1 / 40 + 0.1, rtol=1e-14)
    assert o.without(2).weights[2] == 0


def test_replacing_an_example_is_a_change_of_weights(problem):
    o, (x, y) = problem.objective, (problem.X_test[0], problem.y_test[0])
    if not isinstance(o, seam.ChangeableObjective):
        pytest.skip("the examples of this objective can only be weighted")
    more = o.extended([x], [y])
    assert more.n == o.n + 1 and o.n == 40
    assert_allclose(more.risk(problem.theta), o.risk(problem.theta), rtol=1e-14)
    weights = more.weights.copy()
    weights[[5, 40]] = 0.0, weights[5]
    swapped, moved = more.reweighted(weights), o.perturbed(5, x, y)
    assert_allclose(swapped.risk(problem.theta), moved.risk(problem.theta), rtol=1e-13)
    assert_allclose(swapped.grad(problem.theta), moved.grad(problem.theta), rtol=1e-11, atol=1e-14)
    both = o.replaced([5, 8], [x, x], [y, y]).risk(problem.theta)
    assert_allclose(both, moved.perturbed(8, x, y).risk(problem.theta), rtol=1e-13)


def test_no_verb_changes_the_objective_or_its_arguments(problem):
    o, theta = problem.objective, problem.theta.copy()
    V, test = np.ones((theta.size, 2)), (problem.X_test.copy(), problem.y_test.copy())
    before = [a.copy() for a in (*everyone(o), o.weights)]
    o.risk(theta), o.grad(theta), o.hessian(theta), o.hvp(theta, V)
    o.example_dots(theta, V), o.example_grads(theta, [1]), o.input_grads(theta, V[:, 0], [1])
    o.grads(np.stack([theta, theta], axis=1), np.ones((o.n, 2)))
    o.test_losses(theta, *test), o.test_grads(theta, *test)
    (
        o.upweighted(1, 0.5),
        o.without([0, 1]),
        o.subset([3, 2]),
        o.reweighted(np.ones(o.n)),
        o.on(*test),
    )
    if isinstance(o, seam.ChangeableObjective):
        o.perturbed(2, o.X[2] + 1, o.y[0]), o.replaced([2, 4], o.X[:2], o.y[:2]), o.extended(*test)
    after = (*everyone(o), o.weights, theta, V, *test)
    for now, old in zip(
        after, (*before, problem.theta, 1.0, problem.X_test, problem.y_test), strict=True
    ):
        assert_array_equal(now, old)


def test_the_native_form_comes_back_as_it_was(problem):
    V = np.random.default_rng(0).standard_normal((problem.theta.size, 2))
    assert_array_equal(problem.objective.to_numpy(problem.objective.to_native(V)), V)


# Forms of input -----------------------------------------------------------------------------------


@each
def test_losses_of_the_package_tell_the_number_of_parameters(make_objective):
    assert make_objective().p in (4, 8, 12)
    assert make_objective(d=5).p in (5, 10, 15)


def test_examples_may_have_any_shape():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 3, 2)), rng.standard_normal(6)

    def losses(theta, X, y):  # theta weighs the 3 x 2 entries of each example
        return 0.5 * (anp.einsum("nab,ab->n", X, theta.reshape(3, 2)) - y) ** 2

    theta, v = rng.standard_normal((2, 6))
    images = mi.AutogradObjective(losses, X, y, l2=0.1, p=6)
    rows = mi.LinearObjective(models.squared, X.reshape(6, 6), y, l2=0.1)
    assert_allclose(images.hvp(theta, v), rows.hvp(theta, v), rtol=1e-10)
    moved = images.input_grads(theta, v, [4, 1])
    assert moved.shape == (2, 3, 2)
    assert_allclose(moved.reshape(2, 6), rows.input_grads(theta, v, [4, 1]), rtol=1e-10)


def test_whole_number_parameters_will_do(problem):
    ones = np.ones(problem.theta.size)
    whole = problem.objective.grad(ones.astype(int))
    assert_allclose(whole, problem.objective.grad(ones), rtol=1e-14)


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
    whole = o.on(o.X, np.round(o.y).astype(int))
    assert whole.perturbed(3, o.X[3], 2.5).y[3] == 2.5


def test_lists_will_do():
    o = make_objective("LinearObjective", "squared")
    from_lists = mi.LinearObjective(o.losses, o.X.tolist(), o.y.tolist(), l2=o.l2)
    assert from_lists.risk(np.ones(4)) == o.risk(np.ones(4))


@pytest.mark.parametrize("kind", [mi.LinearObjective, mi.AutogradObjective])
def test_single_precision_stays_single_and_agrees_with_double(kind):
    X, y = make_examples("logistic")
    single, double = (kind(models.logistic, X, y, 0.1, dtype=d) for d in (np.float32, np.float64))
    theta, V = np.full(4, 0.5), np.eye(4)[:, :2]
    for verb in (
        lambda o: o.grad(theta),
        lambda o: o.hvp(theta, V),
        lambda o: o.gnvp(theta, V),
        lambda o: o.hessian(theta),
        lambda o: o.example_dots(theta, V),
        lambda o: o.example_grads(theta, [3, 1]),
        lambda o: o.input_grads(theta, V[:, 0], [3, 1]),
        lambda o: o.test_losses(theta, X, y),
    ):
        assert verb(single).dtype == np.float32
        assert_allclose(verb(single), verb(double), rtol=1e-4, atol=1e-5)
