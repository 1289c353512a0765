"""The Hessian as something you multiply by."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minfluence import (
    Hessian,
    LinearObjective,
    NotPositiveDefinite,
    cg,
    dense,
    models,
    spectrum,
    suggest_damping,
)


@pytest.mark.parametrize("damping", [0.0, 0.7])
def test_damping_is_added_to_the_diagonal_whichever_way_it_is_used(problem, damping):
    H = Hessian(problem.objective, problem.theta, damping)
    p = problem.theta.size
    V = np.random.default_rng(0).standard_normal((p, 3))
    matrix = problem.objective.hessian(problem.theta) + damping * np.eye(p)
    close = {"rtol": 1e-10, "atol": 1e-12}
    assert H.shape == (p, p)
    assert_allclose(dense(H), matrix, **close)
    assert_allclose(np.asarray(H), matrix, **close)
    assert_allclose(H @ V, matrix @ V, **close)
    assert_allclose(H @ V[:, 0], matrix @ V[:, 0], **close)


def test_writing_it_out_twice_does_not_damp_it_twice(logistic):
    H = Hessian(logistic.objective, logistic.theta, 0.7)
    assert_array_equal(dense(H), dense(H))
    assert np.asarray(H, dtype=np.float32).dtype == np.float32


def test_any_operator_can_be_written_out():
    class Twice:
        shape = (3, 3)

        def __matmul__(self, V):
            return 2 * V

    assert_array_equal(dense(Twice()), 2 * np.eye(3))
    A = np.arange(4.0).reshape(2, 2)
    assert dense(A) is A


def test_samples_average_to_the_whole(problem):
    H = Hessian(problem.objective, problem.theta, damping=0.3)
    one_by_one = [dense(H.sample([i])) for i in range(H.n)]
    assert_allclose(np.mean(one_by_one, axis=0), dense(H), rtol=1e-9, atol=1e-12)
    halves = [dense(H.sample(range(k, H.n, 2))) for k in (0, 1)]
    assert_allclose(np.mean(halves, axis=0), dense(H), rtol=1e-9, atol=1e-12)


def test_samples_keep_the_weights_of_a_reweighted_objective(logistic):
    H = Hessian(logistic.objective.without([3, 4]).upweighted(7, 0.2), logistic.theta)
    one_by_one = [dense(H.sample([i])) for i in range(H.n)]
    assert_allclose(np.mean(one_by_one, axis=0), dense(H), rtol=1e-9, atol=1e-12)


# Its extreme eigenvalues ------------------------------------------------------------------------


@pytest.mark.parametrize("p", [5, 200])
@pytest.mark.parametrize("shift", [-0.5, 0.01])
def test_the_extreme_eigenvalues_are_found(p, shift):
    rng = np.random.default_rng(0)
    Q, _ = np.linalg.qr(rng.standard_normal((p, p)))
    values = np.sort(shift + np.geomspace(1e-3, 10, p))
    smallest, largest = spectrum((Q * values) @ Q.T, k=2)
    # rtol = 1e-3, in units of the largest
    assert_allclose(smallest, values[:2], atol=2e-2)
    assert_allclose(largest, values[-2:], rtol=2e-3)


def test_the_spectrum_tells_how_much_damping_is_enough(network):
    theta = np.random.default_rng(1).standard_normal(17)  # not a minimum
    smallest, _ = spectrum(Hessian(network.objective, theta))
    assert smallest[0] < 0
    with pytest.raises(NotPositiveDefinite):
        cg(Hessian(network.objective, theta), np.ones(17))
    assert cg(Hessian(network.objective, theta, -1.1 * smallest[0]), np.ones(17)).converged


def test_the_spectrum_is_the_same_in_every_run():
    A = np.diag(np.linspace(-1, 1, 100))
    assert_array_equal(spectrum(A), spectrum(A))


@pytest.mark.parametrize("k", [0, 6])
def test_a_number_of_eigenvalues_out_of_range_is_refused(k):
    with pytest.raises(ValueError, match=f"k must be a whole number in 1 .. 5, got {k}"):
        spectrum(np.eye(5), k)


def test_eigenvalues_that_do_not_settle_are_an_error_with_a_remedy():
    A = np.diag(np.linspace(0, 1, 3000))
    with pytest.raises(ValueError, match="did not settle to rtol=1e-13 in 1 restarts: allow more"):
        spectrum(A, rtol=1e-13, max_steps=1)


RNG = np.random.default_rng(0)
THIN, WIDE = RNG.standard_normal((100, 3)), RNG.standard_normal((100, 100))
DEGENERATE = {  # more eigenvalues than are asked for are equal, or all of them
    "two": 2 * np.eye(100),
    "minus three": -3 * np.eye(100),
    "zero": np.zeros((100, 100)),
    "huge": 1e200 * np.eye(100),
    "tiny": 1e-300 * np.eye(100),
    "single precision": (0.1 * np.eye(100)).astype(np.float32),
    "whole numbers": np.eye(100, dtype=int),
    "almost": np.eye(100) + 1e-15 * (WIDE + WIDE.T),
    "low rank": THIN @ THIN.T,
    "low rank and negative": -THIN @ THIN.T,
    "low rank and l2": THIN @ THIN.T + 0.1 * np.eye(100),
    "low rank and huge": 1e200 * THIN @ THIN.T,
    "one outlier": np.diag(np.r_[1.0, np.full(99, 0.1)]),
    "two values": np.diag(np.r_[np.ones(50), np.full(50, 0.1)]),
}


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("name", DEGENERATE)
def test_eigenvalues_that_occur_many_times_are_found(name, k):
    A = DEGENERATE[name]
    values = np.linalg.eigvalsh(A.astype(float))
    size = abs(values).max() or 1.0
    for found, expected in zip(spectrum(A, k), (values[:k], values[-k:]), strict=True):
        assert_allclose(found / size, expected / size, atol=1e-3)  # rtol of spectrum


def test_a_hessian_without_curvature_has_the_penalty_as_its_only_eigenvalue():
    o = LinearObjective(models.hinge, RNG.standard_normal((20, 100)), np.resize([-1, 1], 20), 0.1)
    H = Hessian(o, np.zeros(100))
    assert_allclose(np.ravel(spectrum(H)), 0.1, rtol=1e-12)
    assert suggest_damping(H).damping == 0


@pytest.mark.parametrize("p", [3, 100])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: np.ones((p, p + 1)), "square matrix"),
        (lambda p: np.ones(p), "square matrix"),
        (lambda p: np.full((p, p), np.nan), "finite numbers"),
        (lambda p: np.eye(p) * 1j, "real numbers"),
        (lambda p: np.triu(np.ones((p, p))), "symmetric"),
    ],
)
def test_what_has_no_real_eigenvalues_is_refused(make, words, p):
    with pytest.raises(ValueError, match=words):
        spectrum(make(p))


def test_nested_lists_are_a_matrix():
    assert_allclose(np.ravel(spectrum([[2, 1], [1, 2]])), [1, 3])


# Damping ------------------------------------------------------------------------------------------


def test_a_positive_definite_matrix_needs_no_damping():
    advice = suggest_damping(np.diag([0.1, 1.0, 2.0]))
    assert (advice.damping, advice.smallest, advice.largest) == (0.0, 0.1, 2.0)
    assert "no damping is needed" in advice.reason


@pytest.mark.parametrize("smallest", [-0.4, 0.0, 1e-9])
def test_the_damping_suggested_for_an_indefinite_matrix_is_enough(smallest):
    A = np.diag([smallest, 1.0, 2.0])
    advice = suggest_damping(A)
    assert advice.damping == pytest.approx(1.5 * max(-smallest, 1e-3 * 2.0))
    assert np.linalg.eigvalsh(A + advice.damping * np.eye(3))[0] > 0
    assert "damping must exceed" in advice.reason


def test_a_matrix_that_curves_down_everywhere_gets_no_damping():
    with pytest.raises(ValueError, match="No eigenvalue is positive, the largest is -1.00e"):
        suggest_damping(-np.eye(3))
