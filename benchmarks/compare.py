"""Side by side with other libraries: time, peak memory and agreement on five tasks.

    python benchmarks/compare.py --install       # an environment for each library, once
    make bench                                   # or: python benchmarks/compare.py --repeats 3

| task | what |
|---|---|
| a1, a100 | softmax regression, MNIST, n = 60,000, p = 7,840: all scores, 1 or 100 test points |
| b, b64 | logistic regression, 1 against 7: all pairs with 2,000 test points; float32, float64 |
| lissa | task a1 by stochastic estimation, depth 5,000, one example at a time |
| cnn | a convolutional network, n = 2,000, p = 2,616: Gauss-Newton + 0.01 I, 2 test points |

Every measurement runs in a process of its own, the libraries in turn, all with the same number of
threads; loading is not counted. *Exact* is float64. Without MNIST the images are pen strokes drawn
at random. Writes ``benchmarks/results/compare.md`` and ``compare.png``; scripts of the libraries
are in ``benchmarks/peers``.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PEERS, ENVIRONMENTS = HERE / "peers", HERE / "peers" / ".envs"
RESULTS, PICTURE = HERE / "results" / "compare.md", HERE / "results" / "compare.png"

# Who can do which task; the numbers are scales for stochastic estimation.
TASKS = {
    "a1": [
        ("ours",),
        ("floor",),
        ("dattri",),
        ("pydvl",),
        ("torch_influence",),
        ("kronfluence",),
    ],
    "a100": [("ours",), ("floor",), ("pydvl",), ("dattri",)],
    "b": [("ours",), ("floor",), ("pydvl",), ("dattri",), ("captum",)],
    "b64": [("ours",), ("floor",)],
    "lissa": [
        ("ours",),
        ("dattri", 50.0),
        ("pydvl", 50.0),
        ("torch_influence", 50.0),
        ("pydvl", 10.0),
    ],
    "cnn": [("ours",), ("torch_influence",)],
}
REPEATS_INSIDE = {("lissa", "ours"): 10}  # repeats of one run of ours; the others run one


# Inputs -----------------------------------------------------------------------------------------


def prepare(folder):
    """Write examples, minimisers and exact scores, last of all where the examples come from.

    In a process of its own: the peak memory of a process counts what its parent held.
    """
    from functools import partial

    import minfluence as mi

    X, y, X_test, y_test, source = images()
    ten = mi.LinearObjective(mi.models.softmax(10), X, y, l2=0.01)
    theta = mi.fit(ten).theta
    solver = partial(mi.cg, rtol=1e-11, preconditioner=ten.preconditioner(theta))
    influence = mi.Influence(ten, theta, solver=solver)
    save(folder, "a", X, y, theta, X_test[:100], y_test[:100], influence)

    def two(X, y):
        chosen = np.isin(y, (1, 7))
        return X[chosen], np.where(y[chosen] == 7, 1.0, -1.0)

    one_seven = mi.LinearObjective(mi.models.logistic, *two(X, y), l2=0.01)
    theta = mi.fit(one_seven).theta
    tests = (a[:2000] for a in two(X_test, y_test))
    save(folder, "b", *two(X, y), theta, *tests, mi.Influence(one_seven, theta))
    network(folder, X[:2000], y[:2000], X_test[:2], y_test[:2])
    (folder / "source.txt").write_text(source, encoding="utf-8")


def save(folder, name, X, y, theta, X_test, y_test, influence):
    """One task's arrays; inputs in float32."""
    arrays = {"X": X.astype(np.float32), "y": y, "theta": theta, "y_test": y_test}
    arrays |= {"X_test": X_test.astype(np.float32), "exact": influence.up_loss(X_test, y_test)}
    for key, array in arrays.items():
        np.save(folder / f"{name}_{key}.npy", array)


def images():
    """All 60,000 training images of MNIST, or strokes of the same shape."""
    import minfluence as mi

    try:
        return *mi.data.mnist(validation=0), "MNIST"
    except mi.data.DataUnavailable:
        X, y = strokes(62_200, np.random.default_rng(0))
        return X[:60_000], y[:60_000], X[60_000:], y[60_000:], "random pen strokes"


def strokes(n, rng):
    """Images of 28 x 28 pixels: two straight strokes for each class, at jittered places."""
    y = rng.integers(0, 10, n)
    ends = np.random.default_rng(1).uniform(6, 22, (10, 4, 2))  # two strokes of two ends
    ends = ends[y] + 1.5 * rng.standard_normal((n, 4, 2))
    X, t = np.zeros((n, 28, 28)), np.linspace(0, 1, 30)[:, None]
    for k in (0, 2):
        for s in t:
            row, column = np.clip(np.rint((1 - s) * ends[:, k] + s * ends[:, k + 1]), 0, 27).T
            X[np.arange(n), row.astype(int), column.astype(int)] = 1.0
    return X.reshape(n, 784), y


def network(folder, X, y, X_test, y_test):
    """Train the network a little, and solve for its scores exactly, in float64."""
    from functools import partial

    import torch
    from torch.nn.functional import cross_entropy

    import minfluence as mi
    from minfluence.objectives.torch import TorchObjective

    sys.path.insert(0, str(PEERS))
    from common import DAMPING, L2_CNN
    from torch_models import conv_net

    torch.manual_seed(0)
    X, X_test = (a.reshape(-1, 1, 28, 28).astype(np.float32) for a in (X, X_test))
    inputs, labels, module = torch.tensor(X), torch.tensor(y), conv_net()
    optimiser = torch.optim.Adam(module.parameters(), 3e-3, weight_decay=L2_CNN)
    for _ in range(60):
        for batch in torch.randperm(len(X)).split(100):
            optimiser.zero_grad()
            cross_entropy(module(inputs[batch]), labels[batch]).backward()
            optimiser.step()
    torch.save(module.state_dict(), folder / "cnn.pt")
    loss = partial(cross_entropy, reduction="none")
    o = TorchObjective.from_module(module.eval(), loss, X, y, l2=L2_CNN)
    theta = o.flatten(module)
    influence = mi.Influence(o, theta, damping=DAMPING, curvature="gauss-newton", solver="direct")
    save(folder, "cnn", X, y, theta, X_test, y_test, influence)


# Measuring --------------------------------------------------------------------------------------


def python_of(who):
    """Our own interpreter, or that of a library's environment."""
    if who in ("ours", "floor"):
        return sys.executable
    return str(ENVIRONMENTS / who / "bin" / "python")


def measure(folder, task, who, options, threads, limit):
    """One run in a fresh process: seconds, peak memory, agreement; or why there is none."""
    script = PEERS / (f"{who}.py" if who in ("ours", "floor") else f"{who}_scores.py")
    command = [python_of(who), script, str(folder), task, *map(str, options)]
    env = os.environ | {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "OPENBLAS", "MKL")}
    (folder / "scores.npy").unlink(missing_ok=True)
    try:
        run = subprocess.run(command, capture_output=True, text=True, env=env, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"failed": f"stopped at {limit} s"}
    if run.returncode:
        reason = run.stderr.strip().splitlines()
        return {"failed": reason[-1][:100] if reason else f"ended with code {run.returncode}"}
    result = json.loads(run.stdout.splitlines()[-1])
    result["seconds"] /= REPEATS_INSIDE.get((task, who), 1)
    if who != "floor":  # in a process of its own: this one must stay small, see `prepare`
        name = {"lissa": "a", "cnn": "cnn"}.get(task, task[0])
        exact = folder / f"{name}_exact.npy"
        command = [sys.executable, __file__, "--agree", str(folder / "scores.npy"), str(exact)]
        result |= json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return result


def agreement(scores, exact):
    """Relative error, and Pearson with the exact scores; constants added to all do not count."""
    exact = exact[: len(scores)]
    if not np.isfinite(scores).all():
        return {"failed": "NaN"}
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (scores.reshape(exact.shape), exact))
    pearson = (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
    return {"error": float(np.linalg.norm(a - b) / np.linalg.norm(b)), "pearson": float(pearson)}


def main(tasks, only, repeats, threads, limit, work):
    runs = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(work or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "source.txt").exists():
            subprocess.run([sys.executable, __file__, "--prepare", str(folder)], check=True)
        source = (folder / "source.txt").read_text(encoding="utf-8")
        for repeat in range(repeats):
            for task in tasks:
                for who, *options in TASKS[task]:
                    key = (task, who, *options)
                    found = runs.setdefault(key, [])
                    installed = Path(python_of(who)).exists()
                    if who not in only or not installed or (repeat and "failed" in found[0]):
                        continue
                    found.append(measure(folder, task, who, options, threads, limit))
                    print(*key, found[-1], flush=True)
    runs = {key: found for key, found in runs.items() if found}
    write(runs, source, repeats, threads)


# The table and the picture ----------------------------------------------------------------------


def label(who, options):
    names = {"ours": "**minfluence**", "floor": "*NumPy floor*", "pydvl": "pyDVL"}
    scale = f", scale {options[0]:g}" if options else ""
    return names.get(who, who.replace("_", "-")) + scale


def row(key, found):
    """One line of the table."""
    task, who, *options = key
    if "failed" in found[0]:
        return f"| {task} | {label(who, options)} | {found[0]['failed']} | | | |"
    seconds = [run["seconds"] for run in found]
    says = "| | |"
    if "error" in found[0]:
        worst = max(run["error"] for run in found)
        says = f"| {worst:.0e} | {min(run['pearson'] for run in found):.4f} |"
    return (
        f"| {task} | {label(who, options)} | {statistics.median(seconds):.2f} "
        f"({min(seconds):.2f}-{max(seconds):.2f}) | {max(run['peak'] for run in found):.2f} {says}"
    )


def versions():
    """What is installed in each environment."""
    code = (
        "import importlib.metadata as m, sys; names = [d.metadata['Name'] for d in "
        "m.distributions()]; print(', '.join(f'{n} {m.version(n)}' for n in sorted(set(names)) "
        "if n.lower().replace('_', '-') in ('pydvl', 'dattri', 'torch-influence', 'captum', "
        "'kronfluence', 'torch', 'numpy')))"
    )
    for who in ("ours", "pydvl", "dattri", "torch_influence", "captum", "kronfluence"):
        if Path(python_of(who)).exists():
            command = [python_of(who), "-c", code]
            yield who, subprocess.run(command, capture_output=True, text=True).stdout.strip()


def write(runs, source, repeats, threads):
    from foundation import processor

    rows = [row(key, found) for key, found in runs.items()]
    environments = "\n".join(f"- {who}: {says}" for who, says in versions())
    RESULTS.write_text(
        "# Side by side with other libraries\n\n"
        f"{source}; {processor()}, {threads} threads. Median (range) of {repeats} runs in fresh "
        "processes, in turn; for `lissa`, seconds of one repeat. Peak memory of the whole process, "
        "data included. Error and Pearson: scores against float64. "
        "Written by `python benchmarks/compare.py`; it says what each task is.\n\n"
        "| task | library | seconds | GB | relative error | Pearson |\n"
        "|---|---|---|---|---|---|\n" + "\n".join(rows) + f"\n\n{environments}\n",
        encoding="utf-8",
    )
    draw(runs)


def draw(runs):
    """One panel for each task: seconds on a logarithmic axis, memory in words."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    from minfluence.book import plots

    plots.style()
    good = {key: found for key, found in runs.items() if "failed" not in found[0]}
    tasks = list(dict.fromkeys(key[0] for key in good))
    heights = [sum(key[0] == task for key in good) + 1 for task in tasks]
    size = (6, 0.36 * sum(heights) + 0.6)
    fig, axes = plt.subplots(len(tasks), 1, figsize=size, height_ratios=heights, squeeze=False)
    for ax, task in zip(axes[:, 0], tasks, strict=True):
        mine = [(key, found) for key, found in good.items() if key[0] == task][::-1]
        names = [label(key[1], key[2:]).replace("*", "") for key, _ in mine]
        seconds = [statistics.median(run["seconds"] for run in found) for _, found in mine]
        colours = {"ours": plots.INK, "floor": plots.GREY}
        ax.barh(names, seconds, color=[colours.get(key[1], plots.RULE) for key, _ in mine])
        for k, (_, found) in enumerate(mine):
            says = f" {seconds[k]:.2g} s, {max(run['peak'] for run in found):.1f} GB"
            ax.text(seconds[k], k, says, va="center", fontsize=9)
        ax.set(xscale="log", title=task)
        ax.set_xlim(min(seconds) / 2, 12 * max(seconds))
        ax.tick_params(labelsize=9)
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[-1, 0].set_xlabel("seconds")
    fig.savefig(PICTURE, dpi=110, metadata={"Software": None})


def install():
    """Make an environment for each library."""
    for line in (PEERS / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, needs = line.split(": ", 1)
            subprocess.run([sys.executable, "-m", "venv", ENVIRONMENTS / name], check=True)
            command = [python_of(name), "-m", "pip", "install", "--quiet", "torch==2.13.0", needs]
            done = subprocess.run(command)
            print(name, "installed" if done.returncode == 0 else "could not be installed")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument(
        "--only", default="ours,floor,pydvl,dattri,torch_influence,captum,kronfluence"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, default=200, help="seconds for one run")
    parser.add_argument("--work", help="folder with 1 GB of room, whose inputs are used again")
    parser.add_argument("--prepare", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--agree", nargs=2, metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.install:
        install()
    elif options.agree:
        print(json.dumps(agreement(*map(np.load, options.agree))))
    elif options.prepare:
        prepare(Path(options.prepare))
    else:
        main(
            options.tasks.split(","),
            options.only.split(","),
            options.repeats,
            options.threads,
            options.limit,
            options.work,
        )
