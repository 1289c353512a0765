"""What a chapter checks in the open: a line that says what holds, or an error."""

from typing import Any

import numpy as np

from minfluence import validate


def holds(what: str, condition: Any) -> None:
    """Print what holds, after a tick.

    Parameters
    ----------
    what : str
        A statement, such as ``"all solves converged"``.
    condition : bool, or array of them
        All must be true.

    Raises
    ------
    AssertionError
        If it does not hold.
    """
    if not np.all(condition):
        raise AssertionError(f"This does not hold: {what}.")
    print(f"✓ {what}")


def agree(what: str, a: Any, b: Any, *, rtol: float = 1e-7, atol: float = 0.0) -> None:
    """Print that two things agree, after a tick, and how closely they were compared.

    Parameters
    ----------
    what : str
        The two things, such as ``"by hand and the package"``.
    a, b : arrays, shapes that broadcast
    rtol, atol : float
        As in `numpy.allclose`, but relative to the largest entry of `b`: an entry that is zero up
        to rounding agrees with zero.

    Raises
    ------
    AssertionError
        If they differ by more.
    """
    validate.finite("a", np.asarray(a, float))
    validate.finite("b", np.asarray(b, float))
    difference = float(np.abs(np.subtract(a, b)).max())
    largest = float(np.abs(b).max())
    if difference > atol + rtol * largest:
        raise AssertionError(
            f"These do not agree: {what}. They differ by up to {difference:.2g}, where the largest "
            f"is {largest:.2g}."
        )
    print(f"✓ {what} agree to {max(rtol, atol):.0e}")
