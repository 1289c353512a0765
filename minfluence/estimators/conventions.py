"""What each of scikit-learn's estimators minimises: the table that is read, and that runs.

With scores ``s_i = w . x_i + b`` and weights u_i, which are sample_weight times class_weight, each
of them minimises ::

    strength/2 |w|^2  +  sum_i u_i loss(s_i, y_i)  divided by nothing,
                                                   by the sum of the weights,
                                                   or by the number of examples.

Divided by nothing, the penalty stays as it is when an example leaves; otherwise its share leaves
with the example.  The intercept b is free, or it is a coefficient like the others, that of a column
of ``intercept_scaling`` (LIBLINEAR's way).  With class_weight="balanced" each class has the same
sum of weights, or the same sum over heads where it does not look at sample_weight.

Of several rows for an estimator the first whose ``where`` holds is meant.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minfluence import models

# Settings of an estimator -------------------------------------------------------------------------


def always(e: Any) -> bool:
    """Whatever its settings."""
    return True


def several_classes(e: Any) -> bool:
    """More than two."""
    return len(e.classes_) > 2


def several_targets(e: Any) -> bool:
    """One row of coefficients for each column of y."""
    return np.ndim(e.coef_) == 2


def liblinear(e: Any) -> bool:
    """Whether the intercept is a coefficient like the others."""
    return e.solver == "liblinear"


def hinged(e: Any) -> bool:
    """A loss with a kink, which influence needs to see rounded."""
    return e.loss == "hinge"


def mean_as_score(e: Any) -> bool:
    """The link of a GLM, which depends on the power where it is not told."""
    return e.link == "identity" or (e.link == "auto" and e.power <= 0)


def unpenalised(e: Any) -> float:
    """No penalty."""
    return 0.0


def alpha(e: Any) -> Any:
    """As it is; Ridge may have one for each target."""
    return e.alpha


def one_over_C(e: Any) -> float:  # noqa: N802 - the estimators' own name
    """C times the losses and 1/2 |w|^2 are the same minimum as the losses and 1/2C |w|^2."""
    return 0.0 if getattr(e, "penalty", "l2") in (None, "none") else 1.0 / e.C


# The table ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Convention:
    """What an estimator minimises.

    Attributes
    ----------
    estimator : str
        Name of its class.
    where : callable ``estimator -> bool``
        The settings for which this row holds.
    loss : LinearLoss, or callable ``(estimator, temperature) -> LinearLoss``
    labels : {"number", "sign", "code", "signs"}
        What becomes of y: it stays; two classes are -1 and +1; classes are 0 .. k - 1; each class
        has a column of -1 and +1.
    strength : callable ``estimator -> float or array``
        What stands before ``1/2 |w|^2``.
    divided_by : {"nothing", "weights", "examples"}
        What the sum of the losses is divided by.
    penalised_intercept : bool
        Whether the intercept is a coefficient like the others.
    balanced_by_weight : bool
        Whether class_weight="balanced" looks at sample_weight, since scikit-learn 1.7.
    surest : dict
        Settings with which the estimator comes closest to its minimum, in any units.
    """

    estimator: str
    where: Callable[[Any], bool]
    loss: Any
    labels: str
    strength: Callable[[Any], Any]
    divided_by: str = "nothing"
    penalised_intercept: bool = False
    balanced_by_weight: bool = False
    surest: dict = field(default_factory=dict)


def softmax(e: Any, temperature: float) -> models.LinearLoss:
    """Scores that sum to zero, since only their differences count."""
    return models.centered_softmax(len(e.classes_))


def squared_for_each(e: Any, temperature: float) -> models.LinearLoss:
    """Squared errors of all targets, or of all columns of classes."""
    return models.multi_target_squared(len(e.coef_))


def rounded_hinge(e: Any, temperature: float) -> models.LinearLoss:
    """In the place of the hinge."""
    return models.smooth_hinge(temperature)


def tube(e: Any, temperature: float) -> models.LinearLoss:
    """Squared distance from a tube around the label."""
    return models.squared_epsilon_insensitive(e.epsilon)


def tweedie(e: Any, temperature: float) -> models.LinearLoss:
    """The deviance of this power."""
    return models.tweedie(float(e.power))


NEWTON = {"solver": "newton-cholesky", "tol": 1e-8, "max_iter": 1000}
NEWTON_CG = {"solver": "newton-cg", "tol": 1e-10, "max_iter": 10_000}
BY_SVD = {"solver": "svd"}
PRIMAL = {"dual": False, "tol": 1e-8, "max_iter": 100_000}

# fmt: off
CONVENTIONS = (
    # 1/2 |w|^2 + C sum_i u_i loss_i
    Convention("LogisticRegression", liblinear, models.logistic, "sign", one_over_C,
               penalised_intercept=True, balanced_by_weight=True),
    Convention("LogisticRegression", several_classes, softmax, "code", one_over_C,
               balanced_by_weight=True, surest=NEWTON_CG),
    Convention("LogisticRegression", always, models.logistic, "sign", one_over_C,
               balanced_by_weight=True, surest=NEWTON),
    Convention("LinearSVC", hinged, rounded_hinge, "sign", one_over_C,
               penalised_intercept=True, balanced_by_weight=True),
    Convention("LinearSVC", always, models.squared_hinge, "sign", one_over_C,
               penalised_intercept=True, balanced_by_weight=True, surest=PRIMAL),
    Convention("SVC", always, rounded_hinge, "sign", one_over_C),
    Convention("LinearSVR", always, tube, "number", one_over_C, penalised_intercept=True,
               surest=PRIMAL),
    # alpha |w|^2 + sum_i u_i (y_i - s_i)^2, of which half is taken here
    Convention("LinearRegression", several_targets, squared_for_each, "number", unpenalised),
    Convention("LinearRegression", always, models.squared, "number", unpenalised),
    Convention("Ridge", several_targets, squared_for_each, "number", alpha, surest=BY_SVD),
    Convention("Ridge", always, models.squared, "number", alpha, surest=BY_SVD),
    Convention("RidgeClassifier", several_classes, squared_for_each, "signs", alpha,
               surest=BY_SVD),
    Convention("RidgeClassifier", always, models.squared, "sign", alpha, surest=BY_SVD),
    # alpha/2 |w|^2 + sum_i u_i deviance_i/2 / sum_i u_i
    Convention("PoissonRegressor", always, models.poisson, "number", alpha, "weights",
               surest=NEWTON),
    Convention("GammaRegressor", always, models.gamma, "number", alpha, "weights",
               surest=NEWTON),
    Convention("TweedieRegressor", lambda e: e.power == 0, models.squared, "number", alpha,
               "weights", surest=NEWTON),
    Convention("TweedieRegressor", lambda e: e.power == 1, models.poisson, "number", alpha,
               "weights", surest=NEWTON),
    Convention("TweedieRegressor", lambda e: e.power == 2, models.gamma, "number", alpha,
               "weights", surest=NEWTON),
    Convention("TweedieRegressor", always, tweedie, "number", alpha, "weights",
               surest=NEWTON),
    # alpha/2 |w|^2 + sum_i u_i loss_i / n, where n counts the examples whatever their weight
    Convention("SGDClassifier", always, models.logistic, "sign", alpha, "examples",
               surest={"average": True, "tol": None, "max_iter": 10_000}),
)
# fmt: on

# What they may be set to that is none of these: the same, said as what was expected instead


@dataclass(frozen=True)
class Unknown:
    """A setting under which an estimator minimises something else.

    Attributes
    ----------
    estimator : str
    where : callable ``estimator -> bool``
    expected : str
        What was expected, what came and what to do; ``{e.name}`` is a setting of the estimator,
        ``{k}`` the number of its classes.
    """

    estimator: str
    where: Callable[[Any], bool]
    expected: str


def l1_part(e: Any) -> bool:
    """An absolute value in the penalty; before scikit-learn 1.8 `penalty` says so."""
    if e.penalty == "l1":
        return True
    return e.penalty not in ("l2", None) and bool(e.l1_ratio)


def one_for_each_class(e: Any) -> bool:
    """Several classes, each against the rest."""
    return several_classes(e) and (liblinear(e) or getattr(e, "multi_class", 0) == "ovr")


# fmt: off
UNKNOWN = (
    Unknown("LogisticRegression", l1_part,
            "an L2 penalty, got an L1 part, whose risk has kinks: use l1_ratio=0"),
    Unknown("LogisticRegression", one_for_each_class,
            "the softmax loss, got one model for each class: use solver='lbfgs'"),
    Unknown("LogisticRegression",
            lambda e: not several_classes(e) and getattr(e, "multi_class", 0) == "multinomial",
            "the logistic loss, got multi_class='multinomial' for two classes: leave it out"),
    Unknown("LinearSVC", lambda e: e.penalty != "l2",
            "penalty='l2', got 'l1', whose risk has kinks: use penalty='l2'"),
    Unknown("LinearSVC", lambda e: e.multi_class != "ovr",
            "multi_class='ovr', got {e.multi_class!r}, which has another loss: use 'ovr'"),
    Unknown("LinearSVC", several_classes,
            "two classes, got {k}: fit one estimator for each pair"),
    Unknown("SVC", several_classes,
            "two classes, got {k}: fit one estimator for each pair"),
    Unknown("SVC", lambda e: e.kernel != "rbf",
            "kernel='rbf', got {e.kernel!r}: use LinearSVC for a linear kernel"),
    Unknown("LinearSVR", lambda e: e.loss == "epsilon_insensitive",
            "loss='squared_epsilon_insensitive', got {e.loss!r}, which has kinks and no curvature: "
            "use the squared one"),
    Unknown("LinearRegression", lambda e: e.positive,
            "positive=False, got a minimum under constraints: use positive=False"),
    Unknown("Ridge", lambda e: e.positive,
            "positive=False, got a minimum under constraints: use positive=False"),
    Unknown("RidgeClassifier", lambda e: e.positive,
            "positive=False, got a minimum under constraints: use positive=False"),
    Unknown("TweedieRegressor", lambda e: not (e.power == 0 or 1 <= e.power <= 2),
            "power 0, or from 1 to 2, got {e.power}, whose loss is not convex: use one of these"),
    Unknown("TweedieRegressor", lambda e: mean_as_score(e) != (e.power == 0),
            "link='auto', got {e.link!r} for power {e.power}, whose loss is not convex: "
            "use link='auto'"),
    Unknown("SGDClassifier", lambda e: e.loss != "log_loss",
            "loss='log_loss', got {e.loss!r}: use 'log_loss', or LinearSVC for a hinge"),
    Unknown("SGDClassifier", lambda e: e.penalty not in ("l2", None),
            "penalty='l2', got {e.penalty!r}, whose risk has kinks: use penalty='l2'"),
    Unknown("SGDClassifier", several_classes,
            "two classes, got {k}, one model for each: use LogisticRegression"),
)
# fmt: on

SUPPORTED = tuple(dict.fromkeys(row.estimator for row in CONVENTIONS))


def convention_of(estimator: Any) -> Convention:
    """The row of a fitted estimator out of `SUPPORTED`, or one sentence why there is none."""
    name = type(estimator).__name__
    for unknown in UNKNOWN:
        if unknown.estimator == name and unknown.where(estimator):
            k = len(getattr(estimator, "classes_", ()))
            expected = unknown.expected.format(e=estimator, k=k)
            raise ValueError(f"from_sklearn expects a {name} with {expected}.")
    return next(row for row in CONVENTIONS if row.estimator == name and row.where(estimator))
