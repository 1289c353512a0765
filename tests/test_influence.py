"""The equations against refits and closed forms, their symmetries, and the everyday object."""

import warnings
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import CLASSES, CONVEX, OBJECTIVES, make_examples, make_objective, make_problem

from minfluence import (
    FarFromMinimum,
    Hessian,
    Influence,
    Inverse,
    LinearObjective,
    NotConverged,
    Solution,
    cg,
    direct,
    factorize,
    fit,
    lissa,
    models,
)
from minfluence import influence as equations
from minfluence import inverse as choosing

# Central differences in eps err by eps² times the third derivative, and by 1e-13 (the gradient
# left over by a refit) over eps times the smallest eigenvalue, 0.01: 1e-6 at most, each.
EPS = 1e-5
GTOL = 1e-13


@pytest.fixture
def influence(problem):
    return Influence(problem.objective, problem.theta_hat)


def refits(problem, i):
    """Parameters with example i a little heavier, and a little lighter."""
    o = problem.objective
    return (fit(o.upweighted(i, eps), problem.theta_hat, gtol=GTOL).theta for eps in (EPS, -EPS))


def relative_error(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


# Against refits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("i", [0, 3, 17])
def test_up_params_is_the_derivative_of_refitting(problem, i):
    inverse = Inverse(Hessian(problem.objective, problem.theta_hat))
    g = problem.objective.example_grads(problem.theta_hat, i)[0]
    heavier, lighter = refits(problem, i)
    assert relative_error(equations.up_params(inverse, g), (heavier - lighter) / (2 * EPS)) < 1e-5


@pytest.mark.parametrize("i", [0, 3, 17])
def test_up_loss_is_the_derivative_of_the_test_loss_of_a_refit(problem, influence, i):
    heavier, lighter = (
        problem.objective.test_losses(theta, problem.X_test, problem.y_test)
        for theta in refits(problem, i)
    )
    scores = influence.up_loss(problem.X_test, problem.y_test)[:, i]
    assert relative_error(scores, (heavier - lighter) / (2 * EPS)) < 1e-5


def test_up_is_the_derivative_of_a_logit_of_a_refit():
    for key in ("LinearObjective-softmax", "AutogradObjective-softmax"):
        problem = make_problem(key)
        x = problem.X_test[0]

        def score(theta, x=x):  # the logit of class 2
            return x @ theta.reshape(4, 3)[:, 2]

        gradient = np.zeros((4, 3))
        gradient[:, 2] = x
        scores = Influence(problem.objective, problem.theta_hat).up(gradient.ravel())
        assert scores.shape == (40,)
        for i in (0, 3, 17):
            heavier, lighter = (score(theta) for theta in refits(problem, i))
            assert abs(scores[i] / ((heavier - lighter) / (2 * EPS)) - 1) < 1e-5


def test_self_influence_is_the_derivative_of_an_examples_own_loss(problem, influence):
    o, i = problem.objective, 3
    heavier, lighter = (
        o.test_losses(theta, o.X[[i]], o.y[[i]])[0] + o.l2 / 2 * theta @ theta
        for theta in refits(problem, i)
    )
    expected = (heavier - lighter) / (2 * EPS)
    assert abs(influence.self_influence()[i] / expected - 1) < 1e-5


@pytest.mark.parametrize("key", CONVEX)
def test_leaving_out_a_helpful_example_raises_the_test_loss(key):
    p = make_problem(key)
    influence = Influence(p.objective, p.theta_hat)
    x, label = p.X_test[0], p.y_test[0]
    before = p.objective.test_losses(p.theta_hat, x[None], [label])[0]
    scores, change = influence.up_loss(x, label), influence.predicted_change(x, label)
    helpful, harmful = influence.top(x, label, k=2)
    assert (scores[helpful] < 0).all() and (change[helpful] > 0).all()
    for i in helpful:
        after = fit(p.objective.without(i), p.theta_hat).theta
        assert p.objective.test_losses(after, x[None], [label])[0] > before
    for i in harmful:
        after = fit(p.objective.without(i), p.theta_hat).theta
        assert p.objective.test_losses(after, x[None], [label])[0] < before


# Closed forms -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CLASSES)
def test_least_squares_differs_from_exact_removal_by_the_leverage(kind):
    o = make_objective(kind, "squared", l2=0.0)
    theta_hat = fit(o, gtol=GTOL).theta
    inverse = Inverse(Hessian(o, theta_hat))
    leverage = np.einsum("ni,ij,nj->n", o.X, np.linalg.inv(o.X.T @ o.X), o.X)
    for i in (0, 5, 22):
        predicted = -equations.up_params(inverse, o.example_grads(theta_hat, i)[0]) / o.n
        actual = fit(o.without(i), theta_hat, gtol=GTOL).theta - theta_hat
        assert_allclose(actual, predicted / (1 - leverage[i]), rtol=1e-8)


def test_ridge_regression_differs_from_exact_removal_by_a_generalised_leverage():
    # Example i takes its share l2/n of the penalty with it.  With M = H - l2/n I, what is left
    # is M - x xᵀ/n, and the formula of Sherman and Morrison inverts that.
    o = make_objective("LinearObjective", "squared", l2=0.4)
    theta_hat = fit(o, gtol=GTOL).theta
    M = o.hessian(theta_hat) - o.l2 / o.n * np.eye(4)
    for i in (0, 5, 22):
        x, g = o.X[i], o.example_grads(theta_hat, i)[0]
        leverage = x @ np.linalg.solve(M, x) / o.n
        pushed = g + x * (x @ np.linalg.solve(M, g)) / o.n / (1 - leverage)
        actual = fit(o.without(i), theta_hat, gtol=GTOL).theta - theta_hat
        assert_allclose(actual, np.linalg.solve(M, pushed) / o.n, rtol=1e-8)


@pytest.mark.parametrize("kind", CLASSES)
def test_logistic_influence_decomposes_as_in_section_2_3(kind):
    problem = make_problem(f"{kind}-logistic")
    o, theta, X_test, y_test = problem.objective, problem.theta_hat, problem.X_test, problem.y_test

    def s(t):
        return 1 / (1 + np.exp(-t))

    H_inv = np.linalg.inv(o.hessian(theta))
    test_part = (y_test * s(-y_test * (X_test @ theta)))[:, None] * X_test
    train_part = (o.y * s(-o.y * (o.X @ theta)))[:, None] * o.X
    bare = -test_part @ H_inv @ train_part.T  # the paper's formula
    # the penalty that the paper folds into each training loss adds l2 theta to its gradient
    penalty = test_part @ H_inv @ (o.l2 * theta)
    scores = Influence(o, theta).up_loss(X_test, y_test)
    assert_allclose(scores, bare + penalty[:, None], rtol=1e-9, atol=1e-12)


# Properties -------------------------------------------------------------------------------------


def test_scores_sum_to_zero_at_the_minimum(problem, influence):
    # because sum_i grad L(z_i) = n grad R = 0, to 1e-13 times n over the smallest eigenvalue
    scores = influence.up_loss(problem.X_test, problem.y_test)
    assert_allclose(scores.sum(axis=1), 0.0, atol=1e-8)


def test_self_influence_is_never_positive(problem, influence):
    scores = influence.self_influence()
    assert scores.shape == (problem.objective.n,)
    assert (scores <= 0).all() and (scores < -1e-3).any()


def test_influence_between_two_training_examples_is_symmetric(problem):
    o, theta = problem.objective, problem.theta_hat
    G = o.example_grads(theta, np.arange(o.n))  # the same, penalised, loss on both sides
    scores = equations.up_loss(o, theta, equations.s_test(Inverse(Hessian(o, theta)), G))
    assert_allclose(scores, scores.T, rtol=1e-8, atol=1e-10 * np.abs(scores).max())
    assert_allclose(np.diag(scores), Influence(o, theta).self_influence(), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", ["squared", "logistic"])
def test_scores_do_not_depend_on_the_coordinates_of_theta(name):
    # theta = A phi: the inputs Aᵀ x in the coordinates phi give the same scores, without penalty
    o = make_objective("LinearObjective", name, l2=0.0)
    X_test, y_test = make_examples(name, 3, seed=1)
    A = np.eye(4) + 0.3 * np.random.default_rng(0).standard_normal((4, 4))
    other = LinearObjective(o.losses, o.X @ A, o.y)
    theta, phi = fit(o, gtol=1e-12).theta, fit(other, gtol=1e-12).theta
    assert_allclose(theta, A @ phi, rtol=1e-8)
    assert_allclose(
        Influence(o, theta).up_loss(X_test, y_test),
        Influence(other, phi).up_loss(X_test @ A, y_test),
        rtol=1e-7,  # 1e-12 of gradient, times a condition number squared
        atol=1e-10,
    )


def test_the_functions_take_one_gradient_or_many(problem):
    o, theta = problem.objective, problem.theta_hat
    H, p = Hessian(o, theta), theta.size
    inverse = Inverse(H)
    G, g = o.example_grads(theta, [3, 1, 4]), o.example_grads(theta, 3)[0]
    T = o.test_grads(theta, problem.X_test, problem.y_test)
    H_inv = np.linalg.inv(o.hessian(theta))
    close = {"rtol": 1e-8, "atol": 1e-10}
    assert_allclose(equations.up_params(inverse, g), -H_inv @ g, **close)
    assert_allclose(equations.up_params(factorize(H), G), -G @ H_inv, **close)
    assert_allclose(equations.s_test(inverse, T[0]), H_inv @ T[0], **close)
    assert_allclose(equations.s_test(inverse, T), T @ H_inv, **close)
    assert_allclose(equations.s_test(partial(cg, H, rtol=1e-12), T), T @ H_inv, **close)
    s, everyone = equations.s_test(inverse, T), o.example_grads(theta, np.arange(o.n))
    assert equations.up_loss(o, theta, s[0]).shape == (o.n,)
    assert_allclose(equations.up_loss(o, theta, s), -T @ H_inv @ everyone.T, **close)
    assert equations.up_params(inverse, G).shape == (3, p)


# The everyday object ----------------------------------------------------------------------------


def solve_by_hand(A, B):
    """A reader's own solver."""
    X = np.linalg.solve(np.asarray(A), B)
    k = B.shape[1:]
    return Solution(X, np.ones(k, bool), np.ones(k, int), np.zeros(k))


SOLVERS = {
    "direct": "direct",
    "cg": "cg",
    "function": solve_by_hand,
    "partial": partial(cg, rtol=1e-12),
    "direct itself": direct,
}


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS.keys())
def test_every_solver_gives_the_same_scores(problem, influence, solver):
    expected = influence.up_loss(problem.X_test, problem.y_test)
    other = Influence(problem.objective, problem.theta_hat, solver=solver)
    scores = other.up_loss(problem.X_test, problem.y_test)
    # cg's default residual of 1e-8, times the condition number
    assert_allclose(scores, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    assert_allclose(other.self_influence(), influence.self_influence(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("solver", ["direct", "cg", solve_by_hand])
def test_damping_reaches_every_solver(problem, solver):
    o, theta = problem.objective, problem.theta_hat
    T = o.test_grads(theta, problem.X_test, problem.y_test)
    expected = np.linalg.solve(o.hessian(theta) + 0.5 * np.eye(theta.size), T.T).T
    damped = Influence(o, theta, solver=solver, damping=0.5)
    solved = damped.s_test(problem.X_test, problem.y_test)
    assert_allclose(solved, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


def test_auto_takes_whichever_solver_needs_fewer_operations(monkeypatch):
    p = make_problem("LinearObjective-softmax")  # n = 40, p = 12, c = 3
    monkeypatch.setattr(choosing, "SMALL", 3)
    # Writing out and factorising: 3 * 40 * 4^2 + 12^3 / 3 = 2,496. CG: steps * 4 * 40 * 12 each.
    monkeypatch.setattr(choosing, "STEPS", 1)
    influence = Influence(p.objective, p.theta_hat)
    one = influence.up_loss(p.X_test[0], p.y_test[0])
    assert influence.report.solver == "auto (cg)"
    three = influence.up_loss(p.X_test, p.y_test)
    assert influence.report.solver == "auto (direct)"
    assert_allclose(one, three[0], rtol=1e-6, atol=1e-8)
    influence.up_loss(p.X_test[1], p.y_test[1])
    assert influence.report.solver == "auto (direct)", "the factor is there already"


def test_auto_preconditions_cg_where_the_objective_knows_how(monkeypatch):
    p = make_problem("LinearObjective-squared")  # for which the preconditioner is exact
    monkeypatch.setattr(choosing, "SMALL", 3)
    monkeypatch.setattr(choosing, "FACTOR_LIMIT", 3)
    influence = Influence(p.objective, p.theta_hat)
    influence.up_loss(p.X_test, p.y_test)
    assert influence.report.steps == 1


def test_auto_does_not_write_out_what_must_be_made_column_by_column(network, monkeypatch):
    monkeypatch.setattr(choosing, "SMALL", 3)
    influence = Influence(network.objective, network.theta_hat)
    influence.up_loss(network.X_test, network.y_test)
    assert influence.report.solver == "auto (cg)"


def test_gauss_newton_takes_the_hessians_place(network):
    o, theta = network.objective, network.theta_hat
    with pytest.raises(ValueError, match="needs losses with the methods scores"):
        Influence(o, theta, curvature="gauss-newton")
    linear = make_problem("LinearObjective-softmax")
    scores = [
        Influence(linear.objective, linear.theta_hat, curvature=curvature).up_loss(
            linear.X_test, linear.y_test
        )
        for curvature in ("hessian", "gauss-newton")
    ]
    assert_allclose(*scores, rtol=1e-10)
    influence = Influence(linear.objective, linear.theta_hat, curvature="gauss-newton")
    assert "on the gauss-newton matrix" in str(influence.report)


def test_one_test_point_gives_one_row_and_several_give_several(problem, influence):
    p, n = problem, problem.objective.n
    for ask in (influence.up_loss, influence.predicted_change):
        one, several = ask(p.X_test[1], p.y_test[1]), ask(p.X_test, p.y_test)
        assert one.shape == (n,) and several.shape == (3, n)
        assert ask(p.X_test[:1], p.y_test[:1]).shape == (1, n)
        assert_allclose(one, several[1], rtol=1e-9, atol=1e-12)
    assert influence.s_test(p.X_test[1], p.y_test[1]).shape == (p.theta.size,)
    assert influence.s_test(p.X_test, p.y_test).shape == (3, p.theta.size)
    assert influence.up(np.ones((2, p.theta.size))).shape == (2, n)


def test_batches_are_the_rows_of_the_whole(problem, influence):
    p = problem
    for ask in (influence.up_loss, influence.predicted_change):
        batches = list(ask(p.X_test, p.y_test, batch_size=2))
        assert [len(b) for b in batches] == [2, 1]
        whole = ask(p.X_test, p.y_test)
        assert_allclose(np.concatenate(batches), whole, rtol=1e-9, atol=1e-12)


def test_predicted_change_is_minus_up_loss_over_n(problem, influence):
    p = problem
    expected = -influence.up_loss(p.X_test, p.y_test) / p.objective.n
    assert_allclose(influence.predicted_change(p.X_test, p.y_test), expected, rtol=1e-13)


def test_predicted_change_takes_away_the_weight_that_the_example_has():
    o = make_objective("LinearObjective", "logistic").without(3).upweighted(5, 0.1)
    influence = Influence(o, fit(o).theta)
    scores, change = (
        ask(o.X[0], o.y[0]) for ask in (influence.up_loss, influence.predicted_change)
    )
    assert change[3] == 0  # it is not there
    assert_allclose(change[5], -(1 / 40 + 0.1) * scores[5], rtol=1e-12)


def test_a_predicted_reweighting_is_the_derivative_of_refits_with_other_weights(problem, influence):
    p, o = problem, problem.objective
    direction = np.random.default_rng(0).standard_normal((o.n, 2)) / o.n
    W = o.weights[:, None] + direction
    predicted = influence.predicted_reweighted_change(W, p.X_test, p.y_test)
    assert predicted.shape == (3, 2)
    for k, d in enumerate(direction.T):
        ends = [
            fit(o.reweighted(o.weights + s * EPS * d), p.theta_hat, gtol=GTOL).theta
            for s in (1, -1)
        ]
        up, down = (o.test_losses(theta, p.X_test, p.y_test) for theta in ends)
        assert relative_error(predicted[:, k], (up - down) / (2 * EPS)) < 1e-5


def test_leaving_out_is_a_reweighting(problem, influence):
    p, o = problem, problem.objective
    W = np.stack([o.without(i).weights for i in (3, 5)], axis=1)
    x, label = p.X_test[0], p.y_test[0]
    left_out = influence.predicted_change(x, label)[[3, 5]]
    assert_allclose(influence.predicted_reweighted_change(W, x, label), left_out, rtol=1e-9)
    with pytest.raises(ValueError, match=r"shape \(40, k\)"):
        influence.predicted_reweighted_change(W.T, x, label)


def test_top_sorts_as_by_hand(problem, influence):
    x, label = problem.X_test[0], problem.y_test[0]
    scores = influence.up_loss(x, label)
    by_score = sorted(range(problem.objective.n), key=lambda i: scores[i])
    for k in (1, 5):
        helpful, harmful = influence.top(x, label, k=k)
        assert harmful.strides > (0,)  # torch takes no indices that run backwards
        assert helpful.tolist() == by_score[:k]
        assert harmful.tolist() == by_score[::-1][:k]


@pytest.mark.parametrize("solver", ["direct", "cg"])
def test_the_same_question_is_solved_once(logistic, solver):
    p = logistic
    influence = Influence(p.objective, p.theta_hat, solver=solver)
    assert influence.report.solves == []
    first = influence.up_loss(p.X_test, p.y_test)
    influence.s_test(p.X_test, p.y_test)
    influence.predicted_change(p.X_test, p.y_test)
    assert_array_equal(influence.up_loss(p.X_test, p.y_test), first)
    assert len(influence.report.solves) == 1
    influence.up_loss(p.X_test[:2], p.y_test[:2])
    assert len(influence.report.solves) == 2


def test_what_is_remembered_cannot_be_changed_from_outside(logistic):
    influence = Influence(logistic.objective, logistic.theta_hat)
    gradient = np.ones(4)
    once = influence.up(gradient)
    gradient *= 2
    assert_allclose(influence.up(gradient), 2 * once, rtol=1e-12)
    s_test = influence.s_test(logistic.X_test, logistic.y_test)
    before = s_test.copy()
    s_test *= 0
    assert_array_equal(influence.s_test(logistic.X_test, logistic.y_test), before)


def test_the_hessian_is_factorised_once(logistic, monkeypatch):
    calls = []
    monkeypatch.setattr(choosing, "factorize", lambda A, **k: calls.append(A) or factorize(A, **k))
    influence = Influence(logistic.objective, logistic.theta_hat)
    assert not calls
    influence.up_loss(logistic.X_test, logistic.y_test)
    influence.self_influence()
    influence.up(np.ones(4))
    assert len(calls) == 1


def test_self_influence_goes_in_parts_when_memory_is_short(problem, influence, monkeypatch):
    whole = influence.self_influence()
    monkeypatch.setattr(equations, "SCRATCH_BYTES", 8 * problem.theta.size * 7)  # 7 rows of 40
    assert_allclose(influence.self_influence(), whole, rtol=1e-10, atol=1e-13)
    assert len(influence.report.solves) == 1 + 6


def test_the_report_tells_what_stands_behind_the_scores(logistic):
    p = logistic
    influence = Influence(p.objective, p.theta_hat, solver="cg", damping=0.1)
    report = influence.report
    assert (report.solver, report.damping) == ("cg", 0.1)
    assert (report.steps, report.residual, report.converged) == (0, 0.0, True)
    assert report.grad_norm == np.linalg.norm(p.objective.grad(p.theta_hat))
    influence.up_loss(p.X_test, p.y_test)
    assert 1 <= report.steps <= 5 and 0 < report.residual <= 1e-8 and report.converged
    assert len(report.solves) == 1 and report.solves[0].x is None
    for words in ("solver cg", "damping 0.1", "gradient norm", "1 block solves", "all converged"):
        assert words in str(report)


def test_a_solver_need_not_be_a_function(logistic):
    class SolverObject:
        def __call__(self, A, B):
            return solve_by_hand(A, B)

    p = logistic
    influence = Influence(p.objective, p.theta_hat, solver=SolverObject())
    expected = Influence(p.objective, p.theta_hat).up_loss(p.X_test, p.y_test)
    assert_allclose(influence.up_loss(p.X_test, p.y_test), expected, rtol=1e-9)
    assert "SolverObject" in influence.report.solver


def test_the_report_names_the_readers_solver(logistic):
    def name(solver):
        return Influence(logistic.objective, logistic.theta_hat, solver=solver).report.solver

    assert name(solve_by_hand) == "solve_by_hand"
    assert (
        name(partial(cg, rtol=1e-6)) == name(partial(partial(cg, rtol=1e-6), max_steps=9)) == "cg"
    )


@pytest.mark.parametrize("make_objective", OBJECTIVES)
def test_the_push_of_one_example_is_about_its_root_mean_square(make_objective):
    o = make_objective()
    theta = fit(o).theta
    pushes = np.linalg.norm(o.example_grads(theta, np.arange(o.n)), axis=1) / o.n
    estimate = Influence(o, theta).report.example_push
    # 8 random directions estimate the mean square to about 1/4
    assert 0.6 < estimate / np.sqrt(np.mean(pushes**2)) < 1.6


def test_a_solve_stopped_early_warns_once_and_stays_in_the_report(logistic):
    p = logistic
    influence = Influence(p.objective, p.theta_hat, solver=partial(cg, max_steps=1))
    with pytest.warns(NotConverged) as told:
        influence.up_loss(p.X_test, p.y_test)
    assert len(told) == 1
    assert not influence.report.converged and "NOT all converged" in str(influence.report)


def test_theta_far_from_a_minimum_is_said_with_the_remedy(problem):
    o = problem.objective
    far = problem.theta_hat + 3.0
    norm = f"{np.linalg.norm(o.grad(far)):.1e}"
    with pytest.warns(FarFromMinimum, match=norm.replace("+", r"\+")) as told:
        Influence(o, far, damping=1.0)
    assert len(told) == 1 and "fit(objective, theta)" in str(told[0].message)


def test_a_fit_is_close_enough_to_a_minimum(problem):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Influence(problem.objective, problem.theta_hat)


def test_separable_classes_without_a_penalty_have_no_minimum_and_that_is_said():
    X = np.random.default_rng(0).standard_normal((40, 4))
    o = LinearObjective(models.logistic, X, np.sign(X[:, 0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConverged)
        theta = fit(o).theta
    with pytest.warns(FarFromMinimum):
        Influence(o, theta, damping=1e-3)


def test_asking_changes_neither_objective_nor_theta(problem):
    o, theta = problem.objective, problem.theta_hat.copy()
    before = [np.array(a) for a in (o.X, o.y, o.weights)]
    influence = Influence(o, theta)
    influence.up_loss(problem.X_test, problem.y_test)
    influence.predicted_change(problem.X_test, problem.y_test)
    influence.top(problem.X_test[0], problem.y_test[0])
    influence.self_influence()
    for old, now in zip(before, (o.X, o.y, o.weights), strict=True):
        assert_array_equal(old, now)
    assert_array_equal(theta, problem.theta_hat)


def test_stochastic_estimation_is_a_solver_by_name_and_with_options(logistic):
    exact = Influence(logistic.objective, logistic.theta_hat)
    test = logistic.X_test, logistic.y_test
    for solver, bound in (("lissa", 0.03), (partial(lissa, rtol=1e-6), 1e-4)):
        influence = Influence(logistic.objective, logistic.theta_hat, solver=solver)
        assert relative_error(influence.up_loss(*test), exact.up_loss(*test)) < bound
        assert influence.report.converged and "solver lissa" in str(influence.report)


# Changing an example ----------------------------------------------------------------------------


def test_pert_params_is_the_derivative_of_moving_weight_to_the_changed_example(problem):
    o, (x, y), i = problem.objective, (problem.X_test[0], problem.y_test[0]), 3
    inverse = Inverse(Hessian(o, problem.theta_hat))
    before = o.test_grads(problem.theta_hat, o.X[[i]], o.y[[i]])[0]
    moved = o.test_grads(problem.theta_hat, [x], [y])[0]
    both = o.extended([x], [y])
    weights = np.repeat(both.weights[:, None], 2, axis=1)
    weights[i] -= [EPS, -EPS]
    weights[-1] += [EPS, -EPS]
    heavier, lighter = (
        fit(both.reweighted(w), problem.theta_hat, gtol=GTOL).theta for w in weights.T
    )
    slope = (heavier - lighter) / (2 * EPS)
    assert relative_error(equations.pert_params(inverse, moved, before), slope) < 1e-5


def test_pert_loss_is_the_derivative_of_refitting_with_a_moved_input(problem, influence):
    o, i = problem.objective, 5
    x_test, y_test = problem.X_test[0], problem.y_test[0]
    slopes, h = [], 1e-4
    for j in range(o.X.shape[1]):
        step = h * np.eye(o.X.shape[1])[j]
        refitted = [
            fit(o.perturbed(i, o.X[i] + e, o.y[i]), problem.theta_hat, gtol=GTOL).theta
            for e in (step, -step)
        ]
        up, down = (o.test_losses(theta, [x_test], [y_test])[0] for theta in refitted)
        slopes.append((up - down) / (2 * h))
    predicted = o.weights[i] * influence.pert_loss(x_test, y_test, [i])[0]
    # central differences err by h² times the third derivative, 1e-8 times some hundreds
    assert relative_error(predicted, np.array(slopes)) < 1e-4


def test_pert_loss_answers_for_every_example_by_default(problem, influence):
    x_test, y_test = problem.X_test[0], problem.y_test[0]
    every = influence.pert_loss(x_test, y_test)
    assert every.shape == problem.objective.X.shape
    assert_allclose(influence.pert_loss(x_test, y_test, [7, 2]), every[[7, 2]], rtol=1e-9)


def test_a_small_replacement_is_the_step_along_pert_loss(problem, influence):
    o = problem.objective
    x_test, y_test, delta = problem.X_test[0], problem.y_test[0], 1e-6 * np.ones(o.X.shape[1])
    replaced = influence.predicted_perturbed_change([4], [o.X[4] + delta], o.y[[4]], x_test, y_test)
    along = o.weights[4] * influence.pert_loss(x_test, y_test, [4])[0] @ delta
    assert_allclose(replaced[0], along, rtol=1e-4)  # the next term is smaller by |delta|


def test_replacing_an_example_by_itself_changes_nothing(problem, influence):
    o = problem.objective
    same = influence.predicted_perturbed_change(
        [4, 4, 9], o.X[[4, 4, 9]], o.y[[4, 4, 9]], problem.X_test, problem.y_test
    )
    assert_array_equal(same, np.zeros((3, 3)))


def test_replacing_is_leaving_out_and_adding(problem, influence):
    o = problem.objective
    new = influence.predicted_perturbed_change(
        [4], problem.X_test[:1], problem.y_test[:1], problem.X_test, problem.y_test
    )[:, 0]
    s_test = influence.s_test(problem.X_test, problem.y_test)
    both = o.extended(problem.X_test[:1], problem.y_test[:1])
    scores = equations.up_loss(both, problem.theta_hat, s_test)  # the penalty is in both
    expected = o.weights[4] * (scores[:, -1] - scores[:, 4])
    assert_allclose(new, expected, rtol=1e-9, atol=1e-14)


def test_pert_loss_takes_one_test_point(problem, influence):
    with pytest.raises(ValueError, match="one test point, got 3: pass X_test\\[0\\]"):
        influence.pert_loss(problem.X_test, problem.y_test)


@pytest.mark.parametrize("indices", [[1], [0.5, 1.0], [[1, 2]], []])
def test_a_replacement_needs_one_index_for_each_changed_example(problem, influence, indices):
    with pytest.raises(ValueError, match="Expected one index"):
        influence.predicted_perturbed_change(
            indices, problem.X_test[:2], problem.y_test[:2], problem.X_test, problem.y_test
        )


def test_a_replacement_of_an_example_that_is_not_there_is_refused(problem, influence):
    with pytest.raises(ValueError, match="Indices must lie in 0 .. 39, got 2 .. 40"):
        influence.predicted_perturbed_change(
            [40, 2], problem.X_test[:2], problem.y_test[:2], problem.X_test, problem.y_test
        )
