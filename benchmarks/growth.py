"""How the cost of all scores grows: with the examples, the parameters and the test points.

    OPENBLAS_NUM_THREADS=1 python benchmarks/growth.py      # about four minutes

Logistic regression on random numbers in float32: from the minimiser to the scores of all n training
examples for m test points, by one factorisation ("direct") and by CG to a relative
residual of 1e-4. Times are processor time, the best of three. The exponent is the slope of a
straight line through the last half of the points, on logarithmic axes.

Writes ``book/_static/cost_growth.svg``, the picture of chapter 17, and the numbers behind it to
``benchmarks/results/growth.md``.
"""

import platform
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from foundation import processor

import minfluence as mi
from minfluence.book import plots
from minfluence.book.style import UNSIGNED, WIDTH

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "book" / "_static" / "cost_growth.svg"
RESULTS = ROOT / "benchmarks" / "results" / "growth.md"
SERIES = {  # what varies -> (n, p, m) to measure, and what stays
    "n": ([(n, 50, 1) for n in (10**3, 10**4, 10**5, 10**6)], "p = 50, m = 1"),
    "p": ([(3_000, p, 1) for p in (100, 300, 1_000, 3_000, 10_000)], "n = 3,000, m = 1"),
    "m": ([(10_000, 1_000, m) for m in (1, 10, 100, 1_000)], "n = 10,000, p = 1,000"),
}
NAMES = {"n": "training examples n", "p": "parameters p", "m": "test points m"}
EXPECTED = {"direct": {"n": 1, "p": 3, "m": 1}, "cg": {"n": 1, "p": 1, "m": 1}}


def problem(n, p, m):
    """Labels of a linear model with noise; theta near the minimum will do to measure time."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n + m, p), dtype=np.float32)
    theta = rng.standard_normal(p).astype(np.float32) / np.float32(np.sqrt(p))
    y = np.where(X @ theta + rng.logistic(size=n + m) > 0, 1, -1)
    objective = mi.LinearObjective(mi.models.logistic, X[:n], y[:n], l2=0.01, dtype=np.float32)
    return objective, theta, X[n:], y[n:]


def seconds(objective, theta, X_test, y_test, solver):
    """Processor time of all scores, the best of three."""
    times = []
    for _ in range(3):
        start = time.process_time()
        H = mi.Hessian(objective, theta)
        B = objective.test_grads(theta, X_test, y_test).T
        if solver == "cg":
            S = mi.cg(H, B, rtol=1e-4).x
        else:
            S = mi.direct(H, B).x
        objective.example_dots(theta, S)
        times.append(time.process_time() - start)
    return min(times)


def exponent(sizes, times):
    half = len(sizes) // 2
    return np.polyfit(np.log(sizes[half:]), np.log(times[half:]), 1)[0]


def measure():
    measured = {}
    for variable, (cases, _) in SERIES.items():
        for solver in ("direct", "cg"):
            sizes, times = [], []
            for case in cases:
                sizes.append(case["npm".index(variable)])
                times.append(seconds(*problem(*case), solver))
                print(variable, solver, case, f"{times[-1]:.2e}", flush=True)
            measured[variable, solver] = sizes, times
    return measured


def draw(measured):
    """One panel for each variable, slopes beside the lines."""
    plots.style()
    fig, axes = plt.subplots(3, 1, figsize=(WIDTH, 9.6))
    for ax, (variable, (_, fixed)) in zip(axes, SERIES.items(), strict=True):
        for solver, style in (("direct", "o-"), ("cg", "^--")):
            sizes, times = measured[variable, solver]
            label = f"{solver}: {exponent(sizes, times):.1f}"
            ax.loglog(sizes, times, style, ms=5, color=plots.INK, label=label)
        ax.minorticks_off()
        ax.set(xlabel=f"{NAMES[variable]}, with {fixed}", ylabel="processor time (s)")
        plots.name_lines(ax)
    fig.savefig(PICTURE, metadata=UNSIGNED)


def tables(measured):
    parts = []
    for variable, (cases, fixed) in SERIES.items():
        rows = [f"| {variable} | direct | cg |", "|---|---|---|"]
        direct, cg = (
            dict(zip(*measured[variable, solver], strict=True)) for solver in ("direct", "cg")
        )
        for case in cases:
            size = case["npm".index(variable)]
            rows.append(f"| {size:,} | {direct[size]:.2e} | {cg[size]:.2e} |")
        found = [
            f"{exponent(*measured[variable, solver]):.2f} ({EXPECTED[solver][variable]} expected)"
            for solver in ("direct", "cg")
        ]
        rows.append("| exponent | " + " | ".join(found) + " |")
        parts.append(f"## Over {NAMES[variable]}, with {fixed}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def main():
    measured = measure()
    draw(measured)
    RESULTS.write_text(
        "# How the cost of all scores grows\n\n"
        f"Python {platform.python_version()}, NumPy {np.__version__}, float32, {processor()}, one "
        "thread. Seconds of processor time, best of three; exponents from the last half of each "
        "column, where for large n or m the fixed work of the factorisation counts least. "
        "Written by `python benchmarks/growth.py`.\n\n" + tables(measured),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
