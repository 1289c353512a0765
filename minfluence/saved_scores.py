"""Long runs that can be stopped and go on: scores on disk, a file for each block of test points."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from minfluence import validate
from minfluence.influence import Influence
from minfluence.memory import blocks
from minfluence.seam import Solution

SETTINGS = "run.json"


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
    """

    files: list[Path]
    computed: int

    def __iter__(self) -> Iterator[np.ndarray]:
        """Blocks of rows of ``up_loss``, one file at a time.  -> (b, n)."""
        for file in self.files:
            with np.load(file) as block:
                yield block["up_loss"]


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

    A file is written under a temporary name and then moved, so that each is whole or not there.
    In a distributed run all processes call this, and the first of them writes.

    Parameters
    ----------
    influence : Influence
    X_test : array, shape (m, ...)
    y_test : array, shape (m,)
    folder : path
        Made if it is not there. Its scores must come from the same model, examples and settings.
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
        If the folder holds scores of another run.
    """
    folder, ranks = Path(folder), getattr(influence.objective, "ranks", None)
    parts = list(blocks(len(X_test), validate.count("batch_size", batch_size)))
    files = [folder / f"up_loss_{part.start:08d}.npz" for part in parts]
    writes = ranks is None or ranks.rank == 0
    settings = _settings(influence, X_test, y_test, batch_size)
    done = np.zeros(len(files), dtype=int)
    if writes:
        _same_run(folder, settings)
        done = np.array([int(file.exists()) for file in files])
    if ranks is not None:
        done = ranks.sum(done)  # all do the same
    with tqdm(
        total=len(files), initial=int(done.sum()), desc="blocks", disable=not progress
    ) as bar:
        for j in np.flatnonzero(done == 0):
            scores = influence.up_loss(X_test[parts[j]], y_test[parts[j]])
            if writes:
                _write(files[j], scores, influence.report.solves[-1])
            bar.update()
    return SavedScores(files, int(np.sum(done == 0)))


def _settings(
    influence: Influence, X_test: np.ndarray, y_test: np.ndarray, batch_size: int
) -> dict[str, Any]:
    """What the scores depend on, short enough to compare."""
    o = influence.objective
    return {
        "theta": _digest(influence.theta),
        "weights": _digest(o.weights),
        "test points": _digest(X_test, y_test),
        "l2": np.asarray(o.l2).tolist(),
        "fold_l2": o.fold_l2,
        "damping": influence.H.damping,
        "curvature": influence.H.curvature,
        "batch_size": batch_size,
    }


def _digest(*arrays: np.ndarray) -> str:
    """A checksum of arrays."""
    checksum = hashlib.sha256()
    for array in arrays:
        checksum.update(np.ascontiguousarray(array).tobytes())
    return checksum.hexdigest()[:16]


def _same_run(folder: Path, settings: dict[str, Any]) -> None:
    """Note the settings of a new folder, or compare them with those of an old one."""
    file = folder / SETTINGS
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _move_into_place(file, lambda f: f.write(json.dumps(settings, indent=1).encode()))
        return
    before = json.loads(file.read_text(encoding="utf-8"))
    changed = [name for name in settings if before.get(name) != settings[name]]
    if changed:
        raise ValueError(
            f"{folder} holds scores of another run ({', '.join(changed)} changed): choose another "
            "folder, or delete this one."
        )


def _write(file: Path, scores: np.ndarray, solve: Solution) -> None:
    """One block of scores and its certificate."""
    certificate = {name: getattr(solve, name) for name in ("residual", "steps", "converged")}
    _move_into_place(file, lambda f: np.savez(f, up_loss=scores, **certificate))


def _move_into_place(file: Path, write: Callable[[Any], Any]) -> None:
    """Write under a temporary name, then rename: a file is whole or not there."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as f:
            write(f)
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
