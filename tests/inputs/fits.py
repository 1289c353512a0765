"""Fits: the minimum whatever the units, or a word where there is none."""

import autograd.numpy as anp
import numpy as np
import torch

from inputs.examples import (
    LOGISTIC,
    THETA,
    Y_REAL,
    X,
    Y,
    by_hand,
    linear,
    own,
    own_logistic,
    ridge_by_hand,
)
from inputs.table import agree, holds, refused, right, told
from minfluence import AutogradObjective, LinearObjective, TorchObjective, fit, models

NO_MINIMUM = "minimum|separ|gradient norm|eigenvalue|saddle|curv"
SEPARABLE = np.array([[-2.0, 1], [-1, 1], [1, 1], [2, 1]]), np.array([-1.0, -1, 1, 1])


def squared_losses(theta, X, y):
    return 0.5 * (anp.dot(X, theta) - y) ** 2


def torch_squared_losses(theta, X, y):
    return 0.5 * (X @ theta - y) ** 2


SQUARED = {
    "Linear": lambda X, y, l2=0.1, **k: LinearObjective(models.squared, X, y, l2, **k),
    "Autograd": lambda X, y, l2=0.1: AutogradObjective(squared_losses, X, y, l2, p=X.shape[1]),
    "Torch": lambda X, y, l2=0.1: TorchObjective(torch_squared_losses, X, y, l2, p=X.shape[1]),
}


def cases():
    yield from of_options()
    yield from of_starts()
    yield from of_units()
    yield from without_a_minimum()
    yield from of_saddles()
    yield from of_degenerate_minima()


def of_options():
    for theta, saying in (
        (np.zeros(4), "shape"),
        (np.full(3, np.nan), "NaN"),
        ("abc", "theta|number"),
    ):
        yield refused(f"fit: theta {theta!r}", fit, LOGISTIC, theta, saying=saying)
    unsized = AutogradObjective(own_logistic, X, Y, 0.1)
    yield refused("fit: no start, p unknown", fit, unsized, saying="starting point")
    yield refused("fit: data in place of an objective", fit, X, Y, saying="objective")
    for gtol in (-1, np.nan, "1e-3"):
        yield told(f"fit: gtol = {gtol!r}", fit, LOGISTIC, gtol=gtol, saying="gtol|asked")
    for max_steps in (-3, 2.5):
        yield told(
            f"fit: max_steps = {max_steps}", fit, LOGISTIC, max_steps=max_steps, saying="max_steps"
        )
    yield told("fit: max_steps = 1", fit, LOGISTIC, max_steps=1, saying="gradient norm")


def of_starts():
    yield right(
        "fit: whole numbers to start from", lambda: fit(LOGISTIC, [0, 0, 0]).theta, expected=THETA
    )
    for size in (1e3, 1e8, 1e15):
        yield right(
            f"fit: a start at a distance of {size:g}",
            lambda size=size: fit(LOGISTIC, size * np.array([1.0, -1, 1])).theta,
            expected=THETA,
            tol=1e-5,
        )
    yield right("fit: starts at the minimum", lambda: fit(LOGISTIC, THETA).theta, expected=THETA)


def of_units():
    """The same data in other units have the same minimum in these units."""
    for kind, make in SQUARED.items():
        for unit in (1e-30, 1e-11, 1e-6, 1e6, 1e11):
            yield right(
                f"{kind}: labels in units of {unit:g}",
                lambda make, unit: fit(make(X, Y_REAL * unit)).theta / unit,
                make,
                unit,
                expected=ridge_by_hand(X, Y_REAL, 0.1),
            )
        yield right(
            f"{kind}: labels of zeros",
            lambda make: [*fit(make(X, np.zeros(30))).theta, fit(make(X, np.zeros(30))).converged],
            make,
            expected=[0, 0, 0, 1],
        )
    for unit in (1e-6, 1e6):
        yield right(
            f"float32: labels in units of {unit:g}",
            lambda unit: fit(SQUARED["Linear"](X, Y_REAL * unit, dtype=np.float32)).theta / unit,
            unit,
            expected=ridge_by_hand(X, Y_REAL, 0.1),
            tol=1e-3,
        )
    for unit in (1e-5, 1e5):
        yield right(
            f"features in units of {unit:g}, the penalty in theirs",
            lambda unit: fit(linear(X * unit, Y, 0.1 * unit**2)).theta * unit,
            unit,
            expected=THETA,
        )
    for total in (1e-20, 1e-8, 1e8):
        yield right(
            f"weights of {total:g} each",
            lambda total: fit(LOGISTIC.reweighted(np.full(30, total))).theta,
            total,
            expected=THETA,
        )
    heavy = np.full(30, 1 / 30)
    heavy[3] = 1e6
    yield right(
        "one weight of a million",
        lambda: fit(SQUARED["Linear"](X, Y_REAL).reweighted(heavy)).theta,
        expected=ridge_by_hand(X, Y_REAL, 0.1, heavy),
    )
    for degree in (3, 5):
        yield agree(f"raw powers of 0 .. 10, up to the {degree}th", polynomial, degree, tol=1e-5)
    yield holds("features of 1e4 beside those of 1e-4", newton_has_nothing_to_add)


def newton_has_nothing_to_add():
    """One more step, by hand, moves no score by more than rounding."""
    Z = X * [1, 1e4, 1e-4]
    theta = fit(linear(Z, Y, 1e-9)).theta
    _, G, H = by_hand("logistic", Z, Y, theta)
    step = np.linalg.solve(H.mean(axis=0) + 1e-9 * np.eye(3), G.mean(axis=0) + 1e-9 * theta)
    return np.linalg.norm(Z @ step) < 1e-5 * np.linalg.norm(Z @ theta)


def polynomial(degree):
    """Fitted values and flag, against a fit by orthogonal polynomials."""
    x = np.linspace(0, 10, 40)
    y = np.sin(x)
    powers = x[:, None] ** np.arange(degree + 1)
    found = fit(LinearObjective(models.squared, powers, y, 0.0))
    best = np.polynomial.Legendre.fit(x, y, degree)(x)
    return np.r_[powers @ found.theta, found.converged], np.r_[best, 1.0]


def without_a_minimum():
    """Where the risk falls for ever, fit may stop anywhere: it has to say so."""
    Z, z = SEPARABLE
    classes = (z > 0).astype(int)
    objectives = {
        "Linear": LinearObjective(models.logistic, Z, z),
        "Autograd": AutogradObjective(own_logistic, Z, z, p=2),
        "Torch": TorchObjective(
            lambda t, X, y: torch.nn.functional.softplus(-y * (X @ t)), Z, z, p=2
        ),
        "Linear, float32": LinearObjective(models.logistic, Z, z, dtype=np.float32),
        "softmax": LinearObjective(models.softmax(2), Z, classes),
        "centered softmax": LinearObjective(models.centered_softmax(2), Z, classes),
        "smooth hinge": LinearObjective(models.smooth_hinge(0.5), Z, z),
        "one class only": LinearObjective(models.logistic, np.c_[X, np.ones(30)], np.ones(30)),
        "wide": LinearObjective(
            models.logistic, np.random.default_rng(0).standard_normal((5, 9)), [1, 1, 1, -1, -1]
        ),
        "separable but for a tie": LinearObjective(
            models.logistic, [[-1.0, 1], [0, 1], [0, 1], [1, 1]], [-1, -1, 1, 1]
        ),
        "separable by 1e-3": LinearObjective(models.logistic, Z * [1e-3, 1], z),
        "poisson: no counts at all": LinearObjective(models.poisson, np.ones((5, 1)), np.zeros(5)),
        "falls for ever": AutogradObjective(lambda t, X, y: X[:, 0] * 0 + t[0], Z, z, p=1),
    }
    for name, objective in objectives.items():
        yield told(f"fit, l2 = 0: {name}", fit, objective, saying=NO_MINIMUM)
    yield right(
        "separable, squared hinge: a whole region of minima",
        lambda: (
            LinearObjective(models.squared_hinge, Z, z).risk(
                fit(LinearObjective(models.squared_hinge, Z, z)).theta
            )
            + 1
        ),
        expected=1.0,
    )
    yield right("separable, with a penalty of 1e-6", gradient_with_a_penalty, expected=[1.0, 1.0])


def gradient_with_a_penalty():
    Z, z = SEPARABLE
    theta = fit(LinearObjective(models.logistic, Z, z, 1e-6)).theta
    return by_hand("logistic", Z, z, theta)[1].mean(axis=0) + 1e-6 * theta + 1


def of_saddles():
    """Where the gradient is zero and the risk still curves down."""
    points = np.ones((4, 1)), np.ones(4)

    def make(losses, p, l2=0.0, **options):
        return AutogradObjective(losses, *points, l2, p=p, **options)

    def product(t, X, y):
        return (t[0] * t[1] - 1) ** 2 * X[:, 0]

    def top(t, X, y):
        return -(t[0] ** 2) * X[:, 0]

    def tanh_net(t, X, y):
        return (anp.dot(anp.tanh(anp.dot(X, anp.reshape(t[:6], (3, 2)))), t[6:]) - y) ** 2

    yield told("fit: (t0 t1 - 1)^2 from 0, a saddle", fit, make(product, 2), saying=NO_MINIMUM)
    yield told(
        "fit: the same in float32", fit, make(product, 2, dtype=np.float32), saying=NO_MINIMUM
    )
    yield told("fit: -t^2 from 0, its top", fit, make(top, 1), saying=NO_MINIMUM)
    yield told(
        "fit: a tanh network from zeros, a saddle",
        fit,
        AutogradObjective(tanh_net, X, Y, 0.001, p=8),
        saying=NO_MINIMUM,
    )
    yield right(
        "fit: (t0 t1 - 1)^2 from (2, 2)",
        lambda: np.prod(fit(make(product, 2), [2.0, 2.0]).theta),
        expected=1.0,
    )
    yield right(
        "fit: (t0 t1 - 1)^2 with a penalty that makes 0 the minimum",
        lambda: fit(make(product, 2, 10.0)).theta + 1,
        expected=[1, 1],
    )


def of_degenerate_minima():
    """More than one minimum, all as good: fit finds one of them."""

    def residual(columns):
        Z = X[:, columns]
        best = Z @ np.linalg.lstsq(Z, Y_REAL, rcond=None)[0]
        found = fit(LinearObjective(models.squared, Z, Y_REAL, 0.0)).theta
        return Z @ found, best

    yield agree("fit: two equal columns, l2 = 0", residual, [0, 0])
    yield agree("fit: three equal columns and another, l2 = 0", residual, [0, 0, 0, 1])
    wide = np.random.default_rng(1).standard_normal((5, 12))
    yield right(
        "fit: 12 features of 5 examples, l2 = 0",
        lambda: wide @ fit(LinearObjective(models.squared, wide, np.arange(5.0), 0.0)).theta,
        expected=np.arange(5.0),
    )
    yield agree("fit: own losses with a parameter that does nothing", idle_parameter)


def idle_parameter():
    objective = own(X, Y, 0.0)
    idle = AutogradObjective(lambda t, X, y: own_logistic(t[:3], X, y), X, Y, 0.0, p=4)
    return fit(idle).theta[:3], fit(objective).theta
