"""Sums over parts: all of one model, in a file, in memory or in several processes."""

from types import SimpleNamespace

import numpy as np

from inputs.examples import (
    FOLDER,
    LOGISTIC,
    SQUARED,
    THETA,
    THETA_SQUARED,
    X_TEST,
    Y_BINARY,
    Y_REAL,
    Y_TEST,
    X,
    Y,
    by_hand,
    linear,
    up_loss,
    up_loss_by_hand,
)
from inputs.table import refused, right, right_or_told
from minfluence import Chunks, Influence, LinearObjective, Ranks, ShardedObjective, models

FIRST, SECOND = (X[:9], Y[:9]), (X[9:], Y[9:])


def cases():
    yield from of_parts()
    yield from of_chunks()
    yield from of_labels()
    yield from of_ranks()


def of_parts():
    def risk(*parts):
        return ShardedObjective(parts).risk(np.zeros(3))

    other = {
        "another l2": linear(*SECOND, 5.0),
        "an l2 for each parameter": linear(*SECOND, np.array([0.1, 0.1, 0.2])),
        "other losses": LinearObjective(models.squared, *SECOND, 0.1),
        "another smooth hinge": LinearObjective(models.smooth_hinge(0.5), *SECOND, 0.1),
        "another width": linear(X[9:, :2], Y[9:]),
        "another dtype": linear(*SECOND, dtype=np.float32),
        "a penalty that is not folded": linear(*SECOND, fold_l2=False),
    }
    for name, part in other.items():
        yield refused(
            f"Sharded: a part with {name}",
            risk,
            linear(*FIRST)
            if "hinge" not in name
            else LinearObjective(models.smooth_hinge(0.1), *FIRST, 0.1),
            part,
            saying="same|l2|dtype|shape|model|fold",
        )
    equal = linear(*SECOND, np.full(3, 0.1)), linear(*FIRST, np.full(3, 0.1))
    yield right_or_told(
        "Sharded: the same l2 for each parameter, in two arrays",
        risk,
        *equal,
        expected=LOGISTIC.risk(np.zeros(3)),
        saying="l2",
    )
    heavy = linear(*SECOND).upweighted(3, 0.5)
    yield refused(
        "Sharded: a part whose examples have weights", risk, linear(*FIRST), heavy, saying="weight"
    )
    yield refused("Sharded: no parts", ShardedObjective, [], saying="part")
    yield refused(
        "Sharded: parts that are arrays", ShardedObjective, [X, X], saying="part|objective"
    )
    yield right_or_told(
        "Sharded: one objective, not in a list",
        lambda: up_loss(ShardedObjective(LOGISTIC)),
        expected=up_loss_by_hand(),
        saying="part|sequence|objective",
    )
    yield right(
        "Sharded: parts from a generator",
        lambda: up_loss(ShardedObjective(linear(*part) for part in (FIRST, SECOND))),
        expected=up_loss_by_hand(),
    )
    yield right(
        "Sharded: a part of one example",
        lambda: up_loss(ShardedObjective([linear(X[:1], Y[:1]), linear(X[1:], Y[1:])])),
        expected=up_loss_by_hand(),
    )


def of_chunks():
    pixels = (X * 50 + 100).clip(0, 255).astype(np.uint8)
    nan, text = X.copy(), X.astype(str)
    nan[-1] = np.nan
    bad = {
        "8-bit pixels": (LOGISTIC, pixels, Y, "8-bit"),
        "other labels than the sample": (LOGISTIC, X, Y_BINARY, "labels"),
        "NaN in the last row": (LOGISTIC, nan, Y, "NaN"),
        "fewer labels than rows": (LOGISTIC, X, Y[:-1], "label"),
        "another width than the sample": (LOGISTIC, X[:, :2], Y, "shape"),
        "no rows": (LOGISTIC, X[:0], Y[:0], "label|at least"),
        "strings": (LOGISTIC, text, Y, "number"),
        "a sample that is an array": (X, X, Y, "objective|sample"),
        "labels masked": (LOGISTIC, X, np.ma.masked_array(Y, Y > 0), "mask"),
    }
    for name, (like, rows, labels, saying) in bad.items():
        yield refused(f"Chunks: {name}", Chunks, like, rows, labels, progress=False, saying=saying)
    for rows in (0, 2.5, -1, "7"):
        yield refused(f"Chunks: rows = {rows!r}", Chunks, LOGISTIC, X, Y, rows=rows, saying="rows")

    def scores(X, y, like=LOGISTIC, theta=THETA, rows=7):
        chunks = Chunks(like, X, y, rows=rows, progress=False)
        return up_loss(ShardedObjective(chunks), theta)

    np.save(FOLDER / "chunks.npy", X)
    mapped = np.load(FOLDER / "chunks.npy", mmap_mode="r")
    yield right("Chunks: a file mapped into memory", scores, mapped, Y, expected=up_loss_by_hand())
    yield right(
        "Chunks: one row at a time", lambda: scores(X, Y, rows=1), expected=up_loss_by_hand()
    )
    yield right(
        "Chunks: more rows than there are",
        lambda: scores(X, Y, rows=99),
        expected=up_loss_by_hand(),
    )
    yield right("Chunks: lists", scores, X.tolist(), Y.tolist(), expected=up_loss_by_hand())
    narrow = X.astype(np.float32)
    yield right(
        "Chunks: a file of float32, a sample of float64",
        lambda: scores(narrow, Y_REAL, SQUARED, THETA_SQUARED),
        expected=up_loss_by_hand("squared", narrow, Y_REAL, THETA_SQUARED),
    )


def of_labels():
    """The kind of the sample's labels does not decide what the file's become."""
    whole = LinearObjective(models.squared, X[:5], np.round(Y_REAL[:5]).astype(int), 0.1)
    kinds = {
        "floating": Y_REAL,
        "float32": Y_REAL.astype(np.float32),
        "8-bit": np.round(Y_REAL).astype(np.int8),
    }
    for name, y in kinds.items():

        def made(y=y):
            return ShardedObjective(Chunks(whole, X, y, rows=7, progress=False))

        numbers = y.astype(float)
        _, G, H = by_hand("squared", X, numbers, THETA_SQUARED)
        G = G + 0.1 * THETA_SQUARED
        A = H.mean(axis=0) + 0.1 * np.eye(3)
        sample = "a sample with whole labels"
        yield right(
            f"Chunks: {sample}, {name} labels: influence",
            lambda made=made: Influence(made(), THETA_SQUARED).up_loss(X_TEST, Y_TEST),
            expected=up_loss_by_hand("squared", y=numbers, theta=THETA_SQUARED),
        )
        yield right(
            f"Chunks: {sample}, {name} labels: self-influence",
            lambda made=made: Influence(made(), THETA_SQUARED).self_influence(),
            expected=-np.einsum("ni,ij,nj->n", G, np.linalg.inv(A), G),
        )
        yield right(
            f"Chunks: {sample}, {name} labels: the examples",
            lambda made=made: made().examples([29, 0, 7])[1],
            expected=numbers[[29, 0, 7]],
        )

    def mixed():
        parts = [
            LinearObjective(models.squared, X[:9], np.round(Y_REAL[:9]).astype(int), 0.1),
            LinearObjective(models.squared, X[9:], Y_REAL[9:], 0.1),
        ]
        return Influence(ShardedObjective(parts), THETA_SQUARED).self_influence()

    y = np.r_[np.round(Y_REAL[:9]), Y_REAL[9:]]
    _, G, H = by_hand("squared", X, y, THETA_SQUARED)
    G = G + 0.1 * THETA_SQUARED
    A = H.mean(axis=0) + 0.1 * np.eye(3)
    yield right_or_told(
        "Sharded: a part with whole labels, then one with floats",
        mixed,
        expected=-np.einsum("ni,ij,nj->n", G, np.linalg.inv(A), G),
        saying="label",
    )


def of_ranks():
    """Which rows a process takes: told by its number alone, so no process has to be started."""

    def part(n, rank=0, size=3):
        found = Ranks.part(SimpleNamespace(rank=rank, size=size), n)
        return [found.start, found.stop]

    for n in (2, 0, -5, 10.5, "10", None):
        yield refused(
            f"Ranks.part: {n!r} rows for 3 processes",
            part,
            n,
            saying="rows|examples|process|n must",
        )
    yield right(
        "Ranks.part: 3 rows for 3 processes",
        lambda: [part(3, r) for r in range(3)],
        expected=[[0, 1], [1, 2], [2, 3]],
    )
    yield right(
        "Ranks.part: 10 rows for 3 processes, each once",
        lambda: sorted(i for r in range(3) for i in range(*part(10, r))),
        expected=np.arange(10),
    )
    yield right("Ranks.part: one process", lambda: part(7, 0, 1), expected=[0, 7])
