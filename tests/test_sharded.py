"""Parts of a training set, on disk or on other machines, against the whole of it in memory."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import HAS_TORCH, SOLVERS, make_examples, make_problem

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
    whole, o, theta = p.objective, make(tmp_path, p.objective), p.theta
    rng = np.random.default_rng(0)
    V = rng.standard_normal((theta.size, 3))
    assert (o.n, o.p, o.l2, o.dtype) == (whole.n, whole.p, whole.l2, whole.dtype)
    assert_allclose(o.risk(theta), whole.risk(theta), **close)
    assert_allclose(o.grad(theta), whole.grad(theta), **close)
    for f in ("hvp", "example_dots"):
        assert_allclose(getattr(o, f)(theta, V), getattr(whole, f)(theta, V), **close)
        one = getattr(o, f)(theta, V[:, 0])
        assert_allclose(one, getattr(whole, f)(theta, V[:, 0]), **close)
    assert_allclose(o.hessian(theta), whole.hessian(theta), **close)
    if not key.startswith("AutogradObjective"):
        assert_allclose(o.gnvp(theta, V), whole.gnvp(theta, V), **close)
        assert_allclose(o.gauss_newton(theta), whole.gauss_newton(theta), **close)
    chosen = [39, 0, 20]
    assert_allclose(o.example_grads(theta, chosen), whole.example_grads(theta, chosen), **close)
    assert_allclose(
        o.input_grads(theta, V[:, 0], chosen), whole.input_grads(theta, V[:, 0], chosen), **close
    )
    weights = rng.uniform(0, 0.1, (o.n, 2))
    thetas = np.stack([theta, p.theta_hat], axis=1)
    assert_allclose(o.grads(thetas, weights), whole.grads(thetas, weights), **close)
    assert_allclose(o.subset(chosen).grad(theta), whole.subset(chosen).grad(theta), **close)
    tests = p.X_test, p.y_test
    assert_allclose(o.test_grads(theta, *tests), whole.test_grads(theta, *tests), **close)
    assert_allclose(o.test_losses(theta, *tests), whole.test_losses(theta, *tests), **close)


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


@needs_torch
def test_one_process_alone_needs_no_launcher_for_its_share():
    assert Alone().sum(3.0) == 3.0
    ranks = object.__new__(Ranks)
    ranks.size = 3
    rows = []
    for ranks.rank in range(3):
        rows += range(*ranks.part(10).indices(10))
    assert rows == list(range(10))
