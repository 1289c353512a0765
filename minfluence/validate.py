"""Every check of what comes in, said once: a good value goes on, a bad one gets a sentence.

Each function returns the value in the form in which the package computes, and leaves what it was
given as it is.  A value that will not do raises a ValueError which says what was expected, what
came, and what to try.  Public functions check at their door; what is behind it does not.  What only
one function can know of its input, it says itself.
"""

from numbers import Integral, Real
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_numpy_array

from minfluence import seam

# Numbers ------------------------------------------------------------------------------------------


def count(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """A whole number of at least `least`, and at most `most` if that is given."""
    in_range = isinstance(value, Integral) and least <= int(value)
    if not in_range or (most is not None and int(value) > most):
        span = f"of at least {least}" if most is None else f"in {least} .. {most}"
        raise ValueError(f"{name} must be a whole number {span}, got {_plain(value)!r}.")
    return int(value)


def number(name: str, value: Any) -> float:
    """A finite number of at least 0."""
    if not (isinstance(value, Real) and 0 <= float(value) < np.inf):
        raise ValueError(f"{name} must be a number of at least 0, got {_plain(value)!r}.")
    return float(value)


def positive(name: str, value: Any, remedy: str = "") -> float:
    """A finite number greater than 0."""
    if not (isinstance(value, Real) and 0 < float(value) < np.inf):
        what_to_do = f": {remedy}" if remedy else ""
        raise ValueError(f"{name} must be greater than 0, got {_plain(value)!r}{what_to_do}.")
    return float(value)


def _plain(value: Any) -> Any:
    """A number of NumPy's as one of Python's, which reads better in a sentence."""
    return value.item() if isinstance(value, np.generic) else value


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """One of a few words."""
    if value not in choices:
        *most, last = (f'"{choice}"' for choice in choices)
        raise ValueError(f"{name} must be {', '.join(most)} or {last}, got {value!r}.")
    return value


def precision(dtype: Any) -> np.dtype:
    """float64 or float32."""
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float64 or float32, got {dtype!r}.")
    return np.dtype(dtype)


def generator(rng: Any) -> np.random.Generator:
    """A generator of random numbers: the one given, one made from a seed, or by default seed 0."""
    try:
        return np.random.default_rng(0 if rng is None else rng)
    except (TypeError, ValueError):
        raise ValueError(
            f"rng must be a numpy.random.Generator or a seed, a whole number, got {rng!r}."
        ) from None


# Arrays -------------------------------------------------------------------------------------------


def array(name: str, value: Any, shape: tuple[int | str, ...], dtype: Any = None) -> np.ndarray:
    """A finite array of this shape, in which a word stands for any length."""
    a = np.asarray(value)
    fits = a.ndim == len(shape) and all(
        isinstance(expected, str) or expected == size
        for expected, size in zip(shape, a.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name} must have shape {_spelled(shape)}, got {a.shape}.")
    finite(name, a)
    return a if dtype is None else a.astype(dtype, copy=False)


def finite(name: str, values: np.ndarray) -> None:
    """Numbers without NaN or infinity among them."""
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold numbers, got dtype {values.dtype}.")
    if not np.isfinite(values).all():
        raise ValueError(
            f"{name} holds NaN or infinity where finite numbers are expected: drop or fill those "
            "entries first."
        )


def _spelled(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def theta(value: Any, p: int | None = None) -> np.ndarray:
    """Parameters as one finite, flat vector, of length `p` when that is known."""
    a = np.asarray(value)
    if a.dtype.kind in "iub":
        a = a.astype(float)
    if a.ndim != 1 or (p is not None and a.size != p):
        raise ValueError(
            f"theta must be one flat vector of shape ({'p' if p is None else p},), got {a.shape}: "
            "flatten matrices with .ravel()."
        )
    if not np.isfinite(a).all():
        raise ValueError("theta holds NaN or infinity: the fit that made it has diverged.")
    return a


def columns(V: Any, p: int, dtype: Any = np.float64) -> np.ndarray:
    """A vector (p,) or a block of columns (p, k)."""
    V = np.asarray(V, dtype=dtype)
    if V.ndim not in (1, 2) or len(V) != p:
        raise ValueError(
            f"Expected a vector of shape ({p},) or ({p}, k) for k columns, got {V.shape}."
        )
    return V


def rows(name: str, value: Any, p: int) -> np.ndarray:
    """One row (p,) or several (m, p)."""
    a = np.asarray(value)
    if a.ndim not in (1, 2) or a.shape[-1] != p:
        raise ValueError(f"{name} must have shape ({p},) or (m, {p}), got {a.shape}.")
    return a


def floating(A: Any) -> Any:
    """An array of floats: whole numbers, and what is no array yet, become float64."""
    if not hasattr(A, "dtype"):
        A = np.asarray(A)
    return A.astype(np.result_type(A, np.float32), copy=False) if is_numpy_array(A) else A


def square(A: Any) -> Any:
    """Something with ``A @ v`` of shape (p, p); what has no shape becomes an array."""
    A = A if hasattr(A, "shape") else np.asarray(A)
    if len(A.shape) != 2 or A.shape[0] != A.shape[1] or not A.shape[0]:
        raise ValueError(
            f"Expected a square matrix, or an operator of shape (p, p), got shape {tuple(A.shape)}."
        )
    return A


def right_hand_sides(b: Any) -> Any:
    """One right-hand side (p,) or a block (p, k), always as a finite block (p, k)."""
    B = floating(b).reshape(len(b), -1)
    if not array_namespace(B).isfinite(B).all():
        raise ValueError("The right-hand side b holds NaN or infinity.")
    return B


# Examples -----------------------------------------------------------------------------------------


def examples(
    X: Any, y: Any, dtype: Any = np.float64, shape: tuple[int, ...] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Examples as finite arrays of matching length.

    Parameters
    ----------
    X : array, shape (n, ...)
    y : array, shape (n,)
    dtype : dtype
    shape : tuple, optional
        Shape of one input in training, which those of `X` must share.

    Returns
    -------
    X, y : arrays
        `X` in the given dtype; `y` as it came, or in the given dtype if it holds floats.
    """
    X, y = np.asarray(X), np.asarray(y)
    if X.ndim < 2 or y.ndim != 1 or len(X) != len(y):
        raise ValueError(
            "Expected X of shape (n, ...) and y of shape (n,), one row and one label per example, "
            f"got {X.shape} and {y.shape}."
        )
    if len(X) == 0:
        raise ValueError("Expected at least one example, got none.")
    if shape is not None and X.shape[1:] != shape:
        raise ValueError(f"Expected examples of shape {shape} as in training, got {X.shape[1:]}.")
    if X.dtype == np.uint8:
        raise ValueError(
            "X holds 8-bit integers: pass pixels as X / 255.0, or counts as X.astype(float)."
        )
    finite("X", X)
    finite("y", y)
    return X.astype(dtype, copy=False), y.astype(dtype) if y.dtype.kind == "f" else y


def labels(y: np.ndarray, allowed: Any, expected: str, remedy: str) -> None:
    """Labels out of a few: `expected` says which, by name, and `remedy` what to do."""
    if not np.isin(y, allowed).all():
        raise ValueError(f"{expected}, got {some(y)}: {remedy}.")


def some(y: np.ndarray) -> str:
    """A few of the distinct labels, for a sentence."""
    values = np.unique(y)
    shown = ", ".join(f"{v:g}" for v in values[:5])
    return shown + (", ..." if len(values) > 5 else "")


def indices(value: Any, n: int) -> np.ndarray:
    """Distinct positions in 0 .. n - 1, one or several, as an array."""
    a = np.atleast_1d(np.asarray(value))
    if a.ndim != 1 or a.size == 0 or a.dtype.kind not in "iu":
        raise ValueError(f"Expected one index or a list of indices (whole numbers), got {value!r}.")
    if a.min() < 0 or a.max() >= n:
        raise ValueError(f"Indices must lie in 0 .. {n - 1}, got {a.min()} .. {a.max()}.")
    if len(np.unique(a)) < len(a):
        raise ValueError(f"Each index may occur once, got {a.tolist()}.")
    return a


def replacements(value: Any, n: int, k: int) -> np.ndarray:
    """Positions in 0 .. n - 1 of what `k` new examples replace; one may be named several times."""
    a = np.atleast_1d(np.asarray(value))
    if a.shape != (k,) or a.dtype.kind not in "iu" or not a.size:
        raise ValueError(
            f"Expected one index for each changed example, {k} in all: one example takes the place "
            f"of one. Got {value!r}."
        )
    indices(np.unique(a), n)
    return a


def weights(value: Any, n: int, dtype: Any) -> np.ndarray:
    """One finite number for each example."""
    a = np.asarray(value, dtype=dtype)
    if a.shape != (n,) or not np.isfinite(a).all():
        raise ValueError(f"weights must be {n} finite numbers, got shape {a.shape}.")
    return a


def weight_columns(value: Any, n: int) -> np.ndarray:
    """One column of n weights for each of at least one refit."""
    a = np.asarray(value)
    if a.ndim != 2 or len(a) != n or not a.size or not np.isfinite(a).all():
        raise ValueError(
            f"weights must be finite, one column of {n} for each refit, got shape {a.shape}."
        )
    return a


# Models -------------------------------------------------------------------------------------------


def l2(value: Any, p: int | None, dtype: Any = np.float64) -> float | np.ndarray:
    """One strength of the penalty for all parameters, or one for each of them (p,)."""
    if not (isinstance(value, np.ndarray) and value.ndim):
        return number("l2", value)
    good = value.dtype.kind in "fiu" and p in (None, value.size) and value.ndim == 1
    if not (good and np.isfinite(value).all() and (value >= 0).all()):
        expected = "a vector with one for each parameter" if p is None else f"a vector of {p}"
        raise ValueError(
            f"l2 must be a number of at least 0, or {expected}, "
            f"got an array of shape {value.shape}."
        )
    return value.astype(dtype)


def losses(value: Any) -> Any:
    """A model: something that can be called with theta, X and y."""
    if isinstance(value, type):
        raise ValueError(
            f"losses must be a model, got the class {value.__name__}: make one of it, as in "
            "softmax(3) or smooth_hinge(0.1)."
        )
    if not callable(value):
        raise ValueError(f"losses must be callable, losses(theta, X, y) -> (n,), got {value!r}.")
    return value


def scored(losses: Any) -> seam.ScoredLosses:
    """Losses that say where the scores end and the loss begins, as Gauss-Newton needs to know."""
    if not isinstance(losses, seam.ScoredLosses):
        raise ValueError(
            'curvature="gauss-newton" needs losses with the methods scores(theta, X) and '
            "value(scores, y), as those of minfluence.models and of torch modules have."
        )
    return losses


def changeable(objective: Any) -> seam.ChangeableObjective:
    """An objective whose examples are in memory, and can be replaced."""
    if not isinstance(objective, seam.ChangeableObjective):
        raise ValueError(
            f"The examples of a {type(objective).__name__} cannot be changed, only weighted: "
            "change the arrays it was made from, or take some of them with subset(indices)."
        )
    return objective


def solution(value: Any) -> seam.Solution:
    """What a solver returns."""
    if not isinstance(value, seam.Solution):
        raise ValueError(
            "A solver must return a minfluence.Solution(x, converged, steps, residual), "
            f"got {type(value).__name__}."
        )
    return value
