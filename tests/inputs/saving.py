"""Scores in a folder: of this run and no other, whole, and never half-written."""

import json
import os
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import autograd.numpy as anp
import numpy as np

import minfluence as mi
from inputs.examples import (
    LOGISTIC,
    THETA,
    UP_LOSS,
    X_TEST,
    Y_TEST,
    X,
    Y,
    linear,
    new_folder,
    up_loss_by_hand,
)
from inputs.table import Unexpected, holds, refused, right, right_or_told
from minfluence import AutogradObjective, Influence, LinearObjective, models
from minfluence.saved_scores import save_up_loss

ANOTHER_RUN = "another run|changed"
DAMAGED = "damaged|delete|folder"
SETTINGS, BLOCK = "run.json", "up_loss_00000000.npz"


def cases():
    yield from of_arguments()
    yield from of_another_run()
    yield from of_damaged_files()
    yield from interrupted()


def saved(
    folder, objective=LOGISTIC, theta=THETA, X_test=X_TEST, y_test=Y_TEST, batch_size=2, **options
):
    influence = Influence(objective, theta, **options)
    return save_up_loss(influence, X_test, y_test, folder, batch_size=batch_size, progress=False)


def loaded(*arguments, **options):
    return np.concatenate(list(saved(*arguments, **options)))


def of_arguments():
    yield right("save_up_loss", lambda: loaded(new_folder()), expected=UP_LOSS)
    yield right(
        "save_up_loss: more in a batch than there are",
        lambda: loaded(new_folder(), batch_size=99),
        expected=UP_LOSS,
    )
    yield right(
        "save_up_loss: the folder's name as a string",
        lambda: loaded(str(new_folder())),
        expected=UP_LOSS,
    )
    yield right(
        "save_up_loss: folders in folders",
        lambda: loaded(new_folder() / "a" / "b"),
        expected=UP_LOSS,
    )
    yield right(
        "save_up_loss: lists",
        lambda: loaded(new_folder(), X_test=X_TEST.tolist(), y_test=Y_TEST.tolist()),
        expected=UP_LOSS,
    )
    bad = {
        "batch_size 0": ({"batch_size": 0}, "batch_size"),
        "batch_size 1.5": ({"batch_size": 1.5}, "batch_size"),
        "one test point": ({"X_test": X_TEST[0], "y_test": Y_TEST[0]}, "shape"),
        "no test points": ({"X_test": X_TEST[:0], "y_test": Y_TEST[:0]}, "at least one"),
        "NaN in the last test point": ({"X_test": np.r_[X_TEST[:3], [[np.nan] * 3]]}, "NaN"),
        "labels 0 and 1": ({"y_test": [0, 1, 0, 1]}, "labels"),
        "fewer labels than rows": ({"y_test": Y_TEST[:3]}, "shape"),
        "a generator of rows": ({"X_test": (x for x in X_TEST)}, "shape|number"),
    }
    for name, (options, saying) in bad.items():

        def refuse(options=options):
            return saved(new_folder(), **options)

        yield refused(f"save_up_loss: {name}", refuse, saying=saying)

    def nothing_left():
        folder = new_folder()
        try:
            saved(folder, y_test=[0, 1, 0, 1])
        except ValueError:
            return not folder.exists() or not list(folder.iterdir())
        raise Unexpected("labels 0 and 1 were accepted")

    def a_file():
        path = new_folder()
        path.write_text("not a folder")
        return saved(path)

    def own_certificate():
        folder, influence = new_folder(), Influence(LOGISTIC, THETA)
        influence.up_loss(X_TEST, Y_TEST)  # so that the latest solve is another one
        influence.self_influence()
        save_up_loss(influence, X_TEST, Y_TEST, folder, batch_size=4, progress=False)
        with np.load(folder / BLOCK) as block:
            return block["residual"].shape

    yield holds("save_up_loss: what was refused leaves no files", nothing_left)
    yield refused("save_up_loss: the folder is a file", a_file, saying="folder")
    yield right(
        "save_up_loss: the residuals are those of its own solves", own_certificate, expected=(4,)
    )


def wrong_solver(A, B):
    k = B.shape[1]
    return mi.Solution(B, np.zeros(k, bool), np.ones(k, int), np.ones(k))


def smooth(temperature, theta, X, y):
    """Losses of a reader's own, with an option."""
    return temperature * anp.log(1 + anp.exp(-y * anp.dot(X, theta) / temperature))


def of_another_run():
    """What is saved depends on all of this: refused, or computed anew."""
    permuted = np.r_[1, 0, np.arange(2, 30)]
    flipped, one_flipped = -Y, np.where(np.arange(30) == 3, -Y, Y)
    squared = LinearObjective(models.squared, X, Y, 0.1)
    weights = np.full(30, 1 / 30) * np.linspace(0.5, 1.5, 30)
    heavy = LOGISTIC.reweighted(weights)
    l2 = np.array([0.1, 0.2, 0.3])

    changes = {
        "rows in another order": (
            {"objective": linear(X[permuted], Y[permuted])},
            UP_LOSS[:, permuted],
        ),
        "other rows": ({"objective": linear(X * 0.5, Y)}, up_loss_by_hand(X=X * 0.5)),
        "all labels flipped": ({"objective": linear(X, flipped)}, up_loss_by_hand(y=flipped)),
        "one label flipped": (
            {"objective": linear(X, one_flipped)},
            up_loss_by_hand(y=one_flipped),
        ),
        "other losses": ({"objective": squared}, up_loss_by_hand(model="squared")),
        "other weights": ({"objective": heavy}, up_loss_by_hand(weights=weights)),
        "another l2": ({"objective": linear(X, Y, 0.5)}, up_loss_by_hand(l2=0.5)),
        "an l2 for each parameter": ({"objective": linear(X, Y, l2)}, up_loss_by_hand(l2=l2)),
        "the penalty not folded": (
            {"objective": linear(X, Y, fold_l2=False)},
            up_loss_by_hand(fold_l2=False),
        ),
        "theta changed by 1e-12": ({"theta": THETA + 1e-12}, up_loss_by_hand(theta=THETA + 1e-12)),
        "damped": (
            {"damping": 0.5},
            up_loss_by_hand(inverse=lambda H: np.linalg.inv(H + 0.5 * np.eye(3))),
        ),
        "other test points": ({"X_test": X_TEST + 1}, up_loss_by_hand(X_test=X_TEST + 1)),
        "other test labels": ({"y_test": -Y_TEST}, up_loss_by_hand(y_test=-Y_TEST)),
        "another solver": ({"solver": wrong_solver}, up_loss_by_hand(inverse=lambda H: np.eye(3))),
        "a rough solver": ({"solver": partial(mi.cg, rtol=0.9)}, None),
        "other batches": ({"batch_size": 3}, UP_LOSS),
    }
    for name, (options, expected) in changes.items():

        def twice(options=options):
            folder = new_folder()
            saved(folder)
            return loaded(folder, **options)

        if expected is None:
            yield refused(f"scores saved before, {name}", twice, saying=ANOTHER_RUN)
        else:
            yield right_or_told(
                f"scores saved before, {name}",
                twice,
                expected=expected,
                saying=ANOTHER_RUN,
                tol=1e-9,
            )

    first, second = (
        AutogradObjective(partial(smooth, temperature), X, Y, 0.1, p=3)
        for temperature in (1.0, 2.0)
    )

    def own_losses():
        folder = new_folder()
        saved(folder, first)
        return loaded(folder, second)

    yield right_or_told(
        "scores saved before, own losses with another option",
        own_losses,
        expected=lambda: Influence(second, THETA).up_loss(X_TEST, Y_TEST),
        saying=ANOTHER_RUN,
    )
    yield right("scores saved before, the same run again", same_run_twice, expected=UP_LOSS)


def same_run_twice():
    folder = new_folder()
    saved(folder)
    again = saved(folder)
    if again.computed:
        raise Unexpected(f"{again.computed} blocks were computed again")
    return np.concatenate(list(again))


def of_damaged_files():
    def damage(file, how):
        folder = new_folder()
        saved(folder)
        how(folder / file)
        return loaded(folder)

    def other_shape(file):
        np.savez(file, up_loss=np.ones((2, 29)), residual=np.zeros(2))

    def without_scores(file):
        np.savez(file, residual=np.zeros(2))

    def without_theta(file):
        settings = json.loads(file.read_text())
        file.write_text(json.dumps({k: v for k, v in settings.items() if k != "theta"}))

    def folder_instead(file):
        file.unlink()
        file.mkdir()

    ways = {
        "a block cut": (BLOCK, lambda f: f.write_bytes(f.read_bytes()[:200])),
        "a block emptied": (BLOCK, lambda f: f.write_bytes(b"")),
        "a block of text": (BLOCK, lambda f: f.write_text("scores")),
        "a block of another shape": (BLOCK, other_shape),
        "a block without scores": (BLOCK, without_scores),
        "a folder for a block": (BLOCK, folder_instead),
        "its settings cut": (SETTINGS, lambda f: f.write_text(f.read_text()[:30])),
        "its settings emptied": (SETTINGS, lambda f: f.write_text("")),
        "its settings a list": (SETTINGS, lambda f: f.write_text("[1]")),
        "its settings without theta": (SETTINGS, without_theta),
        "its settings no text": (SETTINGS, lambda f: f.write_bytes(b"\xff\xfe\x00")),
    }
    for name, (file, how) in ways.items():
        yield right_or_told(
            f"saved scores, {name}", damage, file, how, expected=UP_LOSS, saying=DAMAGED
        )

    def without_settings(theta):
        folder = new_folder()
        saved(folder)
        (folder / SETTINGS).unlink()
        return loaded(folder, theta=theta)

    far = THETA + 0.3
    yield right_or_told(
        "saved scores, their settings deleted, then another theta",
        without_settings,
        far,
        expected=up_loss_by_hand(theta=far),
        saying=f"{ANOTHER_RUN}|{DAMAGED}|{SETTINGS}",
    )

    def copied():
        first, second = new_folder(), new_folder()
        saved(first, theta=THETA + 0.3)
        saved(second)
        (second / BLOCK).write_bytes((first / BLOCK).read_bytes())
        return loaded(second)

    yield right_or_told(
        "saved scores, a block copied from another run",
        copied,
        expected=UP_LOSS,
        saying=f"{ANOTHER_RUN}|{DAMAGED}",
    )
    yield right("saved scores, a stray temporary file", with_stray_file, expected=UP_LOSS)


def with_stray_file():
    folder = new_folder()
    folder.mkdir()
    (folder / f".{BLOCK}.12345").write_bytes(b"half of it")
    return loaded(folder)


def interrupted():
    def ctrl_c():
        folder, asked = new_folder(), []

        def solver(A, B):
            asked.append(1)
            if len(asked) == 2:
                raise KeyboardInterrupt
            return mi.cg(A, B)

        influence = Influence(LOGISTIC, THETA, solver=solver)
        save = partial(
            save_up_loss, influence, X_TEST, Y_TEST, folder, batch_size=2, progress=False
        )
        try:
            save()
            raise Unexpected("Ctrl-C was swallowed")
        except KeyboardInterrupt:
            left = sorted(file.name for file in folder.iterdir())
        if left != [SETTINGS, BLOCK]:
            raise Unexpected(f"Ctrl-C left {left}")
        again = save()
        if again.computed != 1:
            raise Unexpected(f"{again.computed} blocks were computed after Ctrl-C")
        return np.concatenate(list(again))

    def full_disk():
        """No file may grow beyond 2 kB: writing fails in the middle, as on a full disk."""
        folder = new_folder()
        big = linear(np.tile(X, (100, 1)), np.tile(Y, 100))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
        try:
            saved(folder, big)
            raise Unexpected("a full disk was not noticed")
        except OSError:
            left = sorted(file.name for file in folder.iterdir())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        if left not in ([], [SETTINGS]):
            raise Unexpected(f"a full disk left {left}")
        return loaded(folder, big)[:, :30]

    yield right("saved scores, Ctrl-C and go on", ctrl_c, expected=UP_LOSS)
    yield right("saved scores, a full disk and go on", full_disk, expected=UP_LOSS)
    yield right("saved scores, two processes at once", two_processes, expected=[0, 1])


def two_processes():
    """Difference of what the two read, and whether every file is whole."""
    folder = new_folder()
    code = f"""
import numpy as np
import minfluence as mi
rng = np.random.default_rng(0)
X = rng.standard_normal((400, 5))
o = mi.LinearObjective(mi.models.logistic, X, np.sign(X[:, 0]), 0.1)
influence = mi.Influence(o, mi.fit(o).theta)
scores = mi.save_up_loss(influence, X, o.y, {str(folder)!r}, batch_size=4, progress=False)
print(np.concatenate(list(scores)).sum())
"""
    package = str(Path(mi.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": package}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    sums = [float(process.communicate()[0]) for process in processes]
    stray = [file.name for file in folder.iterdir() if file.name.startswith(".")]
    return sums[0] - sums[1], not stray
