"""Sparse inputs: the same numbers as written out, in every form, and never written out."""

import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from problems import LOSSES, make_examples
from test_linear import VERBS

import minfluence as mi
from minfluence import LinearObjective, models
from minfluence.objectives.sharded import Chunks, ShardedObjective

N = 40
RNG = np.random.default_rng(5)
GAPS = RNG.uniform(size=(N, 4)) < 0.5
NEW = np.array([[1.0, 0.0, 0.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
CHANGES = {
    "as it is": lambda o: o,
    "reweighted": lambda o: o.upweighted(3, -0.5).without([1, 2]),
    "subset": lambda o: o.subset(np.arange(0, N, 2)),
    "replaced": lambda o: o.replaced([5, 2], NEW, o.y[[6, 7]]),
    "perturbed": lambda o: o.perturbed(5, NEW[0], o.y[6]),
    "perturbed by a sparse row": lambda o: o.perturbed(5, sp.csr_matrix(NEW[:1]), o.y[6]),
    "extended": lambda o: o.extended(sp.coo_array(NEW), o.y[[6, 7]]),
    "on others": lambda o: o.on(sp.csc_matrix(o.X[::-1]), o.y[::-1]),
}


def pair(name, l2=0.05):
    """The same examples, half of their numbers 0, sparse and written out."""
    X, y = make_examples(name, N)
    X = np.where(GAPS, 0.0, X)
    return [LinearObjective(LOSSES[name], Z, y, l2=l2) for Z in (sp.csr_matrix(X), X)]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("name", LOSSES)
def test_every_verb_gives_the_numbers_of_the_matrix_written_out(name, change):
    sparse, dense = map(change, pair(name))
    assert sp.issparse(sparse.X)
    theta, V = RNG.standard_normal(sparse.p), RNG.standard_normal((sparse.p, 3))
    X, y = make_examples(name, 5, seed=1)
    for verb in VERBS.values():
        expected = verb(dense, theta, V, X, y)
        for form in (sp.csr_array, sp.coo_matrix, np.asarray):
            assert_allclose(verb(sparse, theta, V, form(X), y), expected, rtol=1e-10, atol=1e-12)
    assert_allclose(sparse.gauss_newton(theta), dense.gauss_newton(theta), rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(*(o.examples([0, 5, 5]) for o in (sparse, dense)), strict=True):
        assert_array_equal(ours.toarray() if sp.issparse(ours) else ours, theirs)


@pytest.mark.parametrize("solver", ["direct", "cg", "lissa"])
def test_scores_and_refits_are_those_of_the_matrix_written_out(solver):
    sparse, dense = pair("logistic")
    theta = mi.fit(dense).theta
    assert_allclose(mi.fit(sparse).theta, theta, atol=1e-8)
    X, y = make_examples("logistic", 3, seed=1)
    ours, theirs = (mi.Influence(o, theta, solver=solver) for o in (sparse, dense))
    close = {"rtol": 1e-5, "atol": 1e-7}
    assert_allclose(ours.up_loss(sp.csr_array(X), y), theirs.up_loss(X, y), **close)
    assert_allclose(ours.self_influence(), theirs.self_influence(), **close)
    assert_allclose(ours.pert_loss(X[0], y[0]), theirs.pert_loss(X[0], y[0]), **close)
    changes = [mi.actual_change(o, theta, range(5), X, y, progress=False) for o in (sparse, dense)]
    assert_allclose(*changes, atol=1e-8)
    moved = [
        mi.actual_perturbed_change(o, theta, [3, 3], Z, y[:2], X, y, progress=False)
        for o, Z in ((sparse, sp.csr_matrix(NEW)), (dense, NEW))
    ]
    assert_allclose(*moved, atol=1e-8)


def test_one_test_point_may_be_a_row_in_any_form():
    sparse, dense = pair("logistic")
    theta = mi.fit(dense).theta
    X, y = make_examples("logistic", 3, seed=1)
    expected = mi.Influence(dense, theta).up_loss(X[1], y[1])
    for row in (sp.csr_matrix(X)[1], sp.csc_matrix(X)[[1]], sp.csr_array(X)[1], X[1]):
        scores = mi.Influence(sparse, theta).up_loss(row, y[1])
        assert scores.shape == (N,)
        assert_allclose(scores, expected, rtol=1e-9)


def test_parts_chunks_pickles_and_runs_on_disk_are_sparse_too(tmp_path):
    sparse, dense = pair("softmax")
    theta = mi.fit(dense).theta
    X, y = make_examples("softmax", 3, seed=1)
    expected = mi.Influence(dense, theta).up_loss(X, y)
    parts = [sparse.on(sparse.X[part], sparse.y[part]) for part in (slice(13), slice(13, None))]
    chunks = Chunks(sparse, sparse.X, sparse.y, rows=7, progress=False)
    again = pickle.loads(pickle.dumps(sparse))
    for o in (ShardedObjective(parts), ShardedObjective(chunks), again):
        assert_allclose(mi.Influence(o, theta).up_loss(sp.csr_array(X), y), expected, rtol=1e-8)
        assert_array_equal(o.examples([30, 2])[1], sparse.y[[30, 2]])
    influence = mi.Influence(sparse, theta)
    for computed in (2, 0):
        saved = mi.save_up_loss(influence, sp.csr_array(X), y, tmp_path / "run", batch_size=2)
        assert saved.computed == computed
    assert_allclose(np.concatenate(list(saved)), expected, rtol=1e-8)


def test_methods_around_the_core_take_them_too():
    sparse, dense = pair("logistic")
    theta = mi.fit(dense).theta
    X, y = make_examples("logistic", 3, seed=1)
    for method in (
        lambda o, X: mi.attribution.trak(o, [theta], X, y, width=4),
        lambda o, X: mi.attribution.tracin(o, [theta], [1.0], X, y),
        lambda o, X: mi.attribution.theta_relatif(mi.Influence(o, theta), X, y),
        lambda o, X: mi.audit.rank_suspicious_labels(mi.Influence(o, theta)),
        lambda o, X: mi.leverage(o, theta),
        lambda o, X: mi.cooks_distance(o, theta),
        lambda o, X: mi.suggest_damping(mi.Hessian(o, theta)).damping,
    ):
        ours, theirs = method(sparse, sp.csr_array(X)), method(dense, X)
        assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def test_odd_sparse_matrices_mean_what_they_say_and_stay_as_they_are():
    _, dense = pair("squared")
    i, j = np.array([0, 0, 1, N - 1]), np.array([2, 2, 0, 3])
    twice = sp.coo_matrix((np.array([1, 2, 0, 5]), (i, j)), shape=(N, 4))  # one entry is a sum
    o = LinearObjective(models.squared, twice, dense.y)
    assert_array_equal(o.X.toarray(), twice.toarray())
    assert o.X.dtype == float and twice.nnz == 4
    counts = sp.csr_matrix(np.eye(N, 4))
    o = LinearObjective(models.squared, counts, dense.y)
    before = o.risk(np.ones(4))
    counts.data[:] = 7.0
    assert o.risk(np.ones(4)) == before
    assert LinearObjective(models.squared, counts > 3, dense.y).X.sum() == 4


def test_nothing_is_written_out():
    n, d = 2_000, 100_000  # 1.6 GB, were it dense
    X = sp.random_array((n, d), density=1e-3, format="csr", rng=np.random.default_rng(0))
    y = np.where(RNG.uniform(size=n) < 0.5, 1, -1)
    tracemalloc.start()
    o = LinearObjective(models.logistic, X, y, l2=1e-2)
    theta = mi.fit(o).theta
    influence = mi.Influence(o, theta)
    scores = influence.up_loss(X[:2], y[:2])
    refits = mi.refit_without(o, theta, [0], progress=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert influence.report.converged and refits.converged.all()
    assert scores[0, 0] < 0 < np.ptp(scores)
    assert peak < 200e6
