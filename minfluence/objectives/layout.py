"""Several inputs in one array: a dict or a tuple of arrays, laid side by side in each row.

An objective keeps its examples in one array of floats.  A float64 holds every whole number up to
2**53, so words of a vocabulary and masks lie in it unchanged, and come out again as what they were.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, pairwise, product
from typing import Any, Self

import numpy as np
import torch

from minfluence import validate
from minfluence.objectives.tensors import plain

FLOAT, WHOLE, BOOL = "floats", "whole numbers", "booleans"
MOST = 64  # layouts that are tried
KINDS = {"f": FLOAT, "i": WHOLE, "u": WHOLE, "b": BOOL}


@dataclass(frozen=True)
class Leaf:
    """One of the inputs: what the module knows it by, its shape for one example, its numbers."""

    key: str | int | None
    shape: tuple[int, ...]
    kind: str

    @property
    def name(self) -> str:
        """What a sentence calls it."""
        return "X" if self.key is None else f"X[{self.key!r}]"

    @property
    def size(self) -> int:
        """Numbers for one example."""
        return int(np.prod(self.shape))

    def rows(self, value: Any) -> np.ndarray:
        """Its values for several examples, or for a single one, each flat.  -> (..., size)."""
        a = _array(self.name, value)
        lead = a.ndim - len(self.shape)
        if lead not in (0, 1) or a.shape[lead:] != self.shape:
            raise ValueError(
                f"{self.name} must have the shape {self.shape} for each example, as in training, "
                f"got {a.shape}."
            )
        return a.reshape(*a.shape[:lead], self.size)

    def check(self, rows: np.ndarray) -> None:
        """Refuse numbers of another kind than those of the training set, or inexact ones."""
        if self.kind == BOOL and not np.isin(rows, (0, 1)).all():
            raise ValueError(f"{self.name} must hold booleans, as in training, got other numbers.")
        if self.kind == WHOLE and not (rows == np.rint(rows)).all():
            raise ValueError(
                f"{self.name} must hold whole numbers, as in training, got others between them."
            )
        exact = 2 ** (np.finfo(rows.dtype).nmant + 1)
        if self.kind == WHOLE and np.abs(rows).max(initial=0) >= exact:
            raise ValueError(
                f"{self.name} holds whole numbers of {exact} or more, which are not exact in "
                f"{rows.dtype}: number them anew, from 0"
                + (", or use dtype float64." if rows.dtype == np.float32 else ".")
            )

    def tensor(self, a: torch.Tensor) -> torch.Tensor:
        """The same numbers as the module wants to see them."""
        return a.long() if self.kind == WHOLE else a.bool() if self.kind == BOOL else a


@dataclass(frozen=True)
class Layout:
    """Where each input lies in a row, and as what it goes to the module.

    Attributes
    ----------
    leaves : tuple of Leaf
    form : {"array", "tuple", "dict"}
        One input, which keeps its shape; several by position; several by name.
    """

    leaves: tuple[Leaf, ...]
    form: str

    @classmethod
    def of(cls, X: Any) -> Self:
        """The layout of a training set."""
        if isinstance(X, Mapping):
            return cls(_leaves(X.items()), "dict")
        if _several(X):
            return cls(_leaves(enumerate(X)), "tuple")
        a = _array("X", X)
        return cls((Leaf(None, a.shape[1:], KINDS[a.dtype.kind]),), "array")

    def others(self) -> Iterator[Self]:
        """Layouts of the same inputs: whole numbers may as well be meant as floats.

        One array is rather given as floats, several inputs as what they are; masks stay booleans.
        """
        alone = self.form == "array"
        kinds = {FLOAT: (FLOAT,), WHOLE: (WHOLE, FLOAT), BOOL: (BOOL, FLOAT) if alone else (BOOL,)}
        choices = (kinds[leaf.kind][:: -1 if alone else 1] for leaf in self.leaves)
        for chosen in islice(product(*choices), MOST):
            pairs = zip(self.leaves, chosen, strict=True)
            yield replace(self, leaves=tuple(replace(leaf, kind=kind) for leaf, kind in pairs))

    def check_smooth(self) -> None:
        """Refuse derivatives in inputs that cannot be moved a little."""
        for leaf in self.leaves:
            if leaf.kind != FLOAT:
                raise ValueError(
                    f"{leaf.name} holds {leaf.kind}, in which a loss has no derivative: "
                    "perturb examples whose inputs are all floats, or replace whole examples."
                )

    def pack(self, X: Any) -> Any:
        """Inputs, of several examples or a single one, as one array; an array is packed already."""
        if self.form == "array" or not isinstance(X, Mapping | list | tuple):
            return plain(X)
        given = dict(X.items() if isinstance(X, Mapping) else enumerate(X))
        expected = [leaf.key for leaf in self.leaves]
        if set(given) != set(expected):
            raise ValueError(
                f"Expected a {self.form} with the inputs {expected} as in training, got "
                f"{list(given)}."
            )
        parts = [leaf.rows(given[leaf.key]) for leaf in self.leaves]
        leads = {part.shape[:-1] for part in parts}
        if len(leads) > 1:
            raise ValueError(
                "Expected inputs with one row for each example, got "
                f"{', '.join(str(len(p) if p.ndim == 2 else 'a single') for p in parts)} rows."
            )
        return np.concatenate(parts, axis=-1)

    def split(self, X: Any) -> Iterator[tuple[Leaf, Any]]:
        """Each input, (n, ...), in the shape it was given in."""
        if self.form == "array":
            yield self.leaves[0], X
            return
        ends = np.cumsum([0, *(leaf.size for leaf in self.leaves)])
        for leaf, (start, end) in zip(self.leaves, pairwise(ends), strict=True):
            yield leaf, X[:, start:end].reshape(len(X), *leaf.shape)

    def check(self, X: np.ndarray) -> None:
        """Refuse rows whose numbers are not what they were in training."""
        for leaf, rows in self.split(X):
            leaf.check(rows)

    def unpack(self, X: torch.Tensor) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What the module is called with: arguments, and arguments by name."""
        inputs = {leaf.key: leaf.tensor(rows) for leaf, rows in self.split(X)}
        if self.form == "dict":
            return (), {str(name): a for name, a in inputs.items()}
        return tuple(inputs.values()), {}


def _several(X: Any) -> bool:
    """Whether these are several inputs: a tuple of arrays, and not rows in a tuple."""
    return (
        isinstance(X, tuple)
        and len(X) > 0
        and all(np.ndim(plain(a)) and hasattr(a, "shape") for a in X)
    )


def _array(name: str, value: Any) -> np.ndarray:
    a = validate.inputs(name, validate.dense(plain(value)))
    if a.dtype == np.uint8:
        raise ValueError(
            f"{name} holds 8-bit integers: pass pixels as {name} / 255.0, or counts and words as "
            f"{name}.astype(int)."
        )
    return validate.finite(name, a)


def _leaves(items: Any) -> tuple[Leaf, ...]:
    named = [(key, _array(f"X[{key!r}]", value)) for key, value in items]
    lengths = {key: len(a) if a.ndim else 0 for key, a in named}
    if not named or len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(
            "Expected inputs with one row for each example, in a dict by name or in a tuple, got "
            f"{lengths or 'none'}."
        )
    return tuple(Leaf(key, a.shape[1:], KINDS[a.dtype.kind]) for key, a in named)


PLAIN = Layout((Leaf(None, (), FLOAT),), "array")  # one array of floats
