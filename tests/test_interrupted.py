"""Ctrl-C at any moment, and processes that are killed: whole files, and a state that goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from problems import make_problem

import minfluence as mi
from minfluence.objectives.linear import LinearObjective

P = make_problem("LinearObjective-logistic")
X, Y, X_TEST, Y_TEST = P.objective.X, P.objective.y, P.X_test, P.y_test
THETA, GROUPS, INDICES = P.theta_hat, [0, [3, 5], 7], [2, 4]
CALLER = [X, Y, X_TEST, Y_TEST, THETA]

# In the middle of a computation -------------------------------------------------------------------


def refits(o, influence, folder):
    return mi.actual_change(o, THETA, GROUPS, X_TEST, Y_TEST, progress=False)


def perturbed_refits(o, influence, folder):
    changes = INDICES, -X[INDICES], Y[INDICES]
    return mi.actual_perturbed_change(o, THETA, *changes, X_TEST, Y_TEST, progress=False)


def fitted(o, influence, folder):
    return mi.fit(o).theta


def lissa(o, influence, folder):
    b = o.test_grads(THETA, X_TEST, Y_TEST).T
    return mi.lissa(influence.H, b, depth=60, rtol=1e-6).x


def scores(o, influence, folder):
    return np.vstack([influence.up_loss(X_TEST, Y_TEST), influence.self_influence()])


def saved(o, influence, folder):
    found = mi.save_up_loss(influence, X_TEST, Y_TEST, folder, batch_size=1, progress=False)
    return np.concatenate(list(found))


def attacked(o, influence, folder):
    images = 100 + X[INDICES]
    o = o.replaced(INDICES, images / 100, Y[INDICES])
    theta = mi.fit(o).theta
    seen = lambda z: (z / 100, lambda v: v / 100)  # noqa: E731
    result = mi.attack(
        o, theta, INDICES, images, X_TEST, Y_TEST, feature_map=seen, steps=2, progress=False
    )
    return np.concatenate([result.images.ravel(), result.theta, result.losses.ravel()])


ACTIONS = [refits, perturbed_refits, fitted, lissa, scores, saved, attacked]


class Interruption:
    """Presses Ctrl-C when the scores of any examples are computed for the k-th time."""

    def __init__(self, monkeypatch):
        self.calls, self.at, scores = 0, None, LinearObjective._scores

        def counted(o, *arguments):
            self.calls += 1
            if self.calls == self.at:
                raise KeyboardInterrupt
            return scores(o, *arguments)

        monkeypatch.setattr(LinearObjective, "_scores", counted)

    def after(self, at):
        self.calls, self.at = 0, at


def moments(calls, most=40):
    """Every call, or where there are many, some from the first to the last."""
    return np.unique(np.linspace(1, calls, min(calls, most)).astype(int))


@pytest.mark.parametrize("action", ACTIONS)
def test_after_ctrl_c_at_any_moment_the_next_call_gives_the_same_to_the_last_bit(
    action, monkeypatch, tmp_path
):
    press = Interruption(monkeypatch)
    o = LinearObjective(mi.models.logistic, X, Y, 0.05)
    state, given = dict(vars(o)), [a.copy() for a in CALLER]
    contents = {k: np.copy(v) for k, v in state.items() if isinstance(v, np.ndarray)}
    influence = mi.Influence(o, THETA)
    press.after(None)
    expected = action(o, influence, tmp_path / "expected")
    assert press.calls > 3
    for k in moments(press.calls):
        influence = mi.Influence(o, THETA)  # which remembers what it computed
        press.after(k)
        with pytest.raises(KeyboardInterrupt):
            action(o, influence, tmp_path / f"{k}")
        assert all(whole(file) for file in (tmp_path / f"{k}").glob("*"))
        press.after(None)
        assert vars(o) == state
        for name, content in contents.items():
            assert_array_equal(vars(o)[name], content)
        for a, before in zip(CALLER, given, strict=True):
            assert_array_equal(a, before)
        assert_array_equal(action(o, influence, tmp_path / f"{k}"), expected)


def whole(file):
    """Whether a file of scores, or what is said of them, can be read to the end."""
    if file.suffix == ".json":
        return file.read_text().endswith("}")
    with np.load(file) as block:
        return all(np.isfinite(block[key]).all() for key in ("up_loss", "residual"))


@pytest.mark.parametrize("moment", ["savez", "fsync", "replace"])
def test_ctrl_c_in_the_middle_of_writing_leaves_nothing_half_written(moment, monkeypatch, tmp_path):
    """Of a block, of what its folder says of itself, and of a file that is moved."""

    def pressed(*arguments, **arrays):
        if moment == "savez":
            arguments[0].write(b"PK half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np if moment == "savez" else os, moment, pressed)
    with pytest.raises(KeyboardInterrupt):
        saved(None, mi.Influence(P.objective, THETA), tmp_path)
    assert names(tmp_path) == ["run.json"] * (moment == "savez")
    monkeypatch.undo()
    again = saved(None, mi.Influence(P.objective, THETA), tmp_path)
    influence = mi.Influence(P.objective, THETA)
    assert_array_equal(again, np.vstack([*influence.up_loss(X_TEST, Y_TEST, batch_size=1)]))


# Real processes -----------------------------------------------------------------------------------

START = f"""
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
sys.path.insert(0, {str(Path(__file__).parent)!r})
import numpy as np
import minfluence as mi
from problems import make_problem
P = make_problem("LinearObjective-logistic")
X_test, y_test = P.objective.X, P.objective.y
def save(folder, **options):
    influence = mi.Influence(P.objective, P.theta_hat, **options)
    return mi.save_up_loss(influence, X_test, y_test, folder, batch_size=1, progress=False)
"""
SLOWLY = """
factor = mi.solvers.factorize(mi.Hessian(P.objective, P.theta_hat))
def solver(A, b):
    time.sleep(0.05)
    return factor(b)
"""


def started(code, folder):
    command = [sys.executable, "-c", START + code, str(folder)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for(condition, process):
    """Poll, as long as the process lives."""
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)


def names(folder):
    return sorted(path.name for path in folder.glob("*"))


def all_scores(**options):
    """What every run must end with, to the last bit."""
    influence = mi.Influence(P.objective, THETA, **options)
    return np.concatenate(list(influence.up_loss(X, Y, batch_size=1)))


def saved_by_me(folder, **options):
    influence = mi.Influence(P.objective, THETA, **options)
    return mi.save_up_loss(influence, X, Y, folder, batch_size=1, progress=False)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_in_a_process_that_saves_scores_leaves_whole_files_and_the_next_goes_on(tmp_path):
    run = SLOWLY + "save(sys.argv[1], solver=solver)"
    process = started(run, tmp_path)
    wait_for((tmp_path / "up_loss_00000002.npz").exists, process)
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=60)[1]
    assert stderr.strip().splitlines()[-1] == "KeyboardInterrupt"
    there = names(tmp_path)
    assert 3 < len(there) < 41 and there == [
        "run.json",
        *(f"up_loss_{k:08d}.npz" for k in range(len(there) - 1)),
    ]
    assert all(whole(tmp_path / name) for name in there)
    report = "s = save(sys.argv[1], solver=solver)\nnp.save(sys.argv[1] + '/all', list(s))"
    second = started(SLOWLY + report + "\nraise SystemExit(s.computed)", tmp_path)
    second.communicate(timeout=60)
    assert second.returncode == 41 - len(there)
    assert_array_equal(np.concatenate(np.load(tmp_path / "all.npy")), all_scores())


HALF = """
whole = np.savez
def half(f, **arrays):
    if "00000002" not in f.name:
        return whole(f, **arrays)
    f.write(b"PK, and then the power went off")
    f.flush()
    time.sleep(60)
np.savez = half
save(sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_what_a_process_that_was_killed_while_writing_left_is_removed_by_the_next(tmp_path):
    process = started(HALF, tmp_path)
    wait_for(lambda: list(tmp_path.glob(".up_loss_00000002.npz.*")), process)
    living = saved_by_me(tmp_path)  # the file of a living process is left alone
    assert len(list(tmp_path.glob(".*"))) == 1
    living.files[5].unlink()
    process.kill()
    process.communicate(timeout=60)
    assert len(list(tmp_path.glob(".*"))) == 1
    again = saved_by_me(tmp_path)
    assert again.computed == 1 and list(tmp_path.glob(".*")) == []
    assert_array_equal(np.concatenate(list(again)), all_scores())


def test_two_processes_that_save_the_same_run_into_one_folder_both_end_well(tmp_path):
    run = "np.save(f'{sys.argv[1]}.{os.getpid()}', np.concatenate(list(save(sys.argv[1]))))"
    processes = [started(run, tmp_path / "scores") for _ in range(2)]
    for process in processes:
        stderr = process.communicate(timeout=60)[1]
        assert process.returncode == 0, stderr
        assert_array_equal(np.load(tmp_path / f"scores.{process.pid}.npy"), all_scores())
    assert len(names(tmp_path / "scores")) == 41
    assert saved_by_me(tmp_path / "scores").computed == 0


def test_of_two_processes_with_other_settings_in_one_folder_one_is_refused(tmp_path):
    dampings = 0.1, 0.2
    runs = [f"save(sys.argv[1], damping={damping})" for damping in dampings]
    processes = [started(run, tmp_path) for run in runs]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    (good,) = [k for k, (_, code) in enumerate(ends) if code == 0]
    last = ends[1 - good][0].strip().splitlines()[-1]
    assert "holds scores of another run (damping changed): choose another folder" in last
    found = saved_by_me(tmp_path, damping=dampings[good])
    assert found.computed == 0
    assert_array_equal(np.concatenate(list(found)), all_scores(damping=dampings[good]))


FETCH = """
from minfluence.book import files
files.FILES["labels"] = files.DataFile(4000, "0" * 64, (sys.argv[1],))
files.find("labels")
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_a_download_that_was_stopped_leaves_an_empty_cache(how, tmp_path, monkeypatch):
    from origins import answering, send

    asked = []

    def slow(request):
        send(request, bytes(100), Content_Length=4000)
        asked.append(1)
        time.sleep(1)

    monkeypatch.setenv("MINFLUENCE_CACHE", str(tmp_path))
    monkeypatch.delenv("MINFLUENCE_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with answering(slow=slow) as address:
        process = started(FETCH, f"{address}/slow")
        wait_for(lambda: asked, process)
        process.send_signal(getattr(signal, how))
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert list(tmp_path.iterdir()) == []
