"""The knob of chapter 2 and the steps to a refit: the browser's numbers are the package's."""

import numpy as np
import pytest
from node import in_node
from numpy.testing import assert_allclose

import minfluence as mi

pytest.importorskip("anywidget", reason="anywidget is not installed")

from minfluence.book.explorables import Refit, Weight  # noqa: E402

X, Y = mi.data.two_clouds(40, rng=2)
X_TEST, Y_TEST = (part[0] for part in mi.data.two_clouds(40, rng=102))
OBJECTIVES = {
    "logistic": mi.LinearObjective(mi.models.logistic, X, Y, 0.01),
    "squared": mi.LinearObjective(mi.models.squared, X, Y, 0.01),
}
POINTS = [{"x": list(x[:2]), "y": y} for x, y in zip(X.tolist(), Y, strict=True)]
TEST = {"x": X_TEST[:2].tolist(), "y": Y_TEST}


def refitted(example, weight, loss="logistic"):
    objective = OBJECTIVES[loss]
    return mi.fit(objective.upweighted(example, (weight - 1) / 40), gtol=1e-12).theta


@pytest.fixture(scope="module")
def prepared():
    """Examples as the browser prepares them, each asked for once."""
    found = {}

    def of(example):
        if example not in found:
            problem = {"points": POINTS, "test": TEST, "l2": 0.01, "example": example}
            at = "js.KNOB.map((w) => js.explore(js.prepare(problem), w))"
            code = f"{{...js.prepare(problem), at: {at}}}"
            found[example] = in_node(Weight, code, problem)
        return found[example]

    return of


# --- the knob -------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", [24, 2, 13, 0])
def test_each_position_of_the_knob_is_a_refit(prepared, example):
    found = prepared(example)
    objective = OBJECTIVES["logistic"]
    for k in (0, 5, 20, 30, 40):
        theta = refitted(example, k / 20)
        assert_allclose(found["refits"][k], theta, rtol=1e-7, atol=1e-9)
        (loss,) = objective.test_losses(theta, [X_TEST], [Y_TEST])
        assert found["losses"][k] == pytest.approx(loss, rel=1e-7)


def test_the_tangent_is_up_loss(prepared):
    objective = OBJECTIVES["logistic"]
    influence = mi.Influence(objective, mi.fit(objective).theta)
    scores = influence.predicted_change(X_TEST, Y_TEST)
    found = prepared(24)
    assert_allclose(found["predicted"], scores, rtol=1e-8, atol=1e-12)
    straight = [at["parts"][0] for at in found["at"]]
    assert_allclose(straight, scores[24] * (1 - np.arange(41) / 20), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("example", [24, 2, 13, 0])
@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0, 2.0])
def test_chord_and_newton_steps_are_those_of_their_hessians(prepared, example, weight):
    objective = OBJECTIVES["logistic"]
    theta, eps = mi.fit(objective, gtol=1e-12).theta, (weight - 1) / 40
    g = objective.example_grads(theta, [example])[0]
    at = prepared(example)["at"][round(20 * weight)]
    chord = theta - eps * np.linalg.solve(objective.hessian(theta), g)
    reweighted = objective.upweighted(example, eps)
    newton = theta - eps * np.linalg.solve(reweighted.hessian(theta), g)
    assert_allclose(at["chord"], chord, rtol=1e-7, atol=1e-9)
    assert_allclose(at["newton"], newton, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("example", [24, 2, 13, 0])
def test_the_parts_are_what_they_are_called_and_add_up(prepared, example):
    objective = OBJECTIVES["logistic"]
    theta = mi.fit(objective, gtol=1e-12).theta
    g = objective.test_grads(theta, [X_TEST], [Y_TEST])[0]

    def loss(at):
        return objective.test_losses(np.array(at), [X_TEST], [Y_TEST])[0]

    for at in prepared(example)["at"][::10]:
        chord, newton, refit = (
            loss(at[name]) - loss(theta) for name in ("chord", "newton", "refit")
        )
        straight = g @ (np.array(at["chord"]) - theta)
        expected = [straight, chord - straight, newton - chord, refit - newton]
        assert_allclose(at["parts"], expected, atol=1e-9)
        assert sum(at["parts"]) == pytest.approx(refit, abs=1e-9)
        assert at["change"] == pytest.approx(refit, abs=1e-9)
        assert at["parts"][1] >= 0, "the logistic loss is convex"


def test_numbers_that_are_shown_add_up():
    many = np.random.default_rng(0).normal(0, 0.1, (50, 4))
    for parts, shown in zip(
        many, in_node(Weight, "problem.map(js.addingUp)", many.tolist()), strict=True
    ):
        assert sum(shown) == pytest.approx(round(parts.sum(), 4), abs=1e-9)
        assert_allclose(shown, parts, atol=0.00011)


@pytest.mark.parametrize("loss", ["logistic", "squared"])
def test_level_lines_lie_at_their_heights(loss):
    objective = OBJECTIVES[loss].upweighted(24, -1 / 40)
    minimum = mi.fit(objective, gtol=1e-12).theta
    plane = {"along": [0.6, 0.8, 0.0], "across": [0.0, 0.0, 1.0]}
    problem = {"points": POINTS, "minimum": minimum.tolist(), "plane": plane, "loss": loss}
    given = "points: problem.points, weights: js.weighted(problem.points, 24, 0), l2: 0.01"
    given = f"{{{given}, of: js.LOSSES[problem.loss]}}"
    code = f"js.levelLines({given}, problem.minimum, problem.plane, [0.01, 0.1, 0.5])"
    along, across = np.array(plane["along"]), np.array(plane["across"])
    for height, ring in zip((0.01, 0.1, 0.5), in_node(Weight, code, problem), strict=True):
        for a, b in ring[::9]:
            risk = objective.risk(minimum + a * along + b * across) - objective.risk(minimum)
            assert risk == pytest.approx(height, rel=1e-3)


# --- the steps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["logistic", "squared"])
@pytest.mark.parametrize(("example", "weight"), [(24, 0), (2, 0), (13, 2), (33, 0.5)])
def test_each_step_is_the_one_of_its_name(loss, example, weight):
    problem = {"points": POINTS, "l2": 0.01, "example": example, "weight": weight, "model": loss}
    found = in_node(Refit, "js.prepare(problem)", problem)
    objective = OBJECTIVES[loss]
    new = objective.upweighted(example, (weight - 1) / 40)
    theta, refit = mi.fit(objective, gtol=1e-12).theta, refitted(example, weight, loss)
    assert_allclose(found["refit"], refit, rtol=1e-6, atol=1e-8)
    H = objective.hessian(theta)
    for name, resist in (("chord", lambda _: H), ("newton", new.hessian)):
        at = theta
        for k in range(4):
            assert_allclose(found[name][k], at, rtol=1e-6, atol=1e-8)
            left = np.linalg.norm(at - refit) / np.linalg.norm(theta - refit)
            assert found["left"][name][k] == pytest.approx(left, rel=1e-4, abs=1e-7)
            at = at - np.linalg.solve(resist(at), new.grad(at))


@pytest.mark.parametrize("example", [24, 2, 0])
def test_newton_arrives_at_once_for_least_squares_and_doubles_its_digits_otherwise(example):
    state = {"points": POINTS, "l2": 0.01, "example": example, "weight": 0}
    squared = in_node(Refit, "js.prepare(problem)", state | {"model": "squared"})["left"]
    assert squared["newton"][1] < 1e-10 < squared["chord"][4]
    left = in_node(Refit, "js.prepare(problem)", state | {"model": "logistic"})["left"]
    rates = np.divide(left["chord"][2:], left["chord"][1:-1])
    assert rates[-1] < 0.5 and abs(rates[-1] - rates[-2]) < 0.05  # each step leaves the same share
    one, two, three = left["newton"][1:4]
    assert three < 10 * two**2 and two < 10 * one**2


# --- Python's side --------------------------------------------------------------------------------


def test_python_sees_the_knob_and_the_walk():
    knob = Weight(X[:, :2], Y, [*X_TEST[:2], Y_TEST], 24)
    assert (knob.example, knob.weight, knob.predicted) == (24, 0.0, [])
    assert "the weight of example 24 as a knob" in repr(knob)
    assert Weight(X[:, :2], Y, [0, 0, 1], 1, weight=0.52).weight == 0.5  # a position of the knob
    walk = Refit(X[:, :2], Y, 24, weight=2)
    assert (walk.example, walk.weight, walk.loss, walk.chord) == (24, 2.0, "logistic", [])
    assert "example 24 has 2 times its weight" in repr(walk)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"X": np.ones((40, 3))}, r"X must have shape \(n, 2\)"),
        ({"X": np.ones((3, 2)), "y": [1, 1, -1]}, "number of points .* at least 4, got 3"),
        ({"example": 40}, "example must be a whole number in 0 .. 39, got 40"),
        ({"weight": 2.5}, "weight must be a number from 0 to 2, got 2.5"),
        ({"weight": np.nan}, "weight must be a number from 0 to 2, got nan"),
        ({"test": (0.1, 0.2, 0)}, "labels -1 and"),
        ({"l2": 0.0}, "l2 must be greater than 0, got 0.0"),
    ],
)
def test_a_knob_that_cannot_be_is_refused(change, sentence):
    given = {"X": X[:, :2], "y": Y, "test": (0.1, 0.2, 1), "example": 24, "l2": 0.01} | change
    with pytest.raises(ValueError, match=sentence):
        Weight(**given)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"X": np.ones((40, 3))}, r"X must have shape \(n, 2\)"),
        ({"X": np.ones((3, 2)), "y": [1, 1, -1]}, "number of points .* at least 4, got 3"),
        ({"y": np.zeros(40)}, "labels -1 and"),
        ({"example": -1}, "example must be a whole number in 0 .. 39, got -1"),
        ({"weight": 1}, "at least 0 and not 1, got 1"),
        ({"weight": -0.5}, "at least 0 and not 1, got -0.5"),
        ({"loss": "hinge"}, 'loss must be "logistic" or "squared", got \'hinge\''),
        ({"l2": -1.0}, "l2 must be greater than 0, got -1.0"),
    ],
)
def test_a_walk_that_cannot_be_is_refused(change, sentence):
    given = {"X": X[:, :2], "y": Y, "example": 24} | change
    with pytest.raises(ValueError, match=sentence):
        Refit(**given)
