"""minfluence: influence functions, step by step.

Trace a prediction back to its training data, after Koh & Liang (ICML 2017).  The core is imported
at once; everything around it, named in `_LATER`, when it is first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from minfluence import models
from minfluence.agreement import Agreement, agreement
from minfluence.eigenvalues import SuggestedDamping, spectrum, suggest_damping
from minfluence.fit import Fit, fit
from minfluence.hessian import Hessian, dense
from minfluence.influence import FarFromMinimum, Influence
from minfluence.inverse import Inverse
from minfluence.objectives.autograd import AutogradObjective
from minfluence.objectives.linear import LinearObjective
from minfluence.refits import (
    Refits,
    actual_change,
    actual_perturbed_change,
    refit_perturbed,
    refit_weighted,
    refit_without,
)
from minfluence.report import Report
from minfluence.samples import safe_scale
from minfluence.seam import Solution
from minfluence.solvers import NotConverged, NotPositiveDefinite, cg, direct, factorize
from minfluence.stochastic import Diverged, lissa, neumann
from minfluence.trust import Answer, Trust, trust

if TYPE_CHECKING:
    from minfluence import attacks, attribution, audit, book, checks, diagnostics, lds
    from minfluence.attacks import Attack, attack
    from minfluence.book import data
    from minfluence.diagnostics import cooks_distance, leverage
    from minfluence.estimators import Translation, from_sklearn
    from minfluence.objectives.ranks import RankLost, Ranks
    from minfluence.objectives.sharded import Chunks, ShardedObjective
    from minfluence.objectives.torch import TorchObjective
    from minfluence.saved_scores import SavedScores, save_up_loss

_LATER = {  # name -> the module that has it; a module has itself
    "Attack": "attacks",
    "Chunks": "objectives.sharded",
    "RankLost": "objectives.ranks",
    "Ranks": "objectives.ranks",
    "SavedScores": "saved_scores",
    "ShardedObjective": "objectives.sharded",
    "TorchObjective": "objectives.torch",
    "Translation": "estimators",
    "attack": "attacks",
    "attacks": "attacks",
    "attribution": "attribution",
    "audit": "audit",
    "book": "book",
    "checks": "checks",
    "cooks_distance": "diagnostics",
    "data": "book.data",
    "diagnostics": "diagnostics",
    "from_sklearn": "estimators",
    "lds": "lds",
    "leverage": "diagnostics",
    "save_up_loss": "saved_scores",
}

__all__ = [
    "Agreement",
    "Answer",
    "Attack",
    "AutogradObjective",
    "Chunks",
    "Diverged",
    "FarFromMinimum",
    "Fit",
    "Hessian",
    "Influence",
    "Inverse",
    "LinearObjective",
    "NotConverged",
    "NotPositiveDefinite",
    "RankLost",
    "Ranks",
    "Refits",
    "Report",
    "SavedScores",
    "ShardedObjective",
    "Solution",
    "SuggestedDamping",
    "TorchObjective",
    "Translation",
    "Trust",
    "actual_change",
    "actual_perturbed_change",
    "agreement",
    "attack",
    "attacks",
    "attribution",
    "audit",
    "book",
    "cg",
    "checks",
    "cooks_distance",
    "data",
    "dense",
    "diagnostics",
    "direct",
    "factorize",
    "fit",
    "from_sklearn",
    "lds",
    "leverage",
    "lissa",
    "models",
    "neumann",
    "refit_perturbed",
    "refit_weighted",
    "refit_without",
    "safe_scale",
    "save_up_loss",
    "spectrum",
    "suggest_damping",
    "trust",
]
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'minfluence' has no attribute {name!r}")
    module = importlib.import_module(f"minfluence.{_LATER[name]}")
    return module if _LATER[name].endswith(name) else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
