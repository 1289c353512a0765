"""Every check of what comes in, said once: a good value goes on, a bad one gets a sentence.

Each function returns the value in the form in which the package computes, and leaves what it was
given as it is.  A value that will not do raises a ValueError which says what was expected, what
came, and what to try.  Public functions check at their door; what is behind it does not.  What only
one function can know of its input, it says itself.
"""

import warnings
from numbers import Integral, Real
from typing import Any

import autograd.numpy as anp
import numpy as np
from array_api_compat import array_namespace, is_array_api_obj, is_numpy_array
from autograd import grad
from scipy.sparse import csr_array, issparse

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


def fraction(name: str, value: Any) -> float:
    """A number between 0 and 1."""
    if not (isinstance(value, Real) and 0 < float(value) < 1):
        raise ValueError(f"{name} must be a number between 0 and 1, got {_plain(value)!r}.")
    return float(value)


def between(name: str, value: Any, low: float, high: float) -> float:
    """A number from `low` to `high`, both included."""
    if not (isinstance(value, Real) and low <= float(value) <= high):
        raise ValueError(f"{name} must be a number from {low} to {high}, got {_plain(value)!r}.")
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
    try:
        known = np.dtype(dtype) in (np.float32, np.float64)
    except TypeError:
        known = False
    if not known:
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
    a = real(name, value)
    fits = a.ndim == len(shape) and all(
        isinstance(expected, str) or expected == size
        for expected, size in zip(shape, a.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name} must have shape {_spelled(shape)}, got {a.shape}.")
    finite(name, a)
    return a if dtype is None else cast(name, a, dtype)


def real(name: str, value: Any) -> np.ndarray:
    """Real numbers as an array: no words, no complex numbers, and no mask that would be lost."""
    value = unmasked(name, value)
    if hasattr(value, "columns"):
        return _of_frame(name, value)
    try:
        a = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be an array, got rows of several lengths.") from None
    if a.dtype.kind == "O" and all(isinstance(v, Real | np.bool_) for v in a.flat):
        whole = all(isinstance(v, Integral | np.bool_) for v in a.flat)
        a = a.astype(np.int64 if whole else float)
    if a.dtype.kind == "O" and a.ndim == 0:
        raise ValueError(
            f"{name} must hold numbers in an array with a shape, got a {type(value).__name__}."
        )
    if a.dtype.kind not in "fiub":
        what = "real numbers" if a.dtype.kind == "c" else "numbers"
        other = [v for v in a.ravel()[:1000].tolist() if not isinstance(v, Real)]
        such = f", such as {repr(other[0])[:60]}" if other and a.dtype.kind != "c" else ""
        raise ValueError(f"{name} must hold {what}, got dtype {a.dtype}{such}.")
    return a


def _of_frame(name: str, frame: Any) -> np.ndarray:
    """The numbers of a table, whose columns may be of several types; what is none is named."""
    a = np.asarray(frame)
    if a.dtype.kind in "fiub" and np.isfinite(a).all():
        return a
    columns = [frame.iloc[:, j] for j in range(a.shape[1])] if hasattr(frame, "iloc") else a.T
    named = zip(frame.columns, columns, strict=True)
    numbers = [finite(f"Column {label!r} of {name}", column) for label, column in named]
    return np.column_stack(numbers) if numbers else np.empty(a.shape)


def column_names(value: Any) -> list | None:
    """The names of a table's columns; None for an array, which has none."""
    return list(value.columns) if hasattr(value, "columns") else None


def _names(value: Any, columns: list) -> list | None:
    """The names of a table's columns, or of the entries of one of its rows."""
    if hasattr(value, "index") and hasattr(value, "iloc") and np.ndim(value) == 1:
        return list(value.index) if set(value.index) == set(columns) else None
    return column_names(value)


def unmasked(name: str, value: Any) -> Any:
    """Anything but a masked array, whose mask would be lost."""
    if isinstance(value, np.ma.MaskedArray):
        raise ValueError(
            f"{name} is a masked array, whose mask would be lost: drop the masked entries, or fill "
            "them with .filled(value)."
        )
    return value


def finite(name: str, values: Any) -> np.ndarray:
    """Real numbers without NaN or infinity among them, as an array."""
    a = real(name, values)
    if not np.isfinite(a).all():
        raise ValueError(
            f"{name} holds NaN or infinity where finite numbers are expected: drop or fill those "
            "entries first."
        )
    return a


def cast(name: str, a: np.ndarray, dtype: Any) -> np.ndarray:
    """Finite numbers in the precision of the computation, where they must be finite too."""
    with np.errstate(over="ignore"):
        narrow = a.astype(dtype, copy=False)
    if not np.isfinite(narrow).all():
        raise ValueError(
            f"{name} holds numbers too large for {np.dtype(dtype).name}: rescale it, or use "
            "float64."
        )
    return narrow


def _spelled(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def theta(value: Any, p: int | None = None) -> np.ndarray:
    """Parameters as one finite, flat vector, of length `p` when that is known."""
    a = real("theta", value)
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
    V = finite("The vector", V)
    if V.ndim not in (1, 2) or len(V) != p:
        raise ValueError(
            f"Expected a vector of shape ({p},) or ({p}, k) for k columns, got {V.shape}."
        )
    return cast("The vector", V, dtype)


def rows(name: str, value: Any, p: int) -> np.ndarray:
    """One row (p,) or several (m, p)."""
    a = floating(name, finite(name, value))
    if a.ndim not in (1, 2) or a.shape[-1] != p:
        raise ValueError(f"{name} must have shape ({p},) or (m, {p}), got {a.shape}.")
    return a


def floating(name: str, value: Any) -> Any:
    """Real numbers as floats, float64 if they were whole; a tensor stays one, on its device."""
    a = value if _is_tensor(value) else real(name, value)
    xp = array_namespace(a)
    if xp.isdtype(a.dtype, "complex floating"):
        raise ValueError(f"{name} must hold real numbers, got dtype {a.dtype}.")
    if not xp.isdtype(a.dtype, "real floating"):
        return xp.astype(a, xp.float64)
    return a if _is_tensor(a) else a.astype(np.result_type(a, np.float32), copy=False)


def _is_tensor(value: Any) -> bool:
    """An array that is not NumPy's."""
    return is_array_api_obj(value) and not is_numpy_array(value)


def square(A: Any) -> Any:
    """Something with ``A @ v`` of shape (p, p); what has no shape becomes an array."""
    A = A if hasattr(A, "shape") else np.asarray(A)
    if len(A.shape) != 2 or A.shape[0] != A.shape[1] or not A.shape[0]:
        raise ValueError(
            f"Expected a square matrix, or an operator of shape (p, p), got shape {tuple(A.shape)}."
        )
    return A


def right_hand_sides(A: Any, b: Any) -> Any:
    """One right-hand side (p,) or several (p, k) for A (p, p), always as a block (p, k)."""
    b = floating("The right-hand side b", b)
    p = square(A).shape[0] if hasattr(A, "shape") else len(b) if b.ndim else 0
    if b.ndim not in (1, 2) or b.shape[0] != p:
        raise ValueError(
            f"The right-hand side b must have shape ({p},) or ({p}, k), as the matrix has {p} "
            f"rows, got {tuple(b.shape)}."
        )
    if not array_namespace(b).isfinite(b).all():
        raise ValueError("The right-hand side b holds NaN or infinity.")
    return b if b.ndim == 2 else b[:, None]


def tiny(A: np.ndarray) -> float:
    """Share of the largest eigenvalue below which rounding decides upon an eigenvalue."""
    return float(np.finfo(A.dtype).eps * (8 + np.sqrt(len(A))))


def no_inverse(eigenvalues: np.ndarray) -> str:
    """Why a matrix of these eigenvalues, in ascending order, is not positive definite."""
    smallest, largest = eigenvalues[0], eigenvalues[-1]
    if smallest < -tiny(eigenvalues) * largest:
        return f"The matrix has the eigenvalue {smallest:.2e}, and all must be positive."
    return (
        f"The matrix is singular: its eigenvalue {smallest:.2e} is 0 but for rounding, beside the "
        f"largest, {largest:.2e}."
    )


# Examples -----------------------------------------------------------------------------------------


def examples(
    X: Any,
    y: Any,
    dtype: Any = np.float64,
    shape: tuple[int, ...] | None = None,
    label_shape: tuple[int, ...] | None = None,
) -> tuple[Any, np.ndarray]:
    """Examples as finite arrays of matching length.

    Parameters
    ----------
    X : array, shape (n, ...), or sparse matrix
    y : array, shape (n,), or (n, ...) for several targets of an example
    dtype : dtype
    shape, label_shape : tuple, optional
        Shape of one input and of one label in training, which those of `X` and `y` must share.

    Returns
    -------
    X, y : arrays
        `X` in the given dtype, and `y` if it holds floats; whole numbers and booleans as int64.
        A sparse `X` stays one, in rows (CSR).
    """
    X, y = inputs("X", X), real("y", y)
    if X.ndim < 2 or y.ndim < 1 or X.shape[0] != len(y):
        raise ValueError(
            "Expected X of shape (n, ...) and y of shape (n,), one row and one label per example, "
            f"got {X.shape} and {y.shape}."
        )
    if len(y) == 0:
        raise ValueError("Expected at least one example, got none.")
    if shape is not None and X.shape[1:] != shape:
        raise ValueError(f"Expected examples of shape {shape} as in training, got {X.shape[1:]}.")
    if label_shape is not None and y.shape[1:] != label_shape:
        raise ValueError(
            f"Expected labels y of shape {_spelled(('n', *label_shape))} as in training, "
            f"got {y.shape}."
        )
    numbers = entries(X)
    if numbers.dtype == np.uint8:
        raise ValueError(
            "X holds 8-bit integers: pass pixels as X / 255.0, or counts as X.astype(float)."
        )
    finite("X", numbers)
    finite("y", y)
    y = cast("y", y, dtype if y.dtype.kind == "f" else np.int64)
    numbers = cast("X", numbers, dtype)
    return X.astype(dtype, copy=False) if issparse(X) else numbers, y


def inputs(name: str, X: Any, columns: list | None = None) -> Any:
    """Inputs as an array; a sparse matrix stays one, in rows (CSR).

    A table has the columns of training, if those had names, in their order.
    """
    names = None if columns is None else _names(X, columns)
    if names is not None and names != columns:
        raise ValueError(
            f"Expected the columns of training, {columns}, got {names}: take them in the order of "
            "training, as X[objective.columns]."
        )
    if not issparse(X):
        return real(name, X)
    if X.ndim == 1:
        return real(name, X.toarray())
    rows = csr_array(X)
    real(name, rows.data)
    if not rows.has_canonical_format:  # entries named twice are a sum
        rows = rows.copy()
        rows.sum_duplicates()
    return rows


def no_column(y: np.ndarray) -> np.ndarray:
    """Labels of one number each in a row, not in a column, which would broadcast to n x n."""
    if y.shape[1:] == (1,):
        raise ValueError(
            f"Expected one label for each example, y of shape (n,), got {y.shape}: use np.ravel(y)."
        )
    return y


def one_row(x: Any, y: Any, axes: int) -> tuple[Any, np.ndarray]:
    """One example, of so many axes, as a row; a row of a sparse matrix is one already."""
    return x if x.ndim > axes else x[None], real("y", y)[None]


def entries(X: Any) -> np.ndarray:
    """The numbers that are stored of an array: of a sparse one those that are not zero."""
    return X.data if issparse(X) else X


def dense(X: Any) -> Any:
    """Anything but a sparse matrix."""
    if issparse(X):
        raise ValueError(
            "X is a sparse matrix, expected a dense array: use X.toarray(), or LinearObjective, "
            "which takes it as it is."
        )
    return X


def own(a: Any, given: Any) -> Any:
    """An array that its giver cannot change: a copy, unless it shares nothing or is read-only."""
    mine, theirs = entries(a), entries(given)
    both = isinstance(mine, np.ndarray) and isinstance(theirs, np.ndarray)
    shared = both and mine.flags.writeable and np.may_share_memory(mine, theirs)
    return a.copy() if shared else a


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
    a = _positions(value, n)
    if len(np.unique(a)) < len(a):
        raise ValueError(f"Each index may occur once, got {a.tolist()}.")
    return a


def replacements(value: Any, n: int, X_new: Any) -> np.ndarray:
    """Positions in 0 .. n - 1 of what new examples replace; one may be named several times."""
    a, k = _positions(value, n), np.shape(X_new)[0] if np.ndim(X_new) else 0
    if len(a) != k:
        raise ValueError(
            f"Expected one index for each changed example, {k} in all: one example takes the place "
            f"of one. Got {value!r}."
        )
    return a


def _positions(value: Any, n: int) -> np.ndarray:
    """One position in 0 .. n - 1, or several."""
    a = np.atleast_1d(np.asarray(value))
    if a.ndim != 1 or a.size == 0 or a.dtype.kind not in "iu":
        raise ValueError(f"Expected one index or a list of indices (whole numbers), got {value!r}.")
    if a.min() < 0 or a.max() >= n:
        raise ValueError(f"Indices must lie in 0 .. {n - 1}, got {a.min()} .. {a.max()}.")
    return a


def weights(value: Any, n: int, dtype: Any) -> np.ndarray:
    """One finite number for each example, and not 0 for all of them."""
    a = array("weights", value, (n,), dtype).copy()
    if not a.any():
        raise ValueError("weights are 0 for every example: give at least one of them some weight.")
    return a


def total(weights: np.ndarray) -> float:
    """The sum of the weights, by which a mean divides."""
    remedy = "without it there is no mean curvature, use cg or direct as they are"
    return positive("The sum of the weights", weights.sum(), remedy)


def weight_columns(value: Any, n: int) -> np.ndarray:
    """One column of n weights for each of at least one refit."""
    a = array("weights, one column for each refit,", value, (n, "k"))
    if not a.size or not a.any(axis=0).all():
        raise ValueError(
            "weights must have at least one column, and in each some example with weight, "
            f"got shape {a.shape}{' with a column of zeros' if a.size else ''}."
        )
    return a


# Models -------------------------------------------------------------------------------------------


def l2(value: Any, p: int | None, dtype: Any = np.float64) -> float | np.ndarray:
    """One strength of the penalty for all parameters, or one for each of them (p,)."""
    if np.ndim(value) == 0:
        strength = number("l2", value.item() if isinstance(value, np.ndarray) else value)
        cast("l2", np.asarray(strength), dtype)
        return strength
    a = finite("l2", value)
    if a.ndim != 1 or p not in (None, a.size) or (a < 0).any():
        expected = "a vector with one for each parameter" if p is None else f"a vector of {p}"
        raise ValueError(
            f"l2 must be a number of at least 0, or {expected}, "
            f"got an array of shape {a.shape}{' with a negative entry' if (a < 0).any() else ''}."
        )
    return cast("l2", a, dtype).copy()


def objective(value: Any) -> seam.Objective:
    """An objective: whatever knows its Hessian's products."""
    if not hasattr(value, "hvp_at"):
        raise ValueError(
            "Expected an objective, such as LinearObjective(losses, X, y, l2), "
            f"got {type(value).__name__}."
        )
    return value


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


def linear_losses(value: Any, X: Any) -> Any:
    """Losses that know their derivatives in the scores, for inputs that are vectors."""
    if not isinstance(losses(value), seam.LinearLosses):
        raise ValueError(
            "LinearObjective expects one of the losses of minfluence.models, which know "
            f"their derivatives, got {value!r}: use AutogradObjective for a loss of your own."
        )
    if np.ndim(X) > 2:
        raise ValueError(
            f"LinearObjective expects X of shape (n, d), got {np.shape(X)}: "
            "flatten each example with X.reshape(len(X), -1)."
        )
    return value


def losses_by_autograd(losses: Any, theta: np.ndarray, X: np.ndarray, y: np.ndarray) -> None:
    """Losses of a few examples: one for each, whatever the others, and autograd follows them."""
    theta = 0.1 * np.random.default_rng(0).standard_normal(theta.size).astype(theta.dtype)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            values, fewer = losses(theta, X, y), losses(theta, X[:2], y[:2])
            grad(lambda t: anp.sum(losses(t, X, y)))(theta)
        except Exception as error:
            raise ValueError(
                f"losses(theta, X, y) failed on {len(X)} examples with theta of {theta.size} "
                f"parameters ({type(error).__name__}: {' '.join(str(error).split())[:120]}): is p "
                "right, and are the losses written with autograd.numpy?"
            ) from error
    if np.shape(values) != (len(X),):
        raise ValueError(
            f"losses(theta, X, y) must return one loss per example, shape ({len(X)},), "
            f"got {np.shape(values)} for X of shape {X.shape} and y of shape {y.shape}."
        )
    if not np.allclose(values[:2], fewer, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise ValueError(
            "The loss of an example depends on the other examples: what influence means is then "
            "undefined. Use means and scales that were computed before."
        )


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
