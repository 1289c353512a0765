"""Fitted scikit-learn estimators, against scores that the estimators themselves give."""

from functools import partial

import numpy as np
import pandas as pd
import scipy.sparse
from scipy.optimize import minimize
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import (
    GammaRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, LinearSVR

from inputs.examples import (
    X_TEST,
    Y_CLASS,
    Y_COUNT,
    Y_REAL,
    Y_TEST,
    X,
    Y,
    up_loss_by_hand,
)
from inputs.table import agree, refused, right
from minfluence import Influence, from_sklearn, models

MILD, STRONG = np.where(Y > 0, 1.3, 1.0), np.where(Y > 0, 3.0, 1.0)
SOME = np.arange(30) % 3 * 1.0  # every third example has weight 0
WORDS = np.where(Y > 0, "spam", "ham")


def cases():
    yield from not_supported()
    yield from of_examples()
    yield from of_sample_weights()
    yield from of_labels()
    yield from of_forms()
    yield from of_refit_weights()
    yield from of_class_weights()
    yield from of_settings()


def exact(**options):
    return LogisticRegression(tol=1e-10, max_iter=5000, **options)


def exact_svc(**options):
    return LinearSVC(tol=1e-9, max_iter=10**6, **options)


def not_supported():
    estimators = {
        "not fitted": (exact(), Y, "not fitted"),
        "None": (None, Y, "knows"),
        "a class": (LogisticRegression, Y, "knows|fitted"),
        "a pipeline of transformers": (
            make_pipeline(StandardScaler(), StandardScaler()).fit(X, Y),
            Y,
            "ends in one",
        ),
        "a pipeline of another's": (
            type("Pipeline", (), {"steps": [("a", exact().fit(X, Y))]})(),
            Y,
            "AutogradObjective",
        ),
        "Lasso": (Lasso().fit(X, Y_REAL), Y_REAL, "use Ridge"),
        "a forest": (RandomForestClassifier(n_estimators=2).fit(X, Y), Y, "smooth risk"),
        "GridSearchCV": (GridSearchCV(exact(), {"C": [1, 2]}).fit(X, Y), Y, "best_estimator_"),
        "SGDClassifier of a hinge": (SGDClassifier(random_state=0).fit(X, Y), Y, "log_loss"),
        "LinearSVR with kinks": (LinearSVR().fit(X, Y_REAL), Y_REAL, "kinks"),
        "TweedieRegressor of power 3": (
            TweedieRegressor(power=3).fit(X, Y_COUNT + 1),
            Y_COUNT + 1,
            "convex",
        ),
        "an L1 penalty": (
            LogisticRegression(l1_ratio=1.0, solver="saga", max_iter=5000).fit(X, Y),
            Y,
            "L1",
        ),
        "LinearSVC of three classes": (LinearSVC().fit(X, Y_CLASS), Y_CLASS, "two classes"),
        "SVC of three classes": (SVC().fit(X, Y_CLASS), Y_CLASS, "two classes"),
        "SVC with a linear kernel": (SVC(kernel="linear").fit(X, Y), Y, "rbf"),
        "Ridge of two targets": (Ridge().fit(X, np.c_[Y_REAL, Y_REAL]), Y_REAL, r"\(n, 2\)"),
        "Ridge, positive": (Ridge(positive=True).fit(X, Y_REAL), Y_REAL, "positive"),
    }
    for name, (estimator, y, saying) in estimators.items():
        yield refused(f"from_sklearn: {name}", from_sklearn, estimator, X, y, saying=saying)
    yield refused(
        "from_sklearn: stopped after one step",
        lambda: from_sklearn(LogisticRegression(max_iter=1).fit(X * 50, Y), X * 50, Y),
        saying="minimum",
    )
    for temperature in (0, -1, np.nan):
        yield refused(
            f"from_sklearn: SVC, temperature {temperature}",
            from_sklearn,
            SVC().fit(X, Y),
            X,
            Y,
            temperature=temperature,
            saying="temperature",
        )


def of_examples():
    fitted = exact().fit(X, Y)
    bad = {
        "other rows": (X + 5, Y, "minimum"),
        "flipped labels": (X, -Y, "minimum"),
        "too narrow": (X[:, :2], Y, "shape"),
        "fewer rows": (X[:-1], Y, "shape|per example"),
        "unknown labels": (X, Y + 1, "labels"),
        "a sparse vector": (scipy.sparse.csr_matrix(X[:1]), Y, "shape|per example"),
        "NaN in X": (X * np.nan, Y, "NaN"),
        "labels of shape (n, 2)": (X, np.c_[Y, Y], "shape|per example"),
        "labels masked": (X, np.ma.masked_array(Y, Y > 0), "mask"),
        "X masked": (np.ma.masked_array(X, X > 2), Y, "mask"),
        "none": (X[:0], Y[:0], "at least one|shape|none"),
    }
    for name, (rows, labels, saying) in bad.items():
        yield refused(f"from_sklearn: {name}", from_sklearn, fitted, rows, labels, saying=saying)


def of_sample_weights():
    fitted = exact().fit(X, Y)
    bad = {
        "too few": ([1, 2], "sample_weight"),
        "NaN": (np.full(30, np.nan), "finite|NaN"),
        "all 0": (np.zeros(30), "weight"),
        "strings": (["a"] * 30, "sample_weight|number"),
        "not those of the fit": (STRONG, "sample_weight|minimum"),
    }
    for name, (weights, saying) in bad.items():
        yield refused(
            f"from_sklearn: sample_weight {name}",
            from_sklearn,
            fitted,
            X,
            Y,
            sample_weight=weights,
            saying=saying,
        )
    yield refused(
        "from_sklearn: sample_weight forgotten",
        lambda: from_sklearn(exact().fit(X, Y, sample_weight=np.where(Y > 0, 30.0, 1)), X, Y),
        saying="sample_weight",
    )


def logistic_by_hand(estimator, X, y, X_test, y_test, weights, C):
    """The estimator's own risk, minimised by SciPy: its minimum, then KL (2) there."""
    n = len(X)
    weights = np.ones(n) if weights is None else weights
    Z, Z_test = (np.c_[np.asarray(rows, dtype=float), np.ones(len(rows))] for rows in (X, X_test))
    s, s_test = (
        np.where(np.asarray(labels) == estimator.classes_[1], 1.0, -1) for labels in (y, y_test)
    )

    def risk(t):
        return (t[:-1] @ t[:-1] / 2 / C + weights @ np.logaddexp(0, -s * (Z @ t))) / n

    start = np.r_[estimator.coef_[0], estimator.intercept_]
    theta = minimize(risk, start, tol=1e-14, options={"gtol": 1e-10}).x
    l2 = np.r_[np.full(Z.shape[1] - 1, 1 / C / n), 0]
    return up_loss_by_hand(
        "logistic", Z, s, theta, l2, Z_test, s_test, weights=weights / n, fold_l2=False
    )


def logistic(y, y_test, X=X, X_test=X_TEST, weights=None, C=1.0):
    """Influence by the package, and by hand."""
    estimator = exact(C=C).fit(X, y, sample_weight=weights)
    objective, theta, code = from_sklearn(estimator, X, y, sample_weight=weights)
    found = Influence(objective, theta).up_loss(*code(X_test, y_test))
    return found, logistic_by_hand(estimator, X, y, X_test, y_test, weights, C)


def of_labels():
    frame = pd.DataFrame(X, columns=list("abc"))
    kinds = {
        "words": (WORDS, np.where(Y_TEST > 0, "spam", "ham")),
        "True and False": (Y > 0, Y_TEST > 0),
        "0.0 and 2.0": (np.where(Y > 0, 2.0, 0.0), np.where(Y_TEST > 0, 2.0, 0.0)),
        "objects in a Series": (
            pd.Series(np.where(Y > 0, "b", "a"), dtype=object),
            np.where(Y_TEST > 0, "b", "a"),
        ),
    }
    for name, labels in kinds.items():
        yield agree(f"from_sklearn: labels {name}", logistic, *labels, tol=1e-3)
    yield agree("from_sklearn: X a DataFrame", logistic, Y, Y_TEST, frame, tol=1e-3)
    yield agree("from_sklearn: sample weights, some 0", logistic, Y, Y_TEST, weights=SOME, tol=1e-3)
    yield agree("from_sklearn: C = 1e4", logistic, Y, Y_TEST, C=1e4, tol=1e-2)
    constant = X * [1, 0, 1] + [0, 2, 0]
    yield agree("from_sklearn: a constant feature", logistic, Y, Y_TEST, constant, tol=1e-3)


def scores(estimator, y=Y, weights=None, X=X):
    """Scores of the training set at the translated minimum, and the estimator's own."""
    fitted = estimator.fit(X, y, sample_weight=weights)
    objective, theta, _ = from_sklearn(fitted, X, y, sample_weight=weights)
    found = objective.losses.scores(theta, objective.X)
    own = fitted.decision_function(X)
    if own.ndim == 1:
        return found[:, 0], own
    # only differences of softmax scores mean something
    return found @ models.contrasts(own.shape[1]).T, own - own.mean(axis=1, keepdims=True)


def up_loss(estimator, X, y, X_test, y_test):
    objective, theta, code = from_sklearn(estimator.fit(X, y), X, y)
    return Influence(objective, theta).up_loss(*code(X_test, y_test))


def of_forms():
    """The same examples in other forms, and behind a pipeline: the same influence."""
    expected = up_loss(exact(), X, Y, X_TEST, Y_TEST)
    names = list("abc")
    forms = {
        "sparse, CSR": scipy.sparse.csr_matrix,
        "sparse, COO": scipy.sparse.coo_array,
        "a list of lists": np.ndarray.tolist,
        "in Fortran's order": np.asfortranarray,
        "a frame": lambda rows: pd.DataFrame(rows, columns=names),
    }
    for name, form in forms.items():
        given = form(X), Y, form(X_TEST), Y_TEST
        yield right(f"from_sklearn: X {name}", up_loss, exact(), *given, expected=expected)
        behind = make_pipeline("passthrough", StandardScaler(with_mean=False), exact())
        scaled = X / X.std(axis=0), Y, X_TEST / X.std(axis=0), Y_TEST
        yield right(
            f"from_sklearn: a pipeline, X {name}",
            up_loss,
            behind,
            *given,
            expected=partial(up_loss, exact(), *scaled),
            tol=1e-5,
        )
    column = X, Y[:, None], X_TEST, Y_TEST[:, None]
    yield right(
        "from_sklearn: y of shape (n, 1)",
        lambda: up_loss_of_column(*column),
        expected=expected,
    )
    words = [
        " ".join(["good"] * int(y > 0) + ["plot", "bad"][: 1 + i % 2]) for i, y in enumerate(Y)
    ]
    texts = make_pipeline(CountVectorizer(), exact())
    dense = CountVectorizer().fit(words).transform(words).toarray()
    yield right(
        "from_sklearn: a pipeline, X a list of texts",
        up_loss,
        texts,
        words,
        Y,
        words[:3],
        Y[:3],
        expected=partial(up_loss, exact(), dense, Y, dense[:3], Y[:3]),
        tol=1e-5,
    )
    frame = pd.DataFrame(X, columns=names)
    code = from_sklearn(exact().fit(frame, Y), frame, Y).code
    yield refused("from_sklearn: columns in another order", code, frame[["b", "a", "c"]], Y,
                  saying="columns")  # fmt: skip
    yield refused("from_sklearn: a column too few", code, frame[["a", "b"]], Y, saying="columns")


def up_loss_of_column(X, y, X_test, y_test):
    """Of a fit whose labels were one column, of which scikit-learn warns."""
    objective, theta, code = from_sklearn(exact().fit(X, y[:, 0]), X, y)
    return Influence(objective, theta).up_loss(*code(X_test, y_test))


def of_refit_weights():
    """Weights of a refit: one for each example and group, or a sentence."""
    balanced = from_sklearn(exact(class_weight="balanced").fit(X, Y), X, Y)
    kept = np.delete(np.arange(30), 4)
    by_class = 29 / 2 / np.array([np.sum(Y[kept] == c) for c in (-1, 1)])
    column = np.where(Y > 0, by_class[1], by_class[0]) / 30
    column[4] = 0
    yield right("weights_without: balanced", balanced.weights_without, [4],
                expected=column[:, None])  # fmt: skip
    yield refused("weights_without: a whole class", balanced.weights_without,
                  [np.flatnonzero(Y > 0)], saying="class")  # fmt: skip
    for name, groups, saying in (("30", [30], "0 .. 29"), ("a word", ["a"], "index")):
        yield refused(f"weights_without: {name}", balanced.weights_without, groups, saying=saying)
    yield refused("weights_without: a number", balanced.weights_without, 3, saying="sequence")
    yield refused("weights_without: nothing", balanced.weights_without, [], saying="empty")


def of_class_weights():
    """Balanced weights count examples by their sample weight, as the estimators do."""
    by_class = {-1: 1.0, 1: 4.0}
    for name, weights in {"of 1.3": MILD, "of 3": STRONG, "some 0": SOME, "none": None}.items():
        said = f"and sample weights {name}"
        for kind in ("balanced", by_class):
            how = kind if kind == "balanced" else "of one class"
            for estimator in (
                exact(class_weight=kind, C=0.3),
                exact(class_weight=kind, solver="liblinear"),
                exact_svc(class_weight=kind),
            ):
                which = type(estimator).__name__
                if getattr(estimator, "solver", "") == "liblinear":
                    which = "liblinear"
                yield agree(
                    f"{which}: class weights {how} {said}", scores, estimator, Y, weights, tol=2e-3
                )
            smooth = SVC(class_weight=kind, tol=1e-8)  # the objective's hinge is a smooth one
            yield agree(f"SVC: class weights {how} {said}", scores, smooth, Y, weights, tol=0.15)
    three = np.where(Y_CLASS == 1, 2.0, np.where(Y > 0, 1.5, 1.0))
    for name, weights in {"of 1 to 2": three, "none": None}.items():
        for kind in ("balanced", {0: 1, 1: 5, 2: 0.2}):
            how = kind if kind == "balanced" else "from 0.2 to 5"
            yield agree(
                f"three classes: class weights {how} and sample weights {name}",
                scores,
                exact(class_weight=kind),
                Y_CLASS,
                weights,
                tol=2e-3,
            )
    yield agree(
        "words as labels: class weights balanced and sample weights of 3",
        scores,
        exact(class_weight="balanced"),
        WORDS,
        STRONG,
        tol=2e-3,
    )


def theta_of(estimator, y, weights=None, X=X):
    return from_sklearn(
        estimator.fit(X, y, sample_weight=weights), X, y, sample_weight=weights
    ).theta


def coefficients(estimator, y, weights=None, X=X):
    """Translated minimum, and the estimator's own coefficients."""
    theta = theta_of(estimator, y, weights, X)
    own = np.ravel(estimator.coef_)
    return theta, np.r_[own, estimator.intercept_] if estimator.fit_intercept else own


def of_settings():
    whole_X, whole_y = (X * 9).astype(int), (Y_REAL * 9).astype(int)
    poisson = PoissonRegressor(tol=1e-10, max_iter=5000)
    linear = {
        "Ridge": (Ridge(), Y_REAL),
        "Ridge, sample weights": (Ridge(), Y_REAL, STRONG),
        "Ridge, sample weights, some 0": (Ridge(), Y_REAL, SOME),
        "Ridge, alpha an array of one": (Ridge(alpha=np.array([2.0])), Y_REAL),
        "Ridge, alpha a float32": (Ridge(alpha=np.float32(2.0)), Y_REAL),
        "Ridge, without intercept": (Ridge(fit_intercept=False), Y_REAL),
        "Ridge, whole numbers": (Ridge(), whole_y, None, whole_X),
        "PoissonRegressor": (poisson, Y_COUNT),
        "PoissonRegressor, sample weights": (poisson, Y_COUNT, STRONG),
        "PoissonRegressor, sample weights, some 0": (poisson, Y_COUNT, SOME),
        "PoissonRegressor, sample weights of 1e6": (poisson, Y_COUNT, STRONG * 1e6),
        "LogisticRegression, C infinite": (exact(C=np.inf), Y),
        "LogisticRegression, without intercept": (exact(fit_intercept=False), Y),
    }
    for name, arguments in linear.items():
        yield agree(f"{name}: its own coefficients", coefficients, *arguments, tol=1e-3)
    yield right(
        "Ridge, alpha = 0: least squares",
        lambda: theta_of(Ridge(alpha=0), Y_REAL),
        expected=np.linalg.lstsq(np.c_[X, np.ones(30)], Y_REAL, rcond=None)[0],
    )
    gamma = GammaRegressor(tol=1e-10, max_iter=5000)
    tweedie = TweedieRegressor(power=1.3, tol=1e-10, max_iter=5000)
    more = {
        "LinearRegression": (LinearRegression(), Y_REAL),
        "LinearRegression, sample weights, some 0": (LinearRegression(), Y_REAL, SOME),
        "GammaRegressor": (gamma, Y_COUNT + 0.5),
        "GammaRegressor, sample weights": (gamma, Y_COUNT + 0.5, STRONG),
        "TweedieRegressor": (tweedie, Y_COUNT),
        "TweedieRegressor, sample weights, some 0": (tweedie, Y_COUNT, SOME),
        "RidgeClassifier": (RidgeClassifier(), Y),
        "RidgeClassifier, words": (RidgeClassifier(), WORDS),
    }
    for name, arguments in more.items():
        yield agree(f"{name}: its own coefficients", coefficients, *arguments, tol=1e-6)
    scaled = exact(solver="liblinear", intercept_scaling=5.0)
    yield agree("liblinear, intercept_scaling = 5: its own scores", scores, scaled, tol=1e-3)
    yield agree(
        "SVC, gamma = 0.5: its own scores, but for the smooth hinge",
        scores,
        SVC(gamma=0.5),
        tol=0.15,
    )
    ones, labels = np.ones((6, 2)), np.array([0, 1, 0, 1, 1, 1])
    for gamma in (0.5, "scale"):
        yield agree(
            f"SVC on equal rows, gamma {gamma}: its own scores",
            scores,
            SVC(gamma=gamma),
            labels,
            None,
            ones,
            tol=0.15,
        )
