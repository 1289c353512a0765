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
    Hessian,
    LinearObjective,
    NotConverged,
    NotPositiveDefinite,
    cg,
    direct,
    factorize,
    fit,
    models,
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
    b = np.array([1.0, -1.0])
    with pytest.raises(NotPositiveDefinite, match="eigenvalue .* is 0 but for rounding"):
        direct(np.array([[1.0, 1.0], [1.0, 1.0 + 1e-15]]), b)
    assert direct(np.array([[1.0, 1.0], [1.0, 1.0 + 1e-13]]), b).residual < 1e-2


def test_units_of_parameters_decide_nothing():
    A, b = spd(4, 100, 0), np.ones(4)
    units = np.array([1e-8, 1.0, 1e6, 1e10])
    x = direct(A * np.outer(units, units), b * units)
    assert_allclose(x.x * units, np.linalg.solve(A, b), rtol=1e-9)
    assert x.residual < 1e-14


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


# Certificates ----------------------------------------------------------------------------------


def test_a_solution_is_certified_on_the_matrix_itself():
    A, b = np.diag([1.0, 2.0]), np.array([[1.0, 1.0], [2.0, 2.0]])
    right = np.linalg.solve(A, b)
    found = certified(A, b, right * [1.0, 1.01], steps=3)
    assert found.converged.tolist() == [True, False] and found.steps.tolist() == [3, 3]
    assert_allclose(found.residual, [0.0, 0.01], atol=1e-12)
    assert certified(A, 0 * b, 0 * b, steps=0).residual.tolist() == [0.0, 0.0]
