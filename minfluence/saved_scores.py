"""Long runs that can be stopped and go on: scores on disk, a file for each block of test points.

A folder holds ``run.json``, which says what its scores are of, and the blocks, each with the
certificate of its own solve.  Every file is written under a temporary name and then moved, so that
it is whole or not there; and it is used only for the run that it is of.
"""

import contextlib
import hashlib
import json
import math
import os
import platform
import re
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from tqdm.auto import tqdm

from minfluence import validate
from minfluence.digest import digest, stored_arrays
from minfluence.influence import Influence, up_loss
from minfluence.memory import CHUNK_BYTES, blocks, rows_in
from minfluence.seam import Objective

SETTINGS = "run.json"
CERTIFICATE = "residual", "steps", "converged"
MEASURED = "gradients and Hessian"  # compared within rounding, all else exactly
FORMAT = 2  # of the files, to be raised when scores of an older one shall not be used
ABANDONED = 86_400  # seconds after which nobody can still be writing a temporary file


class NotWritten(OSError, ValueError):
    """A file of scores could not be written: no space, no permission, or no folder."""


@dataclass(frozen=True)
class SavedScores:
    """Scores in the files of one folder.

    Attributes
    ----------
    files : list of pathlib.Path
        In the order of the test points; each holds ``up_loss`` (b, n), and the solve's
        ``residual``, ``steps`` and ``converged``.
    computed : int
        How many of them this run computed; the others were there already.
    run : str
        A checksum of all that the scores depend on, which each file holds too.
    """

    files: list[Path]
    computed: int
    run: str

    def __iter__(self) -> Iterator[np.ndarray]:
        """Blocks of rows of ``up_loss``, one file at a time, each checked.  -> (b, n)."""
        for file in self.files:
            try:
                scores = _read(file, "up_loss", self.run)
            except _Damaged as reason:
                raise ValueError(
                    f"{reason}: delete what is left of it, and call save_up_loss again, which "
                    "computes this block alone."
                ) from None
            yield scores


def save_up_loss(
    influence: Influence,
    X_test: np.ndarray,
    y_test: np.ndarray,
    folder: str | os.PathLike,
    *,
    batch_size: int = 100,
    progress: bool = True,
) -> SavedScores:
    """Compute ``influence.up_loss`` block by block into files; a second call goes on.

    Each file is whole or not there, whenever the run is stopped: by Ctrl-C, a full disk or a power
    cut. In a distributed run all processes call this, and the first of them writes.

    Parameters
    ----------
    influence : Influence
    X_test : array, shape (m, ...)
    y_test : array, shape (m,)
    folder : path
        Made if it is not there. Its scores must come from the same model, examples and settings,
        which is checked: examples, weights, loss, penalty, theta, test points and solver.
    batch_size : int
        Test points in each file.
    progress : bool
        Show a tqdm bar.

    Returns
    -------
    SavedScores

    Raises
    ------
    ValueError
        If the folder holds scores of another run, or does not say of which.
    NotWritten
        An ``OSError`` that names the file; what was written before is kept.

    Warns
    -----
    UserWarning
        When a block on the disk is damaged; it is computed again.
    """
    o, theta = influence.objective, influence.theta
    X_test, y_test = o.check_examples(X_test, y_test)
    batch_size = validate.count("batch_size", batch_size)
    parts = list(blocks(len(y_test), batch_size))
    run = _Run(Path(folder), _settings(influence, X_test, y_test, batch_size))
    files = [run.folder / f"up_loss_{part.start:08d}.npz" for part in parts]
    ranks = getattr(o, "ranks", None)  # the processes of a distributed run
    done = _agreed(run, files, ranks)
    with tqdm(
        total=len(files), initial=int(done.sum()), desc="blocks", disable=not progress
    ) as bar:
        for j in np.flatnonzero(done == 0):
            gradients = o.test_grads(theta, X_test[parts[j]], y_test[parts[j]])
            solve = influence._solve(gradients.T)  # afresh: a remembered one has no certificate
            scores = up_loss(o, theta, solve.x.T)
            if getattr(ranks, "rank", 0) == 0:
                run.compare()  # another process may have taken the folder
                with _whole(files[j]) as f:
                    certificate = {key: getattr(solve, key) for key in CERTIFICATE}
                    np.savez(f, up_loss=scores, run=_label(run.checksum, files[j]), **certificate)
            bar.update()
    return SavedScores(files, int(np.sum(done == 0)), run.checksum)


def _agreed(run: "_Run", files: list[Path], ranks: Any) -> np.ndarray:
    """Which blocks are there, as the first process sees the folder: all do the same."""
    done, refused = np.zeros(len(files), dtype=int), np.full(len(files), -1)
    everyone = np.asarray if ranks is None else ranks.sum
    if getattr(ranks, "rank", 0) == 0:
        try:
            done = run.begin(files)
        except Exception:
            everyone(refused)
            raise
    done = everyone(done)
    if np.array_equal(done, refused):
        raise ValueError(
            f"The first process cannot go on in {run.folder}: see its own sentence, and start all "
            "of them again."
        )
    return done


# The folder of one run ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """A folder, and what its scores are to be of."""

    folder: Path
    settings: dict[str, Any]

    @property
    def checksum(self) -> str:
        """Of all settings that are compared exactly."""
        return digest({k: v for k, v in self.settings.items() if k != MEASURED})

    def begin(self, files: list[Path]) -> np.ndarray:
        """Look into the folder: which blocks are there already.  -> (len(files),) of 0 and 1."""
        note = self.folder / SETTINGS
        _remove_abandoned(self.folder)
        if os.path.exists(note):
            self.compare()
        elif any(self.folder.glob("up_loss_*.npz")):
            raise ValueError(
                f"{self.folder} holds scores, but no {SETTINGS} that says of which run: choose "
                "another folder, or delete this one."
            )
        done = np.array([_is_done(file, self.checksum) for file in files], dtype=int)
        if not done.all():  # written now, so that a folder that takes nothing is found before work
            with _whole(note) as f:
                f.write(json.dumps(self.settings, indent=1).encode())
        return done

    def compare(self) -> None:
        """Refuse a folder whose scores are of another run."""
        note = self.folder / SETTINGS
        try:
            before = json.loads(note.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            before = error
        if not isinstance(before, dict):
            raise ValueError(
                f"{note} is damaged or gone ({type(before).__name__}), so nothing says what the "
                "scores beside it are of: choose another folder, or delete this one."
            )
        changed = [k for k, now in self.settings.items() if not self._same(before.get(k), now)]
        if changed:
            what = changed[:-1] if changed[-1] == MEASURED and changed[1:] else changed
            raise ValueError(
                f"{self.folder} holds scores of another run ({', '.join(what)} changed): choose "
                "another folder, or delete this one."
            )

    def _same(self, before: Any, now: Any) -> bool:
        """Equal, or for what is measured, equal in half of its digits."""
        if not isinstance(now, list) or not isinstance(before, list) or len(before) != len(now):
            return before == now
        close = partial(math.isclose, rel_tol=self.settings["precision"] ** 0.5)
        return all(isinstance(b, float) and close(a, b) for a, b in zip(now, before, strict=True))


def _is_done(file: Path, run: str) -> bool:
    """Whether a block is there; a damaged one counts as missing, one of another run is refused."""
    if not os.path.exists(file):
        return False
    try:
        _read(file, "run", run)
    except _Damaged as reason:
        warnings.warn(f"{reason}: its scores are computed again.", stacklevel=2)
        return False
    return True


class _Damaged(ValueError):
    """A block that cannot be read."""


def _read(file: Path, key: str, run: str) -> np.ndarray:
    """An array of one block, which must be of this run."""
    try:
        with np.load(file) as block:
            label, array = str(block["run"]), block[key]
    except MemoryError:
        raise
    except Exception as error:  # of a damaged archive: its readers have a dozen kinds
        raise _Damaged(f"{file} is damaged or gone ({type(error).__name__})") from None
    if label != _label(run, file):
        raise ValueError(
            f"{file} holds scores of another run, though its folder does not: delete it, and call "
            "save_up_loss again."
        )
    return array


def _label(run: str, file: Path) -> str:
    """What a block says of itself: of which run it is, and which test points."""
    return f"{run} {file.stem}"


# Whole files --------------------------------------------------------------------------------------


@contextlib.contextmanager
def _whole(file: Path) -> Iterator[IO[bytes]]:
    """A file to write into, under a temporary name until it is whole and on the disk."""
    writer = f"{platform.node()}.{os.getpid()}.{threading.get_ident()}"
    temporary = file.with_name(f".{file.name}.{writer}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, file)
    except OSError as error:
        raise NotWritten(
            f"{file} could not be written ({type(error).__name__}: {error.strerror or error}): "
            "make room, or choose a folder that can be written to; earlier blocks are kept."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _remove_abandoned(folder: Path) -> None:
    """Delete the temporary files of processes that were killed while they wrote."""
    for file in folder.glob(".*.tmp"):
        written = re.fullmatch(r"\..+\.(?:npz|json)\.(.+)\.(\d+)\.\d+\.tmp", file.name)
        if written:
            with contextlib.suppress(OSError):  # another process may do the same
                old = time.time() - file.stat().st_mtime > ABANDONED
                if old or _is_dead(written[1], int(written[2])):
                    file.unlink()


def _is_dead(machine: str, process: int) -> bool:
    """Whether a process is known to have ended: one on another machine is not."""
    if machine != platform.node() or os.name != "posix":
        return False
    try:
        os.kill(process, 0)  # asks only
    except ProcessLookupError:
        return True
    except OSError:
        pass  # somebody else's
    return False


# What the scores depend on ------------------------------------------------------------------------


def _settings(
    influence: Influence, X_test: np.ndarray, y_test: np.ndarray, batch_size: int
) -> dict[str, Any]:
    """All that the scores depend on, short enough to compare."""
    o, H = influence.objective, influence.H
    inputs, labels = _of_examples(o)
    return {
        "format": FORMAT,
        "training inputs": inputs,
        "training labels": labels,
        "weights": digest(o.weights),
        "loss": digest(o.losses),
        "l2": digest(o.l2),
        "fold_l2": bool(o.fold_l2),
        "theta": digest(influence.theta),
        "test points": digest((X_test, y_test)),
        "damping": H.damping,
        "curvature": H.curvature,
        "solver": digest(influence._inverse._solver),
        "batch_size": batch_size,
        "precision": float(np.finfo(o.dtype).eps),
        MEASURED: _derivatives(influence),
    }


def _of_examples(o: Objective) -> tuple[str, str]:
    """Checksums of the training inputs and labels, wherever they lie, a block of rows at a time."""
    checksums = hashlib.sha256(), hashlib.sha256()
    bytes_per_row = o.dtype.itemsize * math.prod(o.example_shape)
    for rows in blocks(o.n, rows_in(CHUNK_BYTES, bytes_per_row)):
        for checksum, a in zip(
            checksums, o.examples(np.arange(rows.start, rows.stop)), strict=True
        ):
            checksum.update(f"{a.dtype.str}{a.shape[1:]}".encode() if rows.start == 0 else b"")
            for numbers in stored_arrays(a):
                checksum.update(np.ascontiguousarray(numbers).data)
    inputs, labels = (checksum.hexdigest()[:16] for checksum in checksums)
    return inputs, labels


def _derivatives(influence: Influence) -> list[float]:
    """Sizes of the gradients and of the Hessian along a fixed direction.

    They tell losses apart by what they do, also where their names and code are the same: a loss
    may read numbers from anywhere.
    """
    o = influence.objective
    v = np.random.default_rng(0).standard_normal(influence.theta.size).astype(o.dtype)
    curved = o.to_numpy(influence.H @ o.to_native(v))
    return [influence.report.example_push, float(np.linalg.norm(curved))]
