"""Solvers: properties on any positive definite system, and independent references."""

import warnings
from functools import partial

import numpy as np
import pytest
import scipy.sparse.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import make_problem

from minfluence import (
    Diverged,
    Hessian,
    LinearObjective,
    NotConverged,
    NotPositiveDefinite,
    cg,
    direct,
    factorize,
    fit,
    lissa,
    models,
    safe_scale,
)
from minfluence.solvers import certified

SOLVERS = [direct, cg, partial(cg, rtol=1e-12)]
seeds = st.integers(0, 2**32 - 1)
same_each_time = settings(derandomize=True, deadline=None, max_examples=30)


def spd(p, condition, seed):
    """Random symmetric positive definite matrix with a given condition number."""
    rng = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(rng.standard_normal((p, p)))
    A = (Q * np.geomspace(1, condition, p)) @ Q.T * rng.uniform(0.1, 10)
    return (A + A.T) / 2


@st.composite
def systems(draw, columns=None):
    """Draw A x = b of moderate condition, with one right-hand side or a block."""
    p, seed = draw(st.integers(1, 8)), draw(seeds)
    A = spd(p, draw(st.floats(1, 1e4)), seed)
    k = draw(st.integers(1, 4)) if columns is None else columns
    b = np.random.default_rng(seed + 1).standard_normal((p, k) if k else p)
    return A, b


@given(systems(columns=0))
@same_each_time
def test_every_solver_solves_any_positive_definite_system(system):
    A, b = system
    for solve in (direct, partial(cg, rtol=1e-10)):
        solution = solve(A, b)
        assert solution.converged and solution.x.shape == b.shape
        # the error is at most the condition number, 1e4, times the residual
        assert_allclose(solution.x, np.linalg.solve(A, b), atol=1e-6 * np.linalg.norm(solution.x))


@given(systems())
@same_each_time
def test_a_block_is_solved_column_by_column(system):
    A, B = system
    for solve in (direct, partial(cg, rtol=1e-10)):
        block = solve(A, B)
        columns = [solve(A, b) for b in B.T]
        X = np.stack([s.x for s in columns], axis=1)
        assert_allclose(block.x, X, atol=1e-6 * np.linalg.norm(X))
        assert_array_equal(block.converged, [s.converged for s in columns])
        assert block.steps.shape == block.residual.shape == (B.shape[1],)


@given(systems())
@same_each_time
def test_the_residual_reported_is_the_residual(system):
    A, B = system
    for solve in SOLVERS:
        solution = solve(A, B)
        residual = np.linalg.norm(B - A @ solution.x, axis=0) / np.linalg.norm(B, axis=0)
        # rounding in A @ x: 2e-16 times |A| |x| / |b|, at most the condition number
        assert_allclose(solution.residual, residual, atol=1e-11)


@given(systems(columns=0), seeds)
@same_each_time
def test_a_preconditioner_does_not_change_the_answer(system, seed):
    A, b = system
    plain = cg(A, b, rtol=1e-10).x
    for M in (np.diag(1 / A.diagonal()), spd(len(A), 10, seed)):
        assert_allclose(
            cg(A, b, rtol=1e-10, preconditioner=M).x, plain, atol=1e-5 * np.linalg.norm(plain)
        )


@given(systems())
@same_each_time
def test_the_exact_inverse_as_preconditioner_needs_one_step(system):
    A, B = system
    solution = cg(A, B, preconditioner=np.linalg.inv(A))
    assert solution.converged.all() and (solution.steps == 1).all()


def test_the_diagonal_as_preconditioner_saves_steps_when_features_differ_in_scale():
    scales = np.geomspace(1, 100, 20)
    A = spd(20, 3, 0) * np.outer(scales, scales)
    b = np.random.default_rng(0).standard_normal(20)
    assert cg(A, b, preconditioner=np.diag(1 / A.diagonal())).steps < 0.5 * cg(A, b).steps


@pytest.mark.parametrize("seed", range(3))
def test_cg_agrees_with_scipy(seed):
    A = spd(12, 1e3, seed)
    b = np.random.default_rng(seed).standard_normal(12)
    x, failed = scipy.sparse.linalg.cg(A, b, rtol=1e-12)
    assert not failed
    ours = cg(A, b, rtol=1e-12).x
    assert_allclose(ours, x, atol=1e-8 * np.linalg.norm(x))  # condition 1e3 times 1e-12, twice
    assert_allclose(ours, np.linalg.solve(A, b), atol=1e-8 * np.linalg.norm(x))


def test_cg_needs_as_many_steps_as_there_are_different_eigenvalues():
    A = np.diag([1.0, 1.0, 5.0, 5.0, 5.0, 9.0])
    assert cg(A, np.ones(6)).steps == 3


@pytest.mark.parametrize("solve", SOLVERS)
def test_zero_on_the_right_gives_zero_with_residual_zero(solve):
    A = spd(4, 10, 0)
    solution = solve(A, np.zeros(4))
    assert_array_equal(solution.x, 0)
    assert solution.residual == 0 and solution.converged
    B = np.ones((4, 2))
    B[:, 1] = 0
    block = solve(A, B)
    assert_array_equal(block.x[:, 1], 0)
    assert block.residual[1] == 0 and block.converged.all()


@pytest.mark.parametrize("solve", SOLVERS)
def test_solvers_change_neither_the_matrix_nor_the_right_hand_side(solve):
    for order in "CF":
        A, B = np.array(spd(5, 10, 0), order=order), np.ones((5, 2))
        A_before = A.copy()
        solve(A, B)
        assert_array_equal(A, A_before)
        assert_array_equal(B, 1.0)


def test_a_matrix_of_another_array_class_is_not_overwritten(tmp_path):
    A = spd(5, 10, 0)
    on_disk = np.memmap(tmp_path / "A", dtype=float, mode="w+", shape=(5, 5))
    on_disk[:] = A
    assert_allclose(factorize(on_disk)(np.ones(5)).x, np.linalg.solve(A, np.ones(5)), rtol=1e-10)
    assert_array_equal(on_disk, A)


@pytest.mark.parametrize("solve", SOLVERS)
def test_whole_numbers_will_do(solve):
    A, b = np.array([[2, 1], [1, 3]]), np.array([1, 2])
    assert_allclose(solve(A, b).x, [0.2, 0.6], rtol=1e-10)
    assert_allclose(solve(A.astype(float), [1, 2]).x, [0.2, 0.6], rtol=1e-10)


@pytest.mark.parametrize("solve", SOLVERS)
def test_an_operator_with_only_a_product_will_do(solve):
    A = spd(4, 10, 0)

    class Operator:
        shape = (4, 4)

        def __matmul__(self, V):
            return A @ V

    assert_allclose(solve(Operator(), np.ones(4)).x, np.linalg.solve(A, np.ones(4)), rtol=1e-6)


@pytest.mark.parametrize("solve", SOLVERS)
def test_damping_means_the_same_in_every_solver(problem, solve):
    H = Hessian(problem.objective, problem.theta_hat, damping=0.3)
    matrix = problem.objective.hessian(problem.theta_hat) + 0.3 * np.eye(problem.theta.size)
    b = np.random.default_rng(0).standard_normal(problem.theta.size)
    x = np.linalg.solve(matrix, b)
    assert_allclose(solve(H, b).x, x, atol=1e-6 * np.linalg.norm(x))


def test_one_factorisation_serves_many_right_hand_sides():
    A = spd(5, 10, 0)
    solve = factorize(A)
    for b in np.eye(5):
        assert_allclose(solve(b).x, direct(A, b).x, rtol=1e-12)


# When it fails ----------------------------------------------------------------------------------


def test_cg_stopped_early_says_so_once_and_marks_the_columns():
    A = np.diag([1.0, 10.0, 100.0])
    B = np.stack([[1.0, 0, 0], [1.0, 1, 1]], axis=1)  # one step is enough for the first
    with pytest.warns(NotConverged, match="after 1 steps .* in 1 of 2 solves: allow more") as told:
        solution = cg(A, B, max_steps=1)
    assert len(told) == 1
    assert_array_equal(solution.converged, [True, False])
    assert solution.residual[1] > 0.1


def test_cg_allowed_more_steps_comes_closer():
    A, b = spd(20, 1e3, 0), np.ones(20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConverged)
        errors = [
            x @ A @ x - 2 * x @ b for x in (cg(A, b, max_steps=k).x for k in (0, 2, 5, 10, 20))
        ]
    assert all(np.diff(errors) < 0)  # cg minimises this quadratic over growing subspaces


@pytest.mark.parametrize(
    ("solve", "words"),
    [(direct, "has the eigenvalue -2.00e\\+00.*damp it"), (cg, "= -.* at step .*damp it")],
)
def test_negative_curvature_is_an_error_with_a_remedy(solve, words):
    with pytest.raises(NotPositiveDefinite, match=words):
        solve(np.diag([1.0, -2.0, 3.0]), np.array([0.1, 1.0, 0.1]))


def test_a_preconditioner_that_is_not_positive_definite_is_named():
    with pytest.raises(NotPositiveDefinite, match="the preconditioner must be symmetric and pos"):
        cg(np.diag([1.0, 2.0]), np.ones(2), preconditioner=np.diag([1.0, -1.0]))


def test_damping_is_the_remedy(network):
    theta = np.random.default_rng(1).standard_normal(17)  # not a minimum
    b = np.ones(17)
    for solve in SOLVERS:
        with pytest.raises(NotPositiveDefinite, match="Hessian\\(objective, theta, damping"):
            solve(Hessian(network.objective, theta), b)
        assert solve(Hessian(network.objective, theta, damping=2.0), b).converged


def test_a_matrix_next_to_singular_is_flagged():
    A = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-15]])
    solution = direct(A + np.diag([0, 1e-15]), np.array([1.0, -1.0]))
    assert not np.isnan(solution.residual)


# Preconditioner of linear models ----------------------------------------------------------------


def test_the_preconditioner_is_the_inverse_for_the_squared_loss():
    problem = make_problem("LinearObjective-squared")
    o, theta = problem.objective.without([3, 5]), problem.theta_hat
    matrix = o.hessian(theta) + 0.2 * np.eye(o.p)
    B = np.random.default_rng(0).standard_normal((o.p, 3))
    M = o.preconditioner(theta, damping=0.2)
    assert_allclose(M @ B, np.linalg.solve(matrix, B), rtol=1e-9)
    assert_allclose(M @ B[:, 0], np.linalg.solve(matrix, B[:, 0]), rtol=1e-9)


@pytest.mark.parametrize("name", ["logistic", "smooth_hinge", "softmax"])
def test_the_preconditioner_is_positive_definite_and_does_not_change_the_answer(name):
    problem = make_problem(f"LinearObjective-{name}")
    o, theta = problem.objective, problem.theta_hat
    M, H = o.preconditioner(theta), Hessian(o, theta)
    assert np.linalg.eigvalsh(M @ np.eye(o.p)).min() > 0
    b = np.random.default_rng(0).standard_normal(o.p)
    plain = direct(H, b).x
    assert_allclose(
        cg(H, b, preconditioner=M, rtol=1e-10).x, plain, atol=1e-7 * np.linalg.norm(plain)
    )


def test_the_preconditioner_saves_steps_when_features_are_correlated():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 30)) * np.geomspace(0.1, 10, 30) @ spd(30, 100, 1)
    y = rng.integers(0, 3, 400)
    o = LinearObjective(models.softmax(3), X / 100, y, l2=1e-4)
    theta = fit(o, gtol=1e-8).theta
    H, b = Hessian(o, theta), rng.standard_normal(o.p)
    assert cg(H, b, preconditioner=o.preconditioner(theta)).steps < 0.5 * cg(H, b).steps


# Stochastic estimation --------------------------------------------------------------------------


def relative_error(x, expected):
    return np.linalg.norm(x - expected) / np.linalg.norm(expected)


@given(systems())
@same_each_time
def test_without_samples_lissa_is_the_neumann_series(system):
    A, B = system
    A = A / np.linalg.norm(A, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConverged)
        x = lissa(A, B, scale=1.0, depth=7, repeats=1).x
    powers = [np.linalg.matrix_power(np.eye(len(A)) - A, k) for k in range(8)]
    assert_allclose(x, sum(powers) @ B, rtol=1e-9, atol=1e-12)


def test_the_neumann_series_converges_like_its_smallest_eigenvalue():
    A = np.diag([0.1, 0.5, 1.0])
    for depth in (10, 30, 100):
        x = lissa(A, np.ones(3), scale=1.0, depth=depth, repeats=1, rtol=1.0).x
        # the error of a truncated series 1/a is (1 - a)^(depth + 1) / a
        assert_allclose(1 / 0.1 - x[0], 0.9 ** (depth + 1) / 0.1, rtol=1e-9)


def test_the_mean_of_many_repeats_is_the_truncated_series(logistic):
    H = Hessian(logistic.objective, logistic.theta_hat)
    b, depth = np.ones(4), 20
    scale = safe_scale(H)
    exact = lissa(np.asarray(H), b, scale=scale, depth=depth, repeats=1, rtol=1.0).x
    noisy = lissa(H, b, scale=scale, depth=depth, repeats=2_000, rtol=1.0)
    # unbiased: within 4 standard errors, which a correct sampler leaves once in 16,000 draws
    assert np.linalg.norm(noisy.x - exact) < 4 * noisy.spread * np.linalg.norm(noisy.x)
    assert noisy.spread < 0.02


def test_more_depth_means_less_bias_and_more_repeats_less_noise(logistic):
    H = Hessian(logistic.objective, logistic.theta_hat)
    b = np.ones(4)
    exact = direct(H, b).x
    scale = safe_scale(H)
    bias = [
        relative_error(lissa(H, b, scale=scale, depth=d, repeats=200, rtol=1.0).x, exact)
        for d in (2, 10, 50)
    ]
    assert bias[0] > bias[1] > bias[2]
    spread = [lissa(H, b, scale=scale, depth=200, repeats=r, rtol=1.0).spread for r in (4, 16, 64)]
    assert spread[0] > spread[1] > spread[2]  # each is half the one before, up to chance


def test_a_larger_batch_is_less_noisy_and_needs_a_smaller_scale(logistic):
    H = Hessian(logistic.objective, logistic.theta_hat)
    b = np.ones(4)
    one, ten = (lissa(H, b, batch_size=k, depth=300, repeats=10, rtol=1.0) for k in (1, 10))
    assert ten.spread < one.spread
    assert safe_scale(H, batch_size=10) < safe_scale(H, batch_size=1)


def test_lissa_settles_with_the_scale_that_it_finds_itself(problem):
    H = Hessian(problem.objective, problem.theta_hat)
    B = np.random.default_rng(0).standard_normal((problem.theta_hat.size, 2))
    if problem.losses.__class__.__name__ == "function":  # the network: one example curves down
        H = Hessian(problem.objective, problem.theta_hat, damping=1.0)
    solution = lissa(H, B, depth=500, repeats=4, batch_size=5)
    assert solution.converged.all() and (solution.steps == 2_000).all()
    assert relative_error(solution.x, direct(H, B).x) < 0.2


def test_a_block_is_estimated_as_its_columns_are(logistic):
    H = Hessian(logistic.objective, logistic.theta_hat)
    B = np.random.default_rng(0).standard_normal((4, 2))
    options = {"scale": safe_scale(H), "depth": 50, "repeats": 3, "rtol": 1.0}
    block = lissa(H, B, **options, rng=np.random.default_rng(5))
    for k in range(2):
        column = lissa(H, B[:, k], **options, rng=np.random.default_rng(5))  # the same samples
        assert_allclose(block.x[:, k], column.x, rtol=1e-12)
        assert block.spread[k] == pytest.approx(column.spread)


def test_lissa_draws_the_same_samples_in_every_run(logistic):
    H = Hessian(logistic.objective, logistic.theta_hat)
    runs = [lissa(H, np.ones(4), depth=50, rtol=1.0).x for _ in range(2)]
    assert_array_equal(*runs)
    other = lissa(H, np.ones(4), depth=50, rtol=1.0, rng=np.random.default_rng(1)).x
    assert not np.array_equal(runs[0], other)


def test_a_scale_too_small_diverges_and_names_one_that_works(logistic):
    H = Hessian(logistic.objective, logistic.theta_hat)
    with pytest.raises(Diverged, match="diverged at step .* with scale=0.01.*Use scale=") as told:
        lissa(H, np.ones(4), scale=0.01)
    works = float(str(told.value).split("Use scale=")[1].split(",")[0])
    assert lissa(H, np.ones(4), scale=works, depth=2_000).converged


def test_negative_curvature_diverges_too():
    with pytest.raises(Diverged):
        lissa(np.diag([1.0, -0.5]), np.ones(2))


def test_an_estimate_that_has_not_settled_says_so_once(logistic):
    H = Hessian(logistic.objective, logistic.theta_hat)
    with pytest.warns(NotConverged, match="after 2 repeats of depth 1 .*allow more depth") as told:
        solution = lissa(H, np.ones((4, 3)), depth=1, repeats=2)
    assert len(told) == 1 and not solution.converged.any()


def test_a_single_repeat_has_no_error_bar(logistic):
    H = Hessian(logistic.objective, logistic.theta_hat)
    assert lissa(H, np.ones(4), repeats=1).spread is None
    assert lissa(H, np.zeros(4), depth=5).residual == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": 0}, "depth must be a whole number of at least 1, got 0"),
        ({"repeats": 2.5}, "repeats must be a whole number of at least 1, got 2.5"),
        ({"batch_size": 41}, "batch_size must be a whole number in 1 .. 40, got 41"),
        ({"scale": -1.0}, "scale must be greater than 0, got -1.0"),
    ],
)
def test_lissa_refuses_what_makes_no_recursion(logistic, options, words):
    with pytest.raises(ValueError, match=words):
        lissa(Hessian(logistic.objective, logistic.theta_hat), np.ones(4), **options)


def test_the_scale_of_a_matrix_is_its_largest_eigenvalue():
    assert safe_scale(spd(6, 100, 0)) == pytest.approx(
        np.linalg.eigvalsh(spd(6, 100, 0))[-1], rel=0.06
    )
    assert safe_scale(np.zeros((2, 2))) == 0


def test_a_solution_is_certified_on_the_matrix_itself():
    A, b = np.diag([1.0, 2.0]), np.array([[1.0, 1.0], [2.0, 2.0]])
    right = np.linalg.solve(A, b)
    found = certified(A, b, right * [1.0, 1.01], steps=3)
    assert found.converged.tolist() == [True, False] and found.steps.tolist() == [3, 3]
    assert_allclose(found.residual, [0.0, 0.01], atol=1e-12)
    assert certified(A, 0 * b, 0 * b, steps=0).residual.tolist() == [0.0, 0.0]
