"""The explorables: what Python sees, and that the browser's numbers are the package's."""

import itertools
import re

import modules
import numpy as np
import pytest
from chapter import BOOK, notebooks
from node import in_node
from numpy.testing import assert_allclose

import minfluence as mi

pytest.importorskip("anywidget", reason="anywidget is not installed")

from minfluence.book import explorables, style  # noqa: E402
from minfluence.book.explorables import Bowl, Explore, Hinge, Recursion  # noqa: E402
from minfluence.book.live import JS  # noqa: E402


@pytest.mark.parametrize("name", explorables.__all__)
def test_each_widget_is_one_module_that_needs_no_other_file(name):
    widget = getattr(explorables, name)
    assert "export default { render" in str(widget._esm)
    assert "\nimport " not in str(widget._esm) and "\nexport *" not in str(widget._esm)


def test_the_widgets_have_the_colours_of_the_pages():
    """JavaScript names them once, with the light value where no page says what they are."""
    scripts = {path.name: path.read_text("utf-8") for path in JS.glob("*.js")}
    elements = scripts.pop("elements.js")
    names = re.search(r"export const \[([A-Z, ]*)\]", elements)[1].lower().split(", ")
    assert names == list(style.COLOURS)
    values = [f"var(--{name}, {light})" for name, (light, _) in style.COLOURS.items()]
    assert re.findall(r'"(var\(--\w+, #\w+\))"', elements) == values
    for name, script in scripts.items():
        assert not re.search(r"#[0-9a-fA-F]{3,8}\b", script), f"{name} has a colour of its own"


def test_the_page_gives_what_answers_back_no_colour_of_its_own():
    css = (BOOK / "_static" / "live.css").read_text("utf-8")
    values = {f"var(--{name}, {light})" for name, (light, _) in style.COLOURS.items()}
    assert set(re.findall(r"var\([^)]*\)", css)) <= values
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b", re.sub(r"var\([^)]*\)", "", css))


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_each_page_carries_the_modules_of_its_widgets_as_they_are_now(path):
    assert not modules.outdated(path.read_text("utf-8")), "run tools/modules.py"


def test_an_old_module_is_found_and_replaced_without_touching_anything_else(tmp_path, capsys):
    now = (BOOK / "index.ipynb").read_text("utf-8")
    old = now.replace("function softplus", "function softminus").replace("softplus = (", "s = (")
    assert old != now
    (tmp_path / "index.ipynb").write_text(old, "utf-8")
    assert len(modules.outdated(old)) == 1
    modules.main([str(tmp_path / "index.ipynb")])
    assert (tmp_path / "index.ipynb").read_text("utf-8") == now
    assert "The front page's explorable" in capsys.readouterr().out


# --- the front page -------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["ordinary", "tiny penalty", "label noise", "outlier"])
def test_the_browser_computes_what_the_package_computes(scenario):
    X, y = mi.data.two_clouds(40, rng=2)
    state = {
        "points": [{"x": list(x[:2]), "y": label} for x, label in zip(X, y, strict=True)],
        "test": {"x": [0.4, 0.3], "y": 1},
        "l2": 0.01,
    }
    state = in_node(Explore, f"js.SCENARIOS[{scenario!r}](problem)", state)
    found = in_node(Explore, "js.explore(problem)", state)

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


def test_the_plane_opens_on_the_point_that_matters_most():
    X, y = mi.data.two_clouds(40, rng=2)
    X_test, y_test = mi.data.two_clouds(40, rng=102)
    objective = mi.LinearObjective(mi.models.logistic, X, y, 0.01)
    influence = mi.Influence(objective, mi.fit(objective).theta)
    strongest = abs(influence.predicted_change(X_test[0], y_test[0])).argmax()
    points = [{"x": list(x[:2]), "y": label} for x, label in zip(X, y, strict=True)]
    state = {"points": points, "test": {"x": list(X_test[0, :2]), "y": y_test[0]}, "l2": 0.01}
    assert in_node(Explore, "js.strongest(problem)", state) == strongest


def test_python_sees_the_state():
    X, y = mi.data.two_clouds(10, rng=0)
    widget = Explore(X[:, :2], y, (0.5, 0.5, 1))
    assert widget.X == X[:, :2].tolist() and widget.test == [0.5, 0.5, 1.0]
    assert "10 training points" in repr(widget)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((np.ones((3, 2)), np.ones(3), (0, 0, 1)), "number of points .* at least 4, got 3"),
        ((np.ones((4, 3)), np.ones(4), (0, 0, 1)), r"X must have shape \(n, 2\), got \(4, 3\)"),
        ((np.ones((4, 2)), np.ones(5), (0, 0, 1)), r"y must have shape \(4,\), got \(5,\)"),
        ((np.ones((4, 2)), np.zeros(4), (0, 0, 1)), r"labels -1 and \+1, got 0, 1: recode y"),
        ((np.ones((4, 2)), np.ones(4), (0, 0)), r"test = \(x1, x2, label\) must have shape"),
        ((np.full((4, 2), np.nan), np.ones(4), (0, 0, 1)), "X holds NaN"),
        ((np.ones((4, 2)), np.ones(4), (0, 0, 1), 0.0), "l2 must be greater than 0, got 0.0"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Explore(*arguments)


# --- the bowl of chapter 6 ------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::minfluence.NotConverged")
@pytest.mark.parametrize("kappa", [1, 7, 100])
def test_the_bowl_is_descended_by_the_conjugate_gradients_of_the_package(kappa):
    start = np.array([-0.9, 0.4])
    found = in_node(Bowl, "js.explore(problem)", {"kappa": kappa, "start": [-0.9, 0.4], "steps": 2})
    H = np.array(found["H"])
    assert_allclose(np.linalg.eigvalsh(H), [1, kappa], rtol=1e-12)
    for k, t in enumerate(found["cg"]["path"]):
        x = mi.cg(H, -H @ start, max_steps=k).x  # seen from the start
        assert_allclose(t, start + x, atol=1e-10)
    assert found["cg"]["needed"] == mi.cg(H, -H @ start, rtol=1e-6).steps


@pytest.mark.parametrize("name", ["unlucky", "on an axis", "near the floor"])
def test_each_step_of_descent_is_the_best_along_the_gradient(name):
    state = {"kappa": 20, "start": in_node(Bowl, f"js.STARTS[{name!r}](20)", {}), "steps": 6}
    found = in_node(Bowl, "js.explore(problem)", state)
    H, path = np.array(found["H"]), np.array(found["descent"]["path"])
    t = path[0]
    for k in range(7):
        assert_allclose(path[k], t, atol=1e-10)
        assert found["descent"]["left"][k] == pytest.approx(t @ H @ t / (path[0] @ H @ path[0]))
        r = H @ t
        length = np.linalg.norm(r) / np.linalg.norm(H @ path[0])
        assert found["descent"]["residuals"][k] == pytest.approx(length, rel=1e-8, abs=1e-12)
        t = t - (r @ r) / max(r @ H @ r, 1e-300) * r
    assert found["descent"]["needed"] == descent_steps(H, path[0])


def descent_steps(H, t, rtol=1e-6):
    steps, first = 0, np.linalg.norm(H @ t)
    while np.linalg.norm(r := H @ t) > rtol * first:
        t, steps = t - (r @ r) / (r @ H @ r) * r, steps + 1
    return steps


def test_who_starts_at_the_lowest_point_stays_there():
    found = in_node(Bowl, "js.explore(problem)", {"kappa": 20, "start": [0, 0], "steps": 3})
    assert found["cg"]["path"] == found["descent"]["path"] == [[0, 0]] * 4
    assert found["cg"]["needed"] == found["descent"]["needed"] == 0


def test_python_sees_the_bowl():
    widget = Bowl(kappa=5, steps=2)
    assert (widget.kappa, widget.steps, widget.start) == (5.0, 2, [])
    assert "condition number 5," in repr(widget)
    for kappa in (0.5, 101, np.nan):
        with pytest.raises(ValueError, match=f"from 1 to 100, got {kappa}"):
            Bowl(kappa=kappa)
    with pytest.raises(ValueError, match="steps must be a whole number in 0 .. 12, got 13"):
        Bowl(steps=13)


# --- the recursion of chapter 7 -------------------------------------------------------------------


@pytest.fixture(scope="module")
def clouds():
    """Hessian and right-hand side of the chapter, and the problem as JavaScript takes it."""
    X, y = mi.data.two_clouds(40, rng=2)
    objective = mi.LinearObjective(mi.models.logistic, X, y, 0.01)
    theta = mi.fit(objective).theta
    b = objective.test_grads(theta, [[0.4, 0.3, 1.0]], [1.0])[0]
    w = mi.models.logistic.curvature((X @ theta)[:, None], y)[:, 0]
    problem = {"X": X.tolist(), "w": w.tolist(), "b": b.tolist(), "l2": 0.01}
    return mi.Hessian(objective, theta), b, problem


class GivenDraws(np.random.Generator):
    """Stands in for a random generator: hands out the examples that the browser draws."""

    def __init__(self, drawn):
        super().__init__(np.random.PCG64(0))
        self.drawn = iter(drawn)

    def choice(self, n, size, replace):
        return np.array([next(self.drawn)])


def drawn_in_the_browser(seed, repeats, depth, n):
    runs = f"Array.from({{length: {repeats}}}, (_, run) => js.draws({{...problem, run}}))"
    return in_node(Recursion, runs, {"seed": seed, "depth": depth, "n": n})


@pytest.mark.filterwarnings("ignore::minfluence.NotConverged")
@pytest.mark.parametrize("scale", [0.6, 1.3, 5.0])
def test_from_the_same_draws_the_recursion_is_that_of_the_package(clouds, scale):
    H, b, problem = clouds
    state = {"problem": problem, "scale": scale, "depth": 30, "repeats": 4, "seed": 5}
    found = in_node(Recursion, "js.explore(problem)", state)
    draws = drawn_in_the_browser(5, 4, 30, H.n)
    rng = GivenDraws(itertools.chain(*draws))
    runs = [mi.neumann(H, b, scale=scale, depth=30, rng=rng) for _ in range(4)]
    x, error = np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1) / np.sqrt(4)
    assert_allclose(found["estimate"], x, rtol=1e-8)
    assert found["spread"] == pytest.approx(np.linalg.norm(error) / np.linalg.norm(x), rel=1e-8)
    residual = np.linalg.norm(b - H @ x) / np.linalg.norm(b)
    assert found["residual"] == pytest.approx(residual, rel=1e-8)
    assert_allclose(found["truth"], mi.cg(H, b, rtol=1e-12).x, rtol=1e-8)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_diverges_where_the_package_does(clouds, seed):
    H, b, problem = clouds
    state = {"problem": problem, "scale": 0.1, "depth": 500, "repeats": 1, "seed": seed}
    found = in_node(Recursion, "js.explore(problem)", state)
    steps = len(found["means"]) - 1  # before the one that went too far
    assert found["diverged"] == 1 and found["estimate"] is None
    with pytest.raises(mi.Diverged, match=f"at step {steps} "):
        rng = GivenDraws(drawn_in_the_browser(seed, 1, 500, H.n)[0])
        mi.neumann(H, b, scale=0.1, depth=500, rng=rng)


def test_series_and_covariance_are_those_over_all_possible_draws():
    rng = np.random.default_rng(0)
    X, w, b = rng.standard_normal((4, 2)), rng.uniform(0.1, 1, 4), rng.standard_normal(2)
    problem = {"X": X.tolist(), "w": w.tolist(), "b": b.tolist(), "l2": 0.1}
    every = []
    for draws in itertools.product(range(4), repeat=4):
        x = b
        for i in draws:
            x = b + x - (w[i] * (X[i] @ x) * X[i] + 0.1 * x) / 1.5
        every.append(x / 1.5)
    path = in_node(Recursion, "js.series(problem, 1.5, 4)", problem)
    assert_allclose(path[-1], np.mean(every, axis=0), rtol=1e-10)
    code = "js.covariances(problem, 1.5, js.series(problem, 1.5, 4)).at(-1)"
    covariance = in_node(Recursion, code, problem)
    assert_allclose(covariance, np.cov(np.transpose(every), ddof=0), rtol=1e-10)


@pytest.mark.parametrize("scale", [0.2, 0.3, 1.3])
def test_the_growth_of_the_noise_is_the_largest_eigenvalue_of_a_step(clouds, scale):
    H, _, problem = clouds
    steps = [np.eye(3) - mi.dense(H.sample([i])) / scale for i in range(H.n)]
    step = np.mean([np.kron(A, A) for A in steps], axis=0)
    expected = abs(np.linalg.eigvals(step)).max()
    found = in_node(Recursion, f"js.growth(problem, {scale})", problem)
    assert found == pytest.approx(expected, rel=1e-8)


def test_the_largest_curvature_is_that_of_one_example(clouds):
    H, _, problem = clouds
    largest = max(np.linalg.eigvalsh(mi.dense(H.sample([i])))[-1] for i in range(H.n))
    assert in_node(Recursion, "js.mostCurved(problem)", problem) == pytest.approx(largest, rel=1e-8)


def test_draws_are_even_differ_between_runs_and_go_on_with_depth():
    first, second = drawn_in_the_browser(0, 2, 4000, 40)
    counts = np.bincount(first, minlength=40)
    assert len(counts) == 40
    assert ((counts - 100) ** 2 / 100).sum() < 73  # chi-square with 39 degrees: 1 in 1000
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.06  # four standard errors
    assert drawn_in_the_browser(0, 1, 10, 40) == [first[:10]]
    assert drawn_in_the_browser(1, 1, 4000, 40) != [first]


def test_python_sees_the_recursion(clouds):
    _, b, problem = clouds
    widget = Recursion(problem["X"], problem["w"], b, 0.01)
    assert (widget.depth, widget.repeats, widget.b) == (20, 10, b.tolist())
    assert "40 examples and 3 parameters" in repr(widget)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((np.ones((4, 1)), np.ones(4), np.ones(1), 0.1), "number of features .* at least 2, got 1"),
        ((np.ones((4, 2)), np.ones(3), np.ones(2), 0.1), r"curvature must have shape \(4,\), got"),
        ((np.ones((4, 2)), np.ones(4), np.ones(3), 0.1), r"b must have shape \(2,\), got \(3,\)"),
        ((np.ones((4, 2)), -np.ones(4), np.ones(2), 0.1), "curvature must not be negative, got -1"),
        ((np.ones((4, 2)), np.ones(4), np.zeros(2), 0.1), "b must not be 0"),
        ((np.ones((4, 2)), np.ones(4), np.ones(2), 0.0), "got 0.0: .* positive definite H"),
    ],
)
def test_a_recursion_that_cannot_be_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Recursion(*arguments)


# --- the hinge of chapter 9 -----------------------------------------------------------------------


@pytest.mark.parametrize("t", [0.001, 0.03, 1.0])
def test_loss_slope_and_curvature_are_those_of_the_package(t):
    margins = np.linspace(-2, 4, 61)
    code = f"problem.map((s) => [js.smoothHinge(s, {t}), js.share(s, {t}), js.curvature(s, {t})])"
    value, share, curvature = np.transpose(in_node(Hinge, code, margins.tolist()))
    loss, ones = mi.models.smooth_hinge(t), np.ones(61)
    assert_allclose(value, loss.value(margins[:, None], ones), rtol=1e-8, atol=1e-12)
    assert_allclose(-share, loss.slope(margins[:, None], ones)[:, 0], rtol=1e-8, atol=1e-12)
    assert_allclose(curvature, loss.curvature(margins[:, None], ones)[:, 0], rtol=1e-8, atol=1e-12)


@pytest.fixture(scope="module")
def machine():
    """Any theta will do: the formulas do not ask for a minimum."""
    X, y = mi.data.two_clouds(20, rng=3)
    rng = np.random.default_rng(0)
    theta = np.array([0.8, 0.5, -0.2])
    without = theta + 0.1 * rng.standard_normal((20, 3))
    return X, y, theta, without


@pytest.mark.filterwarnings("ignore::minfluence.FarFromMinimum")
@pytest.mark.parametrize("t", [0.001, 0.03, 1.0])
def test_predicted_and_actual_changes_are_those_of_the_package(machine, t):
    X, y, theta, without = machine
    names = {"X": X[:, :2].tolist(), "y": y.tolist(), "l2": 0.1}
    names |= {"theta": theta.tolist(), "without": without.tolist()}
    state = {"machine": names, "test": {"x": [0.4, 0.3], "y": -1}, "temperature": t}
    found = in_node(Hinge, "js.explore(problem)", state)
    objective = mi.LinearObjective(mi.models.smooth_hinge(t), X, y, 0.1)
    x_test = np.array([0.4, 0.3, 1.0])
    predicted = mi.Influence(objective, theta).predicted_change(x_test, -1)
    assert_allclose(found["predicted"], predicted, rtol=1e-8, atol=1e-12)
    losses = [mi.models.hinge(v, x_test[None], np.array([-1.0]))[0] for v in (theta, *without)]
    assert_allclose(found["actual"], np.array(losses[1:]) - losses[0], rtol=1e-8, atol=1e-12)
    expected = mi.agreement(predicted, found["actual"])
    assert found["pearson"] == pytest.approx(expected.pearson, abs=1e-8)


def test_python_sees_the_machine_and_selects_the_point_that_matters_most(machine):
    X, y, theta, without = machine
    widget = Hinge(X[:, :2], y, theta, without, (0.4, 0.3, 1), 0.1)
    scores = (without - theta) @ [0.4, 0.3, 1.0]  # the margin of the test point stays below 1
    assert widget.selected == abs(scores).argmax()
    assert widget.theta == theta.tolist() and "20 points" in repr(widget)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"X": np.ones((20, 3))}, r"X must have shape \(n, 2\)"),
        ({"without": np.ones((19, 3))}, r"shape \(20, 3\), got \(19, 3\)"),
        ({"test": (0.1, 0.2, 0)}, "labels -1 and"),
        ({"theta": (np.nan, 0, 0)}, "theta holds NaN"),
        ({"l2": -1.0}, "l2 must be greater than 0, got -1.0"),
    ],
)
def test_a_machine_that_cannot_be_is_refused(machine, change, sentence):
    X, y, theta, without = machine
    given = {"X": X[:, :2], "y": y, "theta": theta, "without": without}
    given |= {"test": (0.4, 0.3, 1), "l2": 0.1} | change
    with pytest.raises(ValueError, match=sentence):
        Hinge(**given)
