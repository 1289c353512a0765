"""From a fitted scikit-learn estimator to an objective and its minimum.

scikit-learn's estimators minimise what this package calls a risk, each with its own convention: a
penalty that is divided by `C` or multiplied by `alpha`, a sum or a mean over the examples, an
intercept with or without penalty. Here they are written down once:

    LogisticRegression, LinearSVC, SVC    1/2 |w|^2 + C sum_i u_i loss_i
    Ridge                                 alpha |w|^2 + sum_i u_i (y_i - s_i)^2
    PoissonRegressor                      alpha/2 |w|^2 + sum_i u_i loss_i / sum_i u_i

with weights u_i, 1 unless given. In the first two rows the penalty stays as it is when an example
is left out, in the last its share leaves with the example (``fold_l2``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from minfluence import models, validate
from minfluence.fit import fit
from minfluence.objectives.linear import LinearObjective

SUPPORTED = ("LogisticRegression", "Ridge", "LinearSVC", "SVC", "PoissonRegressor")
TEMPERATURE = 0.03  # of the smooth hinge, in units of the margin
NEAR = 0.05  # relative distance within which an estimator counts as being at the minimum,
NEAR_ROUNDED = 0.1  # also where the smooth hinge takes the place of its hinge


class Translation(NamedTuple):
    """A scikit-learn estimator in the terms of this package.

    Attributes
    ----------
    objective : LinearObjective
    theta : array, shape (p,)
        Its minimum, found by `minfluence.fit` from the estimator's own coefficients.
    code : Coding
        ``code(X, y)`` turns more examples, as the estimator takes them, into the inputs and labels
        that the objective takes.
    """

    objective: LinearObjective
    theta: np.ndarray
    code: Callable


@dataclass(frozen=True)
class Coding:
    """Turn examples as the estimator takes them into those that the objective takes.

    Attributes
    ----------
    n_features : int
        Columns of the estimator's X.
    intercept : float
        Value of the last column, which carries the intercept; 0 for no such column.
    classes : array, shape (k,), or None
        The estimator's labels. Two become -1 and +1, more become 0 .. k - 1; None for numbers.
    transform : callable
        What the estimator's inputs are mapped to before the linear model sees them, from shape
        (n, n_features) to (n, d).
    """

    n_features: int
    intercept: float
    classes: np.ndarray | None
    transform: Callable

    def __call__(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels for the objective.  (m, n_features), (m,) -> (m, d), (m,)."""
        return self.inputs(X), self.labels(y)

    def inputs(self, X: Any) -> np.ndarray:
        """(m, n_features) -> (m, d)."""
        X = validate.inputs("X", X)
        if X.ndim != 2 or X.shape[1] != self.n_features:
            raise ValueError(
                f"Expected X of shape (n, {self.n_features}), as the estimator was fitted on, "
                f"got {X.shape}."
            )
        validate.finite("X", X)
        X = self.transform(X.astype(float))
        return np.column_stack([X, np.full(len(X), self.intercept)]) if self.intercept else X

    def labels(self, y: Any) -> np.ndarray:
        """(m,) -> (m,), in the objective's own coding."""
        y = np.asarray(validate.unmasked("y", y))
        if self.classes is None:
            validate.finite("y", y)
            return y.astype(float)
        code_of = {label: code for code, label in enumerate(self.classes.tolist())}
        unknown = set(y.ravel().tolist()) - set(code_of)
        if unknown:
            raise ValueError(
                f"Expected labels out of {list(code_of)}, the estimator's classes, "
                f"got {sorted(unknown, key=str)[:5]}."
            )
        codes = np.array([code_of[label] for label in y.ravel().tolist()]).reshape(y.shape)
        return 2 * codes - 1 if len(self.classes) == 2 else codes


def from_sklearn(
    estimator: Any, X: Any, y: Any, *, sample_weight: Any = None, temperature: float = TEMPERATURE
) -> Translation:
    """Translate a fitted scikit-learn estimator, so that its predictions can be traced.

    Supported are LogisticRegression (two classes or more, without L1 penalty), Ridge (one target),
    PoissonRegressor, and with two classes LinearSVC and SVC(kernel="rbf"). Loss, penalty, intercept
    and class weights are taken from the estimator.

    Two things are approximated. Where the estimator's loss is the hinge (SVC, and LinearSVC with
    ``loss="hinge"``), the objective has the smooth hinge in its place: without curvature there is
    no influence worth the name. `theta` is then a few percent away from the estimator, and changes
    predicted for refits of the SVC itself are estimates (Pearson 0.7 to 0.9 in our tests, where
    those for smooth losses have 0.96 and more). And class weights "balanced" stay what they are
    for all of the training set, where scikit-learn computes them afresh for a refit without an
    example.

    Parameters
    ----------
    estimator : a fitted scikit-learn estimator
        Of a pipeline pass the last step, and transform X and X_test with the others.
    X : array, shape (n, n_features)
    y : array, shape (n,)
        The examples it was fitted on.
    sample_weight : array, shape (n,), optional
        If it was fitted with one; estimators do not remember it.
    temperature : float
        Of the smooth hinge, where the estimator has a hinge; see chapter 9 of the book.

    Returns
    -------
    Translation
        ``objective, theta, code``.

    Raises
    ------
    ValueError
        For an estimator of another kind, and for one that is not at a minimum on these examples.

    Examples
    --------
    >>> objective, theta, code = from_sklearn(estimator, X, y)  # doctest: +SKIP
    >>> influence = Influence(objective, theta)  # doctest: +SKIP
    >>> influence.predicted_change(*code(X_test, y_test))  # doctest: +SKIP
    """
    _check_supported(estimator)
    coding = _coding(estimator, X)
    inputs, labels = validate.examples(*coding(X, y))
    n = len(inputs)
    weights = _weights(estimator, y, n, sample_weight)
    folded = type(estimator).__name__ == "PoissonRegressor"
    objective = LinearObjective(
        _loss(estimator, coding, temperature),
        inputs,
        labels,
        _penalty(estimator, coding, n, inputs.shape[1]),
        fold_l2=folded,
    ).reweighted(weights / (weights.sum() if folded else n))
    start = _coefficients(estimator, coding)
    theta = fit(objective, start).theta
    _check_near(estimator, objective, start, theta)
    return Translation(objective, theta, coding)


def _check_supported(estimator: Any) -> None:
    """Refuse, in one sentence, whatever would be translated wrongly."""
    name, module = type(estimator).__name__, type(estimator).__module__
    if name not in SUPPORTED or module.split(".")[0] != "sklearn":
        remedy = (
            "pass its last step, and transform X with the others: "
            "from_sklearn(pipe[-1], pipe[:-1].transform(X), y)"
            if name == "Pipeline"
            else "write its loss as losses(theta, X, y) and use minfluence.AutogradObjective"
        )
        raise ValueError(
            f"from_sklearn knows {', '.join(SUPPORTED[:-1])} and {SUPPORTED[-1]}, got {name}: "
            f"{remedy}."
        )
    if not hasattr(estimator, "n_features_in_"):
        raise ValueError(f"This {name} is not fitted: call estimator.fit(X, y) first.")
    reason = _refusal(estimator, name)
    if reason:
        raise ValueError(f"from_sklearn expects a {name} with {reason}.")


def _refusal(estimator: Any, name: str) -> str | None:
    """What is expected of the estimator's own settings, where they are not supported."""
    several = len(getattr(estimator, "classes_", ())) > 2
    penalty = getattr(estimator, "penalty", "l2")
    if name == "LogisticRegression":
        mixed = penalty not in ("l2", None) and estimator.l1_ratio
        if penalty == "l1" or mixed:
            return "an L2 penalty, got an L1 part, whose risk has kinks: use l1_ratio=0"
        one_each = estimator.solver == "liblinear" or getattr(estimator, "multi_class", 0) == "ovr"
        if several and one_each:
            return "the softmax loss, got one model for each class: use solver='lbfgs'"
        if not several and getattr(estimator, "multi_class", 0) == "multinomial":
            return "the logistic loss, got multi_class='multinomial' for two classes: leave it out"
    if name in ("SVC", "LinearSVC") and several:
        return f"two classes, got {len(estimator.classes_)}: fit one estimator for each pair"
    if name == "LinearSVC" and penalty != "l2":
        return "penalty='l2', got 'l1', whose risk has kinks"
    if name == "LinearSVC" and estimator.multi_class != "ovr":
        return f"multi_class='ovr', got {estimator.multi_class!r}, which has another loss"
    if name == "SVC" and estimator.kernel != "rbf":
        return f"kernel='rbf', got {estimator.kernel!r}: use LinearSVC for a linear kernel"
    if name == "Ridge" and np.ndim(estimator.coef_) != 1:
        return "one target, y of shape (n,), got several: fit one estimator for each"
    if name == "Ridge" and estimator.positive:
        return "positive=False, got a minimum under constraints"
    return None


def _coding(estimator: Any, X: Any) -> Coding:
    """How the estimator's examples become those of the objective."""
    free = getattr(estimator, "fit_intercept", True)  # an SVC always has an intercept
    intercept = _intercept_scaling(estimator) if free else 0.0
    classes = getattr(estimator, "classes_", None)
    if hasattr(estimator, "dual_coef_"):
        X = validate.inputs("X", X).astype(float)
        features = models.rbf_features(X, _gamma(estimator, X))
        return Coding(estimator.n_features_in_, intercept, classes, features)
    return Coding(estimator.n_features_in_, intercept, classes, np.asarray)


def _intercept_scaling(estimator: Any) -> float:
    """Value of the intercept's column: 1, unless liblinear penalises the intercept."""
    return float(estimator.intercept_scaling) if _penalises_intercept(estimator) else 1.0


def _penalises_intercept(estimator: Any) -> bool:
    """Whether the intercept is a coefficient like the others, as in LIBLINEAR."""
    liblinear = getattr(estimator, "solver", "") == "liblinear"
    return type(estimator).__name__ == "LinearSVC" or liblinear


def _gamma(estimator: Any, X: np.ndarray) -> float:
    """Inverse squared width of the kernel, as `SVC` documents it."""
    if estimator.gamma == "scale":
        return 1.0 / (X.shape[1] * X.var()) if X.var() else 1.0
    return 1.0 / X.shape[1] if estimator.gamma == "auto" else estimator.gamma


def _weights(estimator: Any, y: Any, n: int, sample_weight: Any) -> np.ndarray:
    """Weight of each example in the estimator's sum, 1 unless told otherwise.  -> (n,)."""
    given = np.ones(n) if sample_weight is None else sample_weight
    weights = validate.array("sample_weight", given, (n,), dtype=float)
    validate.positive("The sum of sample_weight", weights.sum())
    if getattr(estimator, "class_weight", None) is None:
        return weights
    codes = np.searchsorted(estimator.classes_, y)
    return weights * _class_weights(estimator, np.asarray(y), weights)[codes]


def _class_weights(estimator: Any, y: np.ndarray, sample_weight: np.ndarray) -> np.ndarray:
    """Weight of each class.  -> (k,).

    "balanced" counts the examples of each class. Since scikit-learn 1.7 the linear models count
    them with their weights; SVC, and all models before, count heads.
    """
    from sklearn.utils.class_weight import compute_class_weight

    weighted = "sample_weight" in signature(compute_class_weight).parameters
    options = (
        {"sample_weight": sample_weight} if weighted and type(estimator).__name__ != "SVC" else {}
    )
    classes = estimator.classes_
    weights = compute_class_weight(estimator.class_weight, classes=classes, y=y, **options)
    return validate.array("The weights of the classes", weights, (len(classes),), dtype=float)


def _loss(estimator: Any, coding: Coding, temperature: float) -> models.LinearLoss:
    name = type(estimator).__name__
    if name == "LogisticRegression":
        k = _n_outputs(coding) + 1
        return models.logistic if k == 2 else models.centered_softmax(k)
    if name == "SVC" or getattr(estimator, "loss", "") == "hinge":
        return models.smooth_hinge(temperature)
    by_name = {
        "Ridge": models.squared,
        "PoissonRegressor": models.poisson,
        "LinearSVC": models.squared_hinge,
    }
    return by_name[name]


def _penalty(estimator: Any, coding: Coding, n: int, d: int) -> np.ndarray:
    """L2 strength of every parameter, 0 for a free intercept.  -> (p,)."""
    name = type(estimator).__name__
    if name == "PoissonRegressor":
        strength = estimator.alpha
    elif name == "Ridge":
        strength = np.ravel(estimator.alpha)[0] / n  # one for each target, where it is an array
    elif getattr(estimator, "penalty", "l2") in (None, "none"):
        strength = 0.0
    else:
        strength = 1.0 / (estimator.C * n)
    l2 = np.full(d, float(strength))
    if coding.intercept and not _penalises_intercept(estimator):
        l2[-1] = 0.0
    return np.repeat(l2, _n_outputs(coding))


def _n_outputs(coding: Coding) -> int:
    return 1 if coding.classes is None else len(coding.classes) - 1


def _coefficients(estimator: Any, coding: Coding) -> np.ndarray:
    """The estimator's own coefficients, laid out as the objective's theta.  -> (p,)."""
    if type(estimator).__name__ == "SVC":
        F = coding.transform(_array(estimator.support_vectors_))
        coef = _array(estimator.dual_coef_) @ F  # f(x) = sum_j dual_j k(x_j, x)
    else:
        coef = np.atleast_2d(_array(estimator.coef_))
    Theta = coef.T
    if coding.intercept:
        Theta = np.vstack([Theta, np.atleast_1d(estimator.intercept_) / coding.intercept])
    if Theta.shape[1] > 1:
        Theta = Theta @ models.contrasts(Theta.shape[1])
    return Theta.ravel()


def _check_near(
    estimator: Any, objective: LinearObjective, start: np.ndarray, theta: np.ndarray
) -> None:
    """Refuse an estimator that is not at the minimum of the objective made from it."""
    rounded = isinstance(objective.losses, models.SmoothHinge)
    off = _distance(objective, start, theta, rounded)
    if not off <= (NEAR_ROUNDED if rounded else NEAR):
        raise ValueError(
            f"Expected a {type(estimator).__name__} at its minimum on these examples, got one "
            f"whose scores are {off:.0%} away from it: pass the X, y and sample_weight of its fit, "
            f"or fit it with a smaller tol{', or lower the temperature' if rounded else ''}."
        )


def _distance(
    objective: LinearObjective, start: np.ndarray, theta: np.ndarray, rounded: bool
) -> float:
    """How far scores at `start` are from those at `theta`, relative to what they tell apart.

    A large intercept is in all scores, so they are measured by their spread, or where that is
    small, by what they do to the slopes of the losses.  A rounded hinge moves scores by itself.
    """
    loss = objective.losses
    theirs, ours = (loss.scores(t, objective.X) for t in (start, theta))
    if rounded:
        return _ratio(ours - theirs, ours)
    slopes, at_minimum = (loss.slope(S, objective.y) for S in (theirs, ours))
    return min(
        _ratio(ours - theirs, ours - ours.mean(axis=0)),
        _ratio(slopes - at_minimum, at_minimum),
    )


def _ratio(a: np.ndarray, b: np.ndarray) -> float:
    """||a|| / ||b||, and 0 for 0 / 0."""
    a_size, b_size = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    return a_size / max(b_size, np.finfo(float).tiny)


def _array(coefficients: Any) -> np.ndarray:
    """Coefficients of an estimator, also where it was fitted on a sparse matrix or sparsified."""
    dense = coefficients.toarray() if hasattr(coefficients, "toarray") else coefficients
    return np.asarray(dense)
