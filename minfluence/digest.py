"""Checksums of values, equal in every process: of arrays, losses, solvers, and of functions."""

import dis
import hashlib
from collections.abc import Iterator
from functools import partial
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from scipy.sparse import issparse

from minfluence.memory import CHUNK_BYTES, blocks, rows_in

PLAIN = (bool, int, float, complex, str, bytes, tuple, dict, np.ndarray, np.generic, partial)


def digest(value: Any) -> str:
    """A checksum of a value: equal in every process, and different for other values."""
    checksum = hashlib.sha256()
    for piece in _pieces(value):
        checksum.update(piece)
    return checksum.hexdigest()[:16]


def _pieces(value: Any, around: tuple[int, ...] = ()) -> Iterator[Any]:
    """What makes up a value, as bytes; large arrays are not copied."""
    yield f"{_name(value)}(".encode()
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        yield repr(value).encode()
    elif isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        yield f"{value.dtype.str}{value.shape}".encode()
        rows = np.atleast_1d(value)
        for part in blocks(len(rows), rows_in(CHUNK_BYTES, rows.nbytes // max(1, len(rows)))):
            yield np.ascontiguousarray(rows[part]).data
    elif id(value) not in around:  # an object may hold itself
        for inner in _inside(value):
            yield from _pieces(inner, (*around, id(value)))
    yield b")"


def stored_arrays(a: Any) -> tuple[np.ndarray, ...]:
    """An array itself, or the arrays that a sparse matrix is made of."""
    if not issparse(a):
        return (a,)
    rows = a.tocsr()
    return rows.data, rows.indices.astype(np.int64), rows.indptr.astype(np.int64)


def _name(value: Any) -> str:
    """Of a function or class its own name, of anything else its type's."""
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{getattr(named, '__module__', None)}.{named.__qualname__}"


def _inside(value: Any) -> Any:
    """The values that make up another one; none for what its name alone describes."""
    if isinstance(value, type | BuiltinFunctionType | np.ufunc):
        return ()
    if isinstance(value, ModuleType):
        return (value.__name__,)
    if isinstance(value, dict):
        return sorted(value.items(), key=lambda item: str(item[0]))
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if isinstance(value, partial):
        return value.func, value.args, value.keywords
    if isinstance(value, MethodType):
        return value.__func__, value.__self__
    if isinstance(value, FunctionType):
        return _inside_function(value)
    if isinstance(value, CodeType):
        return value.co_code, value.co_names, value.co_consts
    if isinstance(value, np.random.Generator):  # its seed: its state moves on with its use
        seed: Any = value.bit_generator.seed_seq
        return getattr(seed, "entropy", None), getattr(seed, "spawn_key", None)
    if hasattr(value, "requires_grad"):  # a tensor: what can be trained is in theta
        here = value.detach().cpu()
        return tuple(here.shape), None if value.requires_grad else here.double().numpy()
    if issparse(value):
        return value.shape, *stored_arrays(value)
    if isinstance(value, list | tuple) or isinstance(value, np.ndarray):
        return value
    slots = getattr(type(value), "__slots__", ())
    return (
        getattr(value, "__dict__", None) or {name: getattr(value, name, None) for name in slots},
        vars(type(value)).get("__call__"),
    )


def _inside_function(function: FunctionType) -> Any:
    """Code, defaults, and the plain values and neighbours that it reads from around itself.

    What it assigns itself, and lists, are taken for what it counts and remembers. Functions of
    this package are known by their names: `FORMAT` is raised when they give other scores.
    """
    code = function.__code__
    if str(function.__module__).split(".")[0] == __name__.split(".")[0]:
        return ()
    read = {name: function.__globals__.get(name) for name in code.co_names}
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    read |= {name: cell.cell_contents for name, cell in cells if cell != CellType()}
    for step in dis.get_instructions(code):
        if step.opname in ("STORE_GLOBAL", "STORE_DEREF"):
            read.pop(step.argval, None)
    kept = {
        name: value
        for name, value in read.items()
        if isinstance(value, PLAIN) or getattr(value, "__module__", 0) == function.__module__
    }
    return code, function.__defaults__, function.__kwdefaults__, kept
