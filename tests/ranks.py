"""What each process of a distributed test does; test_sharded starts them."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from problems import SOLVERS, make_examples

import minfluence as mi
from minfluence import models
from minfluence.objectives.sharded import Ranks, ShardedObjective
from minfluence.saved_scores import save_up_loss

X, y = make_examples("softmax", n=41)
whole = mi.LinearObjective(models.softmax(3), X, y, l2=0.05)
X_test, y_test = make_examples("softmax", n=6, seed=1)


def share(ranks):
    """The examples of this process; uneven."""
    ends = {1: [0, 41], 2: [0, 11, 41], 3: [0, 7, 30, 41]}[ranks.size]
    return slice(ends[ranks.rank], ends[ranks.rank + 1])


def sharded(ranks):
    mine = share(ranks)
    return ShardedObjective([whole.on(X[mine], y[mine])], ranks)


def compare():
    """Everything, for the comparison with one process that has the whole."""
    ranks = Ranks(timeout=20)
    o, theta = sharded(ranks), np.load(folder / "theta.npy")
    results = {"theta": mi.fit(o, gtol=1e-12).theta, "risk": o.risk(theta)}
    for name, solver in SOLVERS.items():
        results[name] = mi.Influence(o, theta, solver=solver).up_loss(X_test, y_test)
    results["self"] = mi.Influence(o, theta).self_influence()
    results["pert"] = mi.Influence(o, theta).pert_loss(X_test[0], y_test[0], [0, 40])
    results["actual"] = mi.actual_change(o, theta, [0, 40], X_test, y_test, progress=False)
    np.savez(folder / f"rank{ranks.rank}.npz", **results)


def die():
    """The last process is switched off while it solves."""
    ranks = Ranks(timeout=20)
    o, theta, solved = sharded(ranks), np.load(folder / "theta.npy"), []

    def solver(A, B):
        if len(solved) == 2 and ranks.rank == 1:
            os._exit(3)  # as a machine that is switched off
        solved.append(1)
        return mi.cg(A, B)

    influence = mi.Influence(o, theta, solver=solver)
    save_up_loss(influence, X_test, y_test, folder / "scores", batch_size=1, progress=False)


def absent():
    """One process does not start."""
    if os.environ["RANK"] == "0":
        Ranks(timeout=2)


def late():
    """One process takes longer than the others wait."""
    ready = [folder / f"ready{rank}" for rank in range(2)]
    ready[int(os.environ["RANK"])].touch()
    while not all(path.exists() for path in ready):  # all have imported what they need
        time.sleep(0.05)
    ranks = Ranks(timeout=3)
    o = sharded(ranks)
    time.sleep(6 * ranks.rank)
    o.grad(np.zeros(12))


def bad_file():
    """One process finds a NaN while it reads, before there is an objective."""
    ranks = Ranks(timeout=20)
    mine = share(ranks)
    X[30, 2] = np.nan
    ShardedObjective([whole.on(X[mine], y[mine])], ranks)


def linear(loss=models.squared, *, dtype=np.float64, labels=float, width=4, **options):
    return mi.LinearObjective(loss, X[:9, :width], y[:9].astype(labels), dtype=dtype, **options)


def by_autograd(power):
    """Losses whose names are the same, and whose values are not."""
    return mi.AutogradObjective(lambda t, X, y: (X @ t - y) ** power, X[:9], y[:9] * 1.0, p=4)


def read(bad):
    """Parts that are made one by one, with a NaN in the last if they are bad."""
    yield whole
    yield whole.on(X[:3] * (np.nan if bad else 1.0), y[:3])


# Parts of the first process, and of the second.
DIFFERENT = {
    "losses": lambda first: linear(models.squared if first else models.huber(0.1)),
    "parameters of losses": lambda first: linear(models.huber(0.5 if first else 0.1)),
    "l2": lambda first: linear(l2=0.1 if first else 0.2),
    "one l2 of several": lambda first: linear(l2=np.array([0, 1, 1, 1.0 + first])),
    "dtype": lambda first: linear(dtype=np.float64 if first else np.float32),
    "labels": lambda first: linear(labels=float if first else int),
    "width": lambda first: linear(width=4 if first else 3),
    "fold_l2": lambda first: linear(fold_l2=first),
    "weights": lambda first: linear() if first else linear().upweighted(2, 0.1),
    "values": lambda first: by_autograd(2 if first else 4),
    "kind": lambda first: linear() if first else by_autograd(2),
    "no objective": lambda first: linear() if first else X,
}


def refusals():
    """What each process says, one after another; in the end all are in step and right."""
    ranks = Ranks(timeout=20)
    first = ranks.rank == 0
    o, theta, V = sharded(ranks), np.ones(12), np.ones((12, 2))
    tries = {
        name: (lambda part=part: ShardedObjective([part(first)], ranks))
        for name, part in DIFFERENT.items()
    }
    tries |= {
        "empty shard": lambda: ShardedObjective([linear()] if first else [], ranks),
        "NaN in a shard": lambda: ShardedObjective(read(bad=not first), ranks),
        "few examples": lambda: ranks.part(1),
        "bad theta": lambda: o.grad(theta if first else theta[:3]),
        "bad theta of products": lambda: o.hvp(theta if first else theta[:3], V),
        "other theta": lambda: o.grad(theta + 0.01 * ranks.rank),
        "other vector": lambda: o.hvp(theta, V + 0.01 * ranks.rank),
        "other shape": lambda: o.hvp(theta, V if first else V[:, 0]),
        "other verb": lambda: (o.hvp if first else o.gnvp)(theta, V),
        "other rows": lambda: o.examples([3, 40] if first else [40, 3]),
        "other weights": lambda: o.without(3 + ranks.rank).grad(theta),
    }
    said = {}
    for name, attempt in tries.items():
        try:
            attempt()
        except (ValueError, RuntimeError) as error:
            said[name] = f"{type(error).__name__}: {error}"
    said["gradient"] = o.grad(theta).tolist()
    (folder / f"rank{ranks.rank}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    globals()[sys.argv[2]]()
