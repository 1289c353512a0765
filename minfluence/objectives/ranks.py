"""The processes of one run: they add what each computes, if all of them ask for the same."""

import atexit
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from minfluence import validate


class RankLost(RuntimeError):
    """Another process of a distributed run died, failed, is out of step, or did not answer."""


class Ranks:
    """The processes of a run that was started by ``torchrun``; each holds some of the examples.

    Parameters
    ----------
    timeout : float
        Seconds to wait for the others before giving up.

    Attributes
    ----------
    rank, size : int
        Number of this process, and of how many.

    Raises
    ------
    RankLost
        Also when the other processes have not started in time.
    """

    def __init__(self, timeout: float = 600) -> None:
        import torch
        from torch import distributed

        limit = timedelta(seconds=validate.positive("timeout", timeout))
        self._torch, self._distributed = torch, distributed
        if not distributed.is_initialized():
            backend = "nccl" if torch.cuda.is_available() else "gloo"
            try:
                distributed.init_process_group(backend, timeout=limit)
            except ValueError as error:
                raise ValueError(
                    f"Ranks() is for processes that torchrun starts ({first_line(error)}): run "
                    "torchrun --nproc-per-node 2 script.py, or leave ranks out."
                ) from None
            except RuntimeError as error:
                raise RankLost(
                    f"Not all processes have started within {timeout:g} s "
                    f"({first_line(error)}): start all of them again."
                ) from None
            atexit.register(distributed.destroy_process_group)
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        on_gpu = distributed.get_backend() == "nccl"
        self._device = f"cuda:{torch.cuda.current_device()}" if on_gpu else "cpu"

    def part(self, n: int) -> slice:
        """The rows of this process, of n.  -> slice."""
        if validate.count("n", n) < self.size:
            raise ValueError(
                f"Expected at least one example for each of {self.size} processes, got {n}: start "
                "fewer processes."
            )
        ends = np.linspace(0, n, self.size + 1).astype(int)
        return slice(int(ends[self.rank]), int(ends[self.rank + 1]))

    def sum(self, a: Any, *asked: Any) -> Any:
        """Add an array, or a tensor, over all processes; every one gets the sum."""
        return self.together(lambda: a, *asked)

    def together(self, compute: Callable[[], Any], *asked: Any) -> Any:
        """Add over all processes what each computes; if one of them fails, all hear of it.

        Parameters
        ----------
        compute : callable ``() -> array``
            Waits for no other process.
        *asked : bytes or array
            What was asked for, such as a verb and theta: the same in all processes, arrays but for
            rounding, or the sum would mean nothing.
        """
        with self.telling():
            mine = compute()
        is_tensor = isinstance(mine, self._torch.Tensor)
        total = mine.clone() if is_tensor else self._torch.tensor(mine, device=self._device)
        self._compare(f"{total.dtype} {tuple(total.shape)}".encode(), *asked)
        self._reduce(total, self._distributed.ReduceOp.SUM)
        return total if is_tensor else total.cpu().numpy()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Let the processes that wait for this one know of an error in here."""
        try:
            yield
        except Exception:
            with suppress(RankLost):
                self._largest([self.rank + 1.0, 0, 0, 0, 0, 0])
            raise

    def _compare(self, *asked: Any) -> None:
        """Refuse to go on where processes do not ask for the same."""
        words, total, size = 0, 0.0, 0.0
        for k, value in enumerate(asked, 1):
            if isinstance(value, bytes):
                words = zlib.crc32(value, words)
            else:
                a = value if isinstance(value, self._torch.Tensor) else np.asarray(value, float)
                total, size = total + k * checksum(a), size + k * float(abs(a).sum())
        failed, most, least, top, bottom, size = self._largest(
            [0, words, -words, total, -total, size]
        )
        if failed:
            raise RankLost(
                f"Process {int(failed) - 1} of {self.size} has failed, and says why: correct that, "
                "and start all of them again."
            )
        if most + least or top + bottom > 1e-4 * size:
            raise RankLost(
                f"Process {self.rank} of {self.size} is out of step: another one calls another "
                "verb, or the same with another theta, vector, weights or rows. Call the same in "
                "the same order everywhere, and draw random numbers from the same seed."
            )

    def _largest(self, numbers: list[float]) -> list[float]:
        """The largest of each number over all processes."""
        most = self._torch.tensor(numbers, dtype=self._torch.float64, device=self._device)
        self._reduce(most, self._distributed.ReduceOp.MAX)
        return most.tolist()

    def _reduce(self, tensor: Any, operation: Any) -> None:
        try:
            self._distributed.all_reduce(tensor, operation)
        except RuntimeError as error:
            raise RankLost(
                f"Process {self.rank} of {self.size} waited for the others in vain "
                f"({first_line(error)}): one of them died or is out of step. Start all of them "
                "again; blocks of scores that were written are not computed twice."
            ) from None


class Alone:
    """A run of one process."""

    rank, size = 0, 1

    def sum(self, a: Any, *asked: Any) -> Any:
        """There is nothing to add."""
        return np.asarray(a) if np.isscalar(a) else a

    def together(self, compute: Callable[[], Any], *asked: Any) -> Any:
        """There is nobody to compare with."""
        return self.sum(compute())

    telling = nullcontext  # nobody waits


def first_line(error: Exception) -> str:
    """What an error says first, without the place in the source of whoever says it."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r"^\[\S+\] ", "", line).split(". ")[0].rstrip(".")


def checksum(a: Any) -> float:
    """Sum of an array in which every row and column has a weight of its own."""
    xp, rows = array_namespace(a), a.reshape(len(a), -1)
    ramps = (xp.linspace(1, 2, k, dtype=a.dtype, device=device(a)) for k in rows.shape)
    return float(next(ramps) @ rows @ next(ramps))
