"""Methods of attribution: confident examples, vanishing gradients, ranks and widths."""

from functools import partial

import numpy as np

from inputs.examples import (
    GRADS,
    HESSIAN,
    LOGISTIC,
    SQUARED,
    THETA,
    THETA_SQUARED,
    X_TEST,
    Y_BINARY,
    Y_TEST,
    Y_TEST_BINARY,
    X,
    Y,
    by_hand,
    linear,
    up_loss_by_hand,
)
from inputs.table import agree, holds, refused, right, right_or_told
from minfluence import (
    AutogradObjective,
    Hessian,
    Influence,
    LinearObjective,
    attribution,
    fit,
    models,
)

H = Hessian(LOGISTIC, THETA)
MLP = attribution.MLP((3, 2))
NETWORK = AutogradObjective(MLP, X, Y_BINARY, 0.1)
THETA_MLP = fit(NETWORK, MLP.start(np.random.default_rng(7))).theta
GRADS_TEST = by_hand("logistic", X_TEST, Y_TEST, THETA)[1]
FAR = np.array([50.0, -50, 25])  # an example that the model has no doubt about


def cases():
    yield from of_arnoldi()
    yield from of_kfac()
    yield from of_tracin()
    yield from of_trak()
    yield from of_relatif()
    yield from of_representer()


def of_arnoldi():
    arnoldi, ones, nan = attribution.arnoldi, np.ones(3), np.full(3, np.nan)
    for rank in (0, -1, 1.5, "2"):
        yield refused(f"arnoldi: rank {rank!r}", arnoldi, H, ones, rank=rank, saying="rank")
    yield refused(
        "arnoldi: rank beyond its steps", arnoldi, H, ones, rank=3, steps=2, saying="rank"
    )
    yield refused("arnoldi: NaN in b", arnoldi, H, nan, rank=3, saying="NaN")
    yield refused("arnoldi: b too long", arnoldi, H, np.ones(4), rank=3, saying="shape|vector")
    yield refused(
        "arnoldi: NaN in A", arnoldi, np.full((3, 3), np.nan), ones, rank=2, saying="NaN|finite"
    )
    yield right(
        "arnoldi: A of zeros does not converge",
        lambda: arnoldi(np.zeros((3, 3)), np.ones(3), rank=2).converged,
        expected=False,
    )
    yield right(
        "arnoldi: full rank",
        lambda: arnoldi(H, np.ones(3), rank=3).x,
        expected=np.linalg.solve(HESSIAN, np.ones(3)),
    )
    yield right(
        "arnoldi: b of whole numbers",
        lambda: arnoldi(H, [1, 0, 0], rank=3).x,
        expected=np.linalg.inv(HESSIAN)[0],
    )
    for size in (1e-200, 1e200):
        yield right(
            f"arnoldi: A of {size:g}",
            lambda size=size: arnoldi(HESSIAN * size, np.ones(3), rank=3).x * size,
            expected=np.linalg.solve(HESSIAN, np.ones(3)),
        )


def of_kfac():
    for name, solve in {"kfac": attribution.kfac, "ekfac": attribution.ekfac}.items():
        yield refused(f"{name}: a linear objective", solve, H, np.ones(3), saying="MLP")
        yield refused(f"{name}: a matrix", solve, np.eye(3), np.ones(3), saying="MLP")
        on_network = Hessian(NETWORK, THETA_MLP)
        yield refused(f"{name}: b too long", solve, on_network, np.ones(9), saying="shape|vector")
        yield refused(f"{name}: NaN in b", solve, on_network, np.full(8, np.nan), saying="NaN")
        yield holds(f"{name}: b of whole numbers", whole_like_floats, solve, on_network)


def whole_like_floats(solve, A):
    return np.allclose(solve(A, np.eye(8, dtype=int)[0]).x, solve(A, np.eye(8)[0]).x)


def of_tracin():
    tracin, dot = attribution.tracin, attribution.gradient_dot
    bad = {
        "no checkpoints": ([], [], "checkpoint"),
        "fewer steps than checkpoints": ([THETA], [1.0, 2.0], "one step|length|each"),
        "NaN for a step": ([THETA], [np.nan], "step|NaN|finite"),
        "NaN in a checkpoint": ([THETA * np.nan], [1.0], "NaN"),
        "a checkpoint of another model": ([np.ones(5)], [1.0], "shape"),
    }
    for name, (thetas, steps, saying) in bad.items():
        yield refused(
            f"tracin: {name}", tracin, LOGISTIC, thetas, steps, X_TEST, Y_TEST, saying=saying
        )
    yield refused(
        "gradient_dot: NaN in theta", dot, LOGISTIC, THETA * np.nan, X_TEST, Y_TEST, saying="NaN"
    )
    yield refused(
        "gradient_dot: labels 0 and 1", dot, LOGISTIC, THETA, X_TEST, Y_TEST_BINARY, saying="labels"
    )
    yield right(
        "gradient_dot", dot, LOGISTIC, THETA, X_TEST, Y_TEST, expected=-GRADS_TEST @ GRADS.T
    )


def of_trak():
    trak = partial(attribution.trak, LOGISTIC, [THETA], X_TEST, Y_TEST)
    for width in (30, 99, 0, -1, 1.5):
        yield refused(f"trak: width {width} of 30 examples", trak, width=width, saying="width")
    for damping in (-1.0, np.nan):
        yield refused(f"trak: damping {damping}", trak, width=2, damping=damping, saying="damping")
    yield refused(
        "trak: more columns than parameters",
        trak,
        width=5,
        saying="width|parameters|singular|rank|damping",
    )
    for losses, theta, data in (
        (models.squared, THETA_SQUARED, SQUARED),
        (models.hinge, THETA, linear(X, Y)),
        (models.squared_hinge, THETA, linear(X, Y)),
    ):
        o = LinearObjective(losses, X, data.y, 0.1)
        yield refused(
            f"trak: {type(losses).__name__}, which is no probability",
            attribution.trak,
            o,
            [theta],
            X_TEST,
            Y_TEST,
            width=2,
            saying="probability|loss",
        )
    yield refused(
        "trak: no models",
        attribution.trak,
        LOGISTIC,
        [],
        X_TEST,
        Y_TEST,
        width=2,
        saying="theta|model|checkpoint",
    )

    def confident(margin):
        """One example that the model is sure of: its share q is as good as nothing."""
        rows = np.vstack([X, THETA * margin / (THETA @ THETA)])
        o = linear(rows, np.r_[Y, 1.0])
        return attribution.trak(o, [THETA], X_TEST, Y_TEST, width=2)[:, -1] + 1

    for margin in (40, 800):
        yield right_or_told(
            f"trak: an example of margin {margin} counts for nothing",
            confident,
            margin,
            expected=np.ones(4),
            saying="probability|certain|margin|loss",
        )

    def confident_test(margin):
        point = THETA[None] * margin / (THETA @ THETA)
        return attribution.trak(LOGISTIC, [THETA], point, [1.0], width=2) + 1

    yield right_or_told(
        "trak: a test point of margin 800 feels nothing",
        confident_test,
        800,
        expected=np.ones((1, 30)),
        saying="probability|certain|margin|loss",
    )


def of_relatif():
    """An example without any gradient changes nothing: 0 / 0 is 0 here, or is refused."""
    rows, labels = np.vstack([X, FAR]), np.r_[Y, 1.0]
    o = LinearObjective(models.squared_hinge, rows, labels, 0.1, fold_l2=False)
    theta = fit(o).theta
    methods = {"theta_relatif": attribution.theta_relatif, "loss_relatif": attribution.loss_relatif}
    for name, method in methods.items():
        yield right_or_told(
            f"{name}: examples without a gradient",
            lambda method: method(Influence(o, theta), X_TEST, Y_TEST)[:, -1] + 1,
            method,
            expected=np.ones(4),
            saying="gradient",
        )
        yield holds(
            f"{name}: all other examples beside these",
            lambda method: np.isfinite(method(Influence(o, theta), X_TEST, Y_TEST)).all(),
            method,
        )
        yield refused(
            f"{name}: labels 0 and 1",
            method,
            Influence(LOGISTIC, THETA),
            X_TEST,
            Y_TEST_BINARY,
            saying="labels",
        )
    moved = np.linalg.solve(HESSIAN, GRADS.T)
    scores = up_loss_by_hand()
    yield right(
        "theta_relatif",
        lambda: attribution.theta_relatif(Influence(LOGISTIC, THETA), X_TEST, Y_TEST),
        expected=scores / np.linalg.norm(moved, axis=0),
    )
    yield right(
        "loss_relatif",
        lambda: attribution.loss_relatif(Influence(LOGISTIC, THETA), X_TEST, Y_TEST),
        expected=scores / np.sqrt((GRADS * moved.T).sum(axis=1)),
    )


def representer_by_hand(objective, X_test, y_test):
    """Gradient dot product of the scores and what they see, over the penalty of the whole risk."""
    W = THETA_MLP.reshape(4, 2)
    slopes, seen = [], []
    for rows, labels in ((X, Y_BINARY), (X_test, y_test)):
        inputs = np.c_[rows, np.ones(len(rows))]
        S = inputs @ W
        P = np.exp(S - S.max(axis=1, keepdims=True))
        slopes.append(P / P.sum(axis=1, keepdims=True) - np.eye(2)[labels])
        seen.append(inputs)
    penalty = 0.1 * objective.weights.sum()
    return -(seen[1] @ seen[0].T) * (slopes[1] @ slopes[0].T) / penalty


def of_representer():
    representer = attribution.representer
    for label in (2, -1, 0.5):
        labels = np.array([0, 1, label, 1])
        yield refused(
            f"representer: test label {label} of 2 classes",
            representer,
            NETWORK,
            THETA_MLP,
            X_TEST,
            labels,
            saying="label|class",
        )
    bare = AutogradObjective(MLP, X, Y_BINARY, 0.0)
    test = X_TEST, Y_TEST_BINARY
    yield refused(
        "representer: a linear objective",
        representer,
        LOGISTIC,
        THETA,
        X_TEST,
        Y_TEST,
        saying="MLP",
    )
    yield refused("representer: l2 = 0", representer, bare, THETA_MLP, *test, saying="l2 > 0")
    yield refused(
        "representer: NaN in theta", representer, NETWORK, THETA_MLP * np.nan, *test, saying="NaN"
    )
    yield refused(
        "representer: test points too narrow",
        representer,
        NETWORK,
        THETA_MLP,
        X_TEST[:, :2],
        test[1],
        saying="shape|width",
    )

    def both(objective):
        return representer(objective, THETA_MLP, *test), representer_by_hand(objective, *test)

    heavy = NETWORK.reweighted(np.arange(30) / 435)
    yield agree("representer", both, NETWORK)
    yield agree("representer: without one example", both, NETWORK.without(3))
    yield agree("representer: other weights, one of them 0", both, heavy)
