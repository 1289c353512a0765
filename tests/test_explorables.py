"""The explorables: what Python sees, and that the browser's numbers are the package's."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minfluence as mi

pytest.importorskip("anywidget", reason="anywidget is not installed")

from minfluence.explorables import Explore  # noqa: E402

JS = Path(mi.__file__).parent / "js"


def in_node(code, problem):
    """Run JavaScript on a problem in JSON, and read JSON back."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js")
    code = (
        f'import * as js from "{(JS / "explore.js").as_uri()}";\n'
        f"const problem = {json.dumps(problem)};\n"
        f"console.log(JSON.stringify({code}));"
    )
    command = [node, "--input-type=module", "--no-warnings", "-e", code]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("scenario", ["ordinary", "tiny penalty", "label noise", "outlier"])
def test_the_browser_computes_what_the_package_computes(scenario):
    X, y = mi.data.two_clouds(40, rng=2)
    state = {
        "points": [{"x": list(x[:2]), "y": label} for x, label in zip(X, y, strict=True)],
        "test": {"x": [0.4, 0.3], "y": 1},
        "l2": 0.01,
    }
    state = in_node(f"js.SCENARIOS[{scenario!r}](problem)", state)
    found = in_node("js.explore(problem)", state)

    points = np.array([point["x"] for point in state["points"]])
    X = np.column_stack([points, np.ones(len(points))])
    y = np.array([point["y"] for point in state["points"]], dtype=float)
    objective = mi.LinearObjective(mi.models.logistic, X, y, state["l2"])
    theta = mi.fit(objective, gtol=1e-13).theta
    case = np.array([[0.4, 0.3, 1.0]]), np.array([1.0])
    predicted = mi.Influence(objective, theta).predicted_change(*case)[0]
    actual = mi.actual_change(objective, theta, range(len(X)), *case, gtol=1e-13, progress=False)[0]
    assert_allclose(found["theta"], theta, rtol=1e-8, atol=1e-8)
    assert_allclose(found["predicted"], predicted, rtol=1e-8, atol=1e-10)
    assert_allclose(found["actual"], actual, rtol=1e-8, atol=1e-10)
    expected = mi.agreement(predicted, actual)
    assert found["pearson"] == pytest.approx(expected.pearson, abs=1e-8)
    assert found["slope"] == pytest.approx(expected.slope, rel=1e-8)


def test_python_sees_the_state():
    X, y = mi.data.two_clouds(10, rng=0)
    widget = Explore(X[:, :2], y, (0.5, 0.5, 1))
    assert widget.X == X[:, :2].tolist() and widget.test == [0.5, 0.5, 1.0]
    assert "export default" in str(widget._esm)
    assert "10 training points" in repr(widget)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((np.ones((3, 2)), np.ones(3), (0, 0, 1)), "at least four points"),
        ((np.ones((4, 3)), np.ones(4), (0, 0, 1)), "at least four points"),
        ((np.ones((4, 2)), np.zeros(4), (0, 0, 1)), "labels -1 and"),
        ((np.ones((4, 2)), np.ones(4), (0, 0)), "labels -1 and"),
        ((np.full((4, 2), np.nan), np.ones(4), (0, 0, 1)), "finite points"),
        ((np.ones((4, 2)), np.ones(4), (0, 0, 1), 0.0), "l2 greater than 0, got l2=0.0"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Explore(*arguments)


def test_the_front_page_carries_the_file_as_it_is_now():
    page = Path(mi.__file__).parents[1] / "book" / "index.ipynb"
    state = json.loads(page.read_text("utf-8"))["metadata"]["widgets"]
    (models,) = (part["state"] for part in state.values())
    saved = [m["state"]["_esm"] for m in models.values() if "_esm" in m["state"]]
    assert saved == [(JS / "explore.js").read_text("utf-8")], "run make execute"
