"""The live pictures of chapters 3 and 4: the browser's numbers are the package's."""

import numpy as np
import pytest
from node import in_node
from numpy.testing import assert_allclose

import minfluence as mi

pytest.importorskip("anywidget", reason="anywidget is not installed")


from minfluence.book.explorables import Arrows, Resemblance  # noqa: E402

L2 = 0.01


@pytest.fixture(scope="module")
def clouds():
    """Forty points with their column of ones, and the same as the browser gets them."""
    X, y = mi.data.two_clouds(40, rng=2)
    points = [{"x": list(x[:2]), "y": label} for x, label in zip(X, y, strict=True)]
    objective = mi.LinearObjective(mi.models.logistic, X, y, L2)
    return objective, mi.fit(objective, gtol=1e-13).theta, {"points": points, "l2": L2}


def test_files_that_several_pictures_share_are_put_into_each_once():
    for widget in (Arrows, Resemblance):
        for name in ("solve", "fit"):  # one of shared.js, one of logistic.js
            assert str(widget._esm).count(f"export function {name}(") == 1


# --- the arrows of chapter 3 ----------------------------------------------------------------------

CROSS = {"x": [-0.4, 1.3], "y": -1}
X_CROSS, Y_CROSS = np.array([[-0.4, 1.3, 1.0]]), np.array([-1.0])


def arrows(clouds, place):
    """What the picture finds after example 24 was moved to `place`."""
    objective, _, state = clouds
    points = [dict(point) for point in state["points"]]
    points[24] = points[24] | {"x": place}
    home = list(objective.X[24, :2])
    state = state | {"points": points, "test": CROSS, "moved": 24, "home": home}
    return in_node(Arrows, "js.explore(problem)", state)


@pytest.mark.parametrize("place", [[-1.2, 1.3], [2.0, -2.5], [-0.87, 1.31]])
def test_a_moved_example_changes_the_loss_as_the_package_says(clouds, place):
    objective, theta, _ = clouds
    found = arrows(clouds, place)
    influence = mi.Influence(objective, theta)
    new = np.array([[*place, 1.0]])
    swap = [24], new, objective.y[[24]]
    slope = influence.pert_loss(X_CROSS[0], Y_CROSS[0], [24])[0]
    assert_allclose(found["kl5"], slope @ (new[0] - objective.X[24]) / 40, rtol=1e-8)
    kl3 = influence.predicted_perturbed_change(*swap, X_CROSS[0], Y_CROSS[0])
    assert_allclose(found["kl3"], kl3.item(), rtol=1e-8)
    truth = mi.actual_perturbed_change(
        objective, theta, *swap, X_CROSS, Y_CROSS, gtol=1e-13, progress=False
    )
    assert_allclose(found["refit"], truth.item(), rtol=1e-8)


def test_the_arrows_are_kl_5_for_the_points_as_they_lie_now(clouds):
    objective, _, _ = clouds
    place = [-1.2, 1.3]
    moved = objective.perturbed(24, [*place, 1.0], objective.y[24])
    X = objective.X.copy()
    X[24, :2] = place
    now = mi.LinearObjective(mi.models.logistic, X, objective.y, L2)
    theta = mi.fit(moved, gtol=1e-13).theta
    expected = mi.Influence(now, theta).pert_loss(X_CROSS[0], Y_CROSS[0])[:, :2]
    assert_allclose(arrows(clouds, place)["arrows"], expected, rtol=1e-7, atol=1e-8)


def test_the_way_ends_beyond_the_example_and_says_how_far_the_slope_carries(clouds):
    found = arrows(clouds, [-3.0, 1.3])
    assert found["reach"] > found["distance"] > 2
    off = [abs(w["kl5"] - w["refit"]) > 0.1 * abs(w["refit"]) for w in found["way"]]
    far = [w["far"] for w in found["way"]]
    assert found["carries"] == pytest.approx(far[off.index(True) - 1])
    assert not found["carriesOn"] and 0 < found["carries"] < found["distance"]


def test_an_example_that_was_not_moved_is_shown_along_its_arrow(clouds):
    objective, _, _ = clouds
    found = arrows(clouds, list(objective.X[24, :2]))
    assert found["distance"] == 0 and found["kl5"] == 0 and abs(found["refit"]) < 1e-12
    steepest = np.linalg.norm(found["slope"]) / 40
    first = found["way"][1]
    assert first["kl5"] == pytest.approx(steepest * first["far"])


# --- resemblance, chapter 4 -----------------------------------------------------------------------


@pytest.mark.parametrize("kept", ["all factors", "no train loss", "no inverse H", "neither"])
def test_scores_are_products_of_the_factors_that_are_kept(clouds, kept):
    objective, theta, state = clouds
    state = state | {"test": {"x": [-0.4, 1.3], "y": -1}}
    code = f"js.explore(js.prepare(problem), problem.test, {kept!r})"
    found = in_node(Resemblance, code, state)
    X, y, H = objective.X, objective.y, objective.hessian(theta)
    inverse = np.eye(3) if kept in ("no inverse H", "neither") else np.linalg.inv(H)
    alike = X @ inverse @ X_CROSS[0]
    assert_allclose(found["alike"], alike, rtol=1e-8)
    assert found["self"] == pytest.approx(X_CROSS[0] @ inverse @ X_CROSS[0], rel=1e-8)
    train = 1 / (1 + np.exp(y * (X @ theta))) if kept in ("all factors", "no inverse H") else 1
    scores = y * train * alike / (1 + np.exp(-(X_CROSS[0] @ theta)))  # its label is -1
    assert_allclose(found["scores"], scores, rtol=1e-8)
    actual = mi.actual_change(
        objective, theta, range(40), X_CROSS, Y_CROSS, gtol=1e-13, progress=False
    )[0]
    assert_allclose(found["actual"], actual, rtol=1e-8, atol=1e-10)
    assert found["pearson"] == pytest.approx(mi.agreement(-scores, actual).pearson, abs=1e-8)


def test_all_factors_are_influence_up_to_one_constant(clouds):
    objective, theta, state = clouds
    state = state | {"test": CROSS}
    code = "js.explore(js.prepare(problem), problem.test, 'all factors')"
    found = in_node(Resemblance, code, state)
    up_loss = mi.Influence(objective, theta).up_loss(X_CROSS[0], Y_CROSS[0])
    assert np.ptp(up_loss - found["scores"]) < 1e-8


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_whitening_goes_there_and_back_and_keeps_areas(clouds, t):
    corners = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    problem = clouds[2] | {"corners": corners}
    code = f"""(() => {{
      const w = js.whitened(js.prepare(problem).model, {t});
      const there = problem.corners.map(w.to);
      return {{ there, back: there.map(w.from) }};
    }})()"""
    found = in_node(Resemblance, code, problem)
    assert_allclose(found["back"], corners, atol=1e-12)
    there = np.array(found["there"])
    assert np.linalg.det(there[1:] - there[0]) == pytest.approx(1)
    if t == 0:
        assert_allclose(there, corners, atol=1e-12)


def test_in_the_whitened_plane_resemblance_is_a_plain_inner_product(clouds):
    objective, theta, state = clouds
    code = """(() => {
      const { model, points } = js.prepare(problem);
      const w = js.whitened(model, 1);
      return { ...model, seen: points.map((p) => w.to(p.x)) };
    })()"""
    found = in_node(Resemblance, code, state)
    seen = np.array(found["seen"]) - found["centre"]
    size = np.sqrt(np.linalg.det(found["A"]))
    X, H = objective.X, objective.hessian(theta)
    alike = X @ np.linalg.inv(H) @ X.T
    assert_allclose(found["own"] + size * seen @ seen.T, alike, rtol=1e-8, atol=1e-8)


def test_without_a_penalty_the_centre_is_the_mean_weighted_by_curvature(clouds):
    objective, _, _ = clouds
    rng = np.random.default_rng(0)
    X, w = objective.X, rng.uniform(0.01, 0.25, 40)
    H = (X.T * w) @ X
    found = in_node(Resemblance, "js.planar(problem)", H.tolist())
    assert_allclose(found["centre"], w @ X[:, :2] / w.sum(), rtol=1e-10)
    spread = (X[:, :2] - found["centre"]).T * w @ (X[:, :2] - found["centre"])
    assert_allclose(np.linalg.inv(found["A"]), spread, rtol=1e-10)


# --- what Python sees -----------------------------------------------------------------------------


def test_python_sees_the_state(clouds):
    objective, _, _ = clouds
    moved = Arrows(objective.X[:, :2], objective.y, (-0.4, 1.3, -1), 24)
    assert (moved.selected, moved.test, moved.actual) == (24, [-0.4, 1.3, -1.0], [])
    assert "40 training points" in repr(moved)
    seen = Resemblance(objective.X[:, :2], objective.y, (-0.4, 1.3, -1), kept="neither")
    assert (seen.kept, seen.whitening) == ("neither", 0.0) and "what resembles it" in repr(seen)


@pytest.mark.parametrize(
    ("widget", "arguments", "sentence"),
    [
        (Arrows, {"X": np.ones((3, 2)), "y": np.ones(3)}, "number of points .* at least 4, got 3"),
        (Arrows, {"selected": 4}, "selected must be .*3, got 4"),
        (Arrows, {"l2": 0.0}, "l2 must be greater than 0, got 0.0"),
        (Arrows, {"test": (0, 0)}, r"test = \(x1, x2, label\) must have shape"),
        (Resemblance, {"X": np.ones((3, 2)), "y": np.ones(3)}, "at least 4, got 3"),
        (Resemblance, {"kept": "distance"}, "one of all factors, .* got 'distance'"),
        (Resemblance, {"whitening": 1.5}, "from 0 to 1, got 1.5"),
        (Resemblance, {"y": np.zeros(4)}, r"labels -1 and \+1, got 0, 1"),
    ],
)
def test_bad_input_gets_one_sentence(widget, arguments, sentence):
    given = {"X": np.ones((4, 2)), "y": np.ones(4), "test": (0, 0, 1)} | arguments
    with pytest.raises(ValueError, match=sentence):
        widget(**given)
