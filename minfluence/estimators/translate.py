"""From a fitted scikit-learn estimator or pipeline to an objective and its minimum."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minfluence import models, validate
from minfluence.estimators.coding import Coding, coding
from minfluence.estimators.conventions import Convention, convention_of
from minfluence.estimators.near import check_near, check_near_rounded, distance, refitted
from minfluence.estimators.refusals import check_supported
from minfluence.estimators.weighting import Weighting, weighting
from minfluence.fit import fit
from minfluence.objectives.linear import LinearObjective
from minfluence.objectives.rows import written_out

TEMPERATURE = 0.03  # of the smooth hinge, in units of the margin


@dataclass(frozen=True)
class Translation:
    """A scikit-learn estimator in the terms of this package.

    It unpacks into its first three: ``objective, theta, code = from_sklearn(estimator, X, y)``.

    Attributes
    ----------
    objective : LinearObjective
    theta : array, shape (p,)
        Its minimum, found by `minfluence.fit` from the estimator's own coefficients.
    code : Coding
        ``code(X, y)`` turns more examples, as the estimator or the pipeline takes them, into the
        inputs and labels that the objective takes.
    weighting : Weighting
        How the estimator came to the weights of its examples.
    """

    objective: LinearObjective
    theta: np.ndarray
    code: Coding
    weighting: Weighting

    def __iter__(self) -> Iterator[Any]:
        return iter((self.objective, self.theta, self.code))

    def weights_without(self, groups: Sequence) -> np.ndarray:
        """The weights that the estimator would give to all examples in a fit without each group.

        They differ from those of `objective` not only in the group: class_weight="balanced" gives
        the other examples of its classes more, and where the estimator divides by the number of
        examples or by the sum of their weights, all of them weigh more.  So

        - `refit_weighted` with these weights is the estimator's own refit, as ``clone(estimator)``
          fits it without each group, and ``predicted_reweighted_change`` of an `Influence` predicts
          what that does to a test loss;
        - `refit_without`, `actual_change` and `predicted_change` hold the weights of all others as
          they are: what the group does under the weights of now.

        Without "balanced" the two agree, but for `SGDClassifier` with unequal weights.

        Parameters
        ----------
        groups : sequence of k ints, or of sequences of ints
            What to leave out: one example, or several together, for each column.

        Returns
        -------
        array, shape (n, k)
            In the units of ``objective.weights``; 0 in the group.

        Raises
        ------
        ValueError
            Where a class would have no example left.
        """
        return self.weighting.weights_without(groups)


def from_sklearn(
    estimator: Any, X: Any, y: Any, *, sample_weight: Any = None, temperature: float = TEMPERATURE
) -> Translation:
    """Translate a fitted scikit-learn estimator, so that its predictions can be traced.

    Loss, penalty, intercept and weights are taken from the estimator by its own convention;
    ``minfluence.estimators.conventions`` is the table of them. These are translated:
    LogisticRegression (two classes or more, without an L1 penalty), RidgeClassifier and, with two
    classes, LinearSVC, SVC (the kernel "rbf") and SGDClassifier (the loss "log_loss");
    LinearRegression and Ridge (one target or several), LinearSVR (the squared loss),
    PoissonRegressor, GammaRegressor and TweedieRegressor (power 0 or from 1 to 2).

    Of a pipeline the last step is translated, and the steps in front of it transform `X`, here and
    in `Translation.code`, which so takes raw test points: a frame, a list of texts. The fitted
    transformers stay as they are when an example is left out: a refit of the whole pipeline would
    also move the means of a scaler, or lose a word. Sparse features stay sparse.

    Two things are approximated. Where the estimator's loss is the hinge (SVC, and LinearSVC with
    ``loss="hinge"``), the objective has the smooth hinge in its place: without curvature there is
    no influence worth the name. `theta` is then a few percent away from the estimator, and changes
    predicted for refits of the SVC itself are estimates (Pearson 0.7 to 0.9 in our tests, where
    those for smooth losses have 0.96 and more); the width of its kernel stays what it is. And class
    weights "balanced" depend on the data: `Translation.weights_without` has those of a refit.

    Of least squares without a unique minimum, with more features than examples or dependent ones,
    `theta` is scikit-learn's: that of the smallest coefficients.

    Parameters
    ----------
    estimator : a fitted scikit-learn estimator, or a Pipeline
    X : array, sparse matrix, frame, or what the pipeline takes; n examples
    y : array, shape (n,) or (n, n_targets)
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

    Warns
    -----
    NotConverged
        Where its solver stopped early, but not far off: `theta` is the minimum all the same.

    Examples
    --------
    >>> objective, theta, code = from_sklearn(estimator, X, y)  # doctest: +SKIP
    >>> influence = Influence(objective, theta)  # doctest: +SKIP
    >>> influence.predicted_change(*code(X_test, y_test))  # doctest: +SKIP
    """
    steps, last = _unwrapped(estimator)
    check_supported(last)
    convention = convention_of(last)
    code = coding(last, steps, convention, X)
    inputs, labels = validate.examples(*code(X, y))
    weigh = weighting(last, convention, code.codes(y), len(labels), sample_weight)
    loss, weights = _loss(last, convention, temperature), weigh.weights()
    l2, folded = _penalty(last, convention, weights, loss.n_outputs, inputs.shape[1], code)
    objective = LinearObjective(loss, inputs, labels, l2, fold_l2=folded).reweighted(weights)
    start = _coefficients(last, code)
    found = fit(objective, start)
    off = distance(objective, start, found.theta)

    def again(settings: dict) -> float:
        try:
            other = refitted(last, settings, code.matrix(X), y, sample_weight)
        except ValueError:  # settings that this version of scikit-learn does not have
            return np.inf
        return distance(objective, _coefficients(other, code), found.theta)

    if isinstance(objective.losses, models.SmoothHinge):
        check_near_rounded(last, off)
    else:
        check_near(last, off, found.converged, convention.surest, again)
    return Translation(objective, found.theta, code, weigh)


def _unwrapped(estimator: Any) -> tuple[tuple, Any]:
    """The fitted transformers of a pipeline, and the estimator behind them."""
    if not _is_pipeline(estimator):
        return (), estimator
    *before, last = (step for _, step in estimator.steps)
    more, last = _unwrapped(last)
    return (*(s for s in before if s not in (None, "passthrough")), *more), last


def _is_pipeline(estimator: Any) -> bool:
    kind = type(estimator)  # others' pipelines may add and drop examples on the way
    return kind.__name__ == "Pipeline" and kind.__module__ == "sklearn.pipeline"


def _loss(estimator: Any, convention: Convention, temperature: float) -> models.LinearLoss:
    loss = convention.loss
    return loss if isinstance(loss, models.LinearLoss) else loss(estimator, temperature)


def _penalty(
    estimator: Any, convention: Convention, weights: np.ndarray, c: int, d: int, code: Coding
) -> tuple[np.ndarray, bool]:
    """L2 strength of every parameter, and whether its share leaves with an example.

    A share is that of a weight.  So where the estimator divides by the number of examples, the two
    are the same only if all weigh the same; otherwise leaving out means a weight of 0.
    """
    by_examples = convention.divided_by == "examples" and np.ptp(weights) == 0
    folded = convention.divided_by == "weights" or by_examples
    units = len(weights) if convention.divided_by == "nothing" else 1.0
    strength = np.multiply(convention.strength(estimator), np.ones(c))  # one for each score
    l2 = np.tile(strength / (weights.sum() if folded else units), (d, 1))
    if code.intercept and not convention.penalised_intercept:
        l2[-1] = 0.0
    return l2.ravel(), folded


def _coefficients(estimator: Any, code: Coding) -> np.ndarray:
    """The estimator's own coefficients, laid out as the objective's theta.  -> (p,)."""
    if code.features is not None:
        F = code.features(_array(estimator.support_vectors_))
        coef = _array(estimator.dual_coef_) @ F  # f(x) = sum_j dual_j k(x_j, x)
    else:
        coef = np.atleast_2d(_array(estimator.coef_))
    Theta = coef.T
    if code.intercept:
        intercepts = np.broadcast_to(estimator.intercept_, Theta.shape[1])
        Theta = np.vstack([Theta, intercepts / code.intercept])
    if code.kind == "code":
        Theta = Theta @ models.contrasts(Theta.shape[1])
    return Theta.ravel()


def _array(coefficients: Any) -> np.ndarray:
    """Coefficients of an estimator, also where it was fitted on a sparse matrix or sparsified."""
    return np.asarray(written_out(coefficients))
