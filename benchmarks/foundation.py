"""Time and peak memory of the book's large computations, beside the plain-NumPy floor.

    python benchmarks/foundation.py [--repeats 3]

Every measurement runs in a process of its own, package and floor in turn, and the table in
``benchmarks/results/foundation.md`` is written anew. Needs MNIST (see ``minfluence.book.data``).

The *floor* of a task is the matrix products that the task cannot do without, with the same number
of floating-point operations, on arrays of the same shapes in plain NumPy, and nothing else.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import scipy.linalg

import minfluence as mi

RESULTS = Path(__file__).parent / "results" / "foundation.md"
STEPS = {1: 51, 100: 52}  # CG steps to 1e-6 that the floor repeats; checked against the package


# The tasks: set-up outside the clock, then the function that is timed ---------------------------


def ten_classes():
    X, y, X_test, y_test = mi.data.mnist()
    objective = mi.LinearObjective(mi.models.softmax(10), X, y, l2=0.01)
    return objective, mi.fit(objective).theta, X_test, y_test


def refits_500():
    """500 refits of the 10-class model, each to a gradient norm below 1e-8."""
    objective, theta_hat, X_test, y_test = ten_classes()
    influence = mi.Influence(objective, theta_hat, solver=partial(mi.cg, rtol=1e-8))
    guess = (X_test @ theta_hat.reshape(-1, 10)).argmax(axis=1)
    t = np.flatnonzero(guess != y_test)[:1]
    predicted = influence.predicted_change(X_test[t], y_test[t])[0]
    most = np.argsort(-abs(predicted))[:500]

    def run():
        refits = mi.refit_without(objective, theta_hat, most, gtol=1e-8, progress=False)
        after = [objective.test_losses(theta, X_test[t], y_test[t])[0] for theta in refits.thetas]
        actual = after - objective.test_losses(theta_hat, X_test[t], y_test[t])
        worst = f"largest gradient norm {refits.grad_norm.max():.1e}"
        return f"{mi.agreement(predicted[most], actual)}; {worst}"

    return run


def refits_generic():
    """500 refits of 1 versus 7 with the generic AutogradObjective (autograd)."""
    X, y, X_test, y_test = mi.data.mnist(classes=(1, 7))
    objective = mi.AutogradObjective(mi.models.logistic, X, y, l2=0.01)
    theta_hat = mi.fit(objective).theta
    t = np.flatnonzero((X_test @ theta_hat) * y_test < 0)[:1]
    predicted = mi.Influence(objective, theta_hat).predicted_change(X_test[t], y_test[t])[0]
    most = np.argsort(-abs(predicted))[:500]

    def run():
        actual = mi.actual_change(
            objective, theta_hat, most, X_test[t], y_test[t], gtol=1e-8, progress=False
        )
        return str(mi.agreement(predicted[most], actual))

    return run


def scores_cg(m):
    """All 55,000 scores for m test points by CG to relative residual 1e-6."""
    objective, theta_hat, X_test, y_test = ten_classes()

    def run():
        influence = mi.Influence(objective, theta_hat, solver=partial(mi.cg, rtol=1e-6))
        influence.up_loss(X_test[:m], y_test[:m])
        return f"{influence.report.steps} steps, residual {influence.report.residual:.1e}"

    return run


def scores_cg_floor(m):
    """The same matrix products: X V and Xᵀ U once per step, and X S for the scores."""
    X = mi.data.mnist()[0]
    V = np.random.default_rng(0).standard_normal((X.shape[1], 10 * m))

    def run():
        for _ in range(STEPS[m] + 1):
            U = X @ V
            X.T @ U
        X @ V

    return run


def pairs():
    """All 2,000 x 11,894 pairs of 1 versus 7, direct."""
    X, y, X_test, y_test = mi.data.mnist(classes=(1, 7))
    objective = mi.LinearObjective(mi.models.logistic, X, y, l2=0.01)
    theta_hat = mi.fit(objective).theta

    def run():
        influence = mi.Influence(objective, theta_hat)
        influence.up_loss(X_test[:2000], y_test[:2000])
        return f"residual {influence.report.residual:.1e}"

    return run


def pairs_floor():
    """The same matrix products: XᵀX, one factorisation, 2,000 solves, X S and its copy."""
    X, _, X_test, _ = mi.data.mnist(classes=(1, 7))

    def run():
        H = X.T @ X + np.eye(X.shape[1])
        S = scipy.linalg.cho_solve(scipy.linalg.cho_factor(H), X_test[:2000].T)
        np.negative(X @ S)

    return run


TASKS = {
    "500 refits, 10 classes, n = 55,000": (refits_500, None),
    "500 refits, 1 versus 7, generic AutogradObjective": (refits_generic, None),
    "55,000 scores, 1 test point, CG to 1e-6": (
        partial(scores_cg, 1),
        partial(scores_cg_floor, 1),
    ),
    "55,000 scores, 100 test points, CG to 1e-6": (
        partial(scores_cg, 100),
        partial(scores_cg_floor, 100),
    ),
    "2,000 x 11,894 pairs, 1 versus 7, direct": (pairs, pairs_floor),
}


# Measuring --------------------------------------------------------------------------------------


def measure_here(task, which):
    """Run one task in this process and print what was measured."""
    run = TASKS[task][which]()
    start = time.perf_counter()
    says = run()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # kB on Linux -> GB
    print(json.dumps({"seconds": seconds, "peak": peak, "says": says or ""}))


def measure(task, which):
    """Run one task in a fresh process."""
    command = [sys.executable, __file__, "--one", task, str(which)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def cell(runs):
    """Median and range of the times, and the peak memory."""
    times = [run["seconds"] for run in runs]
    peak = max(run["peak"] for run in runs)
    return f"{statistics.median(times):.2f} ({min(times):.2f}-{max(times):.2f}) | {peak:.2f}"


def main(repeats):
    rows = []
    for task, (_, floor) in TASKS.items():
        runs = {which: [] for which in ([0, 1] if floor else [0])}
        for _ in range(repeats):  # in turn, so that a busy moment hits both
            for which in runs:
                runs[which].append(measure(task, which))
        ratio = "-"
        if floor:
            ours, least = (statistics.median(r["seconds"] for r in runs[w]) for w in (0, 1))
            ratio = f"{ours / least:.2f}"
        floor_cell = cell(runs[1]) if floor else "- | -"
        rows.append(f"| {task} | {cell(runs[0])} | {floor_cell} | {ratio} | {runs[0][0]['says']} |")
        print(rows[-1], flush=True)
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    RESULTS.write_text(
        "# The book's large computations beside the plain-NumPy floor\n\n"
        f"{versions}, float64, {processor()}. Median (range) of {repeats} runs in fresh processes; "
        "peak memory of the whole process, data included.\n\n"
        "| task | seconds | GB | floor: seconds | GB | ratio | result |\n"
        "|---|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n",
        encoding="utf-8",
    )


def processor():
    """Name and number of the cores that this process may use."""
    import os

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = {line.split(":")[1].strip() for line in lines if line.startswith("model name")}
    return f"{len(os.sched_getaffinity(0))} cores ({', '.join(names) or platform.machine()})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("TASK", "WHICH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure_here(options.one[0], int(options.one[1]))
    else:
        main(options.repeats)
