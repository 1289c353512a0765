"""What is right, said a second time: one example after another, and dense algebra in float64.

Nothing of the package is used here.  `Reference` holds all numbers of a problem and says what each
verb of an objective, each score and each refit should be.

How close is close?  `Reference.moved` is the same problem with every number changed by 32 units in
the last place of the precision in which the package computes.  What the right answer moves by is
what that precision cannot know, so `allowed` is eight times the largest of four such moves, element
by element: 256 roundings of the inputs. Ill-conditioned problems get their tolerance from this,
and so do saturated losses; nothing else in these tests does.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

ULPS = 32  # of the inputs, in a move
MOVES = 4
FACTOR = 8  # on the largest move

# A loss of one example: scores (c,), label -> value, slope (c,), curvature (c, c) ----------------


def squared(s, y):
    r = s[0] - y
    return r * r / 2, [r], [[1.0]]


def huber(delta):
    def loss(s, y):
        r = s[0] - y
        if abs(r) <= delta:
            return r * r / 2, [r], [[1.0]]
        return delta * (abs(r) - delta / 2), [math.copysign(delta, r)], [[0.0]]

    return loss


def poisson(s, y):
    mean = math.exp(min(s[0], 700.0))
    return mean - y * s[0], [mean - y], [[mean]]


def softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def expit(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def logistic(s, y):
    m = y * s[0]
    return softplus(-m), [-y * expit(-m)], [[expit(m) * expit(-m)]]


def hinge(s, y):
    m = y * s[0]
    return max(0.0, 1 - m), [-y if m < 1 else 0.0], [[0.0]]


def squared_hinge(s, y):
    short = max(0.0, 1 - y * s[0])
    return short**2, [-2 * y * short], [[2.0 if short else 0.0]]


def smooth_hinge(temperature):
    def loss(s, y):
        z = (1 - y * s[0]) / temperature
        curvature = expit(z) * expit(-z) / temperature
        return temperature * softplus(z), [-y * expit(z)], [[curvature]]

    return loss


def softmax(s, y):
    e = [math.exp(a - max(s)) for a in s]
    total, c, y = sum(e), range(len(e)), int(y)
    p = [a / total for a in e]
    others = [sum(p[b] for b in c if b != a) for a in c]  # 1 - p, without cancellation
    slope = [-others[a] if a == y else p[a] for a in c]
    curvature = [[p[a] * others[a] if a == b else -p[a] * p[b] for b in c] for a in c]
    rest = sum(math.exp(s[a] - s[y]) for a in c if a != y) if s[y] >= max(s) else None
    value = math.log1p(rest) if rest is not None else max(s) - s[y] + math.log(total)
    return value, slope, curvature


def centered_softmax(s, y):
    c = len(s) + 1
    C = np.zeros((c, c - 1))  # column k: k ones, then -k
    for k in range(1, c):
        C[:k, k - 1] = 1 / math.sqrt(k * (k + 1))
        C[k, k - 1] = -k / math.sqrt(k * (k + 1))
    value, slope, curvature = softmax(list(C @ s), y)
    return value, C.T @ slope, C.T @ curvature @ C


# A model of one example ---------------------------------------------------------------------------
# theta, x -> scores (c,), their first derivatives (c, p) and second (c, p, p) or None for zero;
# and with t (p,) besides: d scores / dx (c, d) and d (J t) / dx (c, d)


@dataclass(frozen=True)
class Linear:
    c: int

    def p(self, d):
        return d * self.c

    def derivatives(self, theta, x):
        J = np.zeros((self.c, theta.size))
        for a in range(self.c):
            J[a, a :: self.c] = x
        return J @ theta, J, None

    def in_x(self, theta, x, t):
        return theta.reshape(-1, self.c).T, t.reshape(-1, self.c).T


@dataclass(frozen=True)
class Tanh:
    """One hidden layer: A (d + 1, h) with the intercepts in its last row, then v (h,), then b."""

    h: int = 2
    c = 1

    def p(self, d):
        return (d + 1) * self.h + self.h + 1

    def units(self, theta, x):
        d, h = len(x), self.h
        A, v, u = theta[: (d + 1) * h].reshape(d + 1, h), theta[-h - 1 : -1], np.append(x, 1.0)
        z = u @ A
        first = 1 / np.cosh(z) ** 2
        return A, v, u, np.tanh(z), first, -2 * np.tanh(z) * first

    def derivatives(self, theta, x):
        A, v, u, f, f1, f2 = self.units(theta, x)
        h, size = self.h, A.size
        J, second = np.zeros(theta.size), np.zeros((theta.size, theta.size))
        J[size : size + h], J[-1] = f, 1.0
        for j in range(h):
            mine = np.arange(j, size, h)  # the weights of unit j
            J[mine] = v[j] * f1[j] * u
            second[np.ix_(mine, mine)] = v[j] * f2[j] * np.outer(u, u)
            second[mine, size + j] = second[size + j, mine] = f1[j] * u
        return np.array([f @ v + theta[-1]]), J[None], second[None]

    def in_x(self, theta, x, t):
        A, v, u, _, f1, f2 = self.units(theta, x)
        d, h = len(x), self.h
        T, tv = t[: A.size].reshape(d + 1, h), t[-h - 1 : -1]
        of_score, of_dot = np.zeros(d), np.zeros(d)
        for j in range(h):
            of_score += v[j] * f1[j] * A[:d, j]
            of_dot += v[j] * f2[j] * (u @ T[:, j]) * A[:d, j] + v[j] * f1[j] * T[:d, j]
            of_dot += f1[j] * tv[j] * A[:d, j]
        return of_score[None], of_dot[None]


# All of them --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OneExample:
    """Bare value, gradient (p,), Hessian (p, p) and Gauss-Newton matrix (p, p) of one example."""

    value: float
    grad: np.ndarray
    hessian: np.ndarray
    gauss_newton: np.ndarray
    pieces: tuple  # on which side of a kink it lies


@dataclass(frozen=True)
class Reference:
    """All numbers of a problem, in float64.

    `l2` is one number for each parameter; `theta` and the columns of `V` are where derivatives are
    taken; `new` examples replace others in turn.
    """

    loss: Callable
    model: object
    fold: bool
    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    l2: np.ndarray
    damping: float
    theta: np.ndarray
    V: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    X_new: np.ndarray
    y_new: np.ndarray
    unit: float = 0.0  # of a move; 0 in the problem itself
    seed: int = 0
    kinked: bool = False
    autodiff: float = 0.0  # natural size of what automatic differentiation may cancel

    def moved(self, eps):
        """The same problem with every number a little changed, in `MOVES` ways."""
        return [self._moved(ULPS * eps, seed) for seed in range(1, MOVES + 1)]

    def _moved(self, unit, seed):
        rng = np.random.default_rng(seed)
        changed = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                changed[field.name] = value * (1 + unit * rng.standard_normal(value.shape))
        damping = self.damping * (1 + unit * rng.standard_normal())
        return replace(self, **changed, damping=damping, unit=unit, seed=seed)

    # One example after another

    def of_scores(self, s, y, rng):
        """Value, slope and curvature of a loss; in a move also with what may cancel."""
        value, slope, D = self.loss(s, y)
        slope, D, noise = np.array(slope), np.array(D), self.unit * self.autodiff
        if noise:
            value += noise * max(1.0, *np.abs(s)) * rng.standard_normal()
            slope = slope + noise * rng.standard_normal(slope.shape)
            D = D + noise * rng.standard_normal(D.shape)
        return value, slope, D

    def one(self, theta, x, y, rng):
        s, J, second = self.model.derivatives(theta, x)
        value, slope, D = self.of_scores(s, y, rng)
        gauss_newton = J.T @ D @ J
        bent = 0 if second is None else sum(r * S for r, S in zip(slope, second, strict=True))
        pieces = tuple(np.ravel(D)) + (() if D.any() else tuple(slope)) if self.kinked else ()
        return OneExample(value, J.T @ slope, gauss_newton + bent, gauss_newton, pieces)

    def all(self, theta, X, y):
        rng = np.random.default_rng(self.seed)
        return [self.one(theta, x, label, rng) for x, label in zip(X, y, strict=True)]

    @cached_property
    def here(self):
        return self.all(self.theta, self.X, self.y)

    @cached_property
    def tests(self):
        return self.all(self.theta, self.X_test, self.y_test)

    @cached_property
    def news(self):
        return self.all(self.theta, self.X_new, self.y_new)

    @property
    def pieces(self):
        return [one.pieces for one in self.here + self.tests + self.news]

    @property
    def n(self):
        return len(self.X)

    # The risk: sum_i w_i loss_i, and the penalty, once or with each example

    def penalty(self, weights=None):
        weights = self.weights if weights is None else weights
        return self.l2 * (sum(weights) if self.fold else 1.0)

    def at(self, theta, weights=None):
        """Risk, its gradient and its Hessian."""
        weights = self.weights if weights is None else weights
        penalty = self.penalty(weights)
        risk, g, H = 0.5 * float(penalty * theta @ theta), penalty * theta, np.diag(penalty)
        for w, one in zip(weights, self.all(theta, self.X, self.y), strict=True):
            risk, g, H = risk + w * one.value, g + w * one.grad, H + w * one.hessian
        return risk, g, H

    @property
    def value(self):
        return self.at(self.theta)[0]

    @property
    def grad(self):
        return self.at(self.theta)[1]

    def grads(self, thetas, weights):
        return np.stack([self.at(t, w)[1] for t, w in zip(thetas.T, weights.T, strict=True)], 1)

    @cached_property
    def hessian(self):
        return self._sum([one.hessian for one in self.here])

    @cached_property
    def gauss_newton(self):
        return self._sum([one.gauss_newton for one in self.here])

    def _sum(self, matrices):
        H = np.diag(self.penalty())
        for w, M in zip(self.weights, matrices, strict=True):
            H = H + w * M
        return H

    def matrix(self, curvature):
        """H + damping I; in a move also with what a factorisation may round."""
        H = self.hessian if curvature == "hessian" else self.gauss_newton
        H = H + self.damping * np.eye(len(H))
        if self.unit:
            root = np.sqrt(np.abs(np.diag(H)))
            noise = np.random.default_rng(self.seed).standard_normal(H.shape)
            H = H + self.unit * np.outer(root, root) * (noise + noise.T) / 2
        return H

    # Examples

    def grads_of(self, ones, penalised):
        share = self.l2 * self.theta if penalised and self.fold else 0.0
        return np.stack([one.grad + share for one in ones])

    @property
    def example_grads(self):
        return self.grads_of(self.here, True)

    @property
    def test_grads(self):
        return self.grads_of(self.tests, False)

    @property
    def test_losses(self):
        return self.losses(self.theta)

    def losses(self, theta):
        return np.array([one.value for one in self.all(theta, self.X_test, self.y_test)])

    def input_grads(self, t):
        """d/dx of grad L(z_i) . t = slope . (J t), by the product rule."""
        rows, rng = [], np.random.default_rng(self.seed)
        for x, y in zip(self.X, self.y, strict=True):
            s, J, _ = self.model.derivatives(self.theta, x)
            _, slope, D = self.of_scores(s, y, rng)
            of_score, of_dot = self.model.in_x(self.theta, x, t)
            rows.append((D @ (J @ t)) @ of_score + slope @ of_dot)
        return np.stack(rows)

    # Influence

    def s_test(self, curvature):
        return np.linalg.solve(self.matrix(curvature), self.test_grads.T).T

    def up_loss(self, curvature):
        scores = np.zeros((len(self.X_test), self.n))
        for a, s in enumerate(self.s_test(curvature)):
            for i, g in enumerate(self.example_grads):
                scores[a, i] = -(s @ g)
        return scores

    def pert_loss(self, curvature):
        return -self.input_grads(self.s_test(curvature)[0])

    def perturbed_change(self, curvature, indices):
        before, moved = self.grads_of(self.here, False), self.grads_of(self.news, False)
        changes = np.zeros((len(self.X_test), len(indices)))
        for a, s in enumerate(self.s_test(curvature)):
            for k, i in enumerate(indices):
                changes[a, k] = -self.weights[i] * (s @ (moved[k] - before[i]))
        return changes

    def self_influence(self, curvature):
        H = self.matrix(curvature)
        return np.array([-(g @ np.linalg.solve(H, g)) for g in self.example_grads])

    # Fits

    def minimum(self, start=None, steps=100):
        """Newton's method with damping, until no step makes the gradient shorter."""
        theta, mu = np.zeros(len(self.l2)) if start is None else start, 0.0
        risk, g, H = self.at(theta)
        for _ in range(steps):
            step = -np.linalg.lstsq(H + mu * np.diag(np.abs(np.diag(H))), g, rcond=None)[0]
            new_risk, new_g, new_H = self.at(theta + step)
            level = abs(new_risk - risk) <= 1e-9 * abs(risk)
            if new_risk < risk and not level or level and np.linalg.norm(new_g) < np.linalg.norm(g):
                theta, risk, g, H = theta + step, new_risk, new_g, new_H
                mu = mu / 10 if mu > 1e-8 else 0.0
            elif level or mu > 1e12:
                break
            else:
                mu = max(1e-6, 10 * mu)
        return theta

    def replaced(self, i, k):
        """New example k in the place of example i."""
        X, y = self.X.copy(), self.y.astype(np.result_type(self.y, self.y_new))
        X[i], y[i] = self.X_new[k], self.y_new[k]
        return replace(self, X=X, y=y)


def allowed(expected, moved, want):
    """How far from `want` an answer may be, element by element; see the top of this file."""
    return FACTOR * np.max([np.abs(np.asarray(expected(m)) - want) for m in moved], axis=0)
