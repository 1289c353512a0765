"""Units of features decide nothing: area in square metres or millimetres, years since 0 or 1950."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from problems import LOSSES, make_examples

import minfluence as mi
from minfluence import LinearObjective
from minfluence.minimum import in_natural_units

NAMES = ["squared", "huber", "poisson", "logistic", "centered_softmax"]
UNITS = {
    "tiny": np.full(5, 1e-10),
    "huge": np.full(5, 1e10),
    "mixed": np.array([1e6, 1e-6, 1e3, 1e-3, 1.0]),
    "far apart": np.array([1e8, 1e-8, 1.0, 1.0, 1.0]),
}


def features(X, units, shift):
    """Columns in these units, some of them far from 0, as years are; and an intercept."""
    return np.column_stack([X + shift * np.array([0.0, 30.0, 3.0, 0.0]), np.ones(len(X))]) * units


def answers(name, units, shift, form=np.asarray):
    """Predicted and actual changes, for which no unit matters: there is no penalty."""
    X, y = make_examples(name, 120)
    X = features(X, units, shift)
    o = LinearObjective(LOSSES[name], form(X), y)
    found = mi.fit(o)
    influence = mi.Influence(o, found.theta)
    actual = mi.actual_change(o, found.theta, range(6), X[:4], y[:4], progress=False)
    return influence.predicted_change(X[:4], y[:4]), actual, found.converged


@pytest.mark.parametrize("shift", [0.0, 1.0])
@pytest.mark.parametrize("units", UNITS.values(), ids=UNITS.keys())
@pytest.mark.parametrize("name", NAMES)
def test_no_unit_of_a_feature_changes_a_change(name, units, shift):
    expected = answers(name, np.ones(5), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = answers(name, units, shift)
    assert found[2]
    for ours, theirs in zip(found[:2], expected[:2], strict=True):
        assert_allclose(ours, theirs, atol=1e-5 * abs(theirs).max())


def test_nor_does_it_where_they_are_sparse():
    expected = answers("logistic", np.ones(5), 0.0)
    found = answers("logistic", UNITS["far apart"], 0.0, sp.csr_matrix)
    for ours, theirs in zip(found[:2], expected[:2], strict=True):
        assert_allclose(ours, theirs, atol=1e-5 * abs(theirs).max())


def test_natural_units_are_of_the_same_risk_and_only_where_they_are_needed():
    X, y = make_examples("softmax")
    theta = np.random.default_rng(0).standard_normal(12)
    o = LinearObjective(LOSSES["softmax"], X, y, l2=0.1)
    assert in_natural_units(o) == (o, 1.0)
    far = LinearObjective(LOSSES["softmax"], X * [1e8, 1, 1, 0], y, l2=np.full(12, 1e-9))
    assert in_natural_units(far, gtol=1e-8) == (far, 1.0)
    scaled, units = in_natural_units(far)
    assert 0.1 < abs(scaled.X).max() < 10
    assert_allclose(scaled.risk(theta), far.risk(theta * units), rtol=1e-12)
    assert_allclose(scaled.grad(theta), units * far.grad(theta * units), rtol=1e-9)


def test_an_estimate_far_off_in_a_feature_of_a_small_unit_is_noticed():
    X, y = make_examples("squared")
    X = features(X, UNITS["far apart"], 0.0)
    o = LinearObjective(LOSSES["squared"], X, y)
    theta = mi.fit(o).theta
    with pytest.warns(mi.FarFromMinimum):
        mi.Influence(o, theta + [0, 1e8, 0, 0, 0])


def test_a_gradient_that_is_rounding_only_is_no_reason_to_warn():
    X = np.random.default_rng(0).standard_normal((20, 50))  # the fit passes through every label
    o = LinearObjective(LOSSES["squared"], X, X[:, 0] + X[:, 1])
    theta = np.linalg.lstsq(X, o.y, rcond=None)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = mi.Influence(o, theta).report
    assert report.grad_norm > report.example_push  # both of them nothing
    with pytest.warns(mi.FarFromMinimum):
        mi.Influence(o, theta + 1e-3 * X[0])
