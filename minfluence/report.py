"""What stands behind the scores of an `Influence`."""

from dataclasses import dataclass, field

import numpy as np

from minfluence.seam import Solution


@dataclass
class Report:
    """How far theta is from a minimum, and how well each system was solved.

    Attributes
    ----------
    solver : str
    damping : float
    curvature : str
    grad_norm : float
        Length of the risk's gradient at theta; of a linear model whose features are far from size
        1, with features in units of their own size.
    example_push : float
        Root mean square length of one example's share ``w_i ∇L(z_i)`` of that gradient: leaving
        one example out is a step of this size, so `grad_norm` should be far smaller.
    rounding : float
        Length of a gradient that rounding alone can leave; 0 where `grad_norm` is small without it.
    solves : list of Solution
        One for each block of right-hand sides, without `x`: `steps`, `residual`, `converged`.
    """

    solver: str
    damping: float
    curvature: str
    grad_norm: float
    example_push: float
    rounding: float = 0.0
    solves: list[Solution] = field(default_factory=list)

    @property
    def far(self) -> str:
        """What is wrong with theta, in a sentence; nothing where it is near a minimum."""
        if self.grad_norm <= max(self.example_push, self.rounding):
            return ""
        return (
            f"The gradient norm at theta is {self.grad_norm:.1e}, more than one example's push on "
            f"it ({self.example_push:.1e}): theta is not close to a minimum and the scores will "
            "not match retraining. Continue with fit(objective, theta), or pass the objective that "
            "theta minimises."
        )

    @property
    def converged(self) -> bool:
        """Whether every solve so far reached its tolerance."""
        return all(np.all(s.converged) for s in self.solves)

    @property
    def residual(self) -> float:
        """The largest relative residual so far."""
        return max((float(np.max(s.residual)) for s in self.solves), default=0.0)

    @property
    def steps(self) -> int:
        """The most steps that any right-hand side took."""
        return max((int(np.max(s.steps)) for s in self.solves), default=0)

    def __str__(self) -> str:
        converged = "all converged" if self.converged else "NOT all converged"
        on = "" if self.curvature == "hessian" else f" on the {self.curvature} matrix"
        return (
            f"solver {self.solver}, damping {self.damping:g}{on}; "
            f"gradient norm {self.grad_norm:.1e} (one example's push: {self.example_push:.1e}); "
            f"{len(self.solves)} block solves, at most {self.steps} steps, "
            f"residual {self.residual:.1e}, {converged}"
        )
