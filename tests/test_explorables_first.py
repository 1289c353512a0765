"""The explorables of chapter 0: the browser's numbers are the package's, and those of refits."""

import numpy as np
import pytest
from node import in_node
from numpy.testing import assert_allclose

import minfluence as mi

pytest.importorskip("anywidget", reason="anywidget is not installed")

from minfluence.book.explorables import Line, Mean  # noqa: E402

NAMES = list("ABCDEFGHIJ")
INCOMES = np.array([18, 22, 24, 27, 29, 31, 34, 38, 45, 82.0])
X = np.array([0.5, 1.2, 2.0, 2.6, 3.3, 4.1, 4.8, 5.5, 6.2, 7.0, 7.9, 9.8])
Y = np.array([3.4, 2.1, 4.1, 3.4, 5.4, 4.0, 6.3, 5.2, 6.0, 7.6, 6.4, 5.6])


def as_line(x, y):
    """The regression of y on x as the package sees it."""
    return mi.LinearObjective(mi.models.squared, np.column_stack([np.ones(len(x)), x]), y)


# --- the mean -------------------------------------------------------------------------------------


@pytest.mark.parametrize("selected", [0, 6, 9])
def test_a_mean_is_least_squares_with_an_intercept_alone(selected):
    state = {"incomes": INCOMES.tolist(), "selected": selected, "weight": 0.35}
    found = in_node(Mean, "js.explore(problem)", state)
    objective = mi.LinearObjective(mi.models.squared, np.ones((10, 1)), INCOMES)
    mean = mi.fit(objective).theta
    influence = mi.Influence(objective, mean)
    refits = mi.refit_without(objective, mean, range(10), progress=False).thetas[:, 0]
    assert found["mean"] == pytest.approx(mean[0])
    assert_allclose(found["without"], refits, rtol=1e-10)
    assert found["exact"] == pytest.approx(refits[selected] - mean[0])
    assert found["first"] == pytest.approx(-influence.up(np.ones(1))[selected] / 10)
    assert found["exact"] / found["first"] == pytest.approx(10 / 9)
    assert found["slope"] == pytest.approx(-found["first"])
    now = np.average(INCOMES, weights=np.where(np.arange(10) == selected, 0.35, 1))
    assert found["now"] == pytest.approx(now)
    assert found["tangent"] == pytest.approx(mean[0] - 0.65 * found["slope"])


def test_the_jackknife_of_a_mean_is_the_standard_error_of_the_textbooks():
    state = {"incomes": INCOMES.tolist(), "selected": 0, "weight": 1}
    found = in_node(Mean, "js.explore(problem)", state)
    assert found["error"] == pytest.approx(found["textbook"])
    assert found["error"] == pytest.approx(INCOMES.std(ddof=1) / np.sqrt(10))


def test_python_sees_the_incomes():
    widget = Mean(NAMES, INCOMES, selected=9)
    assert widget.incomes == INCOMES.tolist() and widget.names == NAMES
    assert (widget.selected, widget.weight, widget.without) == (9, 1.0, [])
    assert "10 incomes" in repr(widget)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((NAMES[:2], INCOMES[:2]), "number of incomes .* at least 3, got 2"),
        ((NAMES[:9], INCOMES), "Expected 10 different names for 10 incomes"),
        (("AABCDEFGHI", INCOMES), "Expected 10 different names"),
        ((NAMES, 2 * INCOMES), r"incomes must lie in 0 .. 100, got 36\.0 .. 164\.0"),
        ((NAMES, -INCOMES), r"incomes must lie in 0 .. 100, got -82"),
        ((NAMES, np.full(10, np.nan)), "incomes holds NaN"),
        ((NAMES, INCOMES, 10), "selected must be a whole number in 0 .. 9, got 10"),
    ],
)
def test_incomes_that_cannot_be_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Mean(*arguments)


# --- the line -------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0.0, 4.5, 10.0])
def test_the_line_its_leverages_and_distances_are_those_of_the_package(place):
    state = {"x": X.tolist(), "y": Y.tolist(), "place": place, "selected": 0}
    found = in_node(Line, "js.explore(problem)", state)
    objective = as_line(X, Y)
    theta = mi.fit(objective).theta
    influence = mi.Influence(objective, theta)
    refits = mi.refit_without(objective, theta, range(12), progress=False).thetas
    h = mi.leverage(objective, theta)
    assert_allclose(found["theta"], theta, rtol=1e-8)
    assert_allclose(found["leverage"], h, rtol=1e-8)
    assert_allclose(found["residual"], Y - objective.X @ theta, rtol=1e-8)
    assert_allclose(found["cook"], mi.cooks_distance(objective, theta), rtol=1e-8)
    assert_allclose(found["without"], refits, rtol=1e-8)
    at = np.array([1.0, place])
    assert_allclose(found["predicted"], -influence.up(at) / 12, rtol=1e-8, atol=1e-12)
    assert_allclose(found["actual"], (refits - theta) @ at, rtol=1e-8, atol=1e-12)
    on_rays = np.array(found["predicted"]) / (1 - h)
    assert_allclose(found["actual"], on_rays, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("place", [5.0, 9.8])
def test_an_outlier_is_as_far_from_the_line_of_the_others_as_it_says(place):
    problem = {"x": X.tolist(), "y": Y.tolist()}
    moved = in_node(Line, f"js.outlier(problem, 11, {place}, -4)", problem)
    assert moved["x"][:11] == X[:11].tolist() and moved["x"][11] == place
    others = mi.fit(as_line(X[:11], Y[:11])).theta
    assert moved["y"][11] == pytest.approx(others @ [1, place] - 4)
    assert 0 <= moved["y"][11] <= 10  # it stays in the picture
    objective = as_line(np.array(moved["x"]), np.array(moved["y"]))
    theta = mi.fit(objective).theta
    residual = moved["y"][11] - theta @ [1, place]
    assert residual == pytest.approx(-4 * (1 - mi.leverage(objective, theta)[11]))


def test_a_point_without_which_there_is_no_line_has_leverage_one():
    state = {"x": [2, 2, 2, 2, 7], "y": [1, 2, 3, 4, 6], "place": 10, "selected": 4}
    found = in_node(Line, "js.explore(problem)", state)
    assert found["leverage"][4] == pytest.approx(1)
    assert found["without"][4] is None and found["actual"][4] is None
    assert None not in found["actual"][:4]
    assert in_node(Line, "js.explore(problem)", state | {"x": [2] * 5}) is None


def test_python_sees_the_points():
    widget = Line(X, Y, place=8, selected=11)
    assert (widget.x, widget.y) == (X.tolist(), Y.tolist())
    assert (widget.place, widget.selected, widget.predicted, widget.actual) == (8.0, 11, [], [])
    assert "12 points" in repr(widget)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((X[:3], Y[:3]), "number of points .* at least 4, got 3"),
        ((X, Y[:9]), r"y must have shape \(12,\), got \(9,\)"),
        ((X + 1, Y), r"x must lie in 0 .. 10, got 1\.5 .. 10\.8"),
        ((X, Y, 11), r"place must lie in 0 .. 10, got 11\.0"),
        ((X, Y, np.nan), "place must lie in 0 .. 10, got nan"),
        (([1, 1, 1, 2], [1, 2, 3, 4]), "at three places or more"),
        ((X, Y, 10, -1), "selected must be a whole number in 0 .. 11, got -1"),
    ],
)
def test_points_that_cannot_be_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Line(*arguments)


@pytest.mark.parametrize("widget", [Mean, Line])
def test_each_is_one_module_that_needs_no_other_file(widget):
    assert "export default { render: again(render) };" in str(widget._esm)
    assert "\nimport " not in str(widget._esm)
