"""The skeletons that CONTRIBUTING.md offers to copy: each does what its kind must do."""

import json
import re
from functools import partial
from pathlib import Path

import execute
import numpy as np
import pytest
from chapter import read
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from problems import central_difference, make_examples, make_problem
from templates import data_set
from templates.loss import log_cosh
from templates.method import gradient_cosine
from templates.solver import richardson
from test_book import RULES
from test_face import RULES as OF_THE_FACE

import minfluence as mi
from minfluence import seam
from minfluence.book import files

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = Path(__file__).parent / "templates"
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_every_skeleton_is_offered_and_every_one_that_is_offered_is_there():
    offered = set(re.findall(r"\(tests/templates/([\w.]+)\)", CONTRIBUTING))
    assert offered == {p.name for p in TEMPLATES.iterdir() if p.suffix in (".py", ".ipynb")}


def test_the_loss_has_what_linear_losses_must_have():
    assert isinstance(log_cosh, seam.LinearLosses)
    S, y = np.random.default_rng(0).standard_normal((6, 1)), np.arange(6.0)
    J = central_difference(lambda S: log_cosh.value(S, y), S)[np.arange(6), np.arange(6)]
    assert_allclose(log_cosh.slope(S, y), J, rtol=1e-7, atol=1e-9)
    D = central_difference(lambda S: log_cosh.slope(S, y), S)[np.arange(6), :, np.arange(6), 0]
    assert_allclose(log_cosh.curvature(S, y), D, rtol=1e-7, atol=1e-9)


def test_the_loss_runs_in_two_objectives_alike():
    X, y = make_examples("huber")
    theta, V = np.ones(4), np.eye(4)
    fast, slow = (kind(log_cosh, X, y, 0.1) for kind in (mi.LinearObjective, mi.AutogradObjective))
    assert_allclose(fast.hvp(theta, V), slow.hvp(theta, V), rtol=1e-10)
    assert_allclose(fast.grad(theta), slow.grad(theta), rtol=1e-10)


@given(seed=st.integers(0, 10**6), k=st.integers(1, 3))
def test_the_solver_solves_any_positive_definite_system(seed, k):
    rng = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    A = (Q * rng.uniform(0.2, 1.0, 5)) @ Q.T
    b = rng.standard_normal((5, k))
    solution = richardson(A, b, step_size=1.0)
    assert_allclose(solution.x, np.linalg.solve(A, b), rtol=1e-8, atol=1e-10)
    assert solution.converged.all() and (solution.residual <= 1e-8).all()


def test_influence_takes_the_solver():
    p = make_problem("LinearObjective-logistic")
    ask = partial(mi.Influence, p.objective, p.theta_hat)
    ours = ask(solver=partial(richardson, step_size=1.0)).up_loss(p.X_test, p.y_test)
    assert_allclose(ours, ask().up_loss(p.X_test, p.y_test), rtol=1e-6, atol=1e-9)


def test_the_method_gives_minus_a_cosine_for_every_pair():
    p = make_problem("AutogradObjective-network")
    scores = gradient_cosine(p.objective, p.theta_hat, p.X_test, p.y_test)
    G = p.objective.example_grads(p.theta_hat, [7])[0]
    T = p.objective.test_grads(p.theta_hat, p.X_test, p.y_test)[1]
    assert scores.shape == (3, 40) and (abs(scores) <= 1 + 1e-12).all()
    assert scores[1, 7] == pytest.approx(-G @ T / np.linalg.norm(G) / np.linalg.norm(T))


def test_the_data_set_is_read_and_checked(tmp_path, monkeypatch):
    content = b"length,width,kind\n5.1,3.5,-1\n4.9,3.0,-1\n6.3,3.3,1\n"
    monkeypatch.setattr(files, "FILES", files.FILES | data_set.FILES)
    monkeypatch.setenv("MINFLUENCE_DATA", str(tmp_path))
    (tmp_path / "petals.csv").write_bytes(content)
    X, y = data_set.petals()
    assert X.tolist() == [[5.1, 3.5], [4.9, 3.0], [6.3, 3.3]] and y.tolist() == [-1, -1, 1]
    (tmp_path / "petals.csv").write_bytes(content + b"0,0,1\n")
    with pytest.raises(files.DataUnavailable, match=r"petals\.csv"):
        data_set.petals()


@pytest.mark.parametrize("rule", [*RULES, *OF_THE_FACE], ids=lambda rule: rule.__name__)
def test_the_chapter_keeps_every_rule(rule):
    path = TEMPLATES / "chapter.ipynb"
    assert list(rule(read(path), Path("01_chapter.ipynb"))) == []


@pytest.mark.slow
def test_the_chapter_runs_and_gives_what_it_shows():
    text = (TEMPLATES / "chapter.ipynb").read_text("utf-8")
    assert json.loads(execute.executed(text, TEMPLATES)) == json.loads(text)
