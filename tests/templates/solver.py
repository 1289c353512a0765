"""Skeleton of a solver; goes into ``minfluence/solvers.py``."""

from minfluence import validate
from minfluence.solvers import certified


def richardson(A, b, *, step_size, steps=1_000):
    """Solve ``A x = b`` by gradient descent on ``x A x / 2 - b x``.

    Parameters
    ----------
    A : object with ``A @ v``
        Symmetric positive definite.
    b : array, shape (p,) or (p, k)
    step_size : float
        Smaller than 2 over the largest eigenvalue of `A`.
    steps : int

    Returns
    -------
    Solution

    References
    ----------
    Richardson (1911).
    """
    step_size, steps = validate.positive("step_size", step_size), validate.count("steps", steps)
    x = 0.0 * b
    for _ in range(steps):
        x = x + step_size * (b - A @ x)
    return certified(A, b, x, steps)  # the residual is computed afresh from x
