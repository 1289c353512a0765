"""The losses: by hand, at extreme margins, and their derivatives in the scores."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import LOSSES, central_difference, make_examples
from scipy.special import log_softmax

from minfluence import models


def scores(name, k=None):
    """Scores (n, c), or (n, c, k), and labels."""
    _, y = make_examples(name, 6)
    c = LOSSES[name].n_outputs
    return np.random.default_rng(0).standard_normal((6, c) if k is None else (6, c, k)), y


def test_squared_loss_is_half_the_squared_error():
    X, y = make_examples("squared", 6)
    theta = np.arange(4.0)
    assert_allclose(models.squared(theta, X, y), (X @ theta - y) ** 2 / 2, rtol=1e-14)


def test_logistic_loss_is_minus_the_log_probability_of_the_label():
    X, y = make_examples("logistic", 6)
    theta = np.arange(4.0)
    assert_allclose(
        models.logistic(theta, X, y), -np.log(1 / (1 + np.exp(-y * (X @ theta)))), rtol=1e-12
    )


def test_softmax_loss_is_minus_the_log_probability_of_the_class():
    X, y = make_examples("softmax", 6)
    theta = np.arange(12.0) / 10
    expected = -log_softmax(X @ theta.reshape(4, 3), axis=1)[np.arange(6), y]
    assert_allclose(models.softmax(3)(theta, X, y), expected, rtol=1e-12)


def test_softmax_of_two_classes_is_the_logistic_loss_of_their_difference():
    X, y = make_examples("logistic", 6)
    Theta = np.random.default_rng(0).standard_normal((4, 2))
    two = models.softmax(2)(Theta.ravel(), X, (y + 1) // 2)
    assert_allclose(two, models.logistic(Theta[:, 1] - Theta[:, 0], X, y), rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_huge_margins_neither_overflow_nor_turn_into_nan(name):
    S, y = scores(name)
    loss, T = LOSSES[name], np.ones((6, LOSSES[name].n_outputs, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for big in (1e4 * S, -1e4 * S):
            for result in (loss.value(big, y), loss.slope(big, y), loss.curvature(big, y, T)):
                assert np.isfinite(result).all()


@pytest.mark.parametrize("name", LOSSES)
def test_slope_is_the_derivative_of_the_loss_in_the_scores(name):
    S, y = scores(name)
    J = central_difference(lambda S: LOSSES[name].value(S, y), S)  # (n, n, c), diagonal
    expected = J[np.arange(6), np.arange(6)]
    assert_allclose(LOSSES[name].slope(S, y), expected, rtol=1e-7, atol=1e-9)
    assert np.abs(J).sum() == pytest.approx(np.abs(expected).sum())  # row i is example i's alone


@pytest.mark.parametrize("name", LOSSES)
def test_curvature_is_the_derivative_of_the_slope_in_the_scores(name):
    S, y = scores(name)
    c = LOSSES[name].n_outputs
    J = central_difference(lambda S: LOSSES[name].slope(S, y), S)  # (n, c, n, c)
    expected = J[np.arange(6), :, np.arange(6)]
    unit = np.eye(c)[None]
    assert_allclose(
        np.broadcast_to(LOSSES[name].curvature(S, y, unit), (6, c, c)),
        expected,
        rtol=1e-7,
        atol=1e-9,
    )


@pytest.mark.parametrize("name", LOSSES)
def test_scores_of_many_parameter_vectors_go_side_by_side(name):
    S, y = scores(name, k=3)
    loss = LOSSES[name]
    for f in (loss.value, loss.slope):
        one_by_one = np.stack([f(S[:, :, j], y) for j in range(3)], axis=-1)
        assert_allclose(f(S, y), one_by_one, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_leave_scores_and_labels_alone(name):
    S, y = scores(name)
    S_before, y_before = S.copy(), y.copy()
    T = np.ones((6, LOSSES[name].n_outputs, 2))
    LOSSES[name].value(S, y), LOSSES[name].slope(S, y), LOSSES[name].curvature(S, y, T)
    assert (S_before == S).all() and (y_before == y).all() and (T == 1).all()


@pytest.mark.parametrize("labels", [np.int64, np.int8, np.float64, np.float32])
def test_the_type_of_the_labels_does_not_matter(labels):
    for name in ("logistic", "softmax"):
        X, y = make_examples(name, 6)
        theta = np.arange(4.0 * LOSSES[name].n_outputs)
        assert_allclose(LOSSES[name](theta, X, y.astype(labels)), LOSSES[name](theta, X, y))
