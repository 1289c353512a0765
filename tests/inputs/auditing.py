"""Audits, sums over groups, and the linear datamodeling score."""

from functools import partial

import numpy as np
import pandas as pd

from inputs.examples import LOGISTIC, THETA, X_TEST, Y_TEST, Y
from inputs.table import refused, right
from minfluence import audit, lds

THREE = np.array([1.0, 2.0, 3.0])
TABLE = np.eye(3)
NAMES = ["a", "b", "c"]
RNG = np.random.default_rng(4)
KEPT = lds.random_halves(30, 6, np.random.default_rng(0))
SCORES, OUTCOMES = RNG.random((2, 30)), RNG.random((2, 6))


def cases():
    yield from of_found()
    yield from of_groups()
    yield from of_tables()
    yield from of_lds()


def of_found():
    order = np.argsort(Y)
    bad = {
        "nothing planted": (np.arange(5), [], "empty"),
        "planted a mask": (order, Y > 0, "indices|whole numbers|mask|bool"),
        "planted floats": (np.arange(5), [1.0, 2.0], "whole|indices"),
        "planted beyond the last": (np.arange(5), [7], "must lie|order"),
        "planted negative": (np.arange(5), [-1], "must lie|order"),
        "planted the same twice": (np.arange(5), [1, 1], "once"),
        "an order of scores": (THREE / 10, [1], "order|whole"),
    }
    for name, (ordered, planted, saying) in bad.items():
        yield refused(f"found: {name}", audit.found, ordered, planted, saying=saying)
    yield right("found: one index", audit.found, np.array([2, 0, 1]), 0, expected=[0, 1, 1])


def of_groups():
    yield refused(
        "by_group: fewer values than scores", audit.by_group, THREE, ["a", "b"], saying="one value"
    )
    for value in (np.nan, np.inf):
        scores = np.array([1.0, value, 2.0])
        yield refused(
            f"by_group: {value} among the scores",
            audit.by_group,
            scores,
            ["a", "a", "b"],
            saying="NaN|finite",
        )
        yield refused(
            f"top_groups: {value} among the scores",
            audit.top_groups,
            scores,
            TABLE,
            NAMES,
            saying="NaN|finite",
        )
    yield refused(
        "by_group: scores of strings", audit.by_group, ["a", "b"], ["a", "b"], saying="number"
    )
    yield refused(
        "by_group: scores of two test points",
        audit.by_group,
        np.ones((2, 3)),
        NAMES,
        saying="one score",
    )
    missing = np.array([np.nan, 1.0, np.nan])
    yield right(
        "by_group: NaN is a category",
        lambda: sorted(g.n for g in audit.by_group(THREE, missing)),
        expected=[1, 2],
    )
    series = pd.Series(THREE, index=[5, 6, 7])
    yield right(
        "by_group: a Series with an index of its own, and a categorical",
        lambda: [
            g.total for g in audit.by_group(series, pd.Series(["a", "b", "a"], dtype="category"))
        ],
        expected=[4, 2],
    )
    yield right(
        "by_group: scores that are whole numbers",
        lambda: audit.by_group(np.array([1, 2, 3]), ["a", "b", "a"])[0].total,
        expected=4,
    )
    yield right(
        "by_group: nothing", lambda: len(audit.by_group(np.ones(0), np.ones(0))), expected=0
    )


def of_tables():
    yield refused(
        "top_groups: fewer names than columns",
        audit.top_groups,
        THREE,
        TABLE[:, :2],
        ["a"],
        saying="one name",
    )
    yield refused(
        "top_groups: fewer scores than rows",
        audit.top_groups,
        THREE[:2],
        TABLE,
        NAMES,
        saying="one score",
    )
    yield refused(
        "top_groups: by misspelt", audit.top_groups, THREE, TABLE, NAMES, by="max", saying="by must"
    )
    for k in (-1, 0, 1.5, "2"):
        yield refused(
            f"top_groups: k = {k!r}", audit.top_groups, THREE, TABLE, NAMES, k, saying="k "
        )
    yield right(
        "top_groups: a table of booleans",
        lambda: audit.top_groups(np.arange(3.0), TABLE.astype(bool), NAMES)[0].total,
        expected=2,
    )


def of_lds():
    for n in (1, 2.5, 0):
        yield refused(f"random_halves: n = {n}", lds.random_halves, n, 3, RNG, saying="n ")
    score = partial(lds.lds, SCORES, KEPT, OUTCOMES)
    uneven = np.vstack([KEPT[:5], np.ones((1, 30), bool)])
    words = np.full((2, 30), "a")
    bad = {
        "subsets of whole numbers": (SCORES, KEPT.astype(int), OUTCOMES, "booleans"),
        "two subsets": (SCORES, KEPT[:2], OUTCOMES[:, :2], "at least 3"),
        "subsets of other sizes": (SCORES, uneven, OUTCOMES, "equal size"),
        "NaN among the scores": (SCORES * np.nan, KEPT, OUTCOMES, "finite|NaN"),
        "NaN among the outcomes": (SCORES, KEPT, OUTCOMES * np.nan, "finite|NaN"),
        "scores of strings": (words, KEPT, OUTCOMES, "finite|number"),
        "outcomes of other test points": (SCORES, KEPT, OUTCOMES[:1], "outcomes"),
        "all subsets empty": (SCORES, KEPT & False, OUTCOMES, "subset|example|empty"),
    }
    for name, (scores, kept, outcomes, saying) in bad.items():
        yield refused(f"lds: {name}", lds.lds, scores, kept, outcomes, saying=saying)
    for resamples in (0, 1, 2.5):
        yield refused(
            f"lds: resamples = {resamples}", score, resamples=resamples, saying="resamples"
        )
    retrain = partial(lds.retrain, LOGISTIC, KEPT, X_TEST, Y_TEST)
    yield refused("lds.retrain: repeats = 0", retrain, theta_hat=THETA, repeats=0, saying="repeats")
    yield refused("lds.retrain: neither theta nor a training", retrain, saying="theta_hat")
    yield right(
        "lds: scores that are the truth",
        lambda: lds.lds(SCORES, KEPT, SCORES @ KEPT.T).mean,
        expected=1,
    )
    yield right(
        "lds: scores that are all alike",
        lambda: lds.lds(np.ones((2, 30)), KEPT, OUTCOMES).mean,
        expected=0,
    )
