"""Ten methods on one yardstick, for a network three times as large as that of chapter 18.

    python book/long/lds.py    # about 5 minutes on one core

All 1,297 training digits of 8 x 8 pixels, two hidden layers of 32 tanh units, 3,466 parameters.
The truth: 100 random halves, each trained from 2 starts. The scores: of one trained model, and
where the method can use more, the mean over 5.

Writes ``book/results/lds.csv`` (LDS and its error, gradient-equivalents) and
``book/results/lds_outcomes.csv`` (mean loss of 50 test digits after training on each half).
"""

import csv
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import warnings
from functools import partial
from pathlib import Path

import minfluence as mi
import numpy as np
from minfluence.attribution import (
    MLP,
    arnoldi,
    ekfac,
    gradient_dot,
    kfac,
    loss_relatif,
    representer,
    tracin,
    train,
    trak,
)
from minfluence.lds import lds, random_halves, retrain

RESULTS = Path(__file__).parent.parent / "results"
L2, DAMPING, STEPS, HALVES, REPEATS, MODELS, M = 1e-3, 1e-3, 300, 100, 2, 5, 50
NETWORK = MLP((64, 32, 32, 10))
COLUMNS = ("method", "models", "lds", "error", "cost")


def start(seed):
    return NETWORK.start(np.random.default_rng(seed))


def train_halves(X, y, kept, repeat, at_once=20):
    """Train a network on each half, some side by side.  -> (k, p)."""
    rows = np.stack([np.flatnonzero(k) for k in kept])
    thetas = []
    for first in range(0, len(rows), at_once):
        part = rows[first : first + at_once]
        starts = [start((1, repeat, first + j)) for j in range(len(part))]
        thetas.append(train(NETWORK, np.array(starts), X[part], y[part], L2, steps=STEPS)[0][-1])
    return np.concatenate(thetas)


def methods(o, paths, step_sizes, X_test, y_test):
    """Name, models, scores (m, n) and cost of every method.

    Paths are the checkpoints of each model, shape (checkpoints, models, p).
    """
    n, c = o.n, NETWORK.widths[-1]
    test, models, once = (X_test, y_test), paths[-1], o.n + len(y_test)
    training = STEPS * n

    def influence(theta, solver, damping=DAMPING):
        curvature = "gauss-newton"
        return mi.Influence(o, theta, solver=solver, damping=damping, curvature=curvature)

    def ensemble(name, scores, cost):
        yield name, 1, scores(models[0]), cost
        mean = np.mean([scores(theta) for theta in models], axis=0)
        yield name, MODELS, mean, MODELS * cost + (MODELS - 1) * training

    yield from ensemble("gradient dot", lambda t: gradient_dot(o, t, *test), once)
    scores = tracin(o, paths[:, 0], step_sizes, *test)
    yield "TracIn", 1, scores, len(paths) * once
    for k in (1, MODELS):
        cost = k * once + (k - 1) * training
        yield "TRAK", k, trak(o, models[:k], *test, width=300), cost
    yield from ensemble("representer", lambda t: representer(o, t, *test), once)
    for solver in (kfac, ekfac):
        name = {"kfac": "K-FAC", "ekfac": "EK-FAC"}[solver.__name__]
        scores = partial(lambda t, s: influence(t, s).up_loss(*test), s=solver)
        yield from ensemble(name, scores, c * n + once)
    strongest = partial(arnoldi, rank=100)
    scores = influence(models[0], strongest, 0.0).up_loss(*test)
    yield "Arnoldi", 1, scores, 2 * n * 200 + once
    by_cg = influence(models[0], partial(mi.cg, rtol=1e-2))
    scores = by_cg.up_loss(*test)
    steps = int(np.sum(by_cg.report.solves[0].steps))
    yield "Gauss-Newton, CG", 1, scores, 2 * n * steps + once
    factor = mi.factorize(matrix(o, models[0]) + DAMPING * np.eye(o.p))
    exact = influence(models[0], lambda A, B: factor(B))
    yield "Gauss-Newton, direct", 1, exact.up_loss(*test), c * n + once
    yield "RelatIF", 1, loss_relatif(exact, *test), c * n + once


def matrix(o, theta):
    """Gauss-Newton matrix from one backward pass for each class, some examples at a time."""
    G = L2 * np.eye(o.p)
    for rows in np.array_split(np.arange(o.n), 20):
        pairs = NETWORK.by_label(theta, o.X[rows])
        V = [np.einsum("ni,cnj->cnij", a, g).reshape(-1, a.shape[1] * g.shape[2]) for a, g in pairs]
        V = np.concatenate(V, axis=1)
        G += V.T @ V / o.n
    return G


def main():
    X, y, X_test, y_test = mi.data.digits()
    X_test, y_test = X_test[:M], y_test[:M]
    o = mi.AutogradObjective(NETWORK, X, y, L2)
    kept = random_halves(o.n, HALVES, np.random.default_rng(0))
    truth = retrain(o, kept, X_test, y_test, train=partial(train_halves, X, y), repeats=REPEATS)
    outcomes = truth.mean(axis=0)
    np.savetxt(RESULTS / "lds_outcomes.csv", outcomes.T, fmt="%.5f", delimiter=",")
    starts = np.array([start((2, seed)) for seed in range(MODELS)])
    paths, step_sizes = train(
        NETWORK, starts, *(np.array([a] * MODELS) for a in (X, y)), L2, steps=STEPS, checkpoints=5
    )
    rows = [("one repeat of the truth", 1, lds_of_truth(truth), "", "")]
    for name, models, scores, cost in methods(o, paths, step_sizes, X_test, y_test):
        found = lds(scores, kept, outcomes, resamples=200)
        rows.append((name, models, f"{found.mean:.3f}", f"{found.error:.3f}", cost))
        print(*rows[-1], flush=True)
    with open(RESULTS / "lds.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


def lds_of_truth(truth):
    """Mean rank correlation of two independent repeats of the truth."""
    from scipy.stats import spearmanr

    pairs = zip(truth[0], truth[1], strict=True)
    return f"{np.mean([spearmanr(a, b).statistic for a, b in pairs]):.3f}"


if __name__ == "__main__":
    warnings.simplefilter("ignore", mi.FarFromMinimum)
    main()
