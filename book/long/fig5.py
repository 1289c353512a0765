"""Figure 5 of the paper: how many predictions turn when 1, 2 or 10 training images change a little.

    python book/long/fig5.py    # half an hour or more on one core; needs torch and the images

A vulnerability analysis: who trains on images of others should know what they can do. Dogs and fish
at 96 x 96 pixels, logistic regression on the features of a frozen MobileNetV2, l2 = 0.001. For each
of 100 correctly classified test images, drawn with a fixed seed, the 1, 2 or 10 training images
with the largest I_pert,loss may change by less than half a grey level (one image also by 4).

It does what `minfluence.attack` does, with three short cuts that are right only here: one
factorised Hessian preconditions every solve, a run ends once the prediction has turned, and it is
given up after half of the steps if more than half of the margin is left.

Writes ``book/results/fig5.csv``. Rows already there are kept: it may be stopped and continued.
"""

import csv
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from pathlib import Path

import minfluence as mi
import numpy as np
import torch
from minfluence.attacks import project
from minfluence.book.pretrained import mobilenet_v2
from minfluence.influence import pert_loss
from scipy.linalg import cho_factor, cho_solve

RESULT = Path(__file__).parent.parent / "results" / "fig5.csv"
L2, TEST_IMAGES, CANDIDATES = 0.001, 100, 20
RUNS = ((0.499, 1, 20), (0.499, 2, 20), (0.499, 10, 40), (4.0, 1, 20))  # budget, images, steps
COLUMNS = ("test", "label", "budget", "count", "margin", "margin_after", "steps", "changed")


class Inverse:
    """Inverse of a matrix, used as ``M @ v``."""

    def __init__(self, A):
        self.factor = cho_factor(A)

    def __matmul__(self, v):
        return cho_solve(self.factor, v)


def refit(objective, theta, M, gtol=1e-7):
    """Newton's method from a start nearby; `fit` takes over where a step goes astray."""
    g = objective.grad(theta)
    for _ in range(30):
        if np.linalg.norm(g) <= gtol:
            return theta
        H = mi.Hessian(objective, theta)
        step = mi.cg(H, -g, preconditioner=M, rtol=1e-3).x
        new_g = objective.grad(theta + step)
        if np.linalg.norm(new_g) > np.linalg.norm(g):
            break
        theta, g = theta + step, new_g
    return mi.fit(objective, theta, gtol=gtol).theta


def s_margin(objective, theta, M, x_test, y_test):
    """H⁻¹ times the gradient of minus the margin: s_test, but for a positive factor.

    The factor, sigma(-margin), rounds to zero for the safest test images; a sign needs no factor.
    """
    H = mi.Hessian(objective, theta)
    return mi.cg(H, -y_test * x_test, preconditioner=M, rtol=1e-4).x


def candidates(objective, theta, M, images, x_test, y_test, feature_map):
    """Training images by the l1-norm of I_pert,loss in their pixels, the largest first."""
    s_test = s_margin(objective, theta, M, x_test, y_test)
    slopes = pert_loss(objective, theta, s_test, np.arange(objective.n))
    chosen = np.argsort(-np.linalg.norm(slopes, axis=1))[:CANDIDATES]
    _, vjp = feature_map(images[chosen].astype(float))
    size = abs(vjp(slopes[chosen])).sum(axis=(1, 2, 3))
    return chosen[np.argsort(-size)]


def attack(objective, theta, M, indices, images, x_test, y_test, feature_map, budget, most):
    """Do what `minfluence.attack` does until the prediction turns.  -> margins, one per step."""
    originals = images[indices].astype(float)
    x, margins = originals, [y_test * (theta @ x_test)]
    _, vjp = feature_map(x)
    while margins[-1] > 0 and len(margins) <= most:
        if len(margins) > most // 2 and margins[-1] > 0.5 * margins[0]:
            break
        s_test = s_margin(objective, theta, M, x_test, y_test)
        up = vjp(pert_loss(objective, theta, s_test, indices))  # KL (5), through the features
        x = project(x + 0.2 * budget * np.sign(up), originals, budget)
        features, vjp = feature_map(x)
        X = objective.X.copy()
        X[indices] = features
        objective = mi.LinearObjective(objective.losses, X, objective.y, objective.l2)
        theta = refit(objective, theta, M)
        margins.append(y_test * (theta @ x_test))
    return np.array(margins)


def main():
    """Continue the table where it ends."""
    torch.set_num_threads(1)
    X, y, X_test, y_test = mi.data.dogfish_features("mobilenetv2_96")
    images = mi.data.dogfish(96)[0]
    feature_map = mobilenet_v2()
    objective = mi.LinearObjective(mi.models.logistic, X, y, L2)
    theta_hat = mi.fit(objective).theta
    M = Inverse(objective.hessian(theta_hat))
    correct = np.flatnonzero(y_test * (X_test @ theta_hat) > 0)
    chosen = np.random.default_rng(0).choice(correct, TEST_IMAGES, replace=False)

    done = set()
    if RESULT.exists():
        with RESULT.open() as file:
            done = {(r["test"], r["budget"], r["count"]) for r in csv.DictReader(file)}
    else:
        RESULT.write_text(",".join(COLUMNS) + "\n")
    for t in chosen:
        left = [run for run in RUNS if (str(t), str(run[0]), str(run[1])) not in done]
        if not left:
            continue
        of_t = X_test[t], y_test[t]
        order = candidates(objective, theta_hat, M, images, *of_t, feature_map)
        for budget, count, most in left:
            changed = order[:count]
            margins = attack(
                objective, theta_hat, M, changed, images, *of_t, feature_map, budget, most
            )
            row = (t, int(y_test[t]), budget, count, f"{margins[0]:.3f}", f"{margins[-1]:.3f}")
            row += (len(margins) - 1, " ".join(map(str, changed)))
            with RESULT.open("a") as file:
                file.write(",".join(map(str, row)) + "\n")


if __name__ == "__main__":
    main()
