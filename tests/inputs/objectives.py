"""Examples, labels and penalties as people have them: in every kind of objective."""

import autograd.numpy as anp
import numpy as np
import pandas as pd
import scipy.sparse

from inputs.examples import (
    FOLDER,
    LOGISTIC,
    MAKERS,
    THETA,
    THETA_SQUARED,
    UP_LOSS,
    X_TEST,
    Y_BINARY,
    Y_CLASS,
    Y_COUNT,
    Y_REAL,
    Y_TEST,
    X,
    Y,
    linear,
    own,
    own_logistic,
    up_loss,
    up_loss_by_hand,
)
from inputs.table import agree, refused, right, right_or_told, told
from minfluence import AutogradObjective, Influence, LinearObjective, fit, models


def cases():
    for kind, make in MAKERS.items():
        yield from bad_examples(kind, make)
        yield from bad_labels_and_penalties(kind, make)
        yield from odd_examples(kind, make)
        yield from changed_afterwards(kind, make)
    yield from masked()
    yield from of_losses_in_closed_form()
    yield from of_precision()
    yield from of_own_losses()
    yield from of_counts_and_classes()


def bad_examples(kind, make):
    with_nan, with_inf = X.copy(), X.copy()
    with_nan[3, 0], with_inf[3, 0] = np.nan, -np.inf
    pixels = (X * 50 + 100).clip(0, 255).astype(np.uint8)
    yield refused(f"{kind}: X of one axis", make, X[:, 0], Y, saying="shape")
    yield refused(f"{kind}: X a single number", make, 3.0, Y, saying="shape")
    yield refused(f"{kind}: X None", make, None, Y, saying="shape|numbers")
    yield refused(f"{kind}: X a generator", make, (x for x in X), Y, saying="shape|numbers")
    yield refused(f"{kind}: fewer labels than rows", make, X, Y[:-1], saying="shape")
    yield refused(f"{kind}: no examples", make, X[:0], Y[:0], saying="at least one")
    yield refused(f"{kind}: NaN in X", make, with_nan, Y, saying="NaN")
    yield refused(f"{kind}: infinity in X", make, with_inf, Y, saying="infinity")
    yield refused(f"{kind}: 8-bit pixels", make, pixels, Y, saying="8-bit")
    yield refused(f"{kind}: X of strings", make, X.astype(str), Y, saying="numbers")
    text = X.astype(object)
    text[2, 1] = "0.5"
    yield refused(f"{kind}: X of objects, one of them text", make, text, Y, saying="0.5")
    table = pd.DataFrame({"area": X[:, 0], "town": "Bern"})
    yield refused(f"{kind}: a table with text", make, table, Y, saying="'town'.*'Bern'")
    table = pd.DataFrame({"area": X[:, 0], "year": with_nan[:, 0]})
    yield refused(f"{kind}: a table with a gap", make, table, Y, saying="'year'.*NaN")
    table = pd.DataFrame({"area": X[:, 0], "year": pd.array([None, *range(29)], dtype="Int64")})
    yield refused(f"{kind}: a table with a gap in whole numbers", make, table, Y, saying="'year'")
    table = pd.DataFrame({"area": X[:, 0], "built": pd.Timestamp("2020-01-01")})
    yield refused(f"{kind}: a table with dates", make, table, Y, saying="'built'.*datetime")
    yield refused(f"{kind}: X complex", make, X + 1j, Y, saying="numbers")
    yield refused(f"{kind}: X of dates", make, X.astype("datetime64[s]"), Y, saying="numbers")
    sparse = scipy.sparse.csr_matrix(X)
    if kind != "Linear":
        yield refused(f"{kind}: X sparse", make, sparse, Y, saying="LinearObjective")
    sparse.data[0] = np.nan
    yield refused(f"{kind}: X sparse with NaN", make, sparse, Y, saying="NaN|LinearObjective")


def bad_labels_and_penalties(kind, make):
    words = np.where(Y > 0, "spam", "ham")
    yield refused(
        f"{kind}: labels of shape (n, 1)", lambda: up_loss(make(X, Y[:, None])), saying="shape"
    )
    yield refused(f"{kind}: infinite labels", make, X, np.full(30, np.inf), saying="infinity|label")
    yield refused(f"{kind}: labels that are words", make, X, words, saying="numbers")
    bad = {"negative": -1, "NaN": np.nan, "infinite": np.inf, "a string": "0.1", "None": None}
    bad |= {"too long": np.ones(5), "partly negative": np.array([1.0, -1, 1])}
    for what, l2 in bad.items():
        yield refused(f"{kind}: l2 {what}", make, X, Y, l2, saying="l2")


def up_loss_of_table(objective, columns, one=False):
    influence, table = Influence(objective, THETA), pd.DataFrame(X_TEST, columns=columns)
    return influence.up_loss(table.iloc[0], Y_TEST[0]) if one else influence.up_loss(table, Y_TEST)


def odd_examples(kind, make):
    """Forms in which the same numbers may come."""

    def answer(X=X, y=Y, l2=0.1):
        return up_loss(make(X, y, l2))

    def same(name, X=X, y=Y, l2=0.1):
        return right(f"{kind}: {name}", answer, X, y, l2, expected=UP_LOSS)

    def other(name, X=X, y=Y, l2=0.1):
        expected = up_loss_by_hand(X=np.asarray(X, float), y=np.asarray(y), l2=float(l2))
        return right(f"{kind}: {name}", answer, X, y, l2, expected=expected)

    backwards = np.arange(30)[::-1]
    frame, series = pd.DataFrame(X, index=backwards), pd.Series(Y, index=backwards)
    np.save(FOLDER / f"{kind}.npy", X)
    yield same("lists", X.tolist(), Y.tolist())
    yield same("a DataFrame and a Series with an index of their own", frame, series)
    yield same("objects that are numbers", X.astype(object), list(map(int, Y)))
    nullable = frame.astype({0: "Float64"}).assign(**{"yes": pd.array(Y > 0, dtype="boolean")})
    yield right(
        f"{kind}: a table of nullable numbers",
        lambda: up_loss(make(nullable.drop(columns="yes"), series.astype(int).astype("Int64"))),
        expected=UP_LOSS,
    )
    yield other(
        "a table of numbers and truth values",
        pd.DataFrame({"a": X[:, 0], "b": X[:, 1] > 0, "c": 1}),
    )
    yield other("half precision", X.astype(np.float16))
    yield other("truth values", X > 0)
    if kind == "Linear":
        for form in ("csr", "csc", "coo", "lil"):
            for matrix in (scipy.sparse.csr_matrix(X), scipy.sparse.csr_array(X)):
                yield same(f"sparse, {type(matrix.asformat(form)).__name__}", matrix.asformat(form))
    yield refused(
        f"{kind}: test points whose columns have another order",
        lambda: up_loss_of_table(make(pd.DataFrame(X, columns=[*"abc"]), Y), [*"bac"]),
        saying="columns of training",
    )
    yield refused(
        f"{kind}: a row of a table with another order",
        lambda: up_loss_of_table(make(pd.DataFrame(X, columns=[*"abc"]), Y), [*"bac"], one=True),
        saying="columns of training",
    )
    yield right(
        f"{kind}: a row of a table",
        lambda: up_loss_of_table(make(pd.DataFrame(X, columns=[*"abc"]), Y), [*"abc"], one=True),
        expected=UP_LOSS[0],
    )
    yield right(
        f"{kind}: labels in a table of one column, flat",
        lambda: up_loss(make(X, np.ravel(pd.DataFrame({"label": Y})))),
        expected=UP_LOSS,
    )
    yield right(
        f"{kind}: test points in a table",
        lambda: up_loss_of_table(make(pd.DataFrame(X, columns=[*"abc"]), Y), [*"abc"]),
        expected=UP_LOSS,
    )
    yield same("Fortran order", np.asfortranarray(X))
    yield same(
        "arrays with gaps", np.repeat(np.repeat(X, 2, 0), 2, 1)[::2, ::2], np.repeat(Y, 2)[::2]
    )
    yield same("read-only arrays")  # as those of `examples` are
    yield same("a file mapped into memory", np.load(FOLDER / f"{kind}.npy", mmap_mode="r"))
    yield same("long doubles", X.astype(np.longdouble))
    yield same("the other byte order", X.astype(">f8"), Y.astype(">f8"))
    yield same("labels as whole numbers", X, Y.astype(int))
    yield same("l2 as an array without axes", l2=np.array(0.1))
    yield right(
        f"{kind}: arrays read backwards",
        lambda: up_loss(make(X[::-1], Y[::-1]))[:, ::-1],
        expected=UP_LOSS,
    )
    yield other("float16", X.astype(np.float16))
    yield other("whole numbers", (X * 3).astype(int))
    yield other("signed 8-bit numbers and labels", (X * 3).astype(np.int8), Y.astype(np.int8))
    yield other("booleans", X > 0)
    yield other("the same rows ten times", np.repeat(X[:3], 10, 0), np.repeat(Y[:3], 10))
    yield other("a single example", X[:1], Y[:1])
    yield other("a feature of zeros and two of ones", X * 0 + [0.0, 1, 1])
    yield other("l2 as a float32", l2=np.float32(0.1))
    yield other("features of 1e-150", X * 1e-150)


def changed_afterwards(kind, make):
    """The reader goes on with arrays from which an objective was made."""

    def changing(which):
        arrays = {"X": X.copy(), "y": Y.copy(), "l2": np.full(3, 0.1)}
        arrays["l2"] = 0.1 if kind == "Torch" else arrays["l2"]
        objective = make(arrays["X"], arrays["y"], arrays["l2"])
        arrays[which] *= 0 if which != "y" else -1
        return up_loss(objective)

    for which in ("X", "y") if kind == "Torch" else ("X", "y", "l2"):
        yield right(f"{kind}: {which} changed in place later", changing, which, expected=UP_LOSS)

    def weights_changed():
        weights = np.full(30, 1 / 30)
        objective = make(X, Y).reweighted(weights)
        weights[:] = np.arange(30)
        return up_loss(objective)

    def theta_changed():
        theta = THETA.copy()
        influence = Influence(make(X, Y), theta)
        theta += 1.0
        return influence.up_loss(X_TEST, Y_TEST)

    def answer_changed():
        influence = Influence(make(X, Y), THETA)
        influence.s_test(X_TEST, Y_TEST)[:] = 0.0
        influence.up_loss(X_TEST, Y_TEST)[:] = 0.0
        return influence.up_loss(X_TEST, Y_TEST)

    yield right(f"{kind}: weights changed in place later", weights_changed, expected=UP_LOSS)
    yield right(f"{kind}: theta changed in place later", theta_changed, expected=UP_LOSS)
    yield right(f"{kind}: answers changed in place", answer_changed, expected=UP_LOSS)


def masked():
    """Masked entries are not there; without the mask they would be numbers like others."""
    mask = np.zeros((30, 3), dtype=bool)
    mask[1, 1] = True
    masked_X = np.ma.masked_array(np.where(mask, 1e20, X), mask)
    masked_y = np.ma.masked_array(Y, mask[:, 1])
    for kind, make in MAKERS.items():
        yield refused(f"{kind}: X masked", make, masked_X, Y, saying="mask")
        yield refused(f"{kind}: labels masked", make, X, masked_y, saying="mask")
    points = np.ma.masked_array(X_TEST, mask[:4])
    weights = np.ma.masked_array(np.full(30, 1 / 30), mask[:, 1])
    theta = np.ma.masked_array(THETA, [False, True, False])
    influence = Influence(LOGISTIC, THETA)
    yield refused("test points masked", influence.up_loss, points, Y_TEST, saying="mask")
    yield refused("weights masked", LOGISTIC.reweighted, weights, saying="mask")
    yield refused("theta masked", LOGISTIC.grad, theta, saying="mask")
    yield refused("a gradient masked", influence.up, theta, saying="mask")
    whole = np.ma.masked_array(X, False)
    yield right_or_told(
        "an array that could have a mask and has none",
        lambda: up_loss(linear(whole, Y)),
        expected=UP_LOSS,
        saying="mask",
    )


def of_losses_in_closed_form():
    make = LinearObjective
    yield refused("Linear: no losses", make, None, X, Y, 0.1, saying="losses")
    yield refused("Linear: losses by name", make, "logistic", X, Y, 0.1, saying="losses")
    yield refused("Linear: softmax, not called", make, models.softmax, X, Y, 0.1, saying="losses")
    yield refused("Linear: labels 0 and 1", linear, X, Y_BINARY, saying=r"labels -1 and \+1")
    yield refused("Linear: labels True and False", linear, X, Y > 0, saying=r"labels -1 and")
    yield refused("Linear: X of three axes", linear, X[:, :, None], Y, saying="flatten|shape")
    yield right(
        "Linear: one example with one feature",
        lambda: Influence(make(models.squared, [[2.0]], [3.0], 0.5), [1.0]).up_loss([[1.0]], [0.0]),
        expected=[[-((2 - 3) * 2 + 0.5) / (4 + 0.5)]],
    )
    yield told("fit of features of 1e200", lambda: fit(linear(X * 1e200, Y)), saying="scale")
    yield right(
        "features of 1e300, theta zero",
        lambda: linear(X[:, :1] * 1e300, Y).grad([0.0]),
        expected=[np.mean(-0.5 * Y * X[:, 0]) * 1e300],
    )
    tiny = np.full(30, 1e-310)
    yield right(
        "weights of 1e-310, below the smallest normal number",
        lambda: LOGISTIC.reweighted(tiny).grad(THETA + 1) / 1e-310,
        expected=LOGISTIC.grad(THETA + 1) * 30,
        tol=1e-3,
    )


def of_precision():
    def single(X, y, l2=0.1):
        return LinearObjective(models.squared, X, y, l2, dtype=np.float32)

    for kind, make in MAKERS.items():
        for dtype in ("nonsense", np.float16, int, complex, object):
            name = getattr(dtype, "__name__", dtype)
            yield refused(f"{kind}: dtype {name}", make, X, Y, dtype=dtype, saying="dtype")
        for name, big in {"X": (X * 1e39, Y), "l2": (X, Y, 1e39)}.items():
            yield refused(
                f"{kind}: {name} of 1e39 in float32",
                lambda make, big: make(*big, dtype=np.float32).grad(THETA),
                make,
                big,
                saying="float32|infinity|l2",
            )
    yield refused("labels of 1e39 in float32", single, X, Y_REAL * 1e39, saying="float32|infinity")
    yield refused(
        "l2 of 1e39 for one parameter, in float32",
        lambda: single(X, Y_REAL, np.array([0.1, 1e39, 0.1])).grad(THETA),
        saying="float32|infinity|l2",
    )
    yield refused(
        "test points of 1e39 for a float32 model",
        lambda: single(X, Y_REAL).test_losses(THETA, X_TEST * 1e39, Y_TEST),
        saying="float32|infinity",
    )
    yield refused(
        "weights of 1e39 for a float32 model",
        lambda: single(X, Y_REAL).reweighted(np.full(30, 1e39)).grad(THETA),
        saying="float32|infinity|finite",
    )
    yield refused(
        "theta of 1e39 for a float32 model",
        lambda: single(X, Y_REAL).grad(THETA * 1e39),
        saying="float32|infinity|theta",
    )
    yield right(
        "features of 1e-39 in float32, where they lose digits but not their size",
        lambda: single(X * 1e-39, Y_REAL).grad(np.zeros(3)),
        expected=-(X * 1e-39).T @ Y_REAL / 30,
        tol=1e-3,
    )


def of_own_losses():
    """Losses of a reader's own, in autograd."""

    def make(losses, y=Y, p=3):
        return AutogradObjective(losses, X, y, 0.1, p=p)

    def risk(losses, y=Y, p=3, theta=THETA):
        return make(losses, y, p).risk(theta)

    def scores(losses, **options):
        return up_loss(make(losses), **options)

    def mean(theta, X, y):
        return anp.mean(own_logistic(theta, X, y))

    def column(theta, X, y):
        return own_logistic(theta, X, y)[:, None]

    def coupled(theta, X, y):
        return own_logistic(theta, X - anp.mean(X, axis=0), y)

    def logarithm_of_less_than_nothing(theta, X, y):
        return anp.log(anp.dot(X, theta) - 1e3)

    def root_of_less_than_nothing(theta, X, y):
        return anp.sqrt(anp.dot(X, theta) - 1e3)

    def with_numpy(theta, X, y):
        return np.log1p(np.exp(-y * np.asarray(X @ theta, dtype=float)))

    def with_0_and_1(theta, X, y):
        return anp.log(1 + anp.exp((1 - 2 * y) * anp.dot(X, theta)))

    one_each = "one loss per example"
    yield refused("own losses: None", risk, None, saying="losses|callable")
    yield refused("own losses: their mean", risk, mean, saying=one_each)
    yield refused("own losses: a column", risk, column, saying=one_each)
    yield refused("own losses: a column, in Influence", scores, column, saying=one_each)
    yield refused(
        "own losses: each depends on the others", scores, coupled, saying="depends on the other"
    )
    wrong = np.zeros(5)
    yield refused(
        "own losses: p too large",
        lambda: risk(own_logistic, p=5, theta=wrong),
        saying=r"p=|parameters|theta",
    )
    for p in ("3", 0, -3, 2.5):
        yield refused(
            f"own losses: p = {p!r}", lambda p=p: fit(make(own_logistic, p=p)), saying="p "
        )
    nan = "NaN|finite"
    yield refused(
        "own losses: NaN, in fit", lambda: fit(make(logarithm_of_less_than_nothing)), saying=nan
    )
    yield told("own losses: NaN, in Influence", scores, logarithm_of_less_than_nothing, saying=nan)
    yield told(
        "own losses: NaN, in Influence by cg",
        lambda: scores(root_of_less_than_nothing, solver="cg"),
        saying=nan,
    )
    yield refused(
        "own losses: NumPy in place of autograd's",
        lambda: make(with_numpy).grad(THETA),
        saying="autograd",
    )
    for name, y in {
        "unsigned 8-bit": Y_BINARY.astype(np.uint8),
        "unsigned 64-bit": Y_BINARY.astype(np.uint64),
        "whole": Y_BINARY,
        "boolean": Y > 0,
    }.items():
        expected = own(X, Y).risk(THETA)
        yield right(
            f"own losses with 1 - 2 y: {name} labels", risk, with_0_and_1, y, expected=expected
        )

    def large_counts(theta, X, y):
        return 0.5 * (anp.dot(X, theta) - y * y) ** 2

    counts = np.full(30, 200, dtype=np.uint8)
    yield right(
        "own losses with y * y: 8-bit labels of 200",
        risk,
        large_counts,
        counts,
        expected=0.5 * np.mean((X @ THETA - 40_000.0) ** 2) + 0.05 * THETA @ THETA,
    )


def of_counts_and_classes():
    def make(losses, y, X=X):
        return LinearObjective(losses, X, y, 0.1)

    labels = {
        "a class that never occurs": (Y_BINARY * 2, "never occurs"),
        "2.5 for a class": (np.r_[0, 1, 2.5, np.zeros(27)], "labels"),
        "-1 for a class": (np.r_[-1, 0, 1, 2, np.zeros(26)], "labels"),
        "classes from 1": (Y_CLASS + 1, "labels"),
    }
    for losses in (models.softmax(3), models.centered_softmax(3)):
        for name, (y, saying) in labels.items():
            yield refused(f"{type(losses).__name__}: {name}", make, losses, y, saying=saying)
    yield refused("poisson: a negative count", make, models.poisson, Y, saying="at least 0")

    theta, counts, few = THETA_SQUARED * 0.1, Y_COUNT, [1, 0, 2, 3]
    for name, y in {"whole": counts, "unsigned 8-bit": counts.astype(np.uint8)}.items():
        yield right(
            f"poisson: {name} counts",
            lambda y=y: Influence(make(models.poisson, y), theta).up_loss(X_TEST, few),
            expected=up_loss_by_hand("poisson", y=counts, theta=theta, y_test=few),
        )

    def classes_as_floats():
        theta = np.arange(9.0) / 9
        influence = Influence(make(models.softmax(3), Y_CLASS * 1.0), theta)
        by_hand = up_loss_by_hand(
            "softmax", y=Y_CLASS, theta=theta, y_test=[0, 1, 2, 2], n_classes=3
        )
        return influence.up_loss(X_TEST, [0, 1, 2, 2.0]), by_hand

    yield agree("softmax: classes as floats", classes_as_floats)
