"""minfluence: influence functions, step by step.

Trace a prediction back to its training data, after Koh & Liang (ICML 2017).
"""

from minfluence import audit, checks, data, models
from minfluence.attack import Attack, attack
from minfluence.fit import Fit, fit
from minfluence.from_sklearn import from_sklearn
from minfluence.hessian import Hessian, SuggestedDamping, dense, spectrum, suggest_damping
from minfluence.influence import FarFromMinimum, Influence
from minfluence.linear import LinearObjective
from minfluence.objective import Objective
from minfluence.retrain import (
    Agreement,
    Refits,
    actual_change,
    actual_perturbed_change,
    agreement,
    refit_perturbed,
    refit_weighted,
    refit_without,
)
from minfluence.solvers import (
    Diverged,
    NotConverged,
    NotPositiveDefinite,
    Solution,
    cg,
    direct,
    factorize,
    lissa,
    safe_scale,
)

__all__ = [
    "Agreement",
    "Attack",
    "Diverged",
    "FarFromMinimum",
    "Fit",
    "Hessian",
    "Influence",
    "LinearObjective",
    "NotConverged",
    "NotPositiveDefinite",
    "Objective",
    "Refits",
    "Solution",
    "SuggestedDamping",
    "actual_change",
    "actual_perturbed_change",
    "agreement",
    "attack",
    "audit",
    "cg",
    "checks",
    "data",
    "dense",
    "direct",
    "factorize",
    "fit",
    "from_sklearn",
    "lissa",
    "models",
    "refit_perturbed",
    "refit_weighted",
    "refit_without",
    "safe_scale",
    "spectrum",
    "suggest_damping",
]
__version__ = "0.1.0"
