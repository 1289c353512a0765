"""What is passed to the verbs of an objective: the same sentences from every kind."""

import numpy as np
import pandas as pd

from inputs.examples import (
    GRADS,
    HESSIAN,
    LOGISTIC,
    MAKERS,
    THETA,
    UP_LOSS,
    X_TEST,
    Y_TEST,
    X,
    Y,
    linear,
    up_loss,
    up_loss_by_hand,
)
from inputs.table import refused, right
from minfluence import Influence, ShardedObjective

MEMORY = {kind: make(X, Y) for kind, make in MAKERS.items()}
OBJECTIVES = {
    **MEMORY,
    "Sharded": ShardedObjective([LOGISTIC.on(X[:9], Y[:9]), LOGISTIC.on(X[9:], Y[9:])]),
}


def cases():
    for kind, objective in OBJECTIVES.items():
        yield from of_theta(kind, objective)
        yield from of_vectors(kind, objective)
        yield from of_indices(kind, objective)
        yield from of_weights(kind, objective)
        yield from of_test_points(kind, objective)
    for kind, objective in MEMORY.items():
        yield from of_changed_examples(kind, objective)


def of_theta(kind, o):
    yield refused(f"{kind}.grad: theta of two axes", o.grad, THETA[None], saying="flat")
    yield refused(f"{kind}.grad: theta too long", o.grad, np.zeros(4), saying="shape")
    yield refused(f"{kind}.grad: NaN in theta", o.grad, THETA * np.nan, saying="NaN")
    yield refused(f"{kind}.grad: theta complex", o.grad, THETA + 1j, saying="complex|numbers|real")
    yield refused(
        f"{kind}.grad: theta of strings", o.grad, THETA.astype(str), saying="number|theta"
    )
    yield refused(f"{kind}.grad: theta None", o.grad, None, saying="theta|number")
    yield right(
        f"{kind}.grad: theta a list", lambda: o.grad(THETA.tolist()) + 1, expected=np.ones(3)
    )
    yield right(
        f"{kind}.grad: theta a Series", lambda: o.grad(pd.Series(THETA)) + 1, expected=np.ones(3)
    )
    yield right(
        f"{kind}.grad: theta of whole numbers",
        o.grad,
        np.array([1, 0, 0]),
        expected=LOGISTIC.grad(np.array([1.0, 0, 0])),
    )


def of_vectors(kind, o):
    v = [1.0, 2.0, 3.0]
    yield refused(f"{kind}.hvp: vector too long", o.hvp, THETA, np.ones(4), saying="vector")
    yield refused(f"{kind}.hvp: NaN in the vector", o.hvp, THETA, np.full(3, np.nan), saying="NaN")
    yield refused(f"{kind}.hvp: vector complex", o.hvp, THETA, THETA + 1j, saying="number|complex")
    yield right(f"{kind}.hvp: vector a list", o.hvp, THETA, v, expected=HESSIAN @ v)
    yield right(
        f"{kind}.hvp: columns of whole numbers",
        o.hvp,
        THETA,
        np.eye(3, dtype=int),
        expected=HESSIAN,
    )
    yield right(
        f"{kind}.hvp: no columns", lambda: o.hvp(THETA, np.ones((3, 0))).shape, expected=(3, 0)
    )
    yield right(f"{kind}.example_dots: vector a list", o.example_dots, THETA, v, expected=GRADS @ v)
    yield refused(
        f"{kind}.example_dots: NaN in the vector",
        o.example_dots,
        THETA,
        np.full(3, np.nan),
        saying="NaN",
    )


def of_indices(kind, o):
    bad = {
        "a mask": (Y > 0, "whole numbers"),
        "negative": ([-1], "must lie"),
        "beyond the last": ([30], "must lie"),
        "the same twice": ([3, 3], "once"),
        "none": ([], "index"),
        "a generator": ((i for i in [1, 2]), "index"),
        "a slice": (slice(0, 3), "index"),
        "floats": ([1.0, 2.0], "whole"),
        "None": (None, "index"),
    }
    for name, (indices, saying) in bad.items():
        for verb in ("example_grads", "without") if name != "None" else ("example_grads",):
            function = getattr(o, verb)
            arguments = (THETA, indices) if verb == "example_grads" else (indices,)
            yield refused(f"{kind}.{verb}: indices {name}", function, *arguments, saying=saying)
    yield right(
        f"{kind}.example_grads: indices a range",
        o.example_grads,
        THETA,
        range(2),
        expected=GRADS[:2],
    )
    yield right(
        f"{kind}.example_grads: indices of 8 bits",
        o.example_grads,
        THETA,
        np.array([29, 0], dtype=np.uint8),
        expected=GRADS[[29, 0]],
    )


def of_weights(kind, o):
    bad = {
        "NaN": (np.full(30, np.nan), "finite"),
        "too few": (np.ones(3), "weights"),
        "strings": (["a"] * 30, "weights must"),
        "complex": (np.ones(30) + 1j, "weights|complex"),
        "None": (None, "weights"),
    }
    for name, (weights, saying) in bad.items():
        yield refused(f"{kind}.reweighted: weights {name}", o.reweighted, weights, saying=saying)
    yield refused(
        f"{kind}: all weights 0, then influence",
        lambda: up_loss(o.reweighted(np.zeros(30))),
        saying="weight",
    )
    for eps in (np.nan, np.inf, "1", None):
        yield refused(f"{kind}.upweighted: eps {eps!r}", o.upweighted, 0, eps, saying="eps")
    yield refused(f"{kind}.without: everything", o.without, range(30), saying="keep at least one")
    one_negative = np.full(30, 1 / 30) - 0.05 * (np.arange(30) == 2)
    yield right(
        f"{kind}: a negative weight",
        lambda: up_loss(o.upweighted(2, -0.05)),
        expected=up_loss_by_hand(weights=one_negative),
    )
    yield right(
        f"{kind}: weights of booleans",
        lambda: up_loss(o.reweighted(Y > 0)),
        expected=up_loss_by_hand(weights=(Y > 0) * 1.0),
    )


def of_test_points(kind, o):
    bad = {
        "too narrow": (X_TEST[:, :2], Y_TEST, "shape"),
        "with NaN": (X_TEST * np.nan, Y_TEST, "NaN"),
        "none": (X_TEST[:0], Y_TEST[:0], "at least one"),
        "without labels": (X_TEST, None, "shape|number"),
    }
    for name, (X_test, y_test, saying) in bad.items():
        yield refused(
            f"{kind}.test_losses: points {name}",
            o.test_losses,
            THETA,
            X_test,
            y_test,
            saying=saying,
        )
    yield right(f"{kind}: solver cg", lambda: up_loss(o, solver="cg"), expected=UP_LOSS)
    yield right(
        f"{kind}: three test points at a time",
        lambda: np.concatenate(list(Influence(o, THETA).up_loss(X_TEST, Y_TEST, batch_size=3))),
        expected=UP_LOSS,
    )


def of_changed_examples(kind, o):
    yield refused(f"{kind}.perturbed: too narrow", o.perturbed, 0, np.ones(2), 1.0, saying="shape")
    yield refused(
        f"{kind}.perturbed: two at once", o.perturbed, [0, 1], X[0], 1.0, saying="one example"
    )
    yield refused(f"{kind}.perturbed: NaN", o.perturbed, 0, np.full(3, np.nan), 1.0, saying="NaN")
    yield refused(
        f"{kind}.replaced: as many as indices", o.replaced, [0, 1], X[:1], Y[:1], saying="one"
    )
    yield refused(
        f"{kind}.replaced: the same twice", o.replaced, [0, 0], X[:2], Y[:2], saying="once"
    )
    gone = np.isin(np.arange(30), [4, 5])
    weights = np.where(gone, 0, 1 / 30)
    yield right(
        f"{kind}.without: what was left out changes nothing any more",
        lambda: Influence(o.without([4, 5]), THETA).predicted_change(X_TEST, Y_TEST),
        expected=np.where(gone, 0, -up_loss_by_hand(weights=weights) / 30),
    )
    if kind == "Linear":
        l2 = np.array([0.1, 0, 2.0])
        yield right(
            "Linear.without: one l2 for each parameter",
            lambda: up_loss(linear(X, Y, l2).without(3)),
            expected=up_loss_by_hand(l2=l2, weights=np.where(np.arange(30) == 3, 0, 1 / 30)),
        )
        signs = np.r_[np.ones(15), -np.ones(15)]
        yield refused(
            "Linear.preconditioner: weights that sum to 0",
            lambda: o.reweighted(signs).preconditioner(THETA) @ np.ones(3),
            saying="sum",
        )
