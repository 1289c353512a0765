"""LinearObjective against AutogradObjective, verb by verb; precision; memory."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import CLASSES, LINEAR, LOSSES, make_examples, make_objective

from minfluence import (
    AutogradObjective,
    Hessian,
    Influence,
    LinearObjective,
    cg,
    fit,
    models,
    refit_without,
)
from minfluence.objectives import linear

SOME = np.array([5, 0, 17])
VERBS = {
    "risk": lambda o, theta, V, X, y: o.risk(theta),
    "grad": lambda o, theta, V, X, y: o.grad(theta),
    "grads": lambda o, theta, V, X, y: o.grads(V, np.abs(np.outer(o.weights, V[0]))),
    "hvp": lambda o, theta, V, X, y: o.hvp(theta, V),
    "hvp of a vector": lambda o, theta, V, X, y: o.hvp(theta, V[:, 0]),
    "hessian": lambda o, theta, V, X, y: o.hessian(theta),
    "example_dots": lambda o, theta, V, X, y: o.example_dots(theta, V),
    "example_dots of a vector": lambda o, theta, V, X, y: o.example_dots(theta, V[:, 0]),
    "example_grads": lambda o, theta, V, X, y: o.example_grads(theta, SOME),
    "input_grads": lambda o, theta, V, X, y: o.input_grads(theta, V[:, 0], SOME),
    "test_losses": lambda o, theta, V, X, y: o.test_losses(theta, X, y),
    "test_grads": lambda o, theta, V, X, y: o.test_grads(theta, X, y),
}


def both(name, change=lambda o: o):
    """Make the same problem in both objectives, with arguments for the verbs."""
    pair = [change(make_objective(kind, name)) for kind in ("LinearObjective", "AutogradObjective")]
    theta = np.random.default_rng(3).standard_normal(pair[0].p)
    V = np.random.default_rng(4).standard_normal((pair[0].p, 3))
    return pair, (theta, V, *make_examples(name, 5, seed=1))


CHANGES = {
    "as it is": lambda o: o,
    "reweighted": lambda o: o.upweighted(3, 0.5).without([1, 2]),
    "one weight negative": lambda o: o.upweighted(3, -0.5),
    "subset": lambda o: o.subset(np.arange(0, 40, 2)),
    "perturbed": lambda o: o.perturbed(5, o.X[5] + 1.0, o.y[6]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
@pytest.mark.parametrize("name", LOSSES)
def test_closed_forms_agree_with_autograd(name, verb, change):
    (fast, slow), arguments = both(name, change)
    assert_allclose(verb(fast, *arguments), verb(slow, *arguments), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
@pytest.mark.parametrize("name", LOSSES)
def test_chunks_of_a_few_rows_give_the_same_result(name, verb, monkeypatch):
    (fast, _), arguments = both(name)
    whole = verb(fast, *arguments)
    monkeypatch.setattr(linear, "CHUNK_BYTES", 8 * 40)  # 40 numbers: a few rows, then a remainder
    assert_allclose(verb(fast, *arguments), whole, rtol=1e-12, atol=1e-14)


def test_theta_is_a_matrix_of_features_by_classes_flattened_by_rows():
    o = make_objective("LinearObjective", "softmax")
    Theta = np.random.default_rng(0).standard_normal((4, 3))
    S = o.X @ Theta
    log_p = S - np.log(np.exp(S).sum(axis=1, keepdims=True))
    expected = -log_p[np.arange(o.n), o.y]
    assert_allclose(o.test_losses(Theta.ravel(), o.X, o.y), expected, rtol=1e-12)


# Precision --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make_objective", LINEAR)
def test_double_precision_is_the_default(make_objective):
    o = make_objective()
    from_single = LinearObjective(o.losses, o.X.astype(np.float32), o.y)
    assert o.X.dtype == from_single.X.dtype == np.float64
    assert fit(o).theta.dtype == o.grad(np.zeros(o.p)).dtype == np.float64


@pytest.mark.parametrize("make_objective", LINEAR)
def test_single_precision_stays_single(make_objective):
    o = make_objective(dtype=np.float32)
    theta = fit(o).theta
    V = np.ones((o.p, 2))  # double
    assert o.X.dtype == o.weights.dtype == theta.dtype == np.float32
    assert fit(o, np.zeros(o.p)).theta.dtype == np.float32
    results = [
        o.risk(theta),
        o.grad(theta),
        o.hvp(theta, V),
        o.hessian(theta),
        o.example_dots(theta, V),
        o.example_grads(theta, SOME),
        o.input_grads(theta, V[:, 0], SOME),
        o.test_losses(theta, o.X, o.y),
        o.test_grads(theta, o.X, o.y),
        o.without(3).grad(theta),
        o.upweighted(3, 0.1).grad(theta),
        o.perturbed(3, o.X[0], o.y[3]).grad(theta),
        o.subset(np.arange(20)).grad(theta),
    ]
    assert {np.asarray(r).dtype for r in results} == {np.dtype(np.float32)}


@pytest.mark.parametrize("solver", ["direct", "cg"])
@pytest.mark.parametrize("make_objective", LINEAR)
def test_single_precision_scores_agree_with_double_to_four_digits(make_objective, solver):
    double, single = make_objective(), make_objective(dtype=np.float32)
    X_test, y_test = double.X[:3], double.y[:3]
    expected = Influence(double, fit(double).theta).up_loss(X_test, y_test)
    influence = Influence(single, fit(single).theta, solver=solver)
    scores = influence.up_loss(X_test, y_test)
    assert scores.dtype == influence.self_influence().dtype == np.float32
    # 1e-7 of rounding, times the condition number (tens), and a fit to 1e-5
    assert_allclose(scores, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert influence.report.converged


def test_a_single_precision_solve_multiplies_in_single_precision():
    o = make_objective("LinearObjective", "logistic", dtype=np.float32)
    theta, seen = fit(o).theta, set()

    class Watched:
        def __matmul__(self, V):
            seen.add(np.asarray(V).dtype)
            return o.hvp(theta, V)

    assert cg(Watched(), o.grad(theta) + 1, rtol=1e-4).x.dtype == np.float32
    assert seen == {np.dtype(np.float32)}


# Memory -----------------------------------------------------------------------------------------


def peak_of(call):
    """Bytes held at most during a call, beyond those held before."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_scores_of_many_examples_never_make_an_n_by_p_array(monkeypatch):
    n, d, c, m = 20_000, 50, 10, 20
    monkeypatch.setattr(linear, "CHUNK_BYTES", 2**20)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, d)), rng.integers(0, c, n)
    o = LinearObjective(models.softmax(c), X, y, l2=0.1)
    theta = fit(o, gtol=1e-3).theta
    result = 8 * m * n
    # the scores, their copies; and four blocks of eight chunks each while the Hessian is made
    bound = 3 * result + 4 * 8 * linear.CHUNK_BYTES
    assert bound < 0.6 * 8 * n * o.p  # else the bound would say nothing
    for solver in ("direct", "cg"):
        influence = Influence(o, theta, solver=solver)
        assert peak_of(lambda i=influence: i.up_loss(X[:m], y[:m])) < bound


def test_rows_in_batches_need_less_memory_than_all_at_once():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2_000, 4))
    y = np.where(X[:, 0] + rng.standard_normal(2_000) > 0, 1, -1)
    o = LinearObjective(models.logistic, X, y, l2=0.1)
    influence = Influence(o, fit(o).theta)

    def in_batches():
        for rows in influence.up_loss(X[:500], y[:500], batch_size=10):
            assert rows.shape == (10, 2_000)

    everything = 8 * 500 * 2_000
    assert peak_of(in_batches) < everything < peak_of(lambda: influence.up_loss(X[:500], y[:500]))


def test_the_closed_forms_also_serve_as_an_autograd_model():
    o = make_objective("AutogradObjective", "softmax")
    assert isinstance(o, AutogradObjective) and o.losses is LOSSES["softmax"]


# A penalty that leaves some parameters free, or stays when examples go ---------------------------

PENALTIES = {
    "one free parameter": {"l2": np.array([0.05, 0.2, 0.1, 0.0]), "fold_l2": True},
    "a term of its own": {"l2": 0.05, "fold_l2": False},
    "both": {"l2": np.array([0.05, 0.2, 0.1, 0.0]), "fold_l2": False},
}
each_penalty = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES.keys())


def with_penalty(kind, penalty):
    return make_objective(kind, "logistic", **penalty)


@each_penalty
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
def test_every_penalty_is_the_same_in_closed_form_and_by_autograd(verb, penalty):
    pair = [with_penalty(kind, penalty).upweighted(3, 0.5).without([1, 2]) for kind in CLASSES]
    theta, V = np.arange(4.0), np.random.default_rng(4).standard_normal((4, 3))
    arguments = (theta, V, *make_examples("logistic", 5, seed=1))
    fast, slow = (verb(o, *arguments) for o in pair)
    assert_allclose(fast, slow, rtol=1e-10, atol=1e-12)


@each_penalty
@pytest.mark.parametrize("kind", CLASSES)
def test_the_penalty_of_each_parameter_has_the_strength_asked_for(kind, penalty):
    o, theta = with_penalty(kind, penalty), np.arange(4.0)
    bare = make_objective(kind, "logistic", l2=0.0)
    expected = 0.5 * np.sum(penalty["l2"] * theta**2)
    assert_allclose(o.risk(theta) - bare.risk(theta), expected, rtol=1e-12)
    without = o.without(range(10)).risk(theta) - bare.without(range(10)).risk(theta)
    assert_allclose(without, expected * (0.75 if penalty["fold_l2"] else 1.0), rtol=1e-12)


@each_penalty
@pytest.mark.parametrize("kind", CLASSES)
def test_influence_is_the_derivative_of_refitting_under_every_penalty(kind, penalty):
    o, eps = with_penalty(kind, penalty), 1e-5
    theta = fit(o, gtol=1e-13).theta
    plus, minus = (fit(o.upweighted(3, e), theta, gtol=1e-13).theta for e in (eps, -eps))
    ours = Influence(o, theta).up(np.eye(4))[:, 3]
    assert_allclose(ours, (plus - minus) / (2 * eps), rtol=1e-6, atol=1e-7)


@each_penalty
def test_refits_in_a_block_are_fits_of_their_own_under_every_penalty(penalty):
    o = with_penalty("LinearObjective", penalty)
    theta = fit(o).theta
    block = refit_without(o, theta, [2, 9], progress=False).thetas
    for row, i in zip(block, (2, 9), strict=True):
        assert_allclose(row, fit(o.without(i), gtol=1e-12).theta, rtol=1e-7, atol=1e-8)


@each_penalty
def test_single_precision_stays_single_under_every_penalty(penalty):
    o = make_objective("LinearObjective", "logistic", dtype=np.float32, **penalty)
    theta, V = np.ones(4, dtype=np.float32), np.ones((4, 2), dtype=np.float32)
    results = [o.grad(theta), o.hvp(theta, V), o.hessian(theta), o.example_dots(theta, V)]
    assert {r.dtype for r in results} == {np.dtype(np.float32)}


def test_preconditioned_cg_copes_with_a_free_parameter():
    o = with_penalty("LinearObjective", PENALTIES["one free parameter"])
    theta = fit(o).theta
    solution = cg(Hessian(o, theta), np.ones(4), preconditioner=o.preconditioner(theta))
    assert_allclose(solution.x, np.linalg.solve(o.hessian(theta), np.ones(4)), rtol=1e-6)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize(
    "l2", [np.ones(3), np.ones((4, 1)), np.array([1, 1, 1, -1.0]), np.array([1, 1, 1, np.nan])]
)
def test_a_vector_that_is_no_penalty_is_refused(kind, l2):
    with pytest.raises(ValueError, match="at least 0, or a vector of 4, got an array|l2 holds NaN"):
        make_objective(kind, "logistic", l2=l2)
