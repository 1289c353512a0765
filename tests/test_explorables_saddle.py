"""The saddle of chapter 8: what Python sees, and that the browser's numbers are the package's."""

import numpy as np
import pytest
from chapter import BOOK, read
from node import in_node
from numpy.testing import assert_allclose

import minfluence as mi

pytest.importorskip("anywidget", reason="anywidget is not installed")

from minfluence.book.explorables import Saddle  # noqa: E402

CASES = [(mu2, damping) for mu2 in (-0.3, 0.2) for damping in (0.0, 0.28, 0.5, 2.0)]
POINT = [0.55, -0.4]


def quadratic(mu):
    """The picture's risk as an objective of the package, with one example."""
    H = np.array(in_node(Saddle, "js.hessian(problem)", list(mu)))

    def losses(theta, X, y):
        return (theta @ H @ theta) / 2 + 0.0 * y

    return mi.AutogradObjective(losses, np.ones((1, 2)), np.ones(1), 0.0, p=2)


@pytest.mark.parametrize(("mu2", "damping"), CASES)
def test_the_step_is_that_of_the_packages_damped_hessian(mu2, damping):
    objective, theta = quadratic((0.6, mu2)), np.array(POINT)
    A = mi.dense(mi.Hessian(objective, theta, damping=damping))
    g = objective.grad(theta)
    step = -np.linalg.solve(A, g)
    state = {"mu": [0.6, mu2], "damping": damping, "point": POINT}
    found = in_node(Saddle, "js.explore(problem)", state)
    assert_allclose(found["g"], g, rtol=1e-12)
    assert_allclose(np.sort(found["curvatures"]), np.linalg.eigvalsh(A), rtol=1e-12)
    assert_allclose(found["step"], step, rtol=1e-10)
    assert found["length"] == pytest.approx(np.linalg.norm(step), rel=1e-10)
    assert found["change"] == pytest.approx(g @ step + step @ A @ step / 2, rel=1e-10)
    cosine = -g @ step / np.linalg.norm(g) / np.linalg.norm(step)
    assert found["angle"] == pytest.approx(np.degrees(np.arccos(cosine)), rel=1e-8)
    assert found["kind"] == ("bowl" if np.linalg.eigvalsh(A)[0] > 0 else "saddle")


@pytest.mark.parametrize(("mu2", "damping"), CASES)
def test_the_surface_is_the_damped_risk_and_level_where_the_step_ends(mu2, damping):
    objective, theta = quadratic((0.6, mu2)), np.array(POINT)
    state = {"mu": [0.6, mu2], "damping": damping, "point": POINT}
    there = [[0.1, 0.9], [-1.0, 0.3]]
    height = "js.surface(problem)"
    found = in_node(Saddle, f"{there}.map({height})", state)
    expected = [
        objective.risk(np.array(t)) - objective.risk(theta) + damping / 2 * np.sum((t - theta) ** 2)
        for t in there
    ]
    assert_allclose(found, expected, rtol=1e-10)
    end = theta + in_node(Saddle, "js.explore(problem).step", state)
    around = [(end + d).tolist() for d in ([1e-3, 0], [-1e-3, 0], [0, 1e-3], [0, -1e-3])]
    right, left, above, below = in_node(Saddle, f"{around}.map({height})", state)
    assert right == pytest.approx(left, abs=1e-12) and above == pytest.approx(below, abs=1e-12)


def test_without_damping_the_step_ends_on_the_saddle_and_may_run_uphill():
    state = {"mu": [0.6, -0.3], "damping": 0, "point": POINT}
    found = in_node(Saddle, "js.explore(problem)", state)
    assert_allclose(np.add(POINT, found["step"]), 0, atol=1e-12)
    assert found["kind"] == "saddle"
    uphill = in_node(Saddle, "js.explore(problem)", state | {"point": [-0.5, 0.8]})
    assert uphill["change"] > 0


def test_near_the_pole_the_step_has_no_bound_and_at_it_there_is_none():
    below, at, above = (
        in_node(Saddle, "js.explore(problem)", {"mu": [0.6, -0.3], "damping": d, "point": POINT})
        for d in (0.299, 0.3, 0.301)
    )
    assert at["step"] is None and at["length"] is None and at["kind"] == "trough"
    assert min(below["length"], above["length"]) > 100
    assert below["change"] > 10 and above["change"] < -10  # uphill before, downhill after


def test_more_damping_makes_the_step_shorter_and_turns_it_downhill():
    found = [
        in_node(Saddle, "js.explore(problem)", {"mu": [0.6, -0.3], "damping": d, "point": POINT})
        for d in (0.4, 0.7, 1.2, 2.0, 50.0)
    ]
    assert (np.diff([f["length"] for f in found]) < 0).all()
    assert (np.diff([f["angle"] for f in found]) < 0).all() and found[-1]["angle"] < 1
    assert found[-1]["length"] == pytest.approx(np.linalg.norm(found[-1]["g"]) / 50, rel=0.02)


def test_a_contour_of_a_bowl_is_its_circle():
    grid = [[[i / 10 - 2, j / 10 - 2] for j in range(41)] for i in range(41)]
    height = [[a * a + b * b for a, b in column] for column in grid]
    code = "js.contour(problem[0], problem[1], 2.25)"
    pieces = np.array(in_node(Saddle, code, [grid, height]))
    assert len(pieces) > 40
    assert_allclose(np.linalg.norm(pieces, axis=-1), 1.5, atol=2e-3)


def test_chapter_8_carries_the_module_as_it_is_now():
    state = read(BOOK / "08_beyond_convexity.ipynb")["metadata"]["widgets"]
    (models,) = (part["state"] for part in state.values())
    saved = [m["state"]["_esm"] for m in models.values() if "_esm" in m["state"]]
    assert str(Saddle._esm) in saved, "run make execute"


def test_python_sees_the_saddle():
    widget = Saddle()
    assert (widget.mu, widget.damping, widget.step) == ([0.6, -0.3], 0.0, [])
    assert "eigenvalues 0.6 and -0.3, damped by 0." in repr(widget)
    assert "export default { render: again(render) };" in str(widget._esm)
    assert "\nimport " not in str(widget._esm)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (((0.6,),), r"mu must have shape \(2,\)"),
        (((0.6, np.nan),), "mu holds NaN"),
        (((0.0, -0.3),), "mu must be an eigenvalue from 0.1 to 1 and one from -0.5 to 0.5"),
        (((0.6, -2),), "mu must be an eigenvalue from 0.1 to 1 and one from -0.5 to 0.5"),
        (((0.6, -0.3), -1), "damping must be a number from 0 to 2, got -1"),
        (((0.6, -0.3), "much"), "damping must be a number from 0 to 2, got 'much'"),
    ],
)
def test_a_saddle_that_cannot_be_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Saddle(*arguments)
