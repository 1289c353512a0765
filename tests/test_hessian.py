"""The Hessian as something you multiply by."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minfluence import Hessian, dense


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
