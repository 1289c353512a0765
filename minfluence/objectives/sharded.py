"""Training sets in parts: chunks of a file too large for memory, or one part on each machine.

The risk is a sum over examples, so every verb of an objective is a sum over parts, or a column of
results glued together.  Solvers and influence do not notice.
"""

import json
import mmap
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from minfluence import seam, validate
from minfluence.memory import CHUNK_BYTES, FACTOR_LIMIT, blocks, rows_in
from minfluence.objectives.base import ArrayObjective, BaseObjective
from minfluence.objectives.preconditioners import EIGENVALUES, KroneckerInverse
from minfluence.objectives.ranks import Alone, Ranks
from minfluence.objectives.rows import stored, written_out

RECORD = 8192  # bytes in which each process describes itself to the others
LABELS = "type of labels"
SAME = "make every part of one objective, as in like.on(X, y)"


class Chunks:
    """Objectives on successive rows of arrays that need not fit in memory, made when asked for.

    Parameters
    ----------
    like : an objective
        On any sample of the examples: its model, penalty and dtype are used for every chunk.
    X : array, shape (n, ...)
        Anything whose slices are arrays, such as ``numpy.load(file, mmap_mode="r")``.
    y : array, shape (n,)
        Whole numbers or floats, whichever those of `like` are.
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
        self.like, self.progress = _part(like), progress
        self.X = X if hasattr(X, "dtype") and hasattr(X, "shape") else np.asarray(X)
        self.y = y if isinstance(y, np.ndarray) else np.asarray(y)
        n, m = (a.shape[0] if a.shape else 0 for a in (self.X, self.y))
        if n != m or n == 0:
            raise ValueError(f"Expected one label per example, got {n} and {m}.")
        bytes_per_row = like.dtype.itemsize * stored(self.X)
        self.rows = rows_in(CHUNK_BYTES, bytes_per_row)
        if rows is not None:
            self.rows = validate.count("rows", rows)
        self.sizes = [part.stop - part.start for part in blocks(n, self.rows)]
        for chunk in self:  # every row once, so that bad ones are found now
            self.settings = _settings(like, chunk.y)

    @property
    def models(self) -> list[ArrayObjective]:
        """The one model of all chunks."""
        return [self.like]

    def __iter__(self) -> Iterator[Any]:
        """Make one chunk after another; only one of them is in memory."""
        parts = list(blocks(len(self.y), self.rows))
        for part in tqdm(parts, desc="chunks", delay=2, leave=False, disable=not self.progress):
            X, y = (a.copy() if isinstance(a, np.ndarray) else a for a in self._rows(part))
            _release(self.X)
            yield self.like.on(X, y)

    def examples(self, indices: Any) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels of some rows."""
        rows, back = np.unique(indices, return_inverse=True)  # a file is read from front to back
        X, y = (np.asarray(written_out(a))[back] for a in self._rows(rows))
        _release(self.X)
        return X, y

    def _rows(self, rows: Any) -> tuple[Any, Any]:
        return self.X[rows], self.y[rows]


class Kept:
    """Objectives that are all in memory; what they know at theta is kept from step to step."""

    def __init__(self, objectives: Iterable[ArrayObjective]) -> None:
        self.objectives = [_weighted_alike(_part(o)) for o in objectives]
        if not self.objectives:
            raise ValueError(
                "Expected at least one part with examples, got none: use fewer processes, or give "
                "each some of the examples."
            )
        self.like, self.sizes = self.objectives[0], [o.n for o in self.objectives]
        settings = [_settings(o, o.y) for o in self.objectives]
        _agree(settings, "part")
        self.settings = settings[0]

    @property
    def models(self) -> list[ArrayObjective]:
        """One objective for each model: all parts have the same one, if they are as they say."""
        return list({id(o.losses): o for o in self.objectives}.values())

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
        Xs, ys = zip(*rows, strict=True)
        return np.concatenate([written_out(X) for X in Xs]), np.concatenate(ys)


class ShardedObjective(BaseObjective):
    """The sum of objectives: one risk, whose examples lie in several places.

    Parameters
    ----------
    parts : Chunks, or iterable of objectives
        The examples of this process; all with the same model and `l2`, and each with equal weights:
        others are given to the whole, by `reweighted`. What goes wrong while an iterable makes
        them is told to the other processes.
    ranks : Ranks, optional
        The other processes, which hold the other examples.

    Raises
    ------
    ValueError
        In every process, where parts have not the same model, penalty, dtype, or kind of inputs
        and labels, or where a process has no part.

    Notes
    -----
    Examples are counted through all parts of rank 0, then of rank 1, and so on. All processes must
    call the same verbs in the same order; every one of them gets the whole result.
    """

    def __init__(
        self, parts: Chunks | Iterable[ArrayObjective], ranks: "Ranks | None" = None
    ) -> None:
        if not isinstance(ranks, Ranks | None):
            raise ValueError(f"ranks must be Ranks(), or left out, got {ranks!r}.")
        self.ranks = Alone() if ranks is None else ranks
        self.parts, sizes = _introduced(parts, self.ranks)
        self.like = like = self.parts.like
        self._first = sum(sizes[: self.ranks.rank])
        super().__init__(like.losses, sum(sizes), like.p, like.l2, dtype=like.dtype)
        self._compare_losses()

    # What lies in the parts, and what all of them have in common -------------------------------

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.like.example_shape

    def inputs(self, X: Any) -> Any:
        """Inputs as one array, or one clear sentence."""
        return self.like.inputs(X)

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
        validate.indices(np.unique(indices), self.n)
        mine = (indices >= self._first) & (indices < self._first + sum(self.parts.sizes))
        X = np.zeros((len(indices), *self.example_shape), dtype=self.dtype)
        label_shape = self.like.y.shape[1:]
        y = np.zeros((len(indices), *label_shape), dtype=self.parts.settings[LABELS])
        with self.ranks.telling():
            if mine.any():
                X[mine], y[mine] = self.parts.examples(indices[mine] - self._first)
        asked = b"examples", indices.tobytes()
        return self.ranks.sum(X, *asked), self.ranks.sum(y, *asked)

    # Sums over parts ---------------------------------------------------------------------------

    def risk(self, theta: np.ndarray) -> float:
        """R(theta), penalty included.  (p,) -> scalar."""
        return float(self._sum("risk", theta))

    def grad(self, theta: np.ndarray) -> np.ndarray:
        """Gradient of the risk.  (p,) -> (p,)."""
        return self._sum("grad", theta)

    def grads(self, thetas: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Gradients at many parameter vectors, each for its own weights.

        (p, k), (n, k) -> (p, k)
        """

        def mine() -> Any:
            return sum(part.grads(thetas, weights[rows]) for part, rows in self._parts())

        return self.ranks.together(mine, b"grads", weights.tobytes(), thetas)

    def hvp_at(self, theta: np.ndarray) -> Callable[[Any], Any]:
        """The map V -> Hessian of the risk at theta times V; V is (p,) or a block (p, k)."""
        return self._product("hvp_at", theta)

    def gnvp_at(self, theta: np.ndarray) -> Callable[[Any], Any]:
        """The map V -> Gauss-Newton matrix at theta times V; V is (p,) or a block (p, k)."""
        return self._product("gnvp_at", theta)

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """The Hessian itself.  (p,) -> (p, p)."""
        return self._sum("hessian", theta)

    def gauss_newton(self, theta: np.ndarray) -> np.ndarray:
        """The Gauss-Newton matrix itself.  (p,) -> (p, p)."""
        return self._sum("gauss_newton", theta)

    def preconditioner(
        self, theta: np.ndarray, damping: float = 0.0, budget: float = np.inf
    ) -> KroneckerInverse | None:
        """Approximate inverse of ``H + damping I``, as of a `LinearObjective`, or None."""
        d = self.example_shape[0]
        dear = d > FACTOR_LIMIT or d * d * (self.n + EIGENVALUES * d) > budget
        if dear or not isinstance(self.like, seam.FactoredObjective):
            return None
        total = validate.total(self.weights)
        A, D = 0.0, 0.0
        with self.ranks.telling():
            for part, _ in self._parts():
                of_part = part.curvature_factors(theta)
                A, D = A + of_part[0], D + of_part[1]
        asked = b"preconditioner", self.weights.tobytes(), theta
        A, D = self.ranks.sum(A, *asked), self.ranks.sum(D, *asked)
        return KroneckerInverse(A, D / total, self.penalty + damping)

    # One result for each example, or for test points --------------------------------------------

    def example_dots(self, theta: np.ndarray, V: np.ndarray) -> np.ndarray:
        """grad L(z_i, theta) . v for every i at once.  (p,), (p,) or (p, k) -> (n,) or (n, k)."""

        def mine() -> np.ndarray:
            dots = np.zeros((self.n, *np.shape(V)[1:]), dtype=self.dtype)
            for part, rows in self._parts():
                dots[rows] = self.to_numpy(part.example_dots(theta, V))
            return dots

        return self.ranks.together(mine, b"example_dots", theta, V)

    # Inside ------------------------------------------------------------------------------------

    def _parts(self) -> Iterator[tuple[Any, slice]]:
        """Each part of this process, with the weights and the rows it has in the whole."""
        start = self._first
        for part, size in zip(self.parts, self.parts.sizes, strict=True):
            rows = slice(start, start + size)
            yield part._changed(weights=self.weights[rows]), rows  # they may all be 0
            start += size

    def _sum(self, verb: str, theta: np.ndarray) -> Any:
        """Add what a verb gives over the parts of this process, then over all processes."""

        def mine() -> Any:
            return sum(getattr(part, verb)(theta) for part, _ in self._parts())

        return self.ranks.together(mine, verb.encode(), self.weights.tobytes(), theta)

    def _product(self, verb: str, theta: np.ndarray) -> Callable[[Any], Any]:
        """The sum of the linear maps that the parts make: kept if the parts themselves are."""

        def maps() -> Iterator[Callable[[Any], Any]]:
            return (getattr(part, verb)(theta) for part, _ in self._parts())

        with self.ranks.telling():
            kept = list(maps()) if isinstance(self.parts, Kept) else None

        def product(V: Any) -> Any:
            def mine() -> Any:
                return sum(m(V) for m in kept or maps())

            return self.ranks.together(mine, verb.encode(), self.weights.tobytes(), theta, V)

        return product

    def _compare_losses(self) -> None:
        """Refuse models that bear the same name and give a few examples other losses."""
        if self.p is None:  # only theta tells
            return
        few = self.examples(np.unique(np.linspace(0, self.n - 1, 4).astype(int)))
        theta = 0.1 * np.random.default_rng(0).standard_normal(self.p)

        def mine() -> np.ndarray:
            values = np.stack([o.test_losses(theta, *few) for o in self.parts.models])
            _check_same(values)
            table = np.zeros((self.ranks.size, values.shape[1]), dtype=values.dtype)
            table[self.ranks.rank] = values[0]
            return table

        _check_same(self.ranks.together(mine, b"losses"))


# What parts have in common ------------------------------------------------------------------------


def _part(o: Any) -> ArrayObjective:
    """An objective that can be part of a sum."""
    if not isinstance(o, ArrayObjective):
        raise ValueError(
            "Expected Chunks, or a list of objectives whose examples are in memory, "
            f"got {type(o).__name__}."
        )
    if not o.fold_l2:
        raise ValueError(
            "A sum of parts would count a penalty that is a term of its own once for each "
            "part: use fold_l2=True."
        )
    return o


def _weighted_alike(o: ArrayObjective) -> ArrayObjective:
    """A part whose weights are not lost where they become 1/n of the whole."""
    if not np.allclose(o.weights, 1 / o.n, rtol=1e-5, atol=0):
        raise ValueError(
            "A part has weights of its own, which say nothing of its share in the whole: make it "
            "with equal weights, and give them to the sum, as in "
            "ShardedObjective(parts).reweighted(weights)."
        )
    return o


def _settings(o: ArrayObjective, y: np.ndarray) -> dict[str, str]:
    """What all parts of one risk share, in words that mean the same in every process."""
    words = {
        "kind of objective": type(o).__name__,
        "losses": re.sub(" at 0x[0-9a-f]+", "", repr(o.losses)),
        "number of parameters": str(o.p),
        "l2": str(o.l2.tolist() if isinstance(o.l2, np.ndarray) else o.l2),
        "dtype": str(o.dtype),
        "shape of an example": str(o.example_shape),
        LABELS: "int64" if y.dtype.kind in "iub" else str(y.dtype),
    }
    return {name: _short(text) for name, text in words.items()}


def _short(text: str) -> str:
    """A text in 200 characters at most, which differs if the text does."""
    return text if len(text) <= 200 else f"{text[:180]}... ({zlib.crc32(text.encode()):x})"


def _agree(settings: list[dict[str, str]], place: str) -> None:
    """Refuse parts, or processes, that differ in what they must share."""
    for k, other in enumerate(settings):
        for name, value in settings[0].items():
            if other[name] != value:
                raise ValueError(
                    f"The parts of one risk must have the same {name}: it is {value} in {place} 0 "
                    f"and {other[name]} in {place} {k}; {SAME}."
                )


def _check_same(values: np.ndarray) -> None:
    """Refuse losses of the same examples (m, k) that differ by more than rounding."""
    tolerance = 10 * np.sqrt(np.finfo(values.dtype).eps)
    size = np.abs(values).max(where=np.isfinite(values), initial=0)
    if not np.allclose(values, values[0], tolerance, tolerance * size, equal_nan=True):
        raise ValueError(
            "The parts have losses of the same name, but with other values for the same examples; "
            f"{SAME}."
        )


def _introduced(parts: Any, ranks: Any) -> tuple[Chunks | Kept, list[int]]:
    """The parts of this process, and the sizes of all processes, if all fit together."""
    trouble: Exception | None = None
    try:
        if not isinstance(parts, Iterable):
            parts = [parts]
        parts = parts if isinstance(parts, Chunks) else Kept(parts)
        mine = {"n": sum(parts.sizes), "settings": parts.settings}
    except Exception as error:
        trouble, mine = error, {"error": " ".join(str(error).split())[:1000]}
    everyone = [json.loads(text) for text in _of_all(json.dumps(mine, ensure_ascii=False), ranks)]
    if trouble:
        raise trouble
    for rank, record in enumerate(everyone):
        if "error" in record:
            raise ValueError(f"Process {rank} of {ranks.size} cannot take part: {record['error']}")
    _agree([record["settings"] for record in everyone], "process")
    return parts, [record["n"] for record in everyone]


def _of_all(text: str, ranks: Any) -> list[str]:
    """A text of each process, in all of them."""
    table = np.zeros((ranks.size, RECORD), dtype=np.uint8)
    own = np.frombuffer(text.encode(), dtype=np.uint8)
    table[ranks.rank, : len(own)] = own
    return [row.tobytes().rstrip(b"\0").decode() for row in ranks.sum(table)]


def _release(X: Any) -> None:
    """Give back the pages of a file mapped into memory, until they are read again."""
    mapped = getattr(X, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
