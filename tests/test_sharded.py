"""Parts of a training set, on disk or on other machines, against the whole of it in memory."""

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import HAS_TORCH, SOLVERS, make_examples, make_problem, make_torch_objective
from ranks import DIFFERENT

import minfluence as mi
from minfluence import seam
from minfluence.objectives.sharded import Alone, Chunks, Ranks, ShardedObjective

close = {"rtol": 1e-10, "atol": 1e-12}
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed")
HERE = Path(__file__).parent


@pytest.fixture
def softmax():
    return make_problem("LinearObjective-softmax")


def on_disk(folder, o, rows=7):
    """The examples of an objective as chunks of a file."""
    np.save(folder / "X.npy", o.X)
    X = np.load(folder / "X.npy", mmap_mode="r")
    return ShardedObjective(Chunks(o.on(o.X[:5], o.y[:5]), X, o.y, rows, progress=False))


def in_memory(folder, o):
    """The examples of an objective in two parts of unequal size."""
    return ShardedObjective([o.on(o.X[:13], o.y[:13]), o.on(o.X[13:], o.y[13:])])


both_ways = pytest.mark.parametrize("make", [on_disk, in_memory])
WHOLES = ["LinearObjective-softmax", "AutogradObjective-logistic"] + [
    "TorchObjective-network"
] * HAS_TORCH


@both_ways
@pytest.mark.parametrize("key", WHOLES)
def test_every_verb_is_that_of_the_whole(make, key, tmp_path):
    p = make_problem(key)
    whole, o, tests = p.objective, make(tmp_path, p.objective), (p.theta, p.X_test, p.y_test)
    assert (o.n, o.p, o.l2, o.dtype) == (whole.n, whole.p, whole.l2, whole.dtype)
    ours, expected = all_verbs(o, *tests), all_verbs(whole, *tests)
    for verb, value in expected.items():
        assert_allclose(ours[verb], value, **close, err_msg=verb)


def all_verbs(o, theta, X_test, y_test):
    """What an objective gives for everything that can be asked of it."""
    rng = np.random.default_rng(0)
    V, weights = rng.standard_normal((theta.size, 3)), rng.uniform(0, 0.1, (o.n, 2))
    weights[:8, 0] = 0.0  # nothing for all of some part
    thetas, chosen = np.stack([theta, 0.5 * theta], axis=1), [39, 0, 20]
    M = o.preconditioner(theta, 0.3)
    return {
        "risk": o.risk(theta),
        "grad": o.grad(theta),
        "grads": o.grads(thetas.astype(o.dtype), weights.astype(o.dtype)),
        "hvp": o.hvp(theta, V),
        "hvp of one": o.hvp(theta, V[:, 0]),
        "gnvp": o.gnvp(theta, V),
        "hessian": o.hessian(theta),
        "gauss_newton": o.gauss_newton(theta),
        "example_dots": o.example_dots(theta, V),
        "example_grads": o.example_grads(theta, chosen),
        "input_grads": o.input_grads(theta, V[:, 0], chosen),
        "test_losses": o.test_losses(theta, X_test, y_test),
        "test_grads": o.test_grads(theta, X_test, y_test),
        "preconditioner": 0.0 if M is None else M @ V.astype(o.dtype),
        "without": o.without(range(20)).grad(theta),
        "upweighted": o.upweighted([3, 20], 0.3).hessian(theta),
        "subset": o.subset(chosen).hessian(theta),
        "labels": o.examples([39, 39, 0])[1],
    }


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("key", WHOLES)
@settings(max_examples=4, deadline=None)
@given(cuts=st.sets(st.integers(1, 39), max_size=6), seed=st.integers(0, 99))
def test_no_split_changes_anything(key, dtype, cuts, seed):
    kind, name = key.split("-")
    p, rng = make_problem(key), np.random.default_rng(seed)
    l2 = rng.uniform(0, 0.2, p.theta.size)
    X, y = p.objective.examples(np.arange(40))
    whole = {
        "LinearObjective": lambda: mi.LinearObjective(p.losses, X, y, l2, dtype=dtype),
        "AutogradObjective": lambda: mi.AutogradObjective(p.losses, X, y, l2, dtype=dtype),
        "TorchObjective": lambda: make_torch_objective(name, X, y, l2=l2, dtype=dtype),
    }[kind]()
    ends = [0, *sorted(cuts), 40]
    rows = [slice(a, b) for a, b in zip(ends, ends[1:], strict=False)]
    o = ShardedObjective(whole.on(X[part], y[part]) for part in rows)
    weights = rng.uniform(0, 0.1, 40)
    tests = p.theta, p.X_test, p.y_test
    ours = all_verbs(o.reweighted(weights), *tests)
    expected = all_verbs(whole.reweighted(weights), *tests)
    for verb, value in expected.items():
        size = np.abs(value).max()
        rounding = 1e-11 if dtype == np.float64 else 1e-4
        assert_allclose(ours[verb], value, rtol=0, atol=rounding * max(size, 1), err_msg=verb)
        assert np.ndim(value) == 0 or ours[verb].dtype == value.dtype, verb


@both_ways
def test_a_change_of_weights_reaches_the_right_examples(make, softmax, tmp_path):
    whole, o = softmax.objective, make(tmp_path, softmax.objective)
    for change in (lambda x: x.without([0, 39]), lambda x: x.upweighted(20, 0.3)):
        assert_allclose(change(o).grad(softmax.theta), change(whole).grad(softmax.theta), **close)


@both_ways
@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
def test_fit_influence_and_refits_run_unchanged(make, solver, softmax, tmp_path):
    p = softmax
    whole, o = p.objective, make(tmp_path, p.objective)
    assert_allclose(mi.fit(o, gtol=1e-12).theta, p.theta_hat, rtol=1e-8, atol=1e-10)
    scores = [
        mi.Influence(x, p.theta_hat, solver=solver).up_loss(p.X_test, p.y_test) for x in (o, whole)
    ]
    assert_allclose(*scores, rtol=1e-8, atol=1e-10)
    refit = partial(mi.actual_change, theta_hat=p.theta_hat, groups=[3, [5, 39]], progress=False)
    changes = [refit(x, X_test=p.X_test, y_test=p.y_test) for x in (o, whole)]
    assert_allclose(*changes, rtol=1e-6, atol=1e-10)


@both_ways
def test_the_preconditioner_is_that_of_the_whole(make, softmax, tmp_path):
    whole, o = softmax.objective, make(tmp_path, softmax.objective)
    V = np.random.default_rng(0).standard_normal((12, 2))
    M, expected = (x.preconditioner(softmax.theta, 0.3) for x in (o, whole))
    assert_allclose(M @ V, expected @ V, rtol=1e-9)
    other = make(tmp_path, make_problem("AutogradObjective-logistic").objective)
    assert other.preconditioner(np.zeros(4)) is None


def test_operations_add_up(softmax, tmp_path):
    whole, o = softmax.objective, on_disk(tmp_path, softmax.objective)
    for name in ("hvp_flops", "hessian_flops", "gauss_newton_flops"):
        assert getattr(o, name) == pytest.approx(getattr(whole, name))


def test_examples_in_a_file_cannot_be_changed(softmax, tmp_path):
    o, p = on_disk(tmp_path, softmax.objective), softmax
    assert not isinstance(o, seam.ChangeableObjective)
    new = p.X_test[:1], p.y_test[:1]
    with pytest.raises(ValueError, match="ShardedObjective cannot be changed, only weighted"):
        mi.refit_perturbed(o, p.theta_hat, [0], *new, progress=False)
    with pytest.raises(ValueError, match="ShardedObjective cannot be changed, only weighted"):
        mi.attack(o, p.theta_hat, [0], p.X_test[:1], *new, progress=False)


def test_bad_rows_of_a_file_are_found_at_once(softmax, tmp_path):
    o = softmax.objective
    X = o.X.copy()
    X[30, 2] = np.nan
    with pytest.raises(ValueError, match="X holds NaN"):
        Chunks(o, X, o.y, 7, progress=False)
    with pytest.raises(ValueError, match="expects labels 0 .. 2, got 9"):
        Chunks(o, o.X, np.full(o.n, 9), 7, progress=False)
    with pytest.raises(ValueError, match="one label per example, got 40 and 3"):
        Chunks(o, o.X, o.y[:3])
    for rows in (0, -1, 2.5, "7"):
        with pytest.raises(ValueError, match="rows must be a whole number of at least 1"):
            Chunks(o, o.X, o.y, rows)


def test_labels_keep_the_type_they_have_in_the_file_whatever_the_sample_has():
    X, y = make_examples("squared")
    for of_sample, of_file in ((np.round(y[:5]).astype(int), y), (y[:5], np.round(y).astype(int))):
        like = mi.LinearObjective(mi.models.squared, X[:5], of_sample, 0.1)
        o = ShardedObjective(Chunks(like, X, of_file, 7, progress=False))
        whole = mi.LinearObjective(mi.models.squared, X, of_file, 0.1)
        theta = mi.fit(whole).theta
        assert_array_equal(o.examples([3, 39, 3])[1], of_file[[3, 39, 3]])
        expected = mi.Influence(whole, theta).self_influence()
        assert_allclose(mi.Influence(o, theta).self_influence(), expected, rtol=1e-9)


def test_rows_of_a_table_are_counted_not_looked_up(softmax):
    pandas = pytest.importorskip("pandas")
    o, order = softmax.objective, np.random.default_rng(0).permutation(40)
    X, y = pandas.DataFrame(o.X, index=order), pandas.Series(o.y, index=order)
    chunks = ShardedObjective(Chunks(o, X, y, 7, progress=False))
    for ours, theirs in zip(chunks.examples([3, 39]), o.examples([3, 39]), strict=True):
        assert_array_equal(ours, theirs)
    assert_allclose(chunks.grad(softmax.theta), o.grad(softmax.theta), **close)


@pytest.mark.parametrize("indices", [[-1], [0, 40], [True, False]])
def test_examples_that_are_not_there_are_refused(indices, softmax, tmp_path):
    with pytest.raises(ValueError, match="Indices must lie in 0 .. 39|one index or a list"):
        in_memory(tmp_path, softmax.objective).examples(indices)


# Parts that do not belong together ----------------------------------------------------------------


SENTENCES = {
    "losses": r"the same losses: it is Squared\(\) in .* 0 and Huber",
    "parameters of losses": "the same losses: it is Huber.*0.5.* in .* 0 and Huber.*0.1",
    "l2": "the same l2: it is 0.1 in .* 0 and 0.2 in .* 1; make every part of one objective",
    "one l2 of several": r"the same l2: it is \[0.0, 1.0, 1.0, 2.0\] in",
    "dtype": "the same dtype: it is float64 in .* 0 and float32",
    "labels": "the same type of labels: it is float64 in .* 0 and int64",
    "width": "the same number of parameters: it is 4 in .* 0 and 3",
    "fold_l2": "use fold_l2=True",
    "weights": "A part has weights of its own.*reweighted",
    "values": "losses of the same name, but with other values",
    "kind": "the same kind of objective: it is LinearObjective in .* 0 and AutogradObjective",
    "no objective": "list of objectives whose examples are in memory, got ndarray",
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_parts_that_differ_are_refused(name):
    with pytest.raises(ValueError, match=SENTENCES[name]):
        ShardedObjective([DIFFERENT[name](first) for first in (True, False)])


def test_a_part_counts_by_its_examples_and_a_single_one_is_the_whole(softmax):
    o = softmax.objective
    for parts in ([o], o, [o.on(o.X[:1], o.y[:1]), o.on(o.X[1:], o.y[1:])]):
        assert_allclose(ShardedObjective(parts).grad(softmax.theta), o.grad(softmax.theta), **close)


def test_no_parts_and_no_ranks_are_refused(softmax):
    for parts in ([], iter([])):
        with pytest.raises(ValueError, match="at least one part with examples, got none"):
            ShardedObjective(parts)
    with pytest.raises(ValueError, match="ranks must be Ranks.., or left out, got 2"):
        ShardedObjective([softmax.objective], 2)
    with pytest.raises(ValueError, match="got NoneType"):
        ShardedObjective(None)


@needs_torch
def test_modules_with_other_buffers_are_other_models():
    import torch

    def part(mean):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1)).eval()
        net[0].running_mean += mean
        X, y = make_examples("squared", n=9)
        return mi.TorchObjective.from_module(net, lambda S, y: (S[:, 0] - y) ** 2, X, y, 0.1)

    assert ShardedObjective([part(0.0), part(0.0)]).n == 18
    with pytest.raises(ValueError, match="losses of the same name, but with other values"):
        ShardedObjective([part(0.0), part(1.0)])


@pytest.mark.slow
def test_memory_stays_bounded_for_a_file_of_any_size(tmp_path):
    code = f"""
import numpy as np, resource, minfluence as mi
from minfluence.objectives.sharded import Chunks, ShardedObjective
rng = np.random.default_rng(0)
X = np.lib.format.open_memmap({str(tmp_path / "X.npy")!r}, "w+", np.float32, (1_000_000, 100))
for start in range(0, len(X), 50_000):
    X[start : start + 50_000] = rng.standard_normal((50_000, 100), dtype=np.float32)
X.flush(); X._mmap.close(); del X
X = np.load({str(tmp_path / "X.npy")!r}, mmap_mode="r")  # 400 MB
y = rng.choice([-1, 1], len(X))
like = mi.LinearObjective(mi.models.logistic, X[:100], y[:100], 0.01, dtype=np.float32)
o = ShardedObjective(Chunks(like, X, y, progress=False))
before = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
peak = 0
class Watched:
    def __matmul__(self, V):
        global peak
        product = mi.Hessian(o, np.zeros(100, np.float32)) @ V
        peak = max(peak, int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize())
        return product
mi.cg(Watched(), np.ones(100, np.float32), max_steps=3, rtol=0.5)
print(peak)
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("only Linux tells how much memory is in use")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 300e6  # of which the interpreter and its libraries take 100


# Several processes ------------------------------------------------------------------------------


def start(folder, size, task, limit=100):
    """Start processes that find one another through a file; wait; give their results."""
    processes = []
    for rank in range(size):
        env = os.environ | {"RANK": str(rank), "WORLD_SIZE": str(size)}
        env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
        if rank:
            env["MASTER_PORT"] = processes[0][1]
        command = [sys.executable, HERE / "ranks.py", str(folder), task]
        p = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
        processes.append((p, env["MASTER_PORT"]))
    return [(p.communicate(timeout=limit)[1], p.returncode) for p, _ in processes]


def free_port():
    """A port that nobody listens on."""
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def expected_results(folder):
    """The same computations in one process, on the whole."""
    X, y = make_examples("softmax", n=41)
    o = mi.LinearObjective(mi.models.softmax(3), X, y, l2=0.05)
    theta = mi.fit(o, gtol=1e-12).theta
    np.save(folder / "theta.npy", theta)
    X_test, y_test = make_examples("softmax", n=6, seed=1)
    scores = {
        name: mi.Influence(o, theta, solver=solver).up_loss(X_test, y_test)
        for name, solver in SOLVERS.items()
    }
    return scores | {
        "theta": theta,
        "risk": o.risk(theta),
        "self": mi.Influence(o, theta).self_influence(),
        "pert": mi.Influence(o, theta).pert_loss(X_test[0], y_test[0], [0, 40]),
        "actual": mi.actual_change(o, theta, [0, 40], X_test, y_test, progress=False),
    }


@needs_torch
@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_several_processes_agree_with_one(size, tmp_path):
    expected = expected_results(tmp_path)
    for stderr, code in start(tmp_path, size, "compare"):
        assert code == 0, stderr
    for rank in range(size):
        with np.load(tmp_path / f"rank{rank}.npz") as results:
            assert set(results) == set(expected)
            for name, value in expected.items():
                assert_allclose(results[name], value, rtol=1e-8, atol=1e-10, err_msg=name)


@needs_torch
@pytest.mark.slow
def test_torchrun_starts_them(tmp_path):
    expected = expected_results(tmp_path)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(HERE / "ranks.py"), str(tmp_path), "compare"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stderr
    with np.load(tmp_path / "rank1.npz") as results:
        assert_allclose(results["cg"], expected["cg"], rtol=1e-8, atol=1e-10)


@needs_torch
@pytest.mark.slow
def test_when_a_process_dies_the_others_say_so_and_no_file_is_half_written(tmp_path):
    expected = expected_results(tmp_path)
    (stderr, code), (_, died) = start(tmp_path, 2, "die")
    assert died == 3 and code == 1
    last = stderr.strip().splitlines()[-1]
    assert "RankLost: Process 0 of 2 waited for the others in vain" in last
    files = sorted(path.name for path in (tmp_path / "scores").iterdir())
    assert files == ["run.json", "up_loss_00000000.npz", "up_loss_00000001.npz"]
    for row in (0, 1):
        with np.load(tmp_path / "scores" / f"up_loss_{row:08d}.npz") as block:
            assert_allclose(block["up_loss"][0], expected["cg"][row], rtol=1e-6, atol=1e-9)


SAID_BY_BOTH = {
    "few examples": "ValueError: Expected at least one example for each of 2 processes, got 1",
    **{
        name: "RankLost: Process {rank} of 2 is out of step"
        for name in [f"other {k}" for k in ("theta", "vector", "shape", "verb", "rows", "weights")]
    },
}
SAID_BY_FIRST = {
    "empty shard": "ValueError: Process 1 of 2 cannot take part: Expected at least one part",
    "NaN in a shard": "ValueError: Process 1 of 2 cannot take part: X holds NaN or infinity",
    "bad theta": "RankLost: Process 1 of 2 has failed, and says why",
    "bad theta of products": "RankLost: Process 1 of 2 has failed, and says why",
}
SAID_BY_SECOND = {
    "empty shard": "ValueError: Expected at least one part with examples",
    "NaN in a shard": "ValueError: X holds NaN or infinity",
    "bad theta": "ValueError: theta must be one flat vector of shape (12,), got (3,)",
    "bad theta of products": "ValueError: theta must be one flat vector of shape (12,), got (3,)",
}


@needs_torch
@pytest.mark.slow
def test_every_process_says_what_is_wrong_and_the_next_sum_is_right(tmp_path):
    for stderr, code in start(tmp_path, 2, "refusals"):
        assert code == 0, stderr
    X, y = make_examples("softmax", n=41)
    whole = mi.LinearObjective(mi.models.softmax(3), X, y, l2=0.05)
    for rank, own in enumerate((SAID_BY_FIRST, SAID_BY_SECOND)):
        said = json.loads((tmp_path / f"rank{rank}.json").read_text())
        assert_allclose(said.pop("gradient"), whole.grad(np.ones(12)), **close)
        for name, sentence in SENTENCES.items():
            assert re.match(f"ValueError: .*{sentence}", said.pop(name)), name
        for name, sentence in own.items():
            assert said.pop(name).startswith(sentence), name
        for name, sentence in SAID_BY_BOTH.items():
            assert said.pop(name).startswith(sentence.format(rank=rank)), name
        assert not said


@needs_torch
@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "sentences"),
    [
        ("absent", ["RankLost: Not all processes have started within 2 s", None]),
        (
            "late",
            ["RankLost: Process 0 of 2 waited .*Timed out", "RankLost: Process 1 of 2 waited for"],
        ),
        (
            "bad_file",
            ["RankLost: Process 0 of 2 waited for the others", "ValueError: X holds NaN or inf"],
        ),
    ],
)
def test_nobody_waits_for_ever(task, sentences, tmp_path):
    for (stderr, code), sentence in zip(start(tmp_path, 2, task), sentences, strict=True):
        assert code == (sentence is not None), stderr
        assert sentence is None or re.search(sentence, stderr.strip().splitlines()[-1])


@needs_torch
def test_ranks_that_nobody_started_say_how(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match=r"processes that torchrun starts .*: run torchrun"):
        Ranks()
    with pytest.raises(ValueError, match="timeout must be greater than 0"):
        Ranks(timeout=0)


@needs_torch
def test_one_process_alone_needs_no_launcher_for_its_share():
    assert Alone().sum(3.0) == 3.0
    ranks = object.__new__(Ranks)
    ranks.size = 3
    rows = []
    for ranks.rank in range(3):
        rows += range(*ranks.part(10).indices(10))
    assert rows == list(range(10))
