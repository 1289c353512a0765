"""The live pictures that stand where frames stood: the browser's numbers are the package's."""

import numpy as np
import pytest
from node import in_node
from numpy.testing import assert_allclose

import minfluence as mi

pytest.importorskip("anywidget", reason="anywidget is not installed")

from minfluence.book.explorables import (  # noqa: E402
    Budget,
    Groups,
    Label,
    Leverage,
    Turn,
    Without,
)

# --- taking points away ---------------------------------------------------------------------------

X, Y = mi.data.two_clouds(40, rng=2)
X_TEST, Y_TEST = (part[0] for part in mi.data.two_clouds(40, rng=102))
CROSS = (*X_TEST[:2], Y_TEST)
STATE = {
    "points": [{"x": list(x[:2]), "y": y} for x, y in zip(X.tolist(), Y, strict=True)],
    "test": {"x": X_TEST[:2].tolist(), "y": Y_TEST},
    "l2": 0.01,
}


@pytest.mark.parametrize("gone", [[24], [2], [24, 13, 36], list(range(30))])
def test_without_a_group_the_loss_changes_as_the_package_says(gone):
    found = in_node(Groups, "js.explore(js.prepare(problem), problem.gone)", STATE | {"gone": gone})
    objective = mi.LinearObjective(mi.models.logistic, X, Y, 0.01)
    theta = mi.fit(objective, gtol=1e-13).theta
    scores = mi.Influence(objective, theta).predicted_change(X_TEST, Y_TEST)
    assert found["predicted"] == pytest.approx(scores[gone].sum(), rel=1e-8)
    truth = mi.actual_change(
        objective, theta, [gone], X_TEST[None], Y_TEST[None], gtol=1e-13, progress=False
    )
    assert found["actual"] == pytest.approx(truth.item(), rel=1e-7)


def test_nobody_gone_changes_nothing():
    found = in_node(Without, "js.explore(js.prepare(problem), [])", STATE)
    assert (found["predicted"], found["actual"]) == (0, 0)


def test_a_line_around_points_catches_what_lies_within():
    way = [[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]]  # a notch from above
    places = [[1, 1], [2, 3], [3.5, 2], [5, 1], [-1, 2], [2, 0.5]]
    code = "js.within(problem.way, problem.places)"
    assert in_node(Groups, code, {"way": way, "places": places}) == [0, 2, 5]


def test_the_next_to_go_is_the_nearest_that_is_there():
    gone = [24]
    for _ in range(3):
        gone.append(
            in_node(
                Groups,
                "js.nextTo(problem.points, problem.gone, problem.gone[0])",
                STATE | {"gone": gone},
            )
        )
    distance = np.linalg.norm(X - X[24], axis=1)
    assert gone == np.argsort(distance)[:4].tolist()


def test_python_sees_who_is_gone():
    one = Without(X[:, :2], Y, CROSS, gone=[24])
    assert (one.gone, one.many, one.predicted) == ([24], False, [])
    assert "tapped away" in repr(one)
    several = Groups(X[:, :2], Y, CROSS, gone=[24, 13])
    assert (several.gone, several.many) == ([24, 13], True)
    assert several._esm == one._esm


@pytest.mark.parametrize(
    ("widget", "arguments", "sentence"),
    [
        (Without, {"gone": [1, 2]}, "at most 1 different examples"),
        (Groups, {"gone": [1, 1]}, "at most 36 different examples"),
        (Groups, {"gone": list(range(37))}, "at most 36 different examples"),
        (Groups, {"gone": [40]}, "gone must be a whole number in 0 .. 39, got 40"),
        (Without, {"X": np.ones((4, 2)), "y": np.ones(4)}, "at least 5, got 4"),
        (Without, {"l2": 0.0}, "l2 must be greater than 0"),
    ],
)
def test_what_cannot_be_taken_away_is_refused(widget, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        widget(**{"X": X[:, :2], "y": Y, "test": CROSS} | arguments)


# --- leverage -------------------------------------------------------------------------------------

PLACES = np.array([0.5, 1.2, 2.0, 2.6, 3.3, 4.1, 4.8, 5.5, 6.2, 7.0, 7.9, 9.8])
HEIGHTS = np.array([3.4, 2.1, 4.1, 3.4, 5.4, 4.0, 6.3, 5.2, 6.0, 7.6, 6.4, 5.6])


@pytest.mark.parametrize(("place", "miss"), [(5.0, -4.0), (20.0, 2.5), (40.0, -4.0)])
def test_the_point_that_is_pulled_away_has_the_leverage_and_influence_of_the_package(place, miss):
    state = {"x": PLACES.tolist(), "y": HEIGHTS.tolist(), "place": place, "miss": miss}
    found = in_node(Leverage, "js.explore(problem)", state)
    A = np.column_stack([np.ones(12), [*PLACES[:-1], place]])
    y = np.array([*HEIGHTS[:-1], found["y"]])
    objective = mi.LinearObjective(mi.models.squared, A, y)
    theta = mi.fit(objective).theta
    h = mi.leverage(objective, theta)[11]
    assert found["leverage"] == pytest.approx(h)
    assert found["residual"] == pytest.approx(y[11] - A[11] @ theta)
    predicted = -mi.Influence(objective, theta).up(A[11])[11] / 12
    assert found["predicted"] == pytest.approx(predicted)
    (without,) = mi.refit_without(objective, theta, [11], progress=False).thetas
    assert found["actual"] == pytest.approx(A[11] @ (without - theta))
    assert found["actual"] / found["predicted"] == pytest.approx(1 / (1 - h))
    assert y[11] - A[11] @ without == pytest.approx(miss)
    assert found["actual"] == pytest.approx(-h * miss)
    assert found["predicted"] == pytest.approx(-h * (1 - h) * miss)


def test_python_sees_the_point_that_is_pulled_away():
    widget = Leverage(PLACES, HEIGHTS, place=20)
    assert (widget.place, widget.miss, widget.actual) == (20.0, -4.0, [])
    assert "from 11 others" in repr(widget)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"x": PLACES[:3], "y": HEIGHTS[:3]}, "number of points .* at least 4, got 3"),
        ({"x": PLACES + 1}, "places x must be a number from 0 to 10, got 10.8"),
        ({"x": [1, 1, 1, 2], "y": [1, 2, 3, 4]}, "at two places or more"),
        ({"place": 50}, "place must be a number from 5 to 40, got 50"),
        ({"miss": 0.0}, "miss must be a number and not 0"),
        ({"miss": np.nan}, "miss must be a number and not 0"),
    ],
)
def test_a_point_that_cannot_be_pulled_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Leverage(**{"x": PLACES, "y": HEIGHTS} | arguments)


# --- a direction that turns -----------------------------------------------------------------------

H = np.array([[0.4, 0.05], [0.05, 0.19]])


@pytest.mark.parametrize("angle", [0, 33, 90, 200])
def test_the_product_its_length_and_its_angle_are_those_of_numpy(angle):
    found = in_node(Turn, "js.explore(problem)", {"H": H.tolist(), "angle": angle})
    v = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    assert_allclose(found["v"], v, atol=1e-12)
    assert_allclose(found["product"], H @ v, atol=1e-12)
    assert found["length"] == pytest.approx(np.linalg.norm(H @ v))
    assert found["curvature"] == pytest.approx(v @ H @ v)
    between = np.degrees(np.arccos(v @ H @ v / np.linalg.norm(H @ v)))
    assert abs(found["turned"]) == pytest.approx(between, abs=1e-6)


def test_eigenvectors_keep_their_direction_and_products_lead_to_the_first():
    code = """(() => {
      const { values, angles } = js.eigen(problem);
      const at = angles.map((angle) => js.explore({ H: problem, angle }));
      let angle = 80;
      for (let k = 0; k < 60; k++) angle = js.multiplied(problem, angle);
      const [turned, curvature] = ["turned", "curvature"].map((name) => at.map((f) => f[name]));
      return { values, angles, turned, curvature, angle };
    })()"""
    found = in_node(Turn, code, H.tolist())
    values = np.linalg.eigvalsh(H)[::-1]
    assert_allclose(found["values"], values)
    assert_allclose(found["curvature"], values)
    assert_allclose(found["turned"], [0, 0], atol=1e-9)
    assert found["angle"] % 180 == pytest.approx(found["angles"][0] % 180)


def test_python_sees_the_direction():
    widget = Turn(H, 30)
    assert (widget.angle, widget.product) == (30.0, []) and "direction v" in repr(widget)
    for wrong in ([[1, 2], [0, 1]], [[1, 0], [0, -1]]):
        with pytest.raises(ValueError, match="H must be symmetric and positive definite"):
            Turn(wrong)
    with pytest.raises(ValueError, match="angle must be a number from 0 to 360"):
        Turn(H, 400)


# --- a label that is dragged ----------------------------------------------------------------------


@pytest.mark.parametrize("delta", [None, 1.0, 0.25])
@pytest.mark.parametrize("label", [5.6, 12.0, -3.0])
def test_the_line_follows_a_label_as_refits_and_the_slope_say(delta, label):
    y = HEIGHTS.copy()
    y[11] = label
    problem = {"x": PLACES.tolist(), "y": y.tolist(), "first": 5.6, "place": 10, "selected": 11}
    problem |= {"labels": [-3.0, 0.0, 6.0, 12.0]}
    given = "{...problem, delta: %s}" % ("Infinity" if delta is None else delta)
    found = in_node(Label, f"js.explore({given})", problem)
    loss = mi.models.squared if delta is None else mi.models.huber(delta)
    A, at = np.column_stack([np.ones(12), PLACES]), np.array([1.0, 10.0])

    def fitted(value):
        labels = HEIGHTS.copy()
        labels[11] = value
        objective = mi.LinearObjective(loss, A, labels, 1e-6)
        return objective, mi.fit(objective, gtol=1e-12).theta

    objective, home = fitted(5.6)
    assert_allclose(found["home"], home, rtol=1e-6)
    assert found["change"] == pytest.approx(at @ (fitted(label)[1] - home), rel=1e-5, abs=1e-7)
    refits = [at @ (fitted(value)[1] - home) for value in problem["labels"]]
    assert_allclose(found["refits"], refits, rtol=1e-5, atol=1e-7)
    curvature = loss.curvature((A @ home)[11:12, None], HEIGHTS[[11]]).item()
    solved = np.linalg.solve(objective.hessian(home), A[11])
    assert found["rate"] == pytest.approx(curvature * (solved @ at) / 12, rel=1e-6)
    objective, theta = fitted(label)
    # the penalty, which the picture leaves out of each point's own pull, is tiny
    predicted = -mi.Influence(objective, theta).up(at) / 12
    assert_allclose(found["influence"], predicted, rtol=1e-3, atol=1e-5)


def test_python_sees_the_label():
    widget = Label(PLACES, HEIGHTS, selected=11, loss="Huber")
    assert (widget.label, widget.loss, widget.delta, widget.actual) == (5.6, "Huber", 1.0, [])
    assert "one label" in repr(widget)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"x": PLACES[:3], "y": HEIGHTS[:3]}, "number of points .* at least 4, got 3"),
        ({"y": HEIGHTS * 2}, r"y must lie in 0 .. 10, got 4\.2 .. 15\.2"),
        ({"delta": 0.0}, "delta must be greater than 0"),
        ({"selected": 12}, "selected must be a whole number in 0 .. 11, got 12"),
        ({"loss": "hinge"}, "loss must be"),
        ({"place": 11}, "place must be a number from 0 to 10"),
    ],
)
def test_a_label_that_cannot_be_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Label(**{"x": PLACES, "y": HEIGHTS} | arguments)


# --- a budget -------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
AT = RNG.uniform(0.01, 1, (50, 2))
ORDERS = {"influence": np.argsort(-(AT[:, 0] ** 2) * AT[:, 1]), "loss": np.argsort(-AT[:, 0])}
WRONG, SHOWN = np.arange(0, 50, 5), np.arange(1, 50, 5)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5])
def test_each_ranking_has_found_what_the_package_counts(share):
    widget = Budget({"weak": (AT, ORDERS)}, WRONG, SHOWN)
    state = {"n": 50, "rankings": widget.cases["weak"]["rankings"], "share": share}
    found = in_node(Budget, "js.explore(problem)", state)
    checked = int(share * 50)
    assert found["checked"] == checked
    for name, order in ORDERS.items():
        recall = [0, *mi.audit.found(order, WRONG)][checked]
        assert found["found"][name] == pytest.approx(recall)


def test_python_sees_the_budget():
    widget = Budget({"weak": (AT, ORDERS), "strong": (AT / 2, ORDERS)}, WRONG, SHOWN, of="penalty")
    assert (widget.share, widget.method, widget.case, widget.of) == (
        0.1,
        "influence",
        "weak",
        "penalty",
    )
    assert_allclose(widget.cases["strong"]["wrong"], AT[WRONG] / 2, rtol=0.01)
    assert widget.found == {} and "Rankings of 50 labels by influence, loss" in repr(widget)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cases": {}}, "at least one case"),
        ({"cases": {"a": (AT * 2, ORDERS)}}, "positions must lie in 0 .. 1 across"),
        ({"cases": {"a": (AT, {"loss": np.arange(49)})}}, "an order of all 50"),
        ({"cases": {"a": (AT, ORDERS), "b": (AT[:49], ORDERS)}}, "as many examples"),
        ({"wrong": []}, "one index or a list"),
        ({"shown": WRONG}, "shown must name examples that are not wrong"),
        ({"share": 0.6}, "share must be a number from 0 to 0.5"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        Budget(**{"cases": {"a": (AT, ORDERS)}, "wrong": WRONG, "shown": SHOWN} | change)
