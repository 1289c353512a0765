"""Time of the Hessian, of its factorisation and of one product with it, over p and over n.

    OPENBLAS_NUM_THREADS=1 python benchmarks/hvp_cost.py [--repeats 5]    # about three minutes

Logistic regression on random numbers. Writes ``book/_static/hvp_cost.svg``, the picture of chapter
5, and the numbers behind it, with machine and versions, to ``benchmarks/results/hvp_cost.md``.

Times are processor time, not time on the wall: a busy neighbour then hardly counts. The exponent of
a task is the slope of a straight line through the upper half of its points, on logarithmic axes.
"""

import argparse
import os
import platform
import statistics
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import scipy
from foundation import processor
from scipy.linalg import cho_factor

import minfluence as mi
from minfluence.book import plots
from minfluence.book.style import UNSIGNED

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "book" / "_static" / "hvp_cost.svg"
RESULTS = ROOT / "benchmarks" / "results" / "hvp_cost.md"
SIZES = {  # what varies -> the (n, p) to measure
    "p": [(4_000, p) for p in (128, 256, 512, 1024, 2048, 4096)],
    "n": [(n, 512) for n in (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)],
}
FIXED = {"p": "n = 4,000", "n": "p = 512"}
EXPECTED = {"Hessian": (2, 1), "Cholesky": (3, 0), "one product": (1, 1)}  # exponents in p, in n


def tasks(n, p):
    """The three functions that are timed, for n examples and p parameters."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, p)), rng.choice([-1, 1], n)
    objective = mi.LinearObjective(mi.models.logistic, X, y, l2=0.01)
    theta, v = rng.standard_normal((2, p)) / np.sqrt(p)
    H, product = objective.hessian(theta), objective.hvp_at(theta)
    return {
        "Hessian": lambda: objective.hessian(theta),
        "Cholesky": lambda: cho_factor(H, lower=True),
        "one product": lambda: product(v),
    }


def seconds(run, repeats):
    """Median processor time of one call; short calls are repeated within a measurement."""
    start = time.process_time()
    run()  # also warms up
    calls = max(1, round(0.05 / max(time.process_time() - start, 1e-5)))
    times = []
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(calls):
            run()
        times.append((time.process_time() - start) / calls)
    return statistics.median(times)


def exponent(sizes, times):
    """Slope through the upper half of the points, on logarithmic axes."""
    half = len(sizes) // 2
    return np.polyfit(np.log(sizes[half:]), np.log(times[half:]), 1)[0]


def draw(measured):
    """One panel for each variable, slopes beside the lines."""
    plots.style()
    fig, axes = plt.subplots(2, 1, figsize=(5.4, 7))
    looks = {"Hessian": plots.INK, "Cholesky": plots.GREY, "one product": plots.THIRD}
    for ax, (variable, (sizes, times)) in zip(axes, measured.items(), strict=True):
        for task, colour in looks.items():
            label = f"{task}: {exponent(sizes, times[task]):.1f}"
            ax.loglog(sizes, times[task], ".-", color=colour, label=label)
        ax.set_xticks(sizes[::2], [f"{size:,}" for size in sizes[::2]])
        ax.minorticks_off()
        name = "parameters p" if variable == "p" else "examples n"
        ax.set(xlabel=f"{name}, with {FIXED[variable]}", ylabel="processor time (s)")
        plots.name_lines(ax)
    fig.savefig(PICTURE, metadata=UNSIGNED)


def tables(measured):
    """The measurements, in words and numbers."""
    parts = []
    for k, (variable, (sizes, times)) in enumerate(measured.items()):
        rows = [f"| {variable} | " + " | ".join(times) + " |", "|---" * (1 + len(times)) + "|"]
        for j, size in enumerate(sizes):
            rows.append(f"| {size:,} | " + " | ".join(f"{t[j]:.2e}" for t in times.values()) + " |")
        found = [
            f"{exponent(sizes, t):.2f} ({EXPECTED[name][k]} expected)" for name, t in times.items()
        ]
        rows.append("| exponent | " + " | ".join(found) + " |")
        parts.append(f"## Over {variable}, with {FIXED[variable]}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def main(repeats):
    measured = {}
    for variable, pairs in SIZES.items():
        sizes = [p if variable == "p" else n for n, p in pairs]
        times = {name: [] for name in EXPECTED}
        for pair in pairs:
            for name, run in tasks(*pair).items():
                times[name].append(seconds(run, repeats))
            print(*pair, {name: f"{t[-1]:.1e}" for name, t in times.items()}, flush=True)
        measured[variable] = sizes, times
    draw(measured)
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "as many as cores")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        "# What the Hessian costs, and what a product with it costs\n\n"
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}, "
        f"float64, {processor()}, OpenBLAS threads: {threads}. Seconds of processor time, median "
        f"of {repeats}; exponents from the upper half of each column. "
        "Written by `python benchmarks/hvp_cost.py`.\n\n" + tables(measured),
        encoding="utf-8",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    main(parser.parse_args().repeats)
