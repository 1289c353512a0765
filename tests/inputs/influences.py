"""What is passed to Influence and its methods."""

import threading
from functools import partial

import autograd.numpy as anp
import numpy as np

import minfluence as mi
from inputs.examples import (
    GRADS,
    HESSIAN,
    LOGISTIC,
    THETA,
    UP_LOSS,
    X_TEST,
    Y_TEST,
    Y_TEST_BINARY,
    X,
    Y,
    by_hand,
    in_torch,
    linear,
    own,
    up_loss,
)
from inputs.table import Unexpected, agree, holds, refused, right, warned
from minfluence import AutogradObjective, Influence, fit

FIRST = -np.linalg.solve(HESSIAN, [1.0, 0, 0]) @ GRADS.T


def cases():
    yield from of_settings()
    yield from of_test_points()
    yield from of_top_and_pert_loss()
    yield from of_gradients()
    yield from of_changed_examples()
    yield from far_from_a_minimum()
    yield from interrupted_and_shared()


def influence(objective=LOGISTIC, theta=THETA, **options):
    return Influence(objective, theta, **options)


def of_settings():
    for solver in ("newton", None, 3, ["cg"]):
        yield refused(f"Influence: solver {solver!r}", influence, solver=solver, saying="solver")
    for damping in (-1, np.nan, "0", None):
        yield refused(
            f"Influence: damping {damping!r}", influence, damping=damping, saying="damping"
        )
    yield refused("Influence: curvature misspelt", influence, curvature="gn", saying="curvature")
    yield refused("Influence: theta of two axes", influence, LOGISTIC, [[1, 2, 3]], saying="flat")
    yield refused(
        "Influence: theta of another model", influence, LOGISTIC, np.zeros(5), saying="shape"
    )
    yield refused("Influence: a Fit for theta", influence, LOGISTIC, fit(LOGISTIC), saying="theta")
    yield refused(
        "Influence: a solver that returns an array",
        lambda: up_loss(LOGISTIC, solver=lambda A, B: np.linalg.solve(mi.dense(A), B)),
        saying="Solution",
    )
    yield right(
        "Influence: theta in float32",
        lambda: up_loss(LOGISTIC, THETA.astype(np.float32)),
        expected=UP_LOSS,
        tol=1e-4,
    )
    yield right(
        "Influence: theta a list", lambda: up_loss(LOGISTIC, THETA.tolist()), expected=UP_LOSS
    )
    yield right(
        "torch: solver partial(direct)",
        lambda: up_loss(in_torch(X, Y), solver=partial(mi.direct)),
        expected=UP_LOSS,
    )


def of_test_points():
    nan = X_TEST * np.nan
    bad = {
        "labels of shape (m, 1)": (X_TEST, Y_TEST[:, None], "shape"),
        "one point, its label in a list": (X_TEST[0], [1.0], "shape"),
        "labels 0 and 1": (X_TEST, Y_TEST_BINARY, "labels"),
        "NaN": (nan, Y_TEST, "NaN"),
        "none": (X_TEST[:0], Y_TEST[:0], "at least one"),
        "8-bit pixels": (np.ones((4, 3), np.uint8), Y_TEST, "8-bit"),
    }
    for name, (points, labels, saying) in bad.items():
        for verb in ("up_loss", "predicted_change", "s_test"):
            yield refused(
                f"{verb}: test points with {name}",
                getattr(influence(), verb),
                points,
                labels,
                saying=saying,
            )
    for size in (0, 1.5, -1, "2"):
        yield refused(
            f"up_loss: batch_size {size!r}",
            influence().up_loss,
            X_TEST,
            Y_TEST,
            batch_size=size,
            saying="batch_size",
        )
    yield right(
        "up_loss: more in a batch than there are",
        lambda: next(influence().up_loss(X_TEST, Y_TEST, batch_size=99)),
        expected=UP_LOSS,
    )
    yield right(
        "up_loss: one test point", influence().up_loss, X_TEST[0], Y_TEST[0], expected=UP_LOSS[0]
    )


def of_top_and_pert_loss():
    for k in (0, 1.5, -1, None):
        yield refused(f"top: k = {k!r}", influence().top, X_TEST[0], Y_TEST[0], k, saying="k must")
    yield refused("top: several points", influence().top, X_TEST, Y_TEST, saying="one test point")
    yield right(
        "top: k larger than n",
        lambda: len(influence().top(X_TEST[0], Y_TEST[0], 99)[0]),
        expected=30,
    )
    pert = influence().pert_loss
    yield refused("pert_loss: several points", pert, X_TEST, Y_TEST, saying="one test point")
    yield refused("pert_loss: a mask", pert, X_TEST[0], Y_TEST[0], Y > 0, saying="whole numbers")
    yield refused(
        "pert_loss: an index beyond the last", pert, X_TEST[0], Y_TEST[0], [30], saying="must lie"
    )


def of_gradients():
    up = influence().up
    yield refused("up: gradient too long", up, np.ones(4), saying="gradient")
    yield refused("up: gradient a number", up, 1.0, saying="gradient")
    yield refused("up: gradient of three axes", up, np.ones((2, 2, 3)), saying="gradient")
    yield refused("up: gradient of strings", up, ["a", "b", "c"], saying="gradient|number")
    yield refused("up: NaN in the gradient", up, np.full(3, np.nan), saying="NaN")
    yield refused("up: gradient complex", up, np.ones(3) * 1j, saying="gradient|number|complex")
    for name, objective in {
        "Linear": LOGISTIC,
        "Autograd": own(X, Y),
        "Torch": in_torch(X, Y),
    }.items():
        for solver in ("direct", "cg"):
            found = influence(objective, solver=solver).up
            yield right(f"up: whole numbers, {name}, {solver}", found, [1, 0, 0], expected=FIRST)
    for solver in ("auto", "cg"):
        yield agree(f"up: one gradient of 2,100 parameters, {solver}", wide, solver, False)
    yield agree("up: two gradients of 2,100 parameters, cg", wide, "cg", True)


def wide(solver, several):
    """Woodbury's identity: H is l2 I and twelve rows."""
    Z = np.random.default_rng(6).standard_normal((12, 2100))
    z = np.sign(Z[:, 0])
    theta = Z.T @ z / 2100
    g = np.eye(2, 2100)
    s = Z @ theta
    curvature = np.exp(s) / (1 + np.exp(s)) ** 2 / 12
    small = np.diag(1 / curvature) + Z @ Z.T / 0.1
    solved = g / 0.1 - (g @ Z.T / 0.1) @ np.linalg.solve(small, Z / 0.1)
    G = by_gradients(Z, z, theta)
    found = Influence(linear(Z, z), theta, solver=solver).up(g if several else g[0])
    expected = -solved @ G.T
    return found, expected if several else expected[0]


def by_gradients(Z, z, theta):
    return (-z / (1 + np.exp(z * (Z @ theta))))[:, None] * Z + 0.1 * theta


def of_changed_examples():
    def predicted():
        found = influence().predicted_perturbed_change([3, 3], X[[4, 5]], Y[[4, 5]], X_TEST, Y_TEST)
        G, G_test = (by_hand("logistic", *z, THETA)[1] for z in ((X, Y), (X_TEST, Y_TEST)))
        s_test = np.linalg.solve(HESSIAN, G_test.T).T
        return found, -s_test @ (G[[4, 5]] - G[3]).T / 30

    yield agree("predicted_perturbed_change: two changes of one example", predicted)
    change = influence().predicted_perturbed_change
    tests = (X_TEST, Y_TEST)
    bad = {
        "fewer indices than changes": ([3], X[[4, 5]], Y[[4, 5]], "one index for each"),
        "one number for X": ([3], 1.0, 1.0, "shape|X_new|index"),
        "a negative index": ([-1], X[:1], Y[:1], "must lie"),
        "none": ([], X[:0], Y[:0], "index|least"),
        "a generator for X": ([1], (x for x in X[:1]), Y[:1], "shape|X_new|index"),
        "NaN": ([1], X[:1] * np.nan, Y[:1], "NaN"),
    }
    for name, (indices, X_new, y_new, saying) in bad.items():
        yield refused(
            f"predicted_perturbed_change: {name}",
            change,
            indices,
            X_new,
            y_new,
            *tests,
            saying=saying,
        )


def far_from_a_minimum():
    def root(t, X, y):
        return anp.sqrt(anp.dot(X, t) - 1e3)

    far = "not close to a minimum"
    yield warned("Influence far from a minimum", lambda: up_loss(LOGISTIC, THETA + 5), saying=far)
    yield warned(
        "Influence at theta of 1e6, where all gradients are tiny",
        lambda: up_loss(linear(X, Y, 0.0), THETA * 1e6, damping=1e-3),
        saying="not close",
    )
    tiny = mi.LinearObjective(mi.models.squared, X, X @ np.ones(3) * 1e-11 + 1e-12 * Y, 0.1)
    yield warned(
        "Influence beside the minimum, labels of 1e-11",
        lambda: up_loss(tiny, np.full(3, 3e-11)),
        saying=far,
    )
    yield refused(
        "Influence where the gradient is NaN",
        lambda: up_loss(AutogradObjective(root, X, Y, 0.1, p=3)),
        saying="NaN|finite",
    )


def interrupted_and_shared():
    def two_threads():
        shared, found = influence(), {}

        def work(k):
            found[k] = [shared.up_loss(X_TEST[k], Y_TEST[k]) for _ in range(100)][-1]

        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return np.stack([found[k] for k in range(4)])

    def interrupted():
        asked = []

        def solver(A, B):
            asked.append(1)
            if len(asked) == 1:
                raise KeyboardInterrupt
            return mi.cg(A, B)

        stopped = influence(solver=solver)
        try:
            stopped.up_loss(X_TEST, Y_TEST)
            raise Unexpected("Ctrl-C was swallowed")
        except KeyboardInterrupt:
            scores = stopped.up_loss(X_TEST, Y_TEST)
        if len(stopped.report.solves) != 1:
            raise Unexpected("the report counts a solve that was interrupted")
        return scores

    yield right("Influence: four threads share one", two_threads, expected=UP_LOSS)
    yield right("Influence: Ctrl-C in a solve, then again", interrupted, expected=UP_LOSS)
    yield holds(
        "Influence: the report is that of its solves", lambda: influence().report.solves == []
    )
