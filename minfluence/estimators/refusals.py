"""Estimators that are no minimum of a risk of this kind, each with what to do instead."""

from typing import Any

from minfluence.estimators.conventions import SUPPORTED

OWN_LOSS = "write its loss as losses(theta, X, y) and use minfluence.AutogradObjective"
KINKS = "the L1 part of its penalty gives its risk kinks: use "
KINKED_TUBE = (
    "its loss has kinks: use LinearSVR(loss='squared_epsilon_insensitive'), in a pipeline "
)
NO_ESTIMATOR = "pass a fitted estimator, or a pipeline that ends in one"
SEARCH = "pass search.best_estimator_"
SEVERAL = "it is several models: pass each of its estimators_ with the examples of its fit"
NO_RISK = "it is not the minimum of a smooth risk: use one of these"

REMEDIES = {
    # what is around an estimator
    "GridSearchCV": SEARCH,
    "RandomizedSearchCV": SEARCH,
    "HalvingGridSearchCV": SEARCH,
    "HalvingRandomSearchCV": SEARCH,
    "CalibratedClassifierCV": "fit what it calibrates by itself, clone(calibrated.estimator)"
    ".fit(X, y), and pass that",
    "FixedThresholdClassifier": "pass its estimator_",
    "TunedThresholdClassifierCV": "pass its estimator_",
    "FrozenEstimator": "pass its estimator",
    "RFE": "pass its estimator_ with model.transform(X)",
    "RFECV": "pass its estimator_ with model.transform(X)",
    "RANSACRegressor": "pass its estimator_ with its inliers, X[model.inlier_mask_] and their y",
    "TransformedTargetRegressor": "pass its regressor_ with the y of its fit, "
    "model.transformer_.transform(y[:, None]).ravel()",
    "OneVsRestClassifier": "it is several models: pass each of its estimators_ with y == class",
    "OneVsOneClassifier": SEVERAL,
    "MultiOutputClassifier": "it is several models: pass each of its estimators_ with y[:, j]",
    "MultiOutputRegressor": "it is several models: pass each of its estimators_ with y[:, j]",
    "ClassifierChain": SEVERAL,
    "RegressorChain": SEVERAL,
    "BaggingClassifier": SEVERAL,
    "BaggingRegressor": SEVERAL,
    "VotingClassifier": SEVERAL,
    "VotingRegressor": SEVERAL,
    "StackingClassifier": SEVERAL,
    "StackingRegressor": SEVERAL,
    # what chooses its own penalty
    "LogisticRegressionCV": "fit LogisticRegression with the C in its C_ and pass that",
    "RidgeCV": "fit Ridge(alpha=model.alpha_) and pass that",
    "RidgeClassifierCV": "fit RidgeClassifier(alpha=model.alpha_) and pass that",
    "BayesianRidge": "fit Ridge(alpha=model.lambda_ / model.alpha_) and pass that",
    # kinks
    "Lasso": f"{KINKS}Ridge",
    "LassoCV": f"{KINKS}Ridge",
    "LassoLars": f"{KINKS}Ridge",
    "ElasticNet": f"{KINKS}Ridge",
    "ElasticNetCV": f"{KINKS}Ridge",
    "MultiTaskLasso": f"{KINKS}Ridge",
    "MultiTaskElasticNet": f"{KINKS}Ridge",
    "QuantileRegressor": "its loss has kinks and no curvature: use Ridge",
    "SVR": f"{KINKED_TUBE}, behind Nystroem for a kernel",
    "NuSVR": f"{KINKED_TUBE}, behind Nystroem for a kernel",
    "NuSVC": "nu is chosen in the place of C: use SVC",
    # the rest that is linear
    "SGDRegressor": "fit Ridge(alpha=model.alpha * len(X)), which has the same minimum",
    "HuberRegressor": "its scale is fitted along, so hold it: LinearObjective(minfluence.models."
    "huber(model.epsilon * model.scale_), X, y, l2=model.alpha * model.scale_ / len(X))",
    "Perceptron": f"{NO_RISK}, such as LogisticRegression",
    "PassiveAggressiveClassifier": f"{NO_RISK}, such as LinearSVC",
    "KernelRidge": "fit Ridge(fit_intercept=False) on minfluence.models.rbf_features",
    "LinearDiscriminantAnalysis": "it minimises no loss of its examples: use LogisticRegression",
    "MLPClassifier": "write it in torch and use minfluence.TorchObjective",
    "MLPRegressor": "write it in torch and use minfluence.TorchObjective",
}


def check_supported(estimator: Any) -> None:
    """Refuse, in one sentence, what is in no row of the table, and what was not fitted."""
    name = type(estimator).__name__
    if not (_from_sklearn(estimator) and name in SUPPORTED):
        got = f"the class {estimator.__name__}" if isinstance(estimator, type) else name
        raise ValueError(
            f"from_sklearn knows {', '.join(SUPPORTED[:-1])} and {SUPPORTED[-1]}, got {got}: "
            f"{_remedy(estimator)}."
        )
    if not hasattr(estimator, "n_features_in_"):
        raise ValueError(f"This {name} is not fitted: call estimator.fit(X, y) first.")


def _from_sklearn(estimator: Any) -> bool:
    return type(estimator).__module__.split(".")[0] == "sklearn"


def _remedy(estimator: Any) -> str:
    """What to do instead."""
    if isinstance(estimator, type):
        return f"make one of the class and fit it, {estimator.__name__}().fit(X, y)"
    if estimator is None or isinstance(estimator, str):
        return NO_ESTIMATOR
    if not _from_sklearn(estimator):
        return OWN_LOSS
    if not (hasattr(estimator, "predict") or type(estimator).__name__ in REMEDIES):
        return NO_ESTIMATOR
    return REMEDIES.get(type(estimator).__name__, NO_RISK)
