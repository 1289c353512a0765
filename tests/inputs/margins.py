"""Margins far from 0: small true values stay small true values, and large ones finite."""

import numpy as np

from inputs.examples import by_hand, logistic_slopes, own_logistic, up_loss_by_hand
from inputs.table import agree, right
from minfluence import AutogradObjective, Influence, LinearObjective, models

MARGINS = (20.0, 37.0, 38.0, 40.0, 100.0, 600.0)
SOFTMAX = ("softmax", "centered_softmax")
NEAR = [[-0.5], [0.3]]  # two examples beside the one that is far from the boundary


def cases():
    for margin in MARGINS:
        yield from of_one_margin(margin)
    yield right(
        "margins of 800 and -800: the risk",
        lambda: LinearObjective(models.logistic, [[800.0], [-800.0]], [1.0, 1], 0.1).risk([1.0]),
        expected=800 / 2 + 0.05,
    )
    yield right(
        "margin of -800: gradient",
        lambda: LinearObjective(models.logistic, [[-800.0]], [1.0], 0.0).grad([1.0]),
        expected=[800.0],
    )
    yield right(
        "smooth hinge of temperature 0.001, margins of 1e5",
        lambda: LinearObjective(models.smooth_hinge(1e-3), [[1e5], [-1e5]], [1.0, 1], 0.1).risk(
            [1]
        ),
        expected=100_001 / 2 + 0.05,
    )
    yield right(
        "huber where its two pieces meet",
        lambda: LinearObjective(models.huber(1.0), [[1.0], [1.0]], [0.0, 3.0], 0.0).risk([1.0]),
        expected=(0.5 + 1.5) / 2,
    )
    yield right(
        "softmax scores of 1000 and -1000",
        lambda: LinearObjective(models.softmax(2), [[1e3], [1e3]], [0, 1], 0.0).risk([1.0, -1.0]),
        expected=1000.0,
    )
    yield right(
        "poisson: a score of -800",
        lambda: LinearObjective(models.poisson, [[-800.0], [1.0]], [0, 1], 0.0).risk([1.0]),
        expected=(0 + np.e - 1) / 2,
    )


def of_one_margin(m):
    X, y = np.array([[m], *NEAR]), np.array([1.0, 1, -1])
    linear = LinearObjective(models.logistic, X, y, 0.1, fold_l2=False)
    own = AutogradObjective(own_logistic, X, y, 0.1, p=1, fold_l2=False)
    q = np.exp(-m) / (1 + np.exp(-m))  # the probability of the other label
    one = np.ones(1)

    def scores(objective):
        return Influence(objective, one).up_loss([[0.2]], [1.0])[0, 0] / q

    expected = up_loss_by_hand("logistic", X, y, one, 0.1, [[0.2]], [1.0], fold_l2=False)[0, 0]
    for name, objective in {"Linear": linear, "Autograd": own}.items():
        yield right(f"{name}, margin {m:g}: influence", scores, objective, expected=expected / q)
    yield right(
        f"margin {m:g}: its loss",
        lambda: linear.test_losses(one, [[m]], [1.0]) / q,
        expected=[np.log1p(np.exp(-m)) / q],
    )
    yield right(
        f"margin {m:g}: its gradient",
        lambda: linear.test_grads(one, [[m], [m]], [1.0, -1.0]) / [[m * q], [m]],
        expected=[[-1.0], [1 - q]],
    )
    yield right(
        f"margin {m:g}: its Hessian",
        lambda: LinearObjective(models.logistic, [[m]], [1.0]).hessian(one) / q,
        expected=[[m * m * (1 - q)]],
    )

    def pert_loss():
        solved = Influence(linear, one).s_test([0.2], 1.0)[0]
        slope, curvature = logistic_slopes(m, 1.0)[1:]
        by_hand = -solved * (slope + m * curvature)  # d/dx of x slope(x theta), at theta = 1
        return Influence(linear, one).pert_loss([0.2], 1.0, [0]).ravel() / q, [by_hand / q]

    yield agree(f"margin {m:g}: pert_loss", pert_loss)
    if q**2 > 0:
        yield agree(f"margin {m:g}: self-influence", self_influence, linear, X, y, q)
    for name in SOFTMAX:
        yield agree(f"{name}, margin {m:g}: gradients", softmax_gradients, name, m, q)
    yield right(
        f"smooth hinge of temperature 0.1, margin {1 + m / 10:g}: its gradient",
        lambda: LinearObjective(models.smooth_hinge(0.1), [[1 + m / 10]], [1.0]).grad(one) / q,
        expected=[-(1 + m / 10)],
    )


def self_influence(objective, X, y, q):
    _, G, H = by_hand("logistic", X, y, np.ones(1))
    expected = -((G[0, 0] / q) ** 2) / (H.mean() + 0.1)
    return Influence(objective, np.ones(1)).self_influence()[0] / q**2, expected


def softmax_gradients(name, m, q):
    """Two classes are logistic regression on the difference of the scores."""
    losses = getattr(models, name)(2)
    objective = LinearObjective(losses, [[1.0], [1.0]], [0, 1])
    if name == "softmax":
        theta, direction = np.array([m, 0.0]), np.array([1.0, -1.0])
    else:  # scores theta @ contrasts.T
        difference = models.contrasts(2)[0] - models.contrasts(2)[1]
        theta, direction = m / difference, difference
    found = objective.test_grads(theta, [[1.0], [1.0]], [0, 1]) / np.array([[q], [1.0]])
    return found, np.array([-direction, direction * (1 - q)])
