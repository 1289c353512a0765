"""What losses in torch must be, seen on a few examples; what they cannot compute, in a sentence."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from minfluence import seam
from minfluence.objectives.modules import ModuleLosses
from minfluence.objectives.rules import calm, first_line

COLUMN = "give the loss a column of the outputs, lambda outputs, y: loss(outputs[:, 0], y)"
MEAN_OFF = 'switch the mean off, as in partial(torch.nn.functional.cross_entropy, reduction="none")'


def computed(losses: Callable, theta: Any, X: Any, y: Any) -> Any:
    """The losses; or what torch says of those that it cannot compute, with what to do."""
    try:
        with torch.no_grad(), calm():
            values = losses(theta, X, y)
            if isinstance(values, torch.Tensor):
                values.cpu()  # a GPU complains only when it is waited for
            return values
    except Exception as error:
        raise ValueError(
            f"Torch cannot compute the losses ({first_line(error)}): they get theta "
            f"({len(theta)},) and X (n, {', '.join(map(str, X.shape[1:]))}) in {_name(X)}, "
            f"and labels between {y.min():g} and {y.max():g} in {_name(y)}. "
            f"{_remedy(losses, theta, X, y)}"
        ) from error


def check(losses: Callable, theta: torch.Tensor, X: torch.Tensor, y: torch.Tensor) -> None:
    """Evaluate losses of a few examples twice, and once in other company."""
    given = X.clone(), y.clone()
    half = len(y) // 2
    first, again, fewer = (computed(losses, theta, X[k:], y[k:]) for k in (0, 0, half))
    if not (torch.equal(X, given[0]) and torch.equal(y, given[1])):
        raise ValueError("The losses change X in place: work on X.clone() in your model.")
    if not isinstance(first, torch.Tensor) or first.shape != y.shape[:1]:
        got = getattr(first, "shape", type(first).__name__)
        raise ValueError(
            f"losses(theta, X, y) must return one loss per example, shape ({len(y)},), got "
            f"{tuple(got) if isinstance(got, torch.Size) else got}: "
            f"{_to_one_each(losses, theta, X, y, first, fewer)}."
        )
    if (first.dtype, first.device) != (theta.dtype, theta.device):
        raise ValueError(
            f"The losses come in {first.dtype} on {first.device}, and theta and X are in "
            f"{theta.dtype} on {theta.device}: make every constant of the model like X, as in "
            "c.to(X), or choose dtype and device."
        )
    close = partial(torch.allclose, rtol=1e-3, atol=1e-5, equal_nan=True)
    if not close(first, again):
        raise ValueError(
            "The losses differ between two evaluations at the same theta: switch dropout and "
            "other randomness off, for a module with module.eval()."
        )
    if not close(first[half:], fewer):
        raise ValueError(
            "The loss of an example depends on the other examples of its batch: switch batch "
            "normalisation to eval mode, or use a normalisation within each example."
        )


def _remedy(losses: Callable, theta: Any, X: Any, y: Any) -> str:
    """The first change that makes the losses computable, or what is most often wrong."""
    for change, words in _changes(losses, theta, X, y):
        if _works(change, len(y)):
            return f"They can be computed if you {words}."
    return (
        "Class labels must be whole numbers 0 .. c - 1, words below the size of the vocabulary, "
        "and all else of one dtype and on one device."
    )


def _changes(losses: Callable, theta: Any, X: Any, y: Any) -> Iterator[tuple[Callable, str]]:
    """Other labels, other outputs, or both, and how to ask for them."""
    if X.is_floating_point() and torch.equal(X, X.round()):
        by_module = isinstance(losses, ModuleLosses)
        yield (
            partial(losses, theta, X.long(), y),
            "pass X.astype(int)" if by_module else "take X.long() in your losses",
        )
    kinds = [(y, "")]
    if not y.is_floating_point():
        kinds.append((y.to(theta), "pass y.astype(float), or y.double() where y is a tensor"))
    elif torch.equal(y, y.round()):
        kinds.append((y.long(), "pass y.astype(int), or y.long() where y is a tensor"))
    for labels, words in kinds[1:]:
        yield partial(losses, theta, X, labels), words
    if isinstance(losses, seam.ScoredLosses):
        for labels, words in kinds:
            more = f", and {words}" if words else ""
            yield partial(_of_column, losses, theta, X, labels), f"{COLUMN}{more}"


def _of_column(losses: seam.ScoredLosses, theta: Any, X: Any, y: Any) -> Any:
    return losses.value(losses.scores(theta, X)[:, 0], y)


def _to_one_each(losses: Callable, theta: Any, X: Any, y: Any, first: Any, fewer: Any) -> str:
    """How several losses for each example, or one for all, become one for each."""
    if getattr(first, "ndim", 0) < 2 or len(first) != len(y):
        return MEAN_OFF
    if first.shape[1:] == fewer.shape[1:]:
        return "add up those of each example, as in losses.flatten(1).sum(1)"
    if isinstance(losses, seam.ScoredLosses) and _works(
        partial(_of_column, losses, theta, X, y), len(y)
    ):
        return COLUMN
    return "each label meets the outputs of all examples, so give both the same shape"


def _works(compute: Callable, n: int) -> bool:
    """Whether something gives one number for each example."""
    try:
        with torch.no_grad(), calm():
            return compute().shape == (n,)
    except Exception:
        return False


def _name(a: torch.Tensor) -> str:
    return str(a.dtype).removeprefix("torch.")
