"""LiSSA: right within its tolerance, or it says that it is not."""

import numpy as np

from inputs.examples import HESSIAN, LOGISTIC, THETA, UP_LOSS, X_TEST, Y_TEST
from inputs.table import Unexpected, refused, right, right_or_told, told
from minfluence import Hessian, Influence, lissa, safe_scale

H = Hessian(LOGISTIC, THETA)
ONES = np.ones(3)
NOT_SETTLED = "residual|diverged|settle"
QUICK = {"depth": 20, "repeats": 2}


def cases():
    yield from of_options()
    yield from of_matrices()
    yield from of_answers()


def of_options():
    bad = {
        "depth": (0, -1, 1.5),
        "repeats": (0, 1.5, "2"),
        "batch_size": (0, 31, 2.5),
        "scale": (-1, 0, np.nan, np.inf, "1"),
        "rtol": (-1.0, np.nan, 2.0, "0.1"),
        "rng": ("seed", -1, 0.5),
    }
    for name, values in bad.items():
        for value in values:
            options = {**QUICK, name: value}
            yield refused(f"lissa: {name} = {value!r}", lissa, H, ONES, **options, saying=name)
    yield told("lissa: rtol = 0", lissa, H, ONES, **QUICK, rtol=0.0, saying="rtol|residual")
    yield told("lissa: scale far too small", lissa, H, ONES, scale=1e-3, saying="diverged|scale")
    yield right(
        "lissa: a whole number for rng is a seed",
        lambda: lissa(H, ONES, **QUICK, rng=3).x,
        expected=lambda: lissa(H, ONES, **QUICK, rng=np.random.default_rng(3)).x,
    )


def of_matrices():
    nan = np.full((2, 2), np.nan)
    yield refused(
        "lissa: A of zeros", lissa, np.zeros((2, 2)), np.ones(2), saying="zero|eigenvalue|singular"
    )
    yield refused("lissa: NaN in A", lissa, nan, np.ones(2), saying="NaN|finite")
    yield refused("lissa: NaN in b", lissa, np.eye(2), np.full(2, np.nan), saying="NaN")
    yield refused(
        "lissa: b too long", lissa, np.eye(2), np.ones(3), saying="shape|length|match|vector"
    )
    yield refused("safe_scale: NaN in A", safe_scale, nan, saying="NaN|finite")
    yield told(
        "lissa: A indefinite",
        lissa,
        np.diag([1.0, -1]),
        np.ones(2),
        saying=f"{NOT_SETTLED}|eigenvalue",
    )
    yield told(
        "lissa: A singular, b outside its range",
        lissa,
        np.diag([1.0, 0]),
        np.ones(2),
        saying=f"{NOT_SETTLED}|eigenvalue",
    )
    yield right("lissa: I", lambda: lissa(np.eye(3), ONES).x, expected=ONES, tol=0.02)
    yield right("lissa: b of zeros", lambda: lissa(H, np.zeros(3), **QUICK).x, expected=np.zeros(3))
    yield right(
        "lissa: no right-hand sides",
        lambda: lissa(H, np.ones((3, 0)), **QUICK).x.shape,
        expected=(3, 0),
    )
    for size in (1e-200, 1e200):
        yield right_or_told(
            f"lissa: b of {size:g}",
            lambda size=size: lissa(H, ONES * size, depth=100).x / size,
            expected=np.linalg.solve(HESSIAN, ONES),
            saying=NOT_SETTLED,
            tol=0.03,
        )


def of_answers():
    """An answer without a warning is within a few percent of the exact one."""
    short = {"depth": 60, "repeats": 1}
    for name, diagonal, options in (
        ("diag(1, 0.01), 60 steps", [1, 0.01], short),
        ("diag(1, 0.001), 60 steps", [1, 1e-3], short),
        ("diag(1, 0.01)", [1, 0.01], {}),
        ("diag(1, 0.0001)", [1, 1e-4], {}),
        ("diag(1, 1e-6)", [1, 1e-6], {}),
    ):
        diagonal = np.array(diagonal)
        yield right_or_told(
            f"lissa: {name}",
            lambda diagonal, options: lissa(np.diag(diagonal), np.ones(2), **options).x,
            diagonal,
            options,
            expected=1 / diagonal,
            saying=NOT_SETTLED,
            tol=0.05,
        )
    exact = np.linalg.solve(HESSIAN, ONES)
    yield right_or_told(
        "lissa: a Hessian, with nothing else said",
        lambda: lissa(H, ONES).x,
        expected=exact,
        saying=NOT_SETTLED,
        tol=0.03,
    )
    for depth in (1, 5, 20, 200):
        yield right_or_told(
            f"lissa: a Hessian, {depth} steps",
            lambda depth=depth: lissa(H, ONES, depth=depth, repeats=2).x,
            expected=exact,
            saying=NOT_SETTLED,
            tol=0.05,
        )
    yield right_or_told(
        "lissa: whole batches",
        lambda: lissa(H, ONES, batch_size=30, repeats=1).x,
        expected=exact,
        saying=NOT_SETTLED,
        tol=0.03,
    )

    def slope():
        scores = Influence(LOGISTIC, THETA, solver="lissa").up_loss(X_TEST, Y_TEST)
        if np.corrcoef(scores.ravel(), UP_LOSS.ravel())[0, 1] < 0.995:
            raise Unexpected("Pearson's correlation with exact scores is below 0.995")
        return (scores * UP_LOSS).sum() / (UP_LOSS**2).sum()

    yield right_or_told(
        "Influence by lissa: the slope against exact scores",
        slope,
        expected=1.0,
        saying=NOT_SETTLED,
        tol=0.03,
    )

    def never_half():
        found = lissa(np.diag([1.0, 0.01]), np.ones(2), depth=60, repeats=1)
        return not found.converged or found.residual < 0.1

    yield right("lissa: a residual of a half is not converged", never_half, expected=True)
