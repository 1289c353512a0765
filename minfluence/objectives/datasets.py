"""A torch Dataset or DataLoader as a training set: read once, in the order of its examples."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset

from minfluence.memory import blocks
from minfluence.objectives.rules import first_line
from minfluence.objectives.tensors import plain

BATCH = 256  # examples read together, where the loader does not say
AGAIN = 16  # examples read a second time
Pair = tuple[Any, Any]  # inputs, and labels


def read(X: Any, y: Any = None) -> Pair:
    """Inputs and labels of whatever holds them, as arrays.

    Parameters
    ----------
    X : array, dict or tuple of arrays, torch Dataset or DataLoader
        A loader is read in the order of its dataset, with its `collate_fn` and batch size: no
        shuffling, and no example dropped. One of an IterableDataset is read as it comes.
    y : array or str, optional
        Left out for a data set, whose batches are ``(x, y)``, or ``(x1, x2, ..., y)``; where they
        are dicts, the name of the entry that holds the labels.

    Returns
    -------
    X, y
        X is an array, a dict of arrays, or a tuple of arrays, as batches are.
    """
    if _is_data_set(X):
        if not (y is None or isinstance(y, str)):
            raise ValueError(
                "A data set brings its own labels: leave y out, or pass the name of the entry that "
                f"holds them, got {type(y).__name__}."
            )
        return _joined([_pair(batch, y) for batch in _batches(X)])
    if isinstance(y, str):
        return _pair(X, y)
    if y is None:
        raise ValueError(
            "Expected labels y; they can be left out only where X is a torch Dataset or "
            f"DataLoader, got {type(X).__name__}."
        )
    return X, y


def _is_data_set(X: Any) -> bool:
    """A Dataset, a DataLoader, or what can be read as one: examples by number."""
    if isinstance(X, Dataset | DataLoader):
        return True
    by_number = hasattr(X, "__getitem__") and hasattr(X, "__len__")
    return by_number and not (
        isinstance(X, Mapping | list | tuple | str) or hasattr(X, "shape") or hasattr(X, "dtype")
    )


def _batches(X: Any) -> list[Any]:
    """All batches, if a second look at a few examples shows the same."""
    loader: Any = X if isinstance(X, DataLoader) else DataLoader(X, batch_size=BATCH)
    with torch.random.fork_rng(devices=[]):  # a loader draws numbers of the reader's
        if isinstance(loader.dataset, IterableDataset):
            found = list(loader)
            twice = list(zip(found[:1], loader, strict=False))
        else:
            _check_order(loader)
            size = loader.batch_size or (BATCH if loader.batch_sampler else 1)
            n = len(loader.dataset)
            found = [_fetched(loader, range(n)[part]) for part in blocks(n, size)]
            few = np.unique(np.linspace(0, n - 1, min(n, AGAIN)).astype(int)).tolist() if n else []
            twice = [(_fetched(loader, [i]), _fetched(loader, [i])) for i in few]
        same = all(_same(first, second) for first, second in twice)
    if not found:
        raise ValueError("Expected at least one example, got an empty data set.")
    if not same:
        raise ValueError(
            "The data set gives other values when it is read again: switch random augmentation and "
            "shuffling off, or read it once and pass the arrays."
        )
    return found


def _check_order(loader: Any) -> None:
    """Refuse a loader that leaves out examples, or shows some more often than others."""
    batches = loader.batch_sampler
    if batches is None or type(batches) is BatchSampler:  # which may drop the last ones
        sampler = loader.sampler if batches is None else batches.sampler
        drawn = list(sampler)
    else:
        sampler, drawn = batches, [i for batch in batches for i in batch]
    if sorted(drawn) != list(range(len(loader.dataset))):
        raise ValueError(
            f"The loader draws examples by a {type(sampler).__name__}, and a risk needs each of "
            "them once: pass the data set itself, or torch.utils.data.Subset(dataset, indices)."
        )


def _fetched(loader: Any, indices: Iterable[int]) -> Any:
    """One batch, made as the loader makes it."""
    dataset, indices = loader.dataset, list(indices)
    if loader.batch_size is None and loader.batch_sampler is None:  # its items are batches
        return loader.collate_fn(dataset[indices[0]])
    together = getattr(dataset, "__getitems__", None)
    examples = together(indices) if together else [dataset[i] for i in indices]
    try:
        return loader.collate_fn(examples)
    except Exception as error:
        raise ValueError(
            f"Examples of the data set do not fit into one batch ({first_line(error)}): pad them "
            "to one length, or pass a DataLoader with a collate_fn that does."
        ) from error


def _pair(batch: Any, y: str | None) -> Pair:
    """Inputs and labels of one batch."""
    if isinstance(batch, Mapping):
        if y is None or y not in batch:
            raise ValueError(
                f"Expected y to name the entry with the labels, one of {list(batch)}, as in "
                f'from_module(module, loss, loader, y="labels"), got {y!r}.'
            )
        return {name: a for name, a in batch.items() if name != y}, batch[y]
    if y is not None:
        raise ValueError(
            f"y = {y!r} names an entry of dicts, and the batches are {type(batch).__name__}s, "
            "whose last part holds the labels: leave y out."
        )
    if not isinstance(batch, list | tuple) or len(batch) < 2:
        raise ValueError(
            "Expected batches (x, y), (x1, x2, ..., y) or dicts, got one without labels, of the "
            f"type {type(batch).__name__}."
        )
    *inputs, labels = batch
    return (inputs[0] if len(inputs) == 1 else tuple(inputs)), labels


def _joined(pairs: list[Pair]) -> Pair:
    """All batches as one."""
    inputs, labels = zip(*pairs, strict=True)
    return _concatenated(inputs, "inputs"), _concatenated(labels, "labels")


def _concatenated(parts: Any, what: str) -> Any:
    """Arrays, or dicts or tuples of them, one after another."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {k: _concatenated([part[k] for part in parts], f"{what}[{k!r}]") for k in first}
    if isinstance(first, tuple | list):
        columns = zip(*parts, strict=True)
        return tuple(_concatenated(c, f"{what}[{k}]") for k, c in enumerate(columns))
    arrays = [np.asarray(plain(part)) for part in parts]
    shapes = {a.shape[1:] for a in arrays}
    if len(shapes) > 1 or arrays[0].ndim == 0:
        raise ValueError(
            f"Every batch must have {what} of the same shape for each example, got "
            f"{', '.join(map(str, sorted(shapes)[:3]))}: pad them to one length."
        )
    return np.concatenate(arrays)


def _same(a: Any, b: Any) -> bool:
    """Whether two batches hold the same."""
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(_same(*pair) for pair in zip(a, b, strict=True))
    one, other = np.asarray(plain(a)), np.asarray(plain(b))
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
