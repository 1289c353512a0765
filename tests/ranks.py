"""What each process of a distributed test does; test_sharded starts them."""

import os
import sys
from pathlib import Path

import numpy as np
from problems import SOLVERS, make_examples

import minfluence as mi
from minfluence.objectives.sharded import Ranks, ShardedObjective
from minfluence.saved_scores import save_up_loss

folder, task = Path(sys.argv[1]), sys.argv[2]
ranks = Ranks(timeout=20)
X, y = make_examples("softmax", n=41)
whole = mi.LinearObjective(mi.models.softmax(3), X, y, l2=0.05)
ends = {1: [0, 41], 2: [0, 11, 41], 3: [0, 7, 30, 41]}[ranks.size]  # uneven
mine = slice(ends[ranks.rank], ends[ranks.rank + 1])
o = ShardedObjective([whole.on(X[mine], y[mine])], ranks)
theta = np.load(folder / "theta.npy")
X_test, y_test = make_examples("softmax", n=6, seed=1)

if task == "compare":
    results = {"theta": mi.fit(o, gtol=1e-12).theta, "risk": o.risk(theta)}
    for name, solver in SOLVERS.items():
        results[name] = mi.Influence(o, theta, solver=solver).up_loss(X_test, y_test)
    results["self"] = mi.Influence(o, theta).self_influence()
    results["pert"] = mi.Influence(o, theta).pert_loss(X_test[0], y_test[0], [0, 40])
    results["actual"] = mi.actual_change(o, theta, [0, 40], X_test, y_test, progress=False)
    np.savez(folder / f"rank{ranks.rank}.npz", **results)
elif task == "die":
    solved = []

    def solver(A, B):
        if len(solved) == 2 and ranks.rank == 1:
            os._exit(3)  # as a machine that is switched off
        solved.append(1)
        return mi.cg(A, B)

    influence = mi.Influence(o, theta, solver=solver)
    save_up_loss(influence, X_test, y_test, folder / "scores", batch_size=1, progress=False)
