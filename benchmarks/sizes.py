"""Sizes that people have: sparse texts, wide data, raw units.

    python benchmarks/sizes.py            # about ten seconds

- *Sparse.* 20,000 documents of 120 words out of 50,000 (Zipf), logistic loss: time and peak memory
  of making the objective, fitting it and scoring all examples for one test point.
- *Wide.* 200 examples of 5,000 features, squared loss: all scores for one test point, beside plain
  CG on the same system, both from the fitted parameters.
- *Raw units.* 1,000 leave-one-outs of least squares on an area, a year and an intercept, beside the
  same with standardised features, and the largest difference from the closed form.

Writes ``benchmarks/results/sizes.md``.
"""

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from foundation import processor

import minfluence as mi
from minfluence import models

RESULTS = Path(__file__).parent / "results" / "sizes.md"


def seconds(work, times=1):
    """Median seconds of a call, and its last result."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        result = work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken), result


def documents(n=20_000, d=50_000, words=120):
    """Word counts with frequencies like those of language, and labels of a sparse model."""
    rng = np.random.default_rng(0)
    frequency = 1.0 / np.arange(1, d + 1)
    columns = rng.choice(d, size=n * words, p=frequency / frequency.sum())
    rows = np.repeat(np.arange(n), words)
    X = sp.csr_array(sp.coo_array((np.ones(n * words), (rows, columns)), shape=(n, d)))
    s = X @ (rng.standard_normal(d) * (rng.random(d) < 0.2))
    return X, np.where(2 * s / s.std() + rng.logistic(size=n) > 0, 1, -1)


def sparse():
    X, y = documents()
    made, o = seconds(lambda: mi.LinearObjective(models.logistic, X, y, l2=1e-3))
    fitted, found = seconds(lambda: mi.fit(o))
    scored, influence = seconds(lambda: mi.Influence(o, found.theta))
    more, _ = seconds(lambda: influence.up_loss(X[:1], y[:1]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert found.converged and influence.report.converged
    print(
        f"| sparse, 20,000 x 50,000 | {made + fitted:.1f} s to fit, {scored + more:.1f} s for all "
        f"scores | {peak:,.0f} MB at the peak, the data included |"
    )


def wide():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 5_000))
    y = X[:, 0] + rng.standard_normal(200)
    o = mi.LinearObjective(models.squared, X, y, l2=1.0)
    theta = mi.fit(o).theta
    plain, _ = seconds(
        lambda: mi.cg(mi.Hessian(o, theta), o.test_grads(theta, X[:1], y[:1])[0]), 15
    )
    ours, _ = seconds(lambda: mi.Influence(o, theta).up_loss(X[:1], y[:1]), 15)
    own, _ = seconds(lambda: mi.Influence(o, theta).self_influence())
    print(
        f"| wide, 200 x 5,000 | {1e3 * ours:.0f} ms for all scores, {own:.2f} s for all "
        f"self-influences | plain CG {1e3 * plain:.0f} ms |"
    )


def raw_units():
    rng = np.random.default_rng(0)
    n = 1_000
    area, year = rng.uniform(500, 4_000, n), rng.uniform(1950, 2020, n)
    y = 50 * area + 300 * (year - 1985) + 1e5 + 1e4 * rng.standard_normal(n)
    raw = np.column_stack([area, year, np.ones(n)])
    even = (raw - raw.mean(0)) / np.where(raw.std(0) > 0, raw.std(0), 1.0)
    even[:, 2] = 1.0
    taken = []
    for X in (raw, even):
        o = mi.LinearObjective(models.squared, X, y)
        theta = mi.fit(o).theta
        taken.append(seconds(lambda o=o, t=theta: mi.refit_without(o, t, range(n), progress=False)))
    (slow, found), (fast, _) = taken
    inverse = np.linalg.inv(raw.T @ raw)
    b = np.linalg.lstsq(raw, y, rcond=None)[0]
    h = np.einsum("ij,jk,ik->i", raw, inverse, raw)
    moves = -(inverse @ raw.T).T * ((y - raw @ b) / (1 - h))[:, None]
    off = abs((found.thetas - b) - moves).max(axis=0) / abs(moves).max(axis=0)
    assert found.converged.all()
    print(
        f"| 1,000 leave-one-outs in raw units | {slow:.2f} s | standardised {fast:.2f} s; moves of "
        f"theta within {off.max():.0e} of the closed form |"
    )


def main():
    if len(sys.argv) > 1:
        {"sparse": sparse, "wide": wide, "raw": raw_units}[sys.argv[1]]()
        return
    rows = [
        subprocess.run([sys.executable, __file__, name], check=True, capture_output=True, text=True)
        for name in ("sparse", "wide", "raw")
    ]
    text = "\n".join(
        [
            "# Sizes that people have",
            "",
            f"{processor()}, one thread. `python benchmarks/sizes.py`.",
            "",
            "| what | time | beside |",
            "|---|---|---|",
            *(row.stdout.strip() for row in rows),
            "",
        ]
    )
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
