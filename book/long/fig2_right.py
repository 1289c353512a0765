"""Refit the network of KL, Fig. 2 (right), without each of 100 images, and save the changes.

    python book/long/fig2_right.py    # about a quarter of an hour on two idle cores; needs MNIST

The network and the penalty are the paper's; the images are the first 550 (1 % of MNIST, the paper
took 10 %), and the optimiser is gradient descent with momentum on all of them, so that chance
plays no part. A second, smaller network went on to a minimum, for comparison.

Writes to ``book/results``: ``fig2_right.csv`` and ``fig2_right_minimum.csv``, for each network the
100 images of largest predicted change, with predicted and actual changes; and the parameters of
both, ``fig2_right_theta.csv`` and ``fig2_right_minimum_theta.csv``. Chapter 8 reads them, and
computes some of the numbers again to check them.
"""

import argparse
import multiprocessing
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process per core instead

from functools import partial
from pathlib import Path

import minfluence as mi
import numpy as np
from minfluence.models.convolutional import CONVOLUTIONS, patches, unpatched
from scipy.optimize import minimize

RESULTS = Path(__file__).parent.parent / "results"
N, L2, DAMPING, POINTS = 550, 0.001, 0.01, 100
STEP, MOMENTUM = 0.1, 0.9
STEPS = 400  # until training is stopped
FURTHER = (10, 30, 60, 100)  # steps of training on, after which the test loss is noted
SMALL_N, SMALL_L2 = 200, 0.01  # of the model that went on to a minimum
SMALL_GTOL = 1e-7  # of its gradient, and of the gradient of every refit


class FastGradient:
    """The gradient of `AutogradObjective` for this network, by hand: half the time of autograd.

    Parameters
    ----------
    objective : AutogradObjective
        Of a `minfluence.models.ConvNet`.
    chunk : int
        Images at a time: as many as fit in the processor's cache.
    """

    def __init__(self, objective, chunk=50):
        self.objective, self.shapes, self.chunk = objective, objective.losses.shapes, chunk
        side = objective.losses.side
        self.patches = patches(objective.X.reshape(-1, side, side, 1), *CONVOLUTIONS[0])

    def __call__(self, theta, weights=None):
        """Risk and gradient.  (p,), (n,) -> scalar, (p,)."""
        o = self.objective
        weights = o.weights if weights is None else weights
        risk = 0.5 * o.l2 * weights.sum() * (theta @ theta)
        g = o.l2 * weights.sum() * theta
        for start in range(0, o.n, self.chunk):
            part = slice(start, start + self.chunk)
            losses, slope = self._bare(theta, self.patches[part], o.y[part], weights[part])
            risk, g = risk + weights[part] @ losses, g + slope
        return risk, g

    def _bare(self, theta, P, y, weights):
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        cut = np.split(theta, np.cumsum(sizes)[:-1])
        W = [a.reshape(shape) for a, shape in zip(cut, self.shapes, strict=True)]
        inputs, outputs = [], []
        for layer, (size, stride) in enumerate(CONVOLUTIONS):  # forward
            inputs.append(patches(outputs[-1], size, stride) if layer else P)
            outputs.append(np.tanh(inputs[-1] @ W[2 * layer] + W[2 * layer + 1]))
        mean, rows = outputs[-1].mean(axis=(1, 2)), np.arange(len(y))
        S = mean @ W[-2] + W[-1]
        log_p = S - np.logaddexp.reduce(S, axis=1, keepdims=True)

        slope = np.exp(log_p)  # and backward
        slope[rows, y] -= 1.0
        slope *= weights[:, None]
        g = [mean.T @ slope, slope.sum(axis=0)]
        pixels = outputs[-1].shape[1] * outputs[-1].shape[2]
        back = (slope @ W[-2].T)[:, None, None, :] / pixels
        for layer in reversed(range(len(CONVOLUTIONS))):
            size, stride = CONVOLUTIONS[layer]
            slope = back * (1.0 - outputs[layer] ** 2)
            flat = slope.reshape(-1, slope.shape[-1])
            g = [inputs[layer].reshape(len(flat), -1).T @ flat, flat.sum(axis=0), *g]
            if layer:
                P = (flat @ W[2 * layer].T).reshape(*slope.shape[:3], -1)
                back = unpatched(P, outputs[layer - 1].shape, size, stride)
        return -log_p[rows, y], np.concatenate([a.ravel() for a in g])


def train(gradient, theta, steps, weights=None):
    """Gradient descent with momentum; yields theta after every step."""
    velocity = np.zeros_like(theta)
    for _ in range(steps):
        velocity = MOMENTUM * velocity + gradient(theta, weights)[1]
        theta = theta - STEP * velocity
        yield theta


def train_on(theta, loss, gradient, i):
    """Test losses after further steps, without image i (None: with all of them)."""
    weights = None if i is None else gradient.objective.without(i).weights
    thetas = list(train(gradient, theta, FURTHER[-1], weights))
    return [loss(thetas[k - 1]) for k in FURTHER]


def krylov(matvec, b, steps):
    """Lanczos with full orthogonalisation: V (p, steps) and T with VᵀHV = T, V[:, 0] along b."""
    V, T = np.zeros((len(b), steps)), np.zeros((steps, steps))
    v = b / np.linalg.norm(b)
    for k in range(steps):
        V[:, k] = v
        u = matvec(v)
        T[k, k] = v @ u
        for _ in range(2):
            u -= V @ (V.T @ u)
        size = np.linalg.norm(u)
        if k + 1 < steps:
            T[k, k + 1] = T[k + 1, k] = size
            v = u / size
    return V, T


def at_minimum():
    """A smaller network that went on to a minimum, where nothing needs damping."""
    X, y, X_test, y_test = (a[:SMALL_N] for a in small_images())
    net = mi.models.conv_net(side=22, filters=2, n_classes=3)
    objective = mi.AutogradObjective(net, X, y, SMALL_L2)
    *_, theta = train(risk_and_grad(objective), net.start(np.random.default_rng(0)), 200)
    theta = mi.fit(objective, minimise(objective, theta, None), gtol=SMALL_GTOL).theta
    t = np.flatnonzero(net.scores(theta, X_test).argmax(axis=1) != y_test)[:1]
    predicted = mi.Influence(objective, theta).predicted_change(X_test[t], y_test[t])[0]
    most = np.argsort(-abs(predicted))[:POINTS]
    loss = partial(test_loss, objective, X_test[t], y_test[t])
    inverse = np.linalg.inv(objective.hessian(theta))
    inverse = 0.5 * (inverse + inverse.T)  # symmetric to the last bit, as BFGS wants it
    after, distance, grad_norm = [], [], []
    for i in most:
        without = objective.without(i)
        refitted = minimise(without, theta, inverse)
        after.append(loss(refitted))
        distance.append(np.linalg.norm(refitted - theta))
        grad_norm.append(np.linalg.norm(without.grad(refitted)))
    actual = np.array(after) - loss(theta)
    print(f"gradient norm {np.linalg.norm(objective.grad(theta)):.1e}, refits {max(grad_norm):.1e}")
    report(f"test image {t[0]}, at a minimum", predicted[most], actual)
    write("fig2_right_minimum_theta.csv", {"theta_hat": theta}, digits=12)
    columns = {"left_out": most, "predicted": predicted[most], "refitted": actual}
    write("fig2_right_minimum.csv", columns | {"distance": distance})


def small_images():
    """The digits 3, 5 and 8, without their empty frame: 22 x 22 pixels."""
    X, y, X_test, y_test = mi.data.mnist(classes=(3, 5, 8))
    X, X_test = (a.reshape(-1, 28, 28)[:, 3:25, 3:25].reshape(len(a), -1) for a in (X, X_test))
    return X, y, X_test, y_test


def risk_and_grad(objective):
    return lambda theta, weights: (None, objective.grad(theta))


def minimise(objective, theta, inverse):
    """BFGS, which sees gradients only and so walks past saddles; `inverse` is its first guess."""
    options = {"gtol": SMALL_GTOL, "norm": 2, "maxiter": 3_000, "hess_inv0": inverse}
    return minimize(objective.risk, theta, jac=objective.grad, method="BFGS", options=options).x


def main():
    """Both models, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="processes that refit (default: 2)")
    stopped_early(parser.parse_args().jobs)
    at_minimum()


def stopped_early(jobs):
    """The network of the paper, before it converged: the analogue of the figure."""
    X, y, X_test, y_test = mi.data.mnist()
    net = mi.models.conv_net()
    objective = mi.AutogradObjective(net, X[:N], y[:N], L2)
    gradient = FastGradient(objective)

    # Stopped early. The rounded parameters, as saved, are the model from here on.
    *_, theta = train(gradient, net.start(np.random.default_rng(0)), STEPS)
    theta = theta.round(4)
    assert np.allclose(gradient(theta)[1], objective.grad(theta), rtol=1e-9, atol=1e-12)
    t = np.flatnonzero(net.scores(theta, X_test).argmax(axis=1) != y_test)[:1]
    loss = partial(test_loss, objective, X_test[t], y_test[t])
    test_grad = objective.test_grads(theta, X_test[t], y_test[t])[0]

    V, T = krylov(objective.hvp_at(theta), test_grad, steps=100)
    s_test = V @ np.linalg.solve(T + DAMPING * np.eye(len(T)), V.T @ test_grad)
    predicted = objective.example_dots(theta, s_test) / N
    most = np.argsort(-abs(predicted))[:POINTS]
    with multiprocessing.Pool(jobs) as pool:
        further = np.array(
            pool.map(partial(train_on, theta, loss, gradient), [None, *most], chunksize=1)
        )
    further = further[1:] - further[0]
    report(f"test image {t[0]}, stopped early", predicted[most], further[:, -1])
    columns = {"left_out": most, "predicted": predicted[most]}
    columns |= {f"after_{k}": further[:, j] for j, k in enumerate(FURTHER)}
    write("fig2_right.csv", columns)
    write("fig2_right_theta.csv", {"theta_tilde": theta}, digits=4)


def test_loss(objective, X_test, y_test, theta):
    return objective.test_losses(theta, X_test, y_test)[0]


def report(name, predicted, actual):
    print(f"{name}: {mi.agreement(predicted, actual)}", flush=True)


def write(name, columns, digits=None):
    """Save columns as text, rounded, so that the same run gives the same bytes."""
    RESULTS.mkdir(exist_ok=True)

    def text(value):
        if isinstance(value, np.integer):
            return f"{value}"
        return f"{value:.6e}" if digits is None else f"{value:.{digits}f}"

    rows = [",".join(map(text, row)) for row in zip(*columns.values(), strict=True)]
    (RESULTS / name).write_text("\n".join([",".join(columns), *rows]) + "\n")


if __name__ == "__main__":
    main()
