"""Training sets in parts: chunks of a file too large for memory, or one part on each machine.

The risk is a sum over examples, so every verb of an objective is a sum over parts, or a column of
results glued together.  Solvers and influence do not notice.
"""

import atexit
import mmap
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from minfluence import seam, validate
from minfluence.memory import CHUNK_BYTES, blocks, rows_in
from minfluence.objectives.base import ArrayObjective, BaseObjective
from minfluence.objectives.linear import KroneckerInverse


class Chunks:
    """Objectives on successive rows of arrays that need not fit in memory, made when asked for.

    Parameters
    ----------
    like : an objective
        On any sample of the examples: its model, penalty and dtype are used for every chunk.
    X : array, shape (n, ...)
        Anything whose slices are arrays, such as ``numpy.load(file, mmap_mode="r")``.
    y : array, shape (n,)
    rows : int, optional
        Examples in each chunk; about 8 MB by default.
    progress : bool
        Show a tqdm bar for a pass over the file that takes longer than two seconds.
    """

    def __init__(
        self,
        like: ArrayObjective,
        X: Any,
        y: Any,
        rows: int | None = None,
        *,
        progress: bool = True,
    ) -> None:
        if len(X) != len(y) or len(X) == 0:
            raise ValueError(f"Expected one label per example, got {len(X)} and {len(y)}.")
        bytes_per_row = like.dtype.itemsize * int(np.prod(X.shape[1:]))
        self.like, self.X, self.y, self.progress = like, X, y, progress
        self.rows = validate.count("rows", rows or rows_in(CHUNK_BYTES, bytes_per_row))
        self.sizes = [part.stop - part.start for part in blocks(len(y), self.rows)]
        for _ in self:  # every row once, so that bad ones are found now
            pass

    def __iter__(self) -> Iterator[BaseObjective]:
        """Make one chunk after another; only one of them is in memory."""
        parts = list(blocks(len(self.y), self.rows))
        for part in tqdm(parts, desc="chunks", delay=2, leave=False, disable=not self.progress):
            X = np.array(self.X[part])  # a copy
            _release(self.X)
            yield self.like.on(X, np.array(self.y[part]))

    def examples(self, indices: Any) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels of some rows."""
        order = np.argsort(indices)  # a file is read from front to back
        back = np.argsort(order)
        X, y = (np.array(a[np.asarray(indices)[order]])[back] for a in (self.X, self.y))
        _release(self.X)
        return X, y


class Kept:
    """Objectives that are all in memory; what they know at theta is kept from step to step."""

    def __init__(self, objectives: Iterable[ArrayObjective]) -> None:
        self.objectives = list(objectives)
        self.like, self.sizes = self.objectives[0], [o.n for o in self.objectives]

    def __iter__(self) -> Iterator[ArrayObjective]:
        """One objective after another."""
        return iter(self.objectives)

    def examples(self, indices: Any) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels of some examples, counted through all parts."""
        ends = np.cumsum(self.sizes)
        of_part = np.searchsorted(ends, indices, side="right")
        starts = ends - self.sizes
        rows = [
            self.objectives[part].examples([i - starts[part]])
            for i, part in zip(indices, of_part, strict=True)
        ]
        X, y = (np.concatenate(column) for column in zip(*rows, strict=True))
        return X, y


class RankLost(RuntimeError):
    """Another process of a distributed run died, or did not answer in time."""


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
    """

    def __init__(self, timeout: float = 600) -> None:
        import torch
        from torch import distributed

        self._torch, self._distributed = torch, distributed
        if not distributed.is_initialized():
            backend = "nccl" if torch.cuda.is_available() else "gloo"
            distributed.init_process_group(backend, timeout=timedelta(seconds=timeout))
            atexit.register(distributed.destroy_process_group)
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        on_gpu = distributed.get_backend() == "nccl"
        self._device = f"cuda:{torch.cuda.current_device()}" if on_gpu else "cpu"

    def part(self, n: int) -> slice:
        """The rows of this process, of n.  -> slice."""
        ends = np.linspace(0, n, self.size + 1).astype(int)
        return slice(int(ends[self.rank]), int(ends[self.rank + 1]))

    def sum(self, a: Any) -> Any:
        """Add an array, or a tensor, over all processes; every one gets the sum."""
        is_tensor = isinstance(a, self._torch.Tensor)
        total = a.clone() if is_tensor else self._torch.tensor(a, device=self._device)
        try:
            self._distributed.all_reduce(total)
        except RuntimeError as error:
            first = str(error).splitlines()[0]
            raise RankLost(
                f"Process {self.rank} of {self.size} waited for the others in vain ({first}): one "
                "of them died or is out of step. Start all of them again; blocks of scores that "
                "were written are not computed twice."
            ) from None
        return total if is_tensor else total.cpu().numpy()


class Alone:
    """A run of one process."""

    rank, size = 0, 1

    def sum(self, a: Any) -> Any:
        """There is nothing to add."""
        return np.asarray(a) if np.isscalar(a) else a


class ShardedObjective(BaseObjective):
    """The sum of objectives: one risk, whose examples lie in several places.

    Parameters
    ----------
    parts : Chunks, or sequence of objectives
        The examples of this process; all with the same model and `l2`.
    ranks : Ranks, optional
        The other processes, which hold the other examples.

    Notes
    -----
    Examples are counted through all parts of rank 0, then of rank 1, and so on. All processes must
    call the same verbs in the same order; every one of them gets the whole result.
    """

    def __init__(
        self, parts: Chunks | Iterable[ArrayObjective], ranks: "Ranks | None" = None
    ) -> None:
        self.parts = parts if isinstance(parts, Chunks) else Kept(parts)
        self.ranks = Alone() if ranks is None else ranks
        self.like = like = self.parts.like
        if not like.fold_l2:
            raise ValueError(
                "A sum of parts would count a penalty that is a term of its own once for each "
                "part: use fold_l2=True."
            )
        sizes = np.zeros(self.ranks.size, dtype=int)
        sizes[self.ranks.rank] = sum(self.parts.sizes)
        sizes = self.ranks.sum(sizes)
        self._first = int(sizes[: self.ranks.rank].sum())
        super().__init__(like.losses, int(sizes.sum()), like.p, like.l2, dtype=like.dtype)

    # What lies in the parts, and what all of them have in common -------------------------------

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.like.example_shape

    def check_examples(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """More examples as arrays that fit these, or one clear sentence."""
        return self.like.check_examples(X, y)

    def to_native(self, V: np.ndarray) -> Any:
        """An array in the form in which the parts compute."""
        return self.like.to_native(V)

    def to_numpy(self, V: Any) -> np.ndarray:
        """The way back from `to_native`."""
        return self.like.to_numpy(V)

    def _of(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> ArrayObjective:
        return self.like._of(X, y, weights)

    def _loss_values(self, theta: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.like._loss_values(theta, X, y)

    def _loss_grads(self, theta: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.like._loss_grads(theta, X, y)

    def _input_grads(
        self, theta: np.ndarray, v: np.ndarray, X: np.ndarray, y: np.ndarray
    ) -> np.ndarray:
        return self.like._input_grads(theta, v, X, y)

    @cached_property
    def hvp_flops(self) -> float:
        """Operations of one product, in proportion to those of one part."""
        return self.like.hvp_flops * self.n / self.like.n

    @cached_property
    def hessian_flops(self) -> float:
        """Operations of the Hessian."""
        return self.like.hessian_flops * self.n / self.like.n

    @cached_property
    def gauss_newton_flops(self) -> float:
        """Operations of the Gauss-Newton matrix."""
        return self.like.gauss_newton_flops * self.n / self.like.n

    def examples(self, indices: Any) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels of some examples, wherever they lie."""
        indices = np.atleast_1d(indices)
        mine = (indices >= self._first) & (indices < self._first + sum(self.parts.sizes))
        X = np.zeros((len(indices), *self.example_shape), dtype=self.dtype)
        y = np.zeros(len(indices), dtype=self.like.y.dtype)
        if mine.any():
            X[mine], y[mine] = self.parts.examples(indices[mine] - self._first)
        return self.ranks.sum(X), self.ranks.sum(y)

    # Sums over parts ---------------------------------------------------------------------------

    def risk(self, theta: np.ndarray) -> float:
        """R(theta), penalty included.  (p,) -> scalar."""
        return float(self._sum(lambda part: part.risk(theta)))

    def grad(self, theta: np.ndarray) -> np.ndarray:
        """Gradient of the risk.  (p,) -> (p,)."""
        return self._sum(lambda part: part.grad(theta))

    def grads(self, thetas: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Gradients at many parameter vectors, each for its own weights.

        (p, k), (n, k) -> (p, k)
        """
        total = sum(part.grads(thetas, weights[rows]) for part, rows in self._parts())
        return self.ranks.sum(total)

    def hvp_at(self, theta: np.ndarray) -> Callable[[Any], Any]:
        """The map V -> Hessian of the risk at theta times V; V is (p,) or a block (p, k)."""
        return self._product(lambda part: part.hvp_at(theta))

    def gnvp_at(self, theta: np.ndarray) -> Callable[[Any], Any]:
        """The map V -> Gauss-Newton matrix at theta times V; V is (p,) or a block (p, k)."""
        return self._product(lambda part: part.gnvp_at(theta))

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """The Hessian itself.  (p,) -> (p, p)."""
        return self._sum(lambda part: part.hessian(theta))

    def gauss_newton(self, theta: np.ndarray) -> np.ndarray:
        """The Gauss-Newton matrix itself.  (p,) -> (p, p)."""
        return self._sum(lambda part: part.gauss_newton(theta))

    def preconditioner(self, theta: np.ndarray, damping: float = 0.0) -> KroneckerInverse | None:
        """Approximate inverse of ``H + damping I``, as of a `LinearObjective`, or None."""
        if not isinstance(self.like, seam.FactoredObjective):
            return None
        A, D = 0.0, 0.0
        for part, _ in self._parts():
            of_part = part.curvature_factors(theta)
            A, D = A + of_part[0], D + of_part[1]
        total = self.weights.sum()
        A, D = self.ranks.sum(A), self.ranks.sum(D) / total
        return KroneckerInverse(A, D, total * self.l2 + damping)

    # One result for each example, or for test points --------------------------------------------

    def example_dots(self, theta: np.ndarray, V: np.ndarray) -> np.ndarray:
        """grad L(z_i, theta) . v for every i at once.  (p,), (p,) or (p, k) -> (n,) or (n, k)."""
        dots = np.zeros((self.n, *np.shape(V)[1:]), dtype=self.dtype)
        for part, rows in self._parts():
            dots[rows] = self.to_numpy(part.example_dots(theta, V))
        return self.ranks.sum(dots)

    # Inside ------------------------------------------------------------------------------------

    def _parts(self) -> Iterator[tuple[Any, slice]]:
        """Each part of this process, with the weights and the rows it has in the whole."""
        start = self._first
        for part, size in zip(self.parts, self.parts.sizes, strict=True):
            rows = slice(start, start + size)
            yield part.reweighted(self.weights[rows]), rows
            start += size

    def _sum(self, of_part: Callable[[Any], Any]) -> Any:
        """Add a quantity over the parts of this process, then over all processes."""
        return self.ranks.sum(sum(of_part(part) for part, _ in self._parts()))

    def _product(self, of_part: Callable[[Any], Callable]) -> Callable[[Any], Any]:
        """The sum of the linear maps that the parts make: kept if the parts themselves are."""
        kept = None
        if isinstance(self.parts, Kept):
            kept = [of_part(part) for part, _ in self._parts()]

        def product(V: Any) -> Any:
            maps = kept or (of_part(part) for part, _ in self._parts())
            return self.ranks.sum(sum(m(V) for m in maps))

        return product


def _release(X: Any) -> None:
    """Give back the pages of a file mapped into memory, until they are read again."""
    mapped = getattr(X, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
