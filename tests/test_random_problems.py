"""Random problems against plain loops, dense algebra and refits, none of them the package's.

`reference` says what is right and how close is close; `random_problems` draws. The gate runs the
same examples each time; ``make random`` runs many more, others each time, and prints how to
reproduce what fails.
"""

import os
import socket
import subprocess
import sys
import warnings
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from problems import HAS_TORCH
from random_problems import (
    KINDS,
    SMOOTH,
    at_minimum,
    definite_problems,
    fitted_problems,
    has_minimum,
    problems,
    rounded,
)
from random_ranks import few_problems

import minfluence as mi
from minfluence.minimum import in_natural_units

IN_MEMORY = [kind for kind in KINDS if " " not in kind]
FEW_KINDS = [*IN_MEMORY, "linear parts", "linear chunks"]  # where each is fitted several times


def examples(share):
    """Settings for a share of the examples of the profile that is loaded."""
    return settings(max_examples=max(1, int(share * settings.default.max_examples)))


@contextmanager
def quiet(*categories):
    """Nothing may warn but of these."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own
        # of autograd, for a loss whose second derivative is 0
        warnings.filterwarnings("ignore", message="Output seems independent of input")
        for category in categories:
            warnings.simplefilter("ignore", category)
        yield


# The verbs of an objective ------------------------------------------------------------------------

VERBS = {  # name -> what the objective says, what the reference says
    "risk": (lambda o, p: o.risk(p.theta), lambda r: r.value),
    "grad": (lambda o, p: o.grad(p.theta), lambda r: r.grad),
    "hvp of one": (lambda o, p: o.hvp(p.theta, p.V[:, 0]), lambda r: r.hessian @ r.V[:, 0]),
    "hvp of a block": (lambda o, p: o.hvp(p.theta, p.V), lambda r: r.hessian @ r.V),
    "hessian": (lambda o, p: o.hessian(p.theta), lambda r: r.hessian),
    "gnvp": (lambda o, p: o.gnvp(p.theta, p.V), lambda r: r.gauss_newton @ r.V),
    "gauss_newton": (lambda o, p: o.gauss_newton(p.theta), lambda r: r.gauss_newton),
    "example_dots of one": (
        lambda o, p: o.example_dots(p.theta, p.V[:, 0]),
        lambda r: r.example_grads @ r.V[:, 0],
    ),
    "example_dots of a block": (
        lambda o, p: o.example_dots(p.theta, p.V),
        lambda r: r.example_grads @ r.V,
    ),
    "test_losses": (lambda o, p: o.test_losses(p.theta, *p.tests), lambda r: r.test_losses),
    "test_grads": (lambda o, p: o.test_grads(p.theta, *p.tests), lambda r: r.test_grads),
}


@examples(1.5)
@given(problems(any_weights=True))
def test_every_verb_is_a_sum_over_examples(problem):
    o = problem.objective
    assert (o.n, o.p) == (problem.reference.n, len(problem.theta))
    for name, (verb, expected) in VERBS.items():
        problem.agrees(name, verb(o, problem), expected)
    problem.unchanged()


@examples(0.2)
@given(problems(dtypes=(np.float32,)))
def test_every_result_is_in_the_precision_asked_for(problem):
    for name, (verb, _) in VERBS.items():
        got = verb(problem.objective, problem)
        assert np.ndim(got) == 0 or got.dtype == problem.dtype, f"{name}: {got.dtype}"


@examples(0.5)
@given(problems(any_weights=True))
def test_verbs_of_some_examples_are_rows_of_those_of_all(problem):
    o, chosen = problem.objective, problem.indices
    theta, t = problem.theta, problem.V[:, 0]
    problem.agrees(
        "example_grads", o.example_grads(theta, chosen), lambda r: r.example_grads[chosen]
    )
    problem.agrees(
        "input_grads",
        o.input_grads(theta, t, chosen),
        lambda r: r.input_grads(r.V[:, 0])[chosen],
    )
    X, y = o.examples(chosen)
    assert np.array_equal(X, problem.given(problem.reference.X[chosen]))
    assert np.array_equal(y, problem.label(problem.reference.y[chosen]))


@examples(0.4)
@given(problems())
def test_a_change_of_weights_is_a_change_of_the_sum(problem):
    o, theta, chosen = problem.objective, problem.theta, problem.indices

    def weighted(change):
        return lambda r: r.at(r.theta, change(r.weights.copy(), r.n))[1]

    def raised(w, n):
        w[chosen] += 0.25
        return w

    def left_out(w, n):
        w[chosen] = 0.0
        return w

    def only(w, n):
        return np.where(np.isin(np.arange(n), chosen), w * n / len(chosen), 0.0)

    if np.delete(problem.reference.weights, chosen).any():
        problem.agrees("without", o.without(chosen).grad(theta), weighted(left_out))
    problem.agrees("upweighted", o.upweighted(chosen, 0.25).grad(theta), weighted(raised))
    problem.agrees("subset", o.subset(chosen).grad(theta), weighted(only))
    thetas = problem.V
    W = problem.given(np.random.default_rng(0).uniform(0, 1, (o.n, 3)))
    problem.agrees("grads", o.grads(thetas, W), lambda r: r.grads(r.V, W.astype(float)))


@examples(0.2)
@given(problems(kinds=IN_MEMORY))
def test_other_examples_take_over_the_weights(problem):
    o, theta, i = problem.objective, problem.theta, problem.indices
    X_new, y_new = problem.news
    one = o.perturbed(int(i[0]), X_new[0], y_new[0])
    problem.agrees("perturbed", one.grad(theta), lambda r: r.replaced(i[0], 0).grad)

    def all_three(r):
        for k in range(3):
            r = r.replaced(i[k], k)
        return r

    problem.agrees("replaced", o.replaced(i, X_new, y_new).grad(theta), lambda r: all_three(r).grad)
    problem.agrees("extended", o.extended(X_new, y_new).grad(theta), lambda r: r.grad)


# Influence ----------------------------------------------------------------------------------------

SOLVERS = {
    "auto": lambda p: "auto",
    "direct": lambda p: "direct",
    "cg": lambda p: "cg",
    "preconditioned cg": lambda p: partial(
        mi.cg,
        preconditioner=p.objective.preconditioner(p.theta, p.damping),
    ),
    "lissa": lambda p: partial(mi.lissa, depth=100, repeats=2),
}


def influence_of(problem, solver, curvature):
    """An `Influence`, which may say that theta is far from the minimum."""
    solver = SOLVERS[solver](problem)
    options = {"damping": problem.damping, "solver": solver, "curvature": curvature}
    with quiet(mi.FarFromMinimum):
        return mi.Influence(problem.objective, problem.theta, **options)


def unsolved(problem, residual, curvature, gradients):
    """What a residual may do to scores: |g . H⁻¹ r| <= ||H⁻¹ g|| ||r||.  (n, p), (m, p) -> (m, n).

    The residual is the one that the certificate states, with what its own computation may round.
    """
    r, eps = problem.reference, np.finfo(problem.dtype).eps
    H = r.matrix(curvature)
    solved = np.linalg.solve(H, gradients.T).T
    rounding = 32 * eps * (np.linalg.norm(H, 2) * norm(solved) + norm(gradients))
    length = residual * norm(gradients) + rounding
    return lambda rows: np.outer(length, norm(np.linalg.solve(H, rows.T).T))


def check_scores(problem, solver, curvature):
    r, chosen = problem.reference, problem.indices
    influence = influence_of(problem, solver, curvature)
    with quiet(mi.NotConverged) if "cg" in solver else quiet():
        scores = influence.up_loss(*problem.tests)
        pert = influence.pert_loss(problem.tests[0][0], problem.tests[1][0])
        change = influence.predicted_change(*problem.tests)
        moved = influence.predicted_perturbed_change(chosen, *problem.news, *problem.tests)
        own = influence.self_influence()
        s_test = influence.s_test(*problem.tests)
        of_V = influence.up(problem.V.T)
        one = influence.up_loss(problem.tests[0][0], problem.tests[1][0])
    of_tests = unsolved(problem, influence.report.residual, curvature, r.test_grads)
    G = r.example_grads
    slack = of_tests(G)
    problem.agrees("up_loss", scores, lambda r: r.up_loss(curvature), slack)
    problem.agrees("up_loss of one", one, lambda r: r.up_loss(curvature)[0], slack[0])
    problem.agrees(
        "predicted_change", change, lambda r: -r.weights * r.up_loss(curvature), slack * r.weights
    )
    problem.agrees(
        "s_test", s_test, lambda r: r.s_test(curvature), of_tests(np.eye(len(problem.theta)))
    )
    problem.agrees(
        "up",
        of_V,
        lambda r: -np.linalg.solve(r.matrix(curvature), r.V).T @ r.example_grads.T,
        unsolved(problem, influence.report.residual, curvature, r.V.T)(G),
    )
    problem.agrees(
        "self_influence",
        own,
        lambda r: r.self_influence(curvature),
        np.diag(unsolved(problem, influence.report.residual, curvature, G)(G)),
    )
    differences = r.grads_of(r.news, False) - r.grads_of(r.here, False)[chosen]
    problem.agrees(
        "predicted_perturbed_change",
        moved,
        lambda r: r.perturbed_change(curvature, chosen),
        np.abs(r.weights[chosen]) * of_tests(differences),
    )
    # pert_loss is linear in s_test: a column for each parameter
    linear = np.stack([r.input_grads(e) for e in np.eye(len(problem.theta))], axis=-1)
    extra = of_tests(linear.reshape(-1, len(problem.theta)))[0].reshape(pert.shape)
    problem.agrees("pert_loss", pert, lambda r: r.pert_loss(curvature), extra)
    check_report(problem, influence, curvature, s_test, solver)


def check_report(problem, influence, curvature, s_test, solver):
    """The certificate says what can be computed afresh."""
    r, report, eps = problem.reference, influence.report, np.finfo(problem.dtype).eps
    H = r.matrix(curvature)
    b = problem.objective.test_grads(problem.theta, *problem.tests).astype(float)
    rounding = problem.allowed(lambda r: s_test @ r.matrix(curvature), s_test @ H)
    left, stated = norm(b - s_test @ H), report.residual * norm(b) + norm(rounding)
    assert (left <= stated).all(), f"a residual of {left}, and at most {stated} by the report"
    if "cg" in solver or solver == "lissa":
        rtol = 1e-8 if problem.dtype == np.float64 else 1e-5
        assert report.converged == (report.residual <= (1e-2 if solver == "lissa" else rtol))
    else:  # as good as a factorisation can be
        B = np.concatenate([r.test_grads, r.V.T, r.example_grads])
        B = B[norm(B) > 0]
        solved = np.linalg.solve(H, B.T).T
        backward = 1 + np.max(np.linalg.norm(H, 2) * norm(solved) / norm(B))
        assert report.residual <= 64 * eps * backward, f"{report.residual} on {H}"
    units = in_natural_units(problem.objective)[1]
    push = np.sqrt(np.mean(norm(units * r.weights[:, None] * r.example_grads) ** 2))
    # of eight random directions: a factor of 10 has a chance below 1e-6
    assert push / 10 <= report.example_push <= 10 * push or push < np.finfo(problem.dtype).tiny
    problem.agrees("grad_norm", report.grad_norm, lambda r: norm(units * r.grad))


@examples(1.2)
@given(definite_problems(), st.data())
def test_scores_are_dense_algebra(problem_and_curvature, data):
    problem, curvature = problem_and_curvature
    solvers = ["auto", "direct", "cg"]
    if problem.objective.preconditioner(problem.theta) is not None:
        solvers.append("preconditioned cg")
    solver = data.draw(st.sampled_from(solvers), label="solver")
    check_scores(problem, solver, curvature)


@examples(0.1)
@given(definite_problems(kinds=["linear", "linear parts"], dtypes=(np.float64,)))
def test_scores_of_samples_are_dense_algebra_within_their_residual(problem_and_curvature):
    problem, curvature = problem_and_curvature
    influence = influence_of(problem, "lissa", curvature)
    with quiet(mi.NotConverged):
        scores = influence.up_loss(*problem.tests)
        s_test = influence.s_test(*problem.tests)  # remembered
    r, residual = problem.reference, influence.report.residual
    slack = unsolved(problem, residual, curvature, r.test_grads)(r.example_grads)
    problem.agrees("up_loss", scores, lambda r: r.up_loss(curvature), slack)
    check_report(problem, influence, curvature, s_test, "lissa")


@examples(0.2)
@given(problems(names=["softmax"], kinds=["linear", "autograd"]), st.booleans())
def test_a_singular_hessian_has_the_shortest_answer_or_none(problem, reachable):
    """Softmax without a penalty: all scores may grow together, and H is singular."""
    problem = problem.with_(l2=np.zeros(len(problem.theta)))
    d, eps = problem.reference.X.shape[1], np.finfo(problem.dtype).eps
    values = np.linalg.eigvalsh(problem.reference.hessian)
    assume(values[d] > 10 * np.sqrt(eps) * values[-1])  # d zeros, and nothing close to them

    def gradient(r):
        b = r.V[:, 0].reshape(d, -1)
        return (b - reachable * b.mean(axis=1, keepdims=True)).ravel()

    def shortest(r):
        values, Q = np.linalg.eigh(r.matrix("hessian"))
        return -r.example_grads @ Q[:, d:] @ ((Q.T @ gradient(r))[d:] / values[d:])

    with quiet(mi.FarFromMinimum):
        influence = mi.Influence(problem.objective, problem.theta)
    if reachable:
        with quiet():
            got = influence.up(problem.given(gradient(problem.reference)))
        problem.agrees("up", got, shortest)
    else:
        with pytest.raises(mi.NotPositiveDefinite):
            influence.up(problem.given(gradient(problem.reference)))


# Fits and refits ----------------------------------------------------------------------------------

RELATIVE = 1e-3  # how long a gradient may be, relative to the push that a change gives it
ONE_MINIMUM = [name for name in SMOOTH if name not in ("huber", "squared_hinge", "tanh")]


def norm(a):
    return np.linalg.norm(a, axis=-1)


def check_minimum(what, problem, theta, push):
    """Assert that theta is the minimum of the problem's risk, as far as a push can tell.

    Returns how long the gradient might have been.
    """
    found = problem.with_(theta=theta.astype(float))
    want = found.reference.grad
    most = RELATIVE * push + norm(found.allowed(lambda r: r.grad, want))
    assert norm(want) <= most, (
        f"{what}: a gradient of {norm(want):.2g} is left, after a push of {push:.2g}: "
        f"{norm(want) / most:.3g} times what is allowed"
    )
    return most


@examples(0.7)
@given(fitted_problems(kinds=FEW_KINDS))
def test_fit_goes_to_the_minimum(problem):
    r = problem.reference
    start = problem.given(r.V[:, 0]) if problem.name == "tanh" else None
    with quiet():
        fit = mi.fit(problem.objective, start)
    units = in_natural_units(problem.objective)[1]
    push = np.sqrt(np.mean(norm(units * r.weights[:, None] * r.example_grads) ** 2))
    most = check_minimum("fit", problem, fit.theta, push)
    assert fit.converged and fit.theta.dtype == problem.dtype
    if problem.name in ONE_MINIMUM:
        H = r.hessian
        assert (np.abs(fit.theta - r.theta) <= 4 * most * norm(np.linalg.inv(H))).all()


@examples(0.5)
@given(fitted_problems(kinds=FEW_KINDS))
def test_refits_are_brute_force(problem):
    r, o, theta_hat, i = problem.reference, problem.objective, problem.theta, problem.indices
    factors = np.random.default_rng(0).uniform(0.5, 1.5, r.n)
    weights = [
        np.where(np.isin(np.arange(r.n), group), 0.0, r.weights) for group in ([i[0]], i[1:])
    ]
    weights = [rounded(w, problem.dtype) for w in (*weights, factors * r.weights)]
    truths = [at_minimum(problem, weights=w) for w in weights]
    assume(all(has_minimum(truth) for truth in truths))
    with quiet(mi.NotConverged):
        left_out = mi.refit_without(o, theta_hat, [i[0], i[1:]], progress=False)
        W = problem.given(np.stack(weights, axis=1))
        weighted = mi.refit_weighted(o, theta_hat, W, progress=False)
        change = mi.actual_change(o, theta_hat, [i[0], i[1:]], *problem.tests, progress=False)
    converged = [*left_out.converged, *weighted.converged]
    assert all(converged) or problem.dtype == np.float32  # which may say that it cannot resolve one
    refits = zip([*left_out.thetas, *weighted.thetas], [*truths[:2], *truths], strict=True)
    for k, (theta, truth) in enumerate(refits):
        if not converged[k]:
            continue
        push = norm((truth.reference.weights - r.weights) @ r.example_grads)
        most = check_minimum(f"refit {k}", truth, theta, push)
        if k < 2:
            check_change(problem, truth, theta, change[:, k], most)


def check_change(problem, truth, theta, change, most):
    """The change of the test losses from theta_hat to theta, and to the reference's own refit."""
    found = problem.with_(theta=theta.astype(float))
    before, after = problem.reference.test_losses, found.reference.test_losses
    rounding = problem.allowed(lambda r: r.test_losses, before)
    rounding = rounding + found.allowed(lambda r: r.test_losses, after)
    away = np.abs(change - (after - before)) / rounding
    assert (away <= 1).all(), f"{change}, expected {after - before}: {away} times what is allowed"
    if problem.name in ONE_MINIMUM:
        r = truth.reference
        solved = norm(np.linalg.solve(r.hessian, r.test_grads.T).T)
        away = 4 * most * solved + 4 * most**2 * np.linalg.norm(np.linalg.inv(r.hessian), 2) ** 2
        assert (np.abs(change - (r.test_losses - before)) <= rounding + away).all(), (
            change,
            r.test_losses - before,
        )


@examples(0.3)
@given(fitted_problems(kinds=IN_MEMORY))
def test_refits_with_other_examples_are_brute_force(problem):
    r, o, theta_hat, i = problem.reference, problem.objective, problem.theta, problem.indices
    replaced = [r.replaced(i[k], k) for k in range(3)]
    truths = [at_minimum(problem, X=x.X, y=x.y) for x in replaced]
    assume(all(has_minimum(truth) for truth in truths))
    changes = theta_hat, i, *problem.news
    with quiet(mi.NotConverged):
        refits = mi.refit_perturbed(o, *changes, progress=False)
        change = mi.actual_perturbed_change(o, *changes, *problem.tests, progress=False)
    assert refits.converged.all() or problem.dtype == np.float32
    moved, before = r.grads_of(r.news, False), r.grads_of(r.here, False)[i]
    pushes = r.weights[i] * norm(moved - before)
    for k, (theta, truth, push) in enumerate(zip(refits.thetas, truths, pushes, strict=True)):
        if not refits.converged[k]:
            continue
        most = check_minimum(f"refit {k}", truth, theta, push)
        check_change(problem, truth, theta, change[:, k], most)


# What must not matter -----------------------------------------------------------------------------


def same(problem, what, got, expected):
    """Assert that two answers of the package agree as well as each does with the reference."""
    want = np.asarray(expected(problem.reference))
    slack = 2 * problem.allowed(expected, want)  # each may be away from it
    away = np.max(np.abs(np.asarray(got[0], float) - np.asarray(got[1], float)) / slack)
    assert away <= 1, f"{what}: {got[0]} and {got[1]}, {away:.3g} times what is allowed"


def scores_of(problem, objective=None):
    objective = problem.objective if objective is None else objective
    with quiet(mi.FarFromMinimum):
        influence = mi.Influence(objective, problem.theta, damping=problem.damping)
        return influence.up_loss(*problem.tests)


HESSIAN = {"curvatures": ("hessian",)}


@examples(0.25)
@given(definite_problems(**HESSIAN), st.integers(1, 3), st.integers(1, 12))
def test_batches_chunks_and_parts_change_nothing(problem_and_curvature, batch_size, rows):
    problem = problem_and_curvature[0]
    o, usual = problem.objective, scores_of(problem)
    with quiet(mi.FarFromMinimum):
        influence = mi.Influence(o, problem.theta, damping=problem.damping)
        blocks = list(influence.up_loss(*problem.tests, batch_size=batch_size))
    assert {len(block) for block in blocks[:-1]} <= {batch_size}
    others = [np.concatenate(blocks)]
    rows = min(rows, o.n)
    again = replace(problem, batch_size=rows, rows=rows, cuts=(rows,) if rows < o.n else ())
    others.append(scores_of(again))
    for other in others:
        same(problem, "up_loss", (other, usual), lambda r: r.up_loss("hessian"))


@examples(0.25)
@given(definite_problems(**HESSIAN), st.randoms(use_true_random=False))
def test_the_order_of_examples_is_the_order_of_scores(problem_and_curvature, random):
    problem = problem_and_curvature[0]
    r, order = problem.reference, list(range(problem.reference.n))
    random.shuffle(order)
    turned = problem.with_(X=r.X[order], y=r.y[order], weights=r.weights[order])
    scores = scores_of(turned)[:, np.argsort(order)]
    same(problem, "up_loss", (scores, scores_of(problem)), lambda r: r.up_loss("hessian"))


@examples(0.25)
@given(definite_problems(**HESSIAN))
def test_an_example_without_weight_and_one_in_two_halves_change_nothing(problem_and_curvature):
    problem = replace(problem_and_curvature[0], reweighted=True)
    r, i = problem.reference, int(problem.indices[0])
    usual = scores_of(problem)

    def added(X, y, weights):
        return problem.with_(
            X=np.append(r.X, X[None], 0),
            y=np.append(r.y, y),
            weights=rounded(weights, problem.dtype),
        )

    silent = added(r.X_new[0], r.y_new[0], np.append(r.weights, 0.0))
    share = rounded(0.25 * r.weights[i], problem.dtype)
    weights = np.append(r.weights, share)
    weights[i] -= share
    halves = scores_of(added(r.X[i], r.y[i], weights))
    for what, scores in (("silent", scores_of(silent)[:, :-1]), ("halves", halves[:, :-1])):
        same(problem, what, (scores, usual), lambda r: r.up_loss("hessian"))
    same(problem, "copy", (halves[:, -1], usual[:, i]), lambda r: r.up_loss("hessian")[:, i])


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


FORMS = {
    "Fortran order": np.asfortranarray,
    "every other row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "big endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "read-only": read_only,
    "list": lambda a: a.tolist(),
}


@examples(0.3)
@given(
    definite_problems(**HESSIAN, kinds=IN_MEMORY + ["linear parts"]),
    st.sampled_from(list(FORMS)),
    st.sampled_from(["int32", "float64"]),
)
def test_the_form_of_arrays_changes_nothing_and_they_stay_as_they_are(drawn, form, label):
    problem, expected = drawn[0], lambda r: r.up_loss("hessian")
    labels = problem.labels if problem.name in ("squared", "huber") else label
    formed = replace(problem, form=FORMS[form], labels=labels)
    same(problem, form, (scores_of(formed), scores_of(problem)), expected)
    problem.unchanged()
    formed.unchanged()


def start(size, folder):
    """Run `random_ranks` in several processes, to the end."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
    command = [sys.executable, "-W", "ignore", Path(__file__).with_name("random_ranks.py"), folder]
    started = [
        subprocess.Popen(command, env=os.environ | address | {"RANK": str(rank)})
        for rank in range(size)
    ]
    assert [process.wait(timeout=120) for process in started] == [0] * size


@pytest.mark.slow
@pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed")
@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_number_of_ranks_changes_nothing(size, tmp_path):
    start(size, tmp_path)
    for k, problem in enumerate(few_problems()):
        r = problem.reference
        slack = unsolved(
            problem, 1e-8 if problem.dtype == np.float64 else 1e-5, "hessian", r.test_grads
        )
        for rank in range(size):
            with np.load(tmp_path / f"{k} {rank} of {size}.npz") as found:
                problem.agrees("risk", found["risk"], lambda r: r.value)
                problem.agrees("grad", found["grad"], lambda r: r.grad)
                problem.agrees("hessian", found["hessian"], lambda r: r.hessian)
                for solver, scores in ((s, found[s]) for s in ("direct", "cg")):
                    extra = slack(r.example_grads) * (solver == "cg")
                    problem.agrees(solver, scores, lambda r: r.up_loss("hessian"), extra)
