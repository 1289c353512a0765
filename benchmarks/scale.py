"""Data larger than memory, and several processes: task (a) of `compare.py` beyond one array.

    python benchmarks/scale.py            # about five minutes on two cores

Softmax regression on MNIST, or on random numbers of its size: the scores of all examples for one
test point, by preconditioned CG to a relative residual of 1e-5 in float32.

- *Chunks.* The 60,000 images, ten times over, in a file of 1.9 GB. The risk is a mean, so every
  copy of an example must get the score that it has among the 60,000.
- *Ranks.* The 60,000 images in one process of one thread, then in two that `torchrun` starts.

Writes ``benchmarks/results/scale.md``.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from foundation import processor

import minfluence as mi
from minfluence.objectives.ranks import Ranks
from minfluence.objectives.sharded import Chunks, ShardedObjective

RESULTS = Path(__file__).parent / "results" / "scale.md"
COPIES = 10


def prepare(folder):
    """Write the examples, the minimiser and the exact scores into a folder."""
    try:
        X, y, X_test, y_test = mi.data.mnist(validation=0)
        source = "MNIST"
    except mi.data.DataUnavailable:
        rng = np.random.default_rng(0)
        X = rng.standard_normal((60_000, 784))
        y = np.argmax(X[:, :10] + rng.gumbel(size=(60_000, 10)), axis=1)
        X_test, y_test, source = X[:1] + 0.1, y[:1], "random numbers"
    objective = mi.LinearObjective(mi.models.softmax(10), X, y, l2=0.01)
    theta = mi.fit(objective).theta
    solver = partial(mi.cg, rtol=1e-10, preconditioner=objective.preconditioner(theta))
    exact = mi.Influence(objective, theta, solver=solver).up_loss(X_test[0], y_test[0])
    arrays = {"y": y, "theta": theta, "x_test": X_test[0], "y_test": y_test[0], "exact": exact}
    for name, array in (arrays | {"X": X.astype(np.float32)}).items():
        np.save(folder / f"{name}.npy", array)
    big = np.lib.format.open_memmap(folder / "big.npy", "w+", np.float32, (COPIES * len(X), 784))
    for copy in range(COPIES):
        big[copy * len(X) : (copy + 1) * len(X)] = X
    print(source)


def load(folder):
    """Everything but the images, which may be too large."""
    names = ("y", "theta", "x_test", "y_test", "exact")
    return [np.load(folder / f"{name}.npy") for name in names]


def run_here(folder, which):
    """One measurement in this process; the first of several processes prints it."""
    y, theta, x_test, y_test, exact = load(folder)
    ranks = Ranks() if "WORLD_SIZE" in os.environ else None
    file = np.load(folder / ("big.npy" if which == "chunks" else "X.npy"), mmap_mode="r")
    start = time.perf_counter()
    sample = np.arange(0, 60_000, 60)
    like = mi.LinearObjective(
        mi.models.softmax(10), np.array(file[sample]), y[sample], l2=0.01, dtype=np.float32
    )
    if which == "chunks":
        y, exact = np.tile(y, COPIES), np.tile(exact, COPIES)
        objective = ShardedObjective(Chunks(like, file, y, progress=False))
    else:
        mine = ranks.part(len(y)) if ranks else slice(None)
        objective = ShardedObjective([like.on(np.array(file[mine]), y[mine])], ranks)
    ready = time.perf_counter()
    influence = mi.Influence(objective, theta.astype(np.float32))
    scores = influence.up_loss(x_test, y_test)
    end = time.perf_counter()
    if ranks is None or ranks.rank == 0:
        result = {
            "load": ready - start,
            "seconds": end - ready,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,  # kB -> GB
            "error": float(np.linalg.norm(scores - exact) / np.linalg.norm(exact)),
            "steps": influence.report.steps,
        }
        print(json.dumps(result))


def measure(folder, which):
    """Run one task in processes of its own."""
    here = [__file__, "--one", str(folder), which]
    env = dict(os.environ)
    command = [sys.executable, *here]
    if which != "chunks":
        env |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if which == "two ranks":
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        command = [sys.executable, *launcher, *here]
    run = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    return json.loads(run.stdout.splitlines()[-1])


LABELS = {
    "one rank": "n = 60,000, 1 process of 1 thread",
    "two ranks": "n = 60,000, 2 processes of 1 thread",
    "chunks": "n = 600,000 from a file of 1.9 GB, 2 threads",
}


def main(repeats, work):
    import torch

    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        # In a process of its own: the peak memory of a process counts what its parent held.
        command = [sys.executable, __file__, "--prepare", name]
        source = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        runs = {which: [] for which in LABELS}
        for _ in range(repeats):
            for which in runs:
                runs[which].append(measure(folder, which))
                print(which, runs[which][-1], flush=True)
    rows = []
    for which, label in LABELS.items():
        seconds = [run["seconds"] for run in runs[which]]
        load = statistics.median(run["load"] for run in runs[which])
        worst = max(run["error"] for run in runs[which])
        rows.append(
            f"| {label} | {load:.1f} | {statistics.median(seconds):.2f} "
            f"({min(seconds):.2f}-{max(seconds):.2f}) | {max(r['peak'] for r in runs[which]):.2f} "
            f"| {runs[which][0]['steps']} | {worst:.1e} |"
        )
    one, two = (
        statistics.median(run["seconds"] for run in runs[which])
        for which in ("one rank", "two ranks")
    )
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    RESULTS.write_text(
        "# Data larger than memory, and several processes\n\n"
        f"{source}; {versions}, torch {torch.__version__}, {processor()}. Softmax regression, "
        "p = 7,840, float32, one test point, preconditioned CG to a relative residual of 1e-5. "
        f"Median (range) of {repeats} runs; peak memory of the first process, all its libraries "
        "included; error of the scores against float64. "
        "Written by `python benchmarks/scale.py`.\n\n"
        "| run | loading: seconds | scores: seconds | GB | steps | relative error |\n"
        "|---|---|---|---|---|---|\n"
        + "\n".join(rows)
        + f"\n\nTwo processes are {one / two:.2f} times as fast as one.\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", help="folder with 2.5 GB of room; a temporary one by default")
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "TASK"), help=argparse.SUPPRESS)
    parser.add_argument("--prepare", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        prepare(Path(options.prepare))
    elif options.one:
        run_here(Path(options.one[0]), options.one[1])
    else:
        main(options.repeats, options.work)
