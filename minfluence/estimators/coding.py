"""Examples as an estimator or a pipeline takes them, as those that the objective takes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from minfluence import models, validate
from minfluence.estimators.conventions import Convention
from minfluence.objectives.rows import written_out


@dataclass(frozen=True)
class Coding:
    """Turn examples as the estimator takes them into those that the objective takes.

    Attributes
    ----------
    steps : tuple
        The fitted transformers of a pipeline, in front of its last step. They stay as they are.
    n_features : int
        Columns of what the last step takes.
    columns : list of str, or None
        Their names, where the last step was fitted on a frame.
    features : callable, or None
        What the last step maps its inputs to before the linear model sees them.
    intercept : float
        Value of the last column, which carries the intercept; 0 for no such column.
    kind : {"number", "sign", "code", "signs"}
        What becomes of labels, as in the table of conventions.
    classes : array, shape (k,), or None
        The estimator's classes; None for numbers.
    n_targets : int or None
        Columns of y; None where y is one number for each example.
    """

    steps: tuple
    n_features: int
    columns: list[str] | None
    features: Callable | None
    intercept: float
    kind: str
    classes: np.ndarray | None
    n_targets: int | None

    def __call__(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        """Inputs and labels for the objective, from raw ones."""
        return self.inputs(X), self.labels(y)

    def transform(self, X: Any) -> Any:
        """What the last step is given, from what the pipeline is given."""
        for step in self.steps:
            X = step.transform(X)
        return X

    def matrix(self, X: Any) -> Any:
        """The same as a finite matrix of floats, sparse if it is.  -> (m, n_features)."""
        X = self.transform(X)
        names = getattr(X, "columns", None)
        if self.columns is not None and names is not None and list(names) != self.columns:
            raise ValueError(
                f"Expected the columns {self.columns}, as the estimator was fitted on, "
                f"got {list(names)}: put them in this order."
            )
        return _matrix(X, self.n_features)

    def inputs(self, X: Any) -> Any:
        """Inputs for the objective, sparse if those of a linear model are.  -> (m, d)."""
        matrix = self.matrix(X)
        if self.features is not None:
            matrix = self.features(written_out(matrix))
        return _with_intercept(matrix, self.intercept) if self.intercept else matrix

    def labels(self, y: Any) -> np.ndarray:
        """Labels in the objective's own coding.  (m,), or (m, n_targets) for several targets."""
        codes = self.codes(y)
        if codes is None or self.classes is None:
            y = validate.finite("y", y)
            return (_one_column(y) if self.n_targets is None else y).astype(float)
        if self.kind == "sign":
            return 2 * codes - 1
        if self.kind == "signs":
            return 2.0 * (codes[:, None] == np.arange(len(self.classes))) - 1
        return codes

    def codes(self, y: Any) -> np.ndarray | None:
        """Which of the classes each label is, None for numbers.  (m,) -> (m,)."""
        if self.classes is None:
            return None
        y = _one_column(np.asarray(validate.unmasked("y", y)))
        if y.ndim != 1:
            raise ValueError(
                "Expected X of shape (n, ...) and y of shape (n,), one row and one label per "
                f"example, got y of shape {y.shape}."
            )
        code_of = {label: code for code, label in enumerate(self.classes.tolist())}
        unknown = set(y.tolist()) - set(code_of)
        if unknown:
            raise ValueError(
                f"Expected labels out of {list(code_of)}, the estimator's classes, "
                f"got {sorted(unknown, key=str)[:5]}."
            )
        return np.array([code_of[label] for label in y.tolist()], dtype=int)


def coding(estimator: Any, steps: tuple, convention: Convention, X: Any) -> Coding:
    """The coding of a fitted estimator, behind the steps of its pipeline."""
    free = getattr(estimator, "fit_intercept", True)  # an SVC always has an intercept
    scaling = estimator.intercept_scaling if convention.penalised_intercept else 1.0
    columns = getattr(estimator, "feature_names_in_", None)
    linear = Coding(
        steps,
        estimator.n_features_in_,
        None if columns is None else list(columns),
        None,
        float(scaling) if free else 0.0,
        convention.labels,
        getattr(estimator, "classes_", None),
        len(estimator.coef_) if convention.labels == "number" and _is_table(estimator) else None,
    )
    if not hasattr(estimator, "dual_coef_"):
        return linear
    centers = written_out(linear.matrix(X))
    return replace(linear, features=models.rbf_features(centers, _gamma(estimator, centers)))


def _is_table(estimator: Any) -> bool:
    """Whether there is a row of coefficients for each target."""
    return np.ndim(getattr(estimator, "coef_", 0)) == 2


def _gamma(estimator: Any, X: np.ndarray) -> float:
    """Inverse squared width of the kernel, as `SVC` documents it."""
    if estimator.gamma == "scale":
        return 1.0 / (X.shape[1] * X.var()) if X.var() else 1.0
    return 1.0 / X.shape[1] if estimator.gamma == "auto" else estimator.gamma


def _matrix(X: Any, n_features: int) -> Any:
    """What an estimator is given, as a finite matrix of floats; in rows (CSR) if it is sparse."""
    matrix = validate.inputs("X", X)
    if matrix.ndim != 2 or matrix.shape[1] != n_features:
        raise ValueError(
            f"Expected X of shape (n, {n_features}), as the estimator was fitted on, "
            f"got {matrix.shape}."
        )
    validate.finite("X", validate.entries(matrix))
    return matrix.astype(float)


def _with_intercept(X: Any, value: float) -> Any:
    """One more column, of this value."""
    ones = np.full((X.shape[0], 1), value)
    return sparse.hstack([X, ones], format="csr") if sparse.issparse(X) else np.hstack([X, ones])


def _one_column(y: np.ndarray) -> np.ndarray:
    """Labels (n, 1) as (n,)."""
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
