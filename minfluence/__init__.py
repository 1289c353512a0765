"""minfluence: influence functions, step by step.

Trace a prediction back to its training data, after Koh & Liang (ICML 2017).
"""

from minfluence import checks, data, models
from minfluence.fit import Fit, fit
from minfluence.hessian import Hessian, dense
from minfluence.influence import FarFromMinimum, Influence
from minfluence.linear import LinearObjective
from minfluence.objective import Objective
from minfluence.retrain import (
    Agreement,
    Refits,
    actual_change,
    agreement,
    refit_weighted,
    refit_without,
)
from minfluence.solvers import NotConverged, NotPositiveDefinite, Solution, cg, direct, factorize

__all__ = [
    "Agreement",
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
    "actual_change",
    "agreement",
    "cg",
    "checks",
    "data",
    "dense",
    "direct",
    "factorize",
    "fit",
    "models",
    "refit_weighted",
    "refit_without",
]
__version__ = "0.1.0"
