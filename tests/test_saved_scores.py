"""Scores on disk: of one run, each block with its certificate, whatever happens to the files."""

import errno
import json
import os
import platform
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from functools import partial

import autograd.numpy as anp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import HAS_TORCH, SEAM, make_problem

import minfluence as mi
from minfluence import models, saved_scores
from minfluence.objectives.sharded import Chunks, ShardedObjective
from minfluence.saved_scores import NotWritten

P = make_problem("LinearObjective-logistic")
O, THETA = P.objective, P.theta_hat
STEEPNESS = 1.0


def influence(objective=O, theta=THETA, **options):
    return mi.Influence(objective, theta, **options)


def save(folder, of=None, X_test=P.X_test, y_test=P.y_test, batch_size=2):
    of = of or influence()
    return mi.save_up_loss(of, X_test, y_test, folder, batch_size=batch_size, progress=False)


def in_blocks(of):
    """The same scores in memory, from the same blocks: equal to the last bit."""
    return np.concatenate(list(of.up_loss(P.X_test, P.y_test, batch_size=2)))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


WHOLE = ["run.json", "up_loss_00000000.npz", "up_loss_00000002.npz"]


def test_scores_on_disk_are_those_in_memory_and_are_not_computed_twice(tmp_path):
    saved = save(tmp_path / "new" / "scores")
    assert saved.computed == 2
    assert_array_equal(np.concatenate(list(saved)), in_blocks(influence()))
    saved.files[1].unlink()
    again = save(tmp_path / "new" / "scores")
    assert (again.computed, again.run) == (1, saved.run)
    assert save(tmp_path / "new" / "scores").computed == 0


@pytest.mark.filterwarnings("ignore::minfluence.FarFromMinimum")
@pytest.mark.parametrize("key", SEAM)
def test_scores_of_every_objective_can_be_saved_and_go_on(key, tmp_path):
    p = make_problem(key)
    again = [
        save(tmp_path, influence(p.objective, p.theta_hat), p.X_test, p.y_test).computed
        for _ in range(2)
    ]
    assert again == [2, 0]


def test_one_test_point_is_asked_for_as_rows(tmp_path):
    with pytest.raises(ValueError, match="Expected X of shape .n, ...."):
        save(tmp_path, X_test=P.X_test[0], y_test=P.y_test[0])
    assert names(tmp_path) == []


def test_a_bad_test_point_at_the_end_is_found_before_work_begins(tmp_path):
    X = P.X_test.copy()
    X[-1, 0] = np.nan
    with pytest.raises(ValueError, match="X holds NaN"):
        save(tmp_path, X_test=X, batch_size=1)
    assert names(tmp_path) == []


# Each block has the certificate of its own solve --------------------------------------------------


def test_the_certificate_is_that_of_the_block_whatever_was_asked_before(tmp_path):
    of = influence(solver=partial(mi.cg, max_steps=2))
    with pytest.warns(mi.NotConverged):
        of.up_loss(P.X_test[:2], P.y_test[:2])  # is remembered
        of.self_influence()  # the latest solve in the report is another
        saved = save(tmp_path, of)
    H = mi.Hessian(O, THETA)
    for file, rows in zip(saved.files, (slice(0, 2), slice(2, 3)), strict=True):
        G = O.test_grads(THETA, P.X_test[rows], P.y_test[rows]).T
        with pytest.warns(mi.NotConverged):
            expected = mi.cg(H, G, max_steps=2)
        with np.load(file) as block:
            assert_array_equal(block["residual"], expected.residual)
            assert_array_equal(block["converged"], expected.converged)
            assert_array_equal(block["steps"], expected.steps)


# Scores of another run are not taken for those of this one ----------------------------------------


def steep(theta, X, y):
    return anp.log(1 + anp.exp(-STEEPNESS * y * anp.dot(X, theta))) / STEEPNESS


def tuned(A, b):
    return mi.cg(A, b, rtol=1e-8 * STEEPNESS)


def closure(rtol):
    return lambda A, b: mi.cg(A, b, rtol=rtol)


class Tuned:
    def __init__(self, **options):
        self.options = options

    def __call__(self, A, b):
        return mi.cg(A, b, **self.options)

    def solve(self, A, b):
        return self(A, b)


def an_object(call):
    return type("Solver", (), {"__call__": call})()


def flipped(y, i=0):
    return np.where(np.arange(len(y)) == i, -y, y)


HUBER = models.huber(0.5), models.huber(0.5 + 1e-12)
OTHERS = {  # what has changed, and two runs that differ in it alone
    "training inputs": (influence, lambda: influence(O.on(O.X * (1 + 1e-15), O.y))),
    "training labels": (influence, lambda: influence(O.on(O.X, flipped(O.y)))),
    "training inputs, training labels": (
        influence,
        lambda: influence(O.on(O.X[::-1], O.y[::-1])),
    ),
    "weights": (influence, lambda: influence(O.upweighted(3, 1e-12))),
    "theta": (influence, lambda: influence(theta=THETA + 1e-15)),
    "damping": (influence, lambda: influence(damping=0.1)),
    "l2": tuple(
        partial(lambda l2: influence(mi.LinearObjective(models.logistic, O.X, O.y, l2)), l2)
        for l2 in (0.05, np.full(4, 0.05))
    ),
    "fold_l2": (
        influence,
        lambda: influence(mi.LinearObjective(models.logistic, O.X, O.y, O.l2, fold_l2=False)),
    ),
    "curvature": (influence, lambda: influence(curvature="gauss-newton")),
    "loss": tuple(
        partial(lambda loss: influence(mi.LinearObjective(loss, O.X, O.y, 0.1)), loss)
        for loss in HUBER
    ),
    "solver": (influence, lambda: influence(solver="cg")),
}
SOLVERS = {
    "options": (partial(mi.cg, rtol=1e-8), partial(mi.cg, rtol=1e-6)),
    "seeds": tuple(
        partial(mi.lissa, scale=1.0, depth=10, repeats=1, rng=np.random.default_rng(k))
        for k in (0, 1)
    ),
    "what a function remembers": (closure(1e-8), closure(1e-6)),
    "what it does": (lambda A, b: mi.cg(A, b), lambda A, b: mi.direct(A, b)),
    "what its class does": (
        an_object(lambda self, A, b: mi.cg(A, b)),
        an_object(lambda self, A, b: mi.direct(A, b)),
    ),
    "attributes": (Tuned(rtol=1e-8), Tuned(rtol=1e-6)),
    "attributes of a method's object": (Tuned(rtol=1e-8).solve, Tuned(rtol=1e-6).solve),
}


@pytest.mark.filterwarnings("ignore::minfluence.FarFromMinimum")
@pytest.mark.parametrize("changed", OTHERS)
def test_a_run_of_something_else_is_refused_by_what_has_changed(changed, tmp_path):
    first, second = OTHERS[changed]
    kept = save(tmp_path, first())
    before = [file.read_bytes() for file in kept.files]
    sentence = rf"another run \({changed} changed\): choose another folder, or delete"
    with pytest.raises(ValueError, match=sentence):
        save(tmp_path, second())
    assert [file.read_bytes() for file in kept.files] == before
    assert save(tmp_path, first()).computed == 0


def test_other_test_points_and_blocks_are_refused(tmp_path):
    save(tmp_path)
    with pytest.raises(ValueError, match="test points changed"):
        save(tmp_path, y_test=-P.y_test)
    with pytest.raises(ValueError, match="batch_size changed"):
        save(tmp_path, batch_size=1)
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1"):
        save(tmp_path, batch_size=0)


@pytest.mark.filterwarnings("ignore::minfluence.NotConverged")
@pytest.mark.parametrize("kind", SOLVERS)
def test_another_solver_is_refused_and_the_same_goes_on(kind, tmp_path):
    first, second = SOLVERS[kind]
    saved = save(tmp_path, influence(solver=first))
    saved.files[0].unlink()
    assert save(tmp_path, influence(solver=first)).computed == 1  # its generator has moved on
    with pytest.raises(ValueError, match="solver changed"):
        save(tmp_path, influence(solver=second))


def test_a_number_that_a_function_reads_from_its_module_counts(tmp_path, monkeypatch):
    of_loss = influence(mi.AutogradObjective(steep, O.X, O.y, 0.05, p=4))
    save(tmp_path / "loss", of_loss)
    save(tmp_path / "solver", influence(solver=tuned))
    monkeypatch.setitem(globals(), "STEEPNESS", 2.0)
    for what, of in (("loss", of_loss), ("solver", influence(solver=tuned))):
        with pytest.raises(ValueError, match=f"{what} changed"):
            save(tmp_path / what, of)


@pytest.mark.filterwarnings("ignore::minfluence.FarFromMinimum")
def test_a_loss_is_told_by_what_it_does_where_nothing_else_tells(tmp_path):
    """Its code, its name and its attributes are the same; the list it reads is not."""
    powers = [2.0]

    def losses(theta, X, y):
        return anp.logaddexp(0.0, -powers[0] * y * anp.dot(X, theta))

    of = influence(mi.AutogradObjective(losses, O.X, O.y, 0.05, p=4), THETA)
    save(tmp_path, of)
    powers[0] = 1.0
    again = influence(mi.AutogradObjective(losses, O.X, O.y, 0.05, p=4), THETA)
    with pytest.raises(ValueError, match="gradients and Hessian changed"):
        save(tmp_path, again)


@pytest.mark.skipif(not HAS_TORCH, reason="needs torch")
def test_a_module_is_told_by_its_frozen_weights_and_not_by_those_that_theta_holds(tmp_path):
    import torch
    from torch.nn.functional import softplus

    def margins(S, y):
        return softplus(-y * S[:, 0])

    def of(bias, weight):
        module = torch.nn.Linear(4, 1)
        module.bias.requires_grad_(False)
        module.bias.data[:] = bias
        module.weight.data[:] = weight
        objective = mi.TorchObjective.from_module(module, margins, O.X, O.y, 0.05)
        return influence(objective, THETA)

    save(tmp_path, of(0.0, 1.0))
    assert save(tmp_path, of(0.0, 7.0)).computed == 0
    with pytest.raises(ValueError, match="loss changed"):
        save(tmp_path, of(1e-9, 1.0))


@pytest.mark.filterwarnings("ignore::minfluence.FarFromMinimum")
@pytest.mark.parametrize("rows", [1, 7, 40])
def test_examples_in_chunks_have_the_same_digest_as_in_memory(rows, tmp_path):
    in_chunks = ShardedObjective(Chunks(O, O.X, O.y, rows, progress=False))
    in_parts = ShardedObjective([O.on(O.X[part], O.y[part]) for part in (slice(9), slice(9, None))])
    save(tmp_path)
    for objective in (in_chunks, in_parts):
        assert save(tmp_path, influence(objective)).computed == 0
    with pytest.raises(ValueError, match="training labels changed"):
        save(tmp_path, influence(ShardedObjective(Chunks(O, O.X, flipped(O.y, 39), rows))))


def test_the_digest_of_an_array_says_its_shape_and_its_type():
    a = np.arange(6.0)
    same = [a, a.copy(), a[::-1][::-1], np.ascontiguousarray(a)]
    assert len({saved_scores._digest(b) for b in same}) == 1
    bits = a.view(np.int64)
    other = [a, a.reshape(2, 3), a.reshape(3, 2), bits, a.astype(np.float32), a[:5], list(a), -a]
    assert len({saved_scores._digest(b) for b in other}) == len(other)
    rows = np.random.default_rng(0).random((5, 400_000))  # more than one block
    assert saved_scores._digest(rows) == saved_scores._digest(np.asfortranarray(rows))
    assert saved_scores._digest(rows) != saved_scores._digest(replaced(rows, (4, 399_999)))


def replaced(a, where):
    b = a.copy()
    b[where] += 1e-12
    return b


DIGESTS = """
import functools, numpy as np, minfluence as mi
from minfluence.saved_scores import _digest
def solver(A, b): return mi.cg(A, b, rtol=1e-3 if "a" in {"a", "b", "c"} else 0.1)
itself = [solver, models := mi.models.huber(0.5)]
itself.append(itself)
print(_digest([solver, functools.partial(solver, b=1, a={"y": 2, "x": {3, 4}}), itself]))
"""


def test_digests_are_the_same_in_every_process():
    found = {
        subprocess.run(
            [sys.executable, "-c", DIGESTS],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(found) == 1


# Damaged files ------------------------------------------------------------------------------------

DAMAGE = {
    "cut": lambda content: content[:200],
    "empty": lambda content: b"",
    "zeros, as after a power cut": lambda content: bytes(len(content)),
    "something else": lambda content: b"<html>",
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_block_is_named_and_computed_again(how, tmp_path):
    saved = save(tmp_path)
    expected = np.concatenate(list(saved))
    saved.files[1].write_bytes(DAMAGE[how](saved.files[1].read_bytes()))
    with pytest.raises(ValueError, match="up_loss_00000002.npz is damaged .*delete what is left"):
        list(saved)
    with pytest.warns(UserWarning, match="up_loss_00000002.npz is damaged .*computed again"):
        again = save(tmp_path)
    assert again.computed == 1
    assert_array_equal(np.concatenate(list(again)), expected)


def test_a_wrong_bit_in_the_scores_is_found_on_reading(tmp_path):
    saved = save(tmp_path)
    content = bytearray(saved.files[0].read_bytes())
    content[content.index(b"up_loss.npy") + 300] ^= 1
    saved.files[0].write_bytes(bytes(content))
    with pytest.raises(ValueError, match="up_loss_00000000.npz is damaged or gone .BadZipFile"):
        list(save(tmp_path))


def test_a_block_that_is_gone_is_named(tmp_path):
    saved = save(tmp_path)
    saved.files[1].unlink()
    with pytest.raises(ValueError, match="up_loss_00000002.npz is damaged or gone .FileNotFound"):
        list(saved)


def test_a_block_of_another_run_or_of_another_place_is_refused(tmp_path):
    save(tmp_path / "other", influence(damping=0.1))
    for name in ("run", "place"):
        saved = save(tmp_path / name)
        source = tmp_path / "other" / WHOLE[1] if name == "run" else saved.files[0]
        saved.files[1].write_bytes(source.read_bytes())
        for use in (partial(save, tmp_path / name), lambda saved=saved: list(saved)):
            with pytest.raises(ValueError, match="00002.npz holds scores of another run.*delete"):
                use()


NOTES = {"cut": '{\n "form', "empty": "", "a list": "[1]", "binary": "\x00\xff", "null": "null"}


@pytest.mark.parametrize("note", NOTES.values(), ids=NOTES)
def test_a_damaged_note_is_named(note, tmp_path):
    saved = save(tmp_path)
    (tmp_path / "run.json").write_text(note, "latin-1")
    with pytest.raises(ValueError, match="run.json is damaged .* choose another folder, or delete"):
        save(tmp_path)
    (tmp_path / "run.json").unlink()
    with pytest.raises(ValueError, match="holds scores, but no run.json .* choose another folder"):
        save(tmp_path)
    assert len(list(saved)) == 2  # nobody touched the blocks


@pytest.mark.parametrize("value", [None, "x", [], [1.0], ["a", "b"], {"a": 1}])
def test_a_note_with_other_values_is_another_run(value, tmp_path):
    save(tmp_path)
    note = json.loads((tmp_path / "run.json").read_text())
    for name in note:
        (tmp_path / "run.json").write_text(json.dumps(note | {name: value}))
        with pytest.raises(ValueError, match=f"another run .{name} changed"):
            save(tmp_path)


# Disks and folders that do not take what is written -----------------------------------------------


@contextmanager
def small_disk(n_bytes):
    """The operating system itself refuses longer files."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.skipif(os.name != "posix", reason="limits of the operating system")
def test_a_disk_that_is_full_is_named_and_nothing_is_half_written(tmp_path):
    with small_disk(1400), pytest.raises(NotWritten, match="npz could not be written .*make room"):
        save(tmp_path)
    assert names(tmp_path) == ["run.json"]
    with small_disk(10), pytest.raises(OSError, match="run.json could not be written"):
        save(tmp_path / "new")
    assert names(tmp_path / "new") == []
    assert save(tmp_path).computed == save(tmp_path / "new").computed == 2


def test_a_disk_that_fills_up_later_keeps_what_was_written(tmp_path, monkeypatch):
    whole, written = np.savez, []

    def filling_up(f, **arrays):
        if written:
            f.write(b"PK half of a block")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(whole(f, **arrays))

    monkeypatch.setattr(np, "savez", filling_up)
    with pytest.raises(
        NotWritten, match="up_loss_00000002.npz could not .*No space left on device"
    ):
        save(tmp_path)
    assert names(tmp_path) == WHOLE[:2]
    monkeypatch.undo()
    assert save(tmp_path).computed == 1


def test_a_folder_that_takes_nothing_is_named_before_anything_is_computed(tmp_path, monkeypatch):
    saved = save(tmp_path)
    expected = np.concatenate(list(saved))

    def read_only(*args):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def never(A, b):
        raise AssertionError("was asked to solve")

    monkeypatch.setattr(os, "replace", read_only)
    assert_array_equal(np.concatenate(list(save(tmp_path))), expected)  # all is there: only read
    saved.files[0].unlink()
    with pytest.raises(NotWritten, match="run.json could not be written .*Read-only file system"):
        save(tmp_path, influence(solver=mi.direct))
    with pytest.raises(NotWritten):
        save(tmp_path / "new", influence(solver=never))
    assert names(tmp_path) == ["new", "run.json", "up_loss_00000002.npz"]


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotWritten, match="run.json could not be written .*choose a folder"):
            save(folder)
    assert (tmp_path / "file").read_text() == "mine"


# Several writers ----------------------------------------------------------------------------------


def test_a_folder_that_another_run_has_taken_meanwhile_is_left_to_it(tmp_path):
    others = []

    def slow(A, b):
        if not others:  # both had found the folder empty
            (tmp_path / "run.json").unlink()
            others.append(save(tmp_path, influence(damping=0.1)))
        return mi.cg(A, b)

    with pytest.raises(ValueError, match="holds scores of another run"):
        save(tmp_path, influence(solver=slow))
    expected = in_blocks(influence(damping=0.1))
    assert_array_equal(np.concatenate(list(others[0])), expected)
    assert names(tmp_path) == WHOLE


@pytest.mark.parametrize("rank", [0, 1])
def test_the_other_processes_hear_at_once_that_the_first_refuses(rank, tmp_path):
    """Without waiting for the time-out of their next sum."""

    class Pair:
        """One of two processes; what the other adds is known."""

        size, told, telling = 2, [], nullcontext

        def sum(self, a, *asked):
            counts = np.asarray(a).dtype == int
            self.told += [a] * counts
            return a - counts * self.rank

        def together(self, compute, *asked):
            return self.sum(compute())

    save(tmp_path, influence(damping=0.1))
    o = ShardedObjective([O])
    of = influence(o)
    o.ranks = Pair()  # from here on
    o.ranks.rank = rank
    sentence = "another run .damping changed" if rank == 0 else "The first process cannot go on in"
    with pytest.raises(ValueError, match=sentence):
        save(tmp_path, of)
    assert_array_equal(Pair.told[-1], [rank - 1, rank - 1])


def stray(folder, machine, process, age):
    file = folder / f".up_loss_00000002.npz.{machine}.{process}.1.tmp"
    file.write_bytes(b"half")
    os.utime(file, (time.time() - age,) * 2)
    return file


def ended():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.skipif(os.name != "posix", reason="whether a process lives is asked for on POSIX only")
def test_files_of_writers_that_were_killed_are_removed_and_those_of_living_ones_are_not(tmp_path):
    here, day = platform.node(), 86_400
    dead = [stray(tmp_path, here, ended(), 5), stray(tmp_path, "other.machine", 1, 2 * day)]
    dead += [stray(tmp_path, here, os.getppid(), 2 * day)]  # its number was given again
    alive = [stray(tmp_path, here, os.getpid(), 5), stray(tmp_path, "other.machine", ended(), 5)]
    (tmp_path / ".mine.tmp").write_text("of something else")
    save(tmp_path)
    assert [file.exists() for file in dead] == [False] * 3
    assert [file.exists() for file in alive] == [True] * 2
    assert (tmp_path / ".mine.tmp").exists()


def test_single_precision_is_another_run(tmp_path):
    single = mi.LinearObjective(models.logistic, O.X, O.y, 0.05, dtype=np.float32)
    save(tmp_path)
    with pytest.raises(ValueError, match="training inputs, .*precision changed"):
        save(tmp_path, influence(single, THETA.astype(np.float32)))
    saved = save(tmp_path / "single", influence(single, THETA.astype(np.float32)))
    assert_allclose(np.concatenate(list(saved)), influence().up_loss(P.X_test, P.y_test), rtol=1e-3)
