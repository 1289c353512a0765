"""Options of losses, feature maps and data sets."""

import autograd.numpy as anp
import numpy as np

from inputs.examples import LOGISTIC, THETA, X, Y, linear, own_logistic
from inputs.table import agree, holds, refused, right
from minfluence import AutogradObjective, checks, models
from minfluence.book import data


def cases():
    yield from of_losses()
    yield from of_kernels()
    yield from of_data_sets()
    yield from of_checks()


def of_losses():
    for temperature in (0, -1, np.nan, np.inf, "1"):
        yield refused(
            f"smooth_hinge: temperature {temperature!r}",
            models.smooth_hinge,
            temperature,
            saying="temperature",
        )
    for delta in (0, -1, np.nan):
        yield refused(f"huber: delta {delta}", models.huber, delta, saying="delta")
    for make in (models.softmax, models.centered_softmax):
        for n in (1, 0, 2.5, "3"):
            yield refused(f"{make.__name__}: {n!r} classes", make, n, saying="n_classes")


def of_kernels():
    rbf = models.rbf_features
    nan = X * np.nan
    yield refused("rbf_features: centers of one axis", rbf, X[:, 0], 1.0, saying="centers")
    yield refused("rbf_features: no centers", rbf, X[:0], 1.0, saying="centers|empty|least")
    yield refused("rbf_features: NaN in the centers", rbf, nan, 1.0, saying="NaN")
    for gamma in (0, -1, np.nan, "scale"):
        yield refused(f"rbf_features: gamma {gamma!r}", rbf, X, gamma, saying="gamma")
    yield refused(
        "rbf_features: points of another width",
        rbf(X, 1.0),
        X[:, :2],
        saying="shape|width|features",
    )

    def doubled():
        F = rbf(np.vstack([X, X]), 0.7)(X)
        return F @ F.T, np.exp(-0.7 * ((X[:, None] - X) ** 2).sum(axis=-1))

    yield agree("rbf_features: every center twice", doubled, tol=1e-4)


def of_data_sets():
    for name, load in {"digits": data.digits, "mnist": data.mnist}.items():
        bad = {"one": (1,), "the same twice": (1, 1), "17": (1, 17), "-1": (-1, 1), "letters": "ab"}
        bad |= {"lists": (1, [2]), "halves": (0.5, 1.5), "none": ()}
        for kind, classes in bad.items():
            yield refused(
                f"{name}: classes {kind}",
                load,
                classes,
                saying="different digits|two or more|digits",
            )
    for validation in (-1, 60_000, "5", 2.5):
        yield refused(
            f"mnist: validation {validation!r}",
            data.mnist,
            validation=validation,
            saying="validation",
        )
    for size in (0, -1, 2.5):
        yield refused(f"dogfish: size {size}", data.dogfish, size, saying="size")
    yield refused(
        "dogfish_features: an unknown network", data.dogfish_features, "resnet", saying="network"
    )
    for n in (0, 1.5, "40"):
        yield refused(f"two_clouds: n = {n!r}", data.two_clouds, n, saying="n ")
    yield refused("two_clouds: rng a string", data.two_clouds, 40, "seed", saying="rng")
    for name in ("nope", "../../etc/passwd", None, ""):
        yield refused(f"find: {name!r}", data.find, name, saying="unknown")


def of_checks():
    def root(t, X, y):
        return anp.abs(t[0]) ** 0.5 + 0 * X[:, 0]

    kinked = AutogradObjective(root, X, Y, 0.1, p=3)
    yield refused(
        "check_gradient: losses with a kink",
        checks.check_gradient,
        kinked,
        np.full(3, 1e-9),
        saying="differs|smooth",
    )
    yield holds(
        "check_gradient: float32, by its own precision",
        lambda: checks.check_gradient(linear(X, Y, dtype=np.float32), THETA + 0.5) < 1,
    )
    yield holds(
        "check_gradient: theta a list",
        lambda: checks.check_gradient(LOGISTIC, THETA.tolist()) < 1e-6,
    )
    yield refused(
        "check_gradient: theta too long",
        checks.check_gradient,
        LOGISTIC,
        np.ones(5),
        saying="shape",
    )
    yield refused(
        "check_at_minimum: beside it",
        checks.check_at_minimum,
        LOGISTIC,
        THETA + 1,
        saying="no minimum",
    )
    concave = AutogradObjective(lambda t, X, y: -own_logistic(t, X, y), X, Y, 0.0, p=3)
    yield refused(
        "check_at_minimum: on the top",
        checks.check_at_minimum,
        AutogradObjective(lambda t, X, y: -(t[0] ** 2) * y**2, X, Y, 0.0, p=1),
        np.zeros(1),
        saying="minimum|eigenvalue|curv",
    )
    yield right(
        "check_hvp: a risk that curves down",
        lambda: checks.check_hvp(concave, THETA) < 1e-6,
        expected=True,
    )
