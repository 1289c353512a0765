"""Far more parameters than examples: solved through the examples, never by a p x p matrix."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from problems import LOSSES, make_examples

import minfluence as mi
from minfluence import Hessian, Inverse, LinearObjective, inverse, models
from minfluence.objectives import preconditioners

WIDE = {"n": 12, "d": 30}


def make_wide(name, l2=0.05, form=np.asarray, **options):
    X, y = make_examples(name, **WIDE)
    return LinearObjective(LOSSES[name], form(X), y, l2=l2, **options)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("name", ["squared", "logistic", "poisson", "smooth_hinge"])
def test_the_dual_is_the_inverse_where_an_example_has_one_score(name, form):
    o = make_wide(name, form=form).without([3, 5])
    theta = 0.3 * np.random.default_rng(0).standard_normal(o.p)
    matrix = o.hessian(theta) + 0.2 * np.eye(o.p)
    B = np.random.default_rng(1).standard_normal((o.p, 3))
    M = o.preconditioner(theta, damping=0.2)
    assert isinstance(M, preconditioners.DualInverse)
    assert_allclose(M @ B, np.linalg.solve(matrix, B), rtol=1e-7, atol=1e-9)
    assert_allclose(M @ B[:, 0], np.linalg.solve(matrix, B[:, 0]), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("l2", ["everywhere", "intercept free", "nowhere"])
def test_it_is_positive_definite_and_saves_steps_whatever_the_penalty(name, l2):
    o = make_wide(name)
    strength = np.full(o.p, 0.05 if l2 != "nowhere" else 0.0)
    strength[-LOSSES[name].n_outputs :] *= l2 == "everywhere"
    o = LinearObjective(LOSSES[name], o.X, o.y, strength)
    theta = 0.1 * np.random.default_rng(0).standard_normal(o.p)
    M, H = o.preconditioner(theta), Hessian(o, theta)
    assert np.linalg.eigvalsh(M @ np.eye(o.p)).min() > 0
    b = H @ np.random.default_rng(1).standard_normal(o.p)  # in its range, where H is singular
    solution = mi.cg(H, b, preconditioner=M)
    assert solution.converged
    assert_allclose(H @ solution.x, b, atol=1e-7 * np.linalg.norm(b))
    if l2 == "everywhere" and LOSSES[name].n_outputs == 1:
        assert solution.steps == 1


def test_what_a_preconditioner_may_cost_decides_which_it_is():
    even, uneven = (
        make_wide("squared"),
        make_wide("squared", form=lambda X: X * np.geomspace(1, 99, 30)),
    )
    kinds = [type(even.preconditioner(np.zeros(30), 0.0, budget)).__name__ for budget in (1e5, 1)]
    assert kinds == ["DualInverse", "NoneType"]
    M = uneven.preconditioner(np.zeros(30), 0.1, budget=1)
    assert_allclose(M @ np.ones(30), 1 / (np.diag(uneven.hessian(np.zeros(30))) + 0.1), rtol=1e-12)
    assert_allclose(M @ np.eye(30), np.diag(M @ np.ones(30)), rtol=1e-12)
    assert o_is_tall().preconditioner(np.zeros(4), 0.0, budget=1e9).shape == (4, 4)


def o_is_tall():
    return LinearObjective(models.squared, *make_examples("squared"))


def test_a_diagonal_is_positive_whatever_it_is_made_of():
    M = preconditioners.DiagonalInverse(np.array([2.0, 0.0, -1.0]))
    assert_allclose(M @ np.ones(3), 0.5)
    assert_allclose(preconditioners.DiagonalInverse(np.zeros(2)) @ np.ones(2), 1.0)


@pytest.mark.parametrize("name", ["squared", "logistic", "softmax"])
def test_scores_self_influence_and_refits_are_those_of_the_whole_matrix(name, monkeypatch):
    o = make_wide(name)
    theta = mi.fit(o).theta
    X, y = o.X[:3] + 0.1, o.y[:3]

    def answers():
        influence = mi.Influence(o, theta)
        yield influence.up_loss(X, y)
        yield influence.self_influence()
        yield mi.refit_without(o, theta, range(5), progress=False).thetas
        yield influence.report.solver

    whole = list(answers())
    monkeypatch.setattr(inverse, "SMALL", 0)
    dual = list(answers())
    assert (whole.pop(), dual.pop()) == ("direct", "auto (cg)")
    for ours, theirs in zip(dual, whole, strict=True):
        assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7 * abs(theirs).max())


def test_many_right_hand_sides_get_the_better_preconditioner_that_one_did_not_pay_for(monkeypatch):
    monkeypatch.setattr(inverse, "SMALL", 0)
    o = make_wide("squared", l2=1e-3)
    H = Hessian(o, np.zeros(30))
    inverse_of_H = Inverse(H)
    G = o.example_grads(np.zeros(30), np.arange(12)).T
    monkeypatch.setattr(inverse, "STEPS", 10)
    one, many = inverse_of_H(G[:, 0]), inverse_of_H(G)
    assert one.steps > 1 and many.steps.max() == 1
    assert_allclose(many.x, np.linalg.solve(mi.dense(H), G), rtol=1e-7, atol=1e-9)


def test_no_matrix_of_parameters_by_parameters_is_made():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 4_000))  # 1.6 MB; H would be 128 MB
    o = LinearObjective(models.logistic, X, np.where(X[:, 0] > 0, 1, -1), l2=0.1)
    theta = mi.fit(o).theta
    tracemalloc.start()
    influence = mi.Influence(o, theta)
    influence.up_loss(X[:1], o.y[:1])
    influence.self_influence()
    mi.refit_without(o, theta, range(3), progress=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert influence.report.converged and peak < 40e6


def test_a_preconditioner_that_no_budget_makes_better_is_made_once(monkeypatch):
    monkeypatch.setattr(inverse, "SMALL", 0)
    monkeypatch.setattr(inverse, "STEPS", 1e6)
    o, made = make_wide("squared"), []
    whole = LinearObjective.preconditioner

    def counted(self, *arguments):
        made.append(whole(self, *arguments))
        return made[-1]

    monkeypatch.setattr(LinearObjective, "preconditioner", counted)
    inverse_of_H = Inverse(Hessian(o, np.zeros(30)))
    for columns in (1, 12):
        inverse_of_H(o.example_grads(np.zeros(30), np.arange(columns)).T)
    assert [type(M).__name__ for M in made] == ["DualInverse"]
