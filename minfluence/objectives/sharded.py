"""Training sets in parts: chunks of a file too large for memory, or one part on each machine.

The risk is a sum over examples, so every verb of an objective is a sum over parts, or a column of
results glued together.  Solvers and influence do not notice.
"""

import atexit
import mmap
from datetime import timedelta
from functools import cached_property

import numpy as np
from tqdm.auto import tqdm

from minfluence.objectives.base import TrainingSet
from minfluence.objectives.linear import KroneckerInverse

CHUNK_BYTES = 2**23  # what is read from a file at a time: it stays in cache while it is worked on


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

    def __init__(self, like, X, y, rows=None, *, progress=True):
        if len(X) != len(y) or len(X) == 0:
            raise ValueError(f"Expected one label per example, got {len(X)} and {len(y)}.")
        bytes_per_row = like.dtype.itemsize * int(np.prod(X.shape[1:]))
        self.like, self.X, self.y, self.progress = like, X, y, progress
        self.rows = max(1, CHUNK_BYTES // bytes_per_row) if rows is None else rows
        self.sizes = [len(y[start : start + self.rows]) for start in range(0, len(y), self.rows)]
        for _ in self:  # every row once, so that bad ones are found now
            pass

    def __iter__(self):
        """Make one chunk after another; only one of them is in memory."""
        starts = range(0, len(self.y), self.rows)
        bar = tqdm(starts, desc="chunks", delay=2, leave=False, disable=not self.progress)
        for start in bar:
            part = slice(start, start + self.rows)
            X = np.array(self.X[part])  # a copy
            _release(self.X)
            yield self.like.on(X, np.array(self.y[part]))

    def examples(self, indices):
        """Inputs and labels of some rows."""
        order = np.argsort(indices)  # a file is read from front to back
        back = np.argsort(order)
        X, y = (np.array(a[np.asarray(indices)[order]])[back] for a in (self.X, self.y))
        _release(self.X)
        return X, y


class Kept:
    """Objectives that are all in memory; what they know at theta is kept from step to step."""

    def __init__(self, objectives):
        self.objectives = list(objectives)
        self.like, self.sizes = self.objectives[0], [o.n for o in self.objectives]

    def __iter__(self):
        """One objective after another."""
        return iter(self.objectives)

    def examples(self, indices):
        """Inputs and labels of some examples, counted through all parts."""
        ends = np.cumsum(self.sizes)
        of_part = np.searchsorted(ends, indices, side="right")
        starts = ends - self.sizes
        rows = [
            self.objectives[part].examples([i - starts[part]])
            for i, part in zip(indices, of_part, strict=True)
        ]
        return tuple(np.concatenate(column) for column in zip(*rows, strict=True))


class RankLost(RuntimeError):
    """Another process of a distributed run died, or did not answer in time."""


class Ranks:
    """The processes of a run that was started by ``torchrun``; each holds some of the examples.

    Parameters
    ----------
    timeout : float
        Seconds to wait for the others before giving up.
    backend : str, optional
        "nccl" where there is a GPU for each process, else "gloo".

    Attributes
    ----------
    rank, size : int
        Number of this process, and of how many.
    """

    def __init__(self, timeout=600, backend=None):
        import torch
        from torch import distributed

        self._torch, self._distributed = torch, distributed
        if not distributed.is_initialized():
            backend = backend or ("nccl" if torch.cuda.is_available() else "gloo")
            distributed.init_process_group(backend, timeout=timedelta(seconds=timeout))
            atexit.register(distributed.destroy_process_group)
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        on_gpu = distributed.get_backend() == "nccl"
        self._device = f"cuda:{torch.cuda.current_device()}" if on_gpu else "cpu"

    def part(self, n):
        """The rows of this process, of n.  -> slice."""
        ends = np.linspace(0, n, self.size + 1).astype(int)
        return slice(int(ends[self.rank]), int(ends[self.rank + 1]))

    def sum(self, a):
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

    def sum(self, a):
        """Nobody else has anything to add."""
        return np.asarray(a) if np.isscalar(a) else a


class ShardedObjective(TrainingSet):
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

    def __init__(self, parts, ranks=None):
        self.parts = parts if isinstance(parts, Chunks) else Kept(parts)
        self.ranks = Alone() if ranks is None else ranks
        sizes = np.zeros(self.ranks.size, dtype=int)
        sizes[self.ranks.rank] = sum(self.parts.sizes)
        sizes = self.ranks.sum(sizes)
        self._n, self._first = int(sizes.sum()), int(sizes[: self.ranks.rank].sum())
        self.l2, self.p = self.like.l2, self.like.p
        if not self.like.fold_l2:
            raise ValueError(
                "A sum of parts would count a penalty that is a term of its own once for each "
                "part: use fold_l2=True."
            )
        self.weights = np.full(self.n, 1.0 / self.n, dtype=self.dtype)

    # What every training set has ---------------------------------------------------------------

    @property
    def like(self):
        """An objective with this model, penalty and dtype, and some of the examples."""
        return self.parts.like

    @property
    def n(self):
        """Number of training examples, in all parts of all processes."""
        return self._n

    @property
    def dtype(self):
        """Floating-point type of the examples and of every result."""
        return self.like.dtype

    @property
    def example_shape(self):
        """Shape of one input."""
        return self.like.example_shape

    @cached_property
    def hvp_flops(self):
        """Operations of one product, in proportion to those of one part."""
        return self.like.hvp_flops * self.n / self.like.n

    @cached_property
    def hessian_flops(self):
        """Operations of the Hessian."""
        return self.like.hessian_flops * self.n / self.like.n

    @cached_property
    def gauss_newton_flops(self):
        """Operations of the Gauss-Newton matrix."""
        return self.like.gauss_newton_flops * self.n / self.like.n

    def examples(self, indices):
        """Inputs and labels of some examples, wherever they lie."""
        indices = np.atleast_1d(indices)
        mine = (indices >= self._first) & (indices < self._first + sum(self.parts.sizes))
        X = np.zeros((len(indices), *self.example_shape), dtype=self.dtype)
        y = np.zeros(len(indices), dtype=self.like.y.dtype)
        if mine.any():
            X[mine], y[mine] = self.parts.examples(indices[mine] - self._first)
        return self.ranks.sum(X), self.ranks.sum(y)

    def subset(self, indices):
        """Only these examples, gathered in one ordinary objective."""
        indices = self._indices(indices)
        weights = self.weights[indices] * (self.n / len(indices))
        return self.like.on(*self.examples(indices)).reweighted(weights)

    def perturbed(self, i, x, y):
        """Not possible: the examples may lie in a file."""
        raise ValueError(NO_CHANGE)

    def extended(self, X_new, y_new):
        """Not possible: the examples may lie in a file."""
        raise ValueError(NO_CHANGE)

    def on(self, X, y):
        """The same model on other examples, in one ordinary objective."""
        return self.like.on(X, y)

    def to_native(self, V):
        """An array in the form in which the parts compute."""
        return self.like.to_native(V)

    def to_numpy(self, V):
        """The way back from `to_native`."""
        return self.like.to_numpy(V)

    # Sums over parts ---------------------------------------------------------------------------

    def risk(self, theta):
        """R(theta), penalty included.  (p,) -> scalar."""
        return float(self._sum(lambda part: part.risk(theta)))

    def grad(self, theta):
        """Gradient of the risk.  (p,) -> (p,)."""
        return self._sum(lambda part: part.grad(theta))

    def grads(self, thetas, weights):
        """Gradients at many parameter vectors, each for its own weights.

        (p, k), (n, k) -> (p, k)
        """
        total = sum(part.grads(thetas, weights[rows]) for part, rows in self._parts())
        return self.ranks.sum(total)

    def hvp_at(self, theta):
        """The map V -> Hessian of the risk at theta times V; V is (p,) or a block (p, k)."""
        return self._product(lambda part: part.hvp_at(theta))

    def hvp(self, theta, V):
        """Hessian of the risk at theta times V.  (p,), (p,) or (p, k) -> like V."""
        return self.hvp_at(theta)(V)

    def gnvp_at(self, theta):
        """The map V -> Gauss-Newton matrix at theta times V; V is (p,) or a block (p, k)."""
        return self._product(lambda part: part.gnvp_at(theta))

    def gnvp(self, theta, V):
        """Gauss-Newton matrix at theta times V.  (p,), (p,) or (p, k) -> like V."""
        return self.gnvp_at(theta)(V)

    def hessian(self, theta):
        """The Hessian itself.  (p,) -> (p, p)."""
        return self._sum(lambda part: part.hessian(theta))

    def gauss_newton(self, theta):
        """The Gauss-Newton matrix itself.  (p,) -> (p, p)."""
        return self._sum(lambda part: part.gauss_newton(theta))

    def preconditioner(self, theta, damping=0.0):
        """Approximate inverse of ``H + damping I``, as of a `LinearObjective`, or None."""
        if not hasattr(self.like, "curvature_factors"):
            return None
        A, D = 0.0, 0.0
        for part, _ in self._parts():
            of_part = part.curvature_factors(theta)
            A, D = A + of_part[0], D + of_part[1]
        total = self.weights.sum()
        A, D = self.ranks.sum(A), self.ranks.sum(D) / total
        return KroneckerInverse(A, D, total * self.l2 + damping)

    # One result for each example, or for test points --------------------------------------------

    def example_dots(self, theta, V):
        """grad L(z_i, theta) . v for every i at once.  (p,), (p,) or (p, k) -> (n,) or (n, k)."""
        dots = np.zeros((self.n, *np.shape(V)[1:]), dtype=self.dtype)
        for part, rows in self._parts():
            dots[rows] = self.to_numpy(part.example_dots(theta, V))
        return self.ranks.sum(dots)

    def example_grads(self, theta, indices):
        """Gradients of the penalised losses of some training examples.  -> (len(indices), p)."""
        return self.subset(indices).example_grads(theta, np.arange(np.size(indices)))

    def input_grads(self, theta, v, indices):
        """d/dx of grad L(z_i, theta) . v.  (p,), (p,), (k,) -> (k, ...), shaped like the inputs."""
        return self.subset(indices).input_grads(theta, v, np.arange(np.size(indices)))

    def test_losses(self, theta, X_test, y_test):
        """Bare losses, without penalty, of test points.  -> (m,)."""
        return self.like.test_losses(theta, X_test, y_test)

    def test_grads(self, theta, X_test, y_test):
        """Gradients of the bare losses of test points.  -> (m, p)."""
        return self.like.test_grads(theta, X_test, y_test)

    def check_test(self, X_test, y_test):
        """Test points as arrays that fit this objective, or one clear sentence."""
        return self.like.check_test(X_test, y_test)

    # Inside ------------------------------------------------------------------------------------

    def _parts(self):
        """Each part of this process, with the weights and the rows it has in the whole."""
        start = self._first
        for part, size in zip(self.parts, self.parts.sizes, strict=True):
            rows = slice(start, start + size)
            yield part.reweighted(self.weights[rows]), rows
            start += size

    def _sum(self, of_part):
        """Add a quantity over the parts of this process, then over all processes."""
        return self.ranks.sum(sum(of_part(part) for part, _ in self._parts()))

    def _product(self, of_part):
        """The sum of the linear maps that the parts make: kept if the parts themselves are."""
        kept = None
        if isinstance(self.parts, Kept):
            kept = [of_part(part) for part, _ in self._parts()]

        def product(V):
            maps = kept or (of_part(part) for part, _ in self._parts())
            return self.ranks.sum(sum(m(V) for m in maps))

        return product


NO_CHANGE = (
    "The examples of a ShardedObjective cannot be changed, only weighted: change the arrays it was "
    "made from, or take some of them with subset(indices)."
)


def _release(X):
    """Give back the pages of a file mapped into memory, until they are read again."""
    mapped = getattr(X, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
