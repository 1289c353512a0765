"""Pipelines, frames, texts and sparse matrices: raw examples in, the estimator's own scores out."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

from minfluence import Influence, agreement, from_sklearn, refit_without

RNG = np.random.default_rng(0)
N = 60
AREA = RNG.uniform(500, 4000, N)
TOWN = RNG.choice(["north", "south", "east"], N)
FRAME = pd.DataFrame({"area": AREA, "town": TOWN, "new": RNG.random(N) > 0.5})
PRICE = 100 * AREA + 5e4 * (TOWN == "north") + RNG.normal(0, 3e4, N)
DEAR = np.where(PRICE > np.median(PRICE) + RNG.normal(0, 5e4, N), "dear", "cheap")
WORDS = ["good", "fine", "bad", "poor", "plot", "actor", "the", "long"]
TEXTS = [" ".join(RNG.choice(WORDS, 12)) for _ in range(N)]
MOOD = np.array(
    [t.count("good") + t.count("fine") - t.count("bad") - t.count("poor") for t in TEXTS]
)
LIKED = np.where(MOOD + RNG.logistic(size=N) > 0, "liked", "not")
NEWTON = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}
LBFGS = {"tol": 1e-10, "max_iter": 20_000}


def by_column(**options):
    return ColumnTransformer(
        [("numbers", StandardScaler(), ["area"]), ("words", OneHotEncoder(**options), ["town"])],
        remainder="passthrough",
        sparse_threshold=1.0,
    )


PIPELINES = {  # name -> pipeline, examples, labels
    "scaler": (
        make_pipeline(StandardScaler(), LogisticRegression(**NEWTON)),
        FRAME[["area", "new"]],
    ),
    "frame with words": (make_pipeline(by_column(), LogisticRegression(**LBFGS)), FRAME),
    "frame with words, dense": (
        make_pipeline(by_column(sparse_output=False), LogisticRegression(**NEWTON)),
        FRAME,
    ),
    "frames inside": (
        make_pipeline(by_column(sparse_output=False), LogisticRegression(**NEWTON)).set_output(
            transform="pandas"
        ),
        FRAME,
    ),
    "nested": (
        make_pipeline(
            make_pipeline(by_column(sparse_output=False), PCA(3)),
            make_pipeline(StandardScaler(), LogisticRegression(**NEWTON)),
        ),
        FRAME,
    ),
    "nothing done": (
        Pipeline([("a", "passthrough"), ("b", None), ("c", LogisticRegression(C=1e-4, **NEWTON))]),
        (FRAME[["area", "new"]] * 1.0).to_numpy() / 1000,
    ),
    "counts": (make_pipeline(CountVectorizer(), LogisticRegression(**LBFGS)), TEXTS),
    "tf-idf": (make_pipeline(TfidfVectorizer(), LogisticRegression(**LBFGS)), TEXTS),
    "no intercept": (
        make_pipeline(CountVectorizer(), LogisticRegression(fit_intercept=False, **LBFGS)),
        TEXTS,
    ),
    "liblinear": (
        make_pipeline(TfidfVectorizer(), LinearSVC(tol=1e-12, max_iter=10**6, dual=False)),
        TEXTS,
    ),
    "ridge classifier": (make_pipeline(CountVectorizer(), RidgeClassifier(tol=1e-12)), TEXTS),
    "a function": (
        make_pipeline(FunctionTransformer(np.log1p), StandardScaler(), RidgeClassifier()),
        FRAME[["area"]],
    ),
    "an imputer": (
        make_pipeline(SimpleImputer(), StandardScaler(), RidgeClassifier()),
        FRAME[["area"]].where(FRAME[["area"]] > 800),
    ),
}
SPARSE = {"frame with words", "counts", "tf-idf", "no intercept", "liblinear", "ridge classifier"}


def labels_of(rows):
    return LIKED if rows is TEXTS else DEAR


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_takes_raw_examples_and_its_refits_hold_the_transformers(name):
    pipeline, rows = PIPELINES[name]
    y = labels_of(rows)
    pipeline = clone(pipeline).fit(rows, y)
    objective, theta, code = from_sklearn(pipeline, rows, y)
    raw = rows[:9]
    scores = objective.losses.scores(theta, code.inputs(raw))[:, 0]
    assert_allclose(scores, pipeline.decision_function(raw), rtol=1e-5, atol=1e-6)
    assert sparse.issparse(objective.X) == (name in SPARSE)
    # without an example: the last step fitted again behind the same transformers
    Z, last = code.transform(rows), pipeline
    while isinstance(last, Pipeline):
        last = last[-1]
    influence, left_out = Influence(objective, theta), range(0, N, 3)
    ours = refit_without(objective, theta, left_out, progress=False).thetas
    theirs = []
    for i, found in zip(left_out, ours, strict=True):
        kept = np.delete(np.arange(N), i)
        again = clone(last).fit(Z.iloc[kept] if hasattr(Z, "iloc") else Z[kept], y[kept])
        theirs.append(again.decision_function(Z[:9] if not hasattr(Z, "iloc") else Z.iloc[:9]))
        scores = objective.losses.scores(found, code.inputs(raw))[:, 0]
        assert_allclose(scores, theirs[-1], rtol=1e-4, atol=2e-5)
    change = np.transpose(theirs) - pipeline.decision_function(raw)[:, None]
    inputs = code.inputs(raw)
    slopes = influence.up(inputs.toarray() if sparse.issparse(inputs) else inputs)
    found = agreement((-slopes * objective.weights)[:, list(left_out)], change)
    assert found.pearson > 0.95, str(found)
    assert np.shape(influence.up_loss(*code(raw, y[:9]))) == (9, N)


@pytest.mark.parametrize("name", ["counts", "frame with words", "frames inside", "nested"])
def test_a_translation_of_a_pipeline_goes_through_pickle(name):
    pipeline, rows = PIPELINES[name]
    y = labels_of(rows)
    there = from_sklearn(clone(pipeline).fit(rows, y), rows, y)
    back = pickle.loads(pickle.dumps(there))
    assert_allclose(back.theta, there.theta)
    assert_allclose(back.weights_without([1, [2, 3]]), there.weights_without([1, [2, 3]]))
    one, other = (
        Influence(t.objective, t.theta).up_loss(*t.code(rows[:3], y[:3])) for t in (there, back)
    )
    assert_allclose(one, other)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        LinearSVC(),
        SVC(),
        Ridge(),
        LinearRegression(),
        RidgeClassifier(),
        PoissonRegressor(max_iter=1000),
    ],
)
def test_a_translation_of_an_estimator_goes_through_pickle(estimator):
    X = RNG.standard_normal((N, 3))
    y = (X[:, 0] + RNG.logistic(size=N) > 0).astype(int)
    there = from_sklearn(clone(estimator).fit(X, y), X, y)
    back = pickle.loads(pickle.dumps(there))
    one, other = (
        Influence(t.objective, t.theta).up_loss(*t.code(X[:3], y[:3])) for t in (there, back)
    )
    assert_allclose(one, other)


# Sparse matrices in the hands of an estimator ----------------------------------------------------


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(**LBFGS),
        LogisticRegression(solver="liblinear", **LBFGS),
        LinearSVC(dual=False, **LBFGS),
        Ridge(tol=1e-12),
        RidgeClassifier(tol=1e-12),
        LinearRegression(),
        PoissonRegressor(**LBFGS),
    ],
)
def test_sparse_examples_give_what_dense_ones_give_and_stay_sparse(estimator, form):
    X = RNG.standard_normal((N, 6)) * (RNG.random((N, 6)) < 0.4)
    y = RNG.poisson(np.exp(0.3 * X[:, 0]))
    if hasattr(estimator, "decision_function"):
        y = (y > 0).astype(int)
    dense, thin = (from_sklearn(clone(estimator).fit(A, y), A, y) for A in (X, form(X)))
    assert sparse.issparse(thin.objective.X) and not sparse.issparse(dense.objective.X)
    assert_allclose(thin.theta, dense.theta, rtol=1e-5, atol=1e-6)
    tested = thin.code(form(X[:4]), y[:4])
    assert sparse.issparse(tested[0])
    assert_allclose(
        Influence(thin.objective, thin.theta).up_loss(*tested),
        Influence(dense.objective, dense.theta).up_loss(*dense.code(X[:4], y[:4])),
        rtol=1e-4,
        atol=1e-4,
    )


def test_a_kernel_machine_takes_sparse_examples_too():
    X = RNG.standard_normal((N, 3))
    y = (X[:, 0] + RNG.logistic(size=N) > 0).astype(int)
    one, other = (from_sklearn(SVC(tol=1e-9).fit(A, y), A, y) for A in (X, sparse.csr_matrix(X)))
    assert_allclose(other.theta, one.theta, atol=1e-6)


# What is refused ---------------------------------------------------------------------------------


def test_columns_in_another_order_are_refused():
    frame = FRAME[["area", "new"]] * 1.0
    code = from_sklearn(RidgeClassifier().fit(frame, DEAR), frame, DEAR).code
    with pytest.raises(ValueError, match=r"columns \['area', 'new'\].* got \['new', 'area'\]: put"):
        code.inputs(frame[["new", "area"]])


def test_sparse_examples_with_holes_are_refused():
    X = sparse.csr_matrix(np.eye(6))
    y = np.resize([0, 1], 6)
    code = from_sklearn(RidgeClassifier().fit(X, y), X, y).code
    bad = X.copy()
    bad.data[2] = np.nan
    with pytest.raises(ValueError, match="X holds NaN"):
        code.inputs(bad)
    with pytest.raises(ValueError, match=r"shape \(n, 6\), as the estimator was fitted on"):
        code.inputs(X[:, :5])
