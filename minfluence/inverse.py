"""H⁻¹ for influence, refits and fits: the solver that pays, and what it made for H is kept."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from minfluence import validate
from minfluence.hessian import Hessian
from minfluence.memory import FACTOR_LIMIT
from minfluence.seam import Objective, Solution, Solver
from minfluence.solvers import cg, direct, factorize
from minfluence.stochastic import lissa

SMALL = 2_000  # parameters up to which a factorisation is cheap, and exact, for any objective
STEPS = 40  # products that CG takes for one right-hand side, roughly, when it is preconditioned
BY_NAME: dict[str, Solver] = {"direct": direct, "cg": cg, "lissa": lissa}


class Inverse:
    """The inverse of a Hessian as something you call: ``Inverse(H)(b).x`` is H⁻¹ b.

    Parameters
    ----------
    H : Hessian
    solver : {"auto", "direct", "cg", "lissa"} or callable ``(A, B) -> Solution``
        "auto" is "direct" up to 2,000 parameters; beyond that it is whichever takes fewer
        operations for the right-hand sides at hand, "direct" or "cg" with the objective's own
        preconditioner. Options by `functools.partial`: ``partial(minfluence.cg, rtol=1e-6)``.
        A solver sees what the objective computes with: tensors from a `TorchObjective`.

    Attributes
    ----------
    name : str
        The solver, and what "auto" chose last.
    """

    def __init__(self, H: Hessian, solver: str | Solver = "auto") -> None:
        if solver == "auto" and len(H.theta) <= SMALL:
            solver = "direct"
        if not (callable(solver) or (isinstance(solver, str) and solver in ("auto", *BY_NAME))):
            raise ValueError(
                f'solver must be "auto", "direct", "cg", "lissa" or a callable (A, B) -> Solution, '
                f"got {solver!r}."
            )
        self.H, self.name = H, solver if isinstance(solver, str) else _name(solver)
        self._solver: Any = BY_NAME.get(solver, solver) if isinstance(solver, str) else solver
        self._factor: Any = None  # made at the first direct solve, then reused
        self._preconditioned: Any = None  # made at the first solve by preconditioned CG,
        self._columns: float = 0  # for so many right-hand sides

    def __call__(self, B: Any) -> Solution:
        """H⁻¹ B, with a certificate.  (p,) or (p, k) -> Solution, in NumPy."""
        solver = self._solver
        if solver == "auto":
            solver = self._cheapest(1 if B.ndim == 1 else B.shape[1])
            self.name = f"auto ({_name(solver)})"
        if solver is direct:
            self._factor = self._factor or factorize(self.H, unique=False)
            return self._factor(B)
        o = self.H.objective
        solution = validate.solution(solver(self.H, o.to_native(B)))
        return replace(solution, x=o.to_numpy(solution.x))

    def _cheapest(self, k: int) -> Any:
        """The solver that takes fewer operations for k right-hand sides.

        Writing the Hessian out and factorising it serves any number of right-hand sides; CG takes
        about `STEPS` products for each of them, and with fewer examples than parameters all it
        needs to know is how the examples overlap, n x n. An objective that does not count its
        operations has to write its Hessian out column by column, and that never pays for few.
        """
        o, p, (product, matrix) = self.H.objective, len(self.H.theta), self.H.flops
        products = k * STEPS * product
        if self._factor or (can_be_written_out(o, p) and matrix + p**3 / 3 <= products):
            return direct
        if k > 8 * self._columns:  # a better one may pay now
            M = o.preconditioner(self.H.theta, self.H.damping, products)
            self._columns = k if getattr(M, "rough", M is None) else np.inf
            self._preconditioned = partial(cg, preconditioner=M)
        return self._preconditioned


def can_be_written_out(objective: Objective, p: int) -> bool:
    """Whether H fits into memory, and is more than the penalty and a few examples."""
    return p <= FACTOR_LIMIT and p <= objective.rank


def _name(solver: Any) -> str:
    function = getattr(solver, "func", solver)  # inside a functools.partial
    return getattr(function, "__name__", type(function).__name__)
