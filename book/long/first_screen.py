"""The front page's case: a 5 that a model reads as a 6, and what it reads without some images.

    python book/long/first_screen.py    # about half a minute on one core; needs MNIST

Logistic regression with ten classes on the first 2,000 training images of MNIST, and the first
image of the test set that it gets wrong. The question is its probability of the digit that it
names. Ten training images: those whose absence is predicted to lower it most, and to raise it
most. The prediction is the paper's, along the tangent: influence on each of the ten probabilities,
times minus one over n; for two images, the sum. The truth: trained again without each one, and
without each pair.

Why 2,000: one image of 55,000 hardly moves anything that an eye could see, and one of a few
hundred moves it further than a tangent reaches.

Writes ``book/results/first_screen.json``, which the front page reads.
"""

import json
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from itertools import combinations
from pathlib import Path

import minfluence as mi
import numpy as np
from scipy.special import softmax

RESULT = Path(__file__).parent.parent / "results" / "first_screen.json"
N, L2, K, DIGITS = 2_000, 0.01, 5, 6  # decimals that are kept


class Case:
    """The model, and the test image that it gets wrong.

    Attributes
    ----------
    objective : LinearObjective
    theta : array, shape (7840,)
    number, image, label : int, array of shape (784,), int
        The test image.
    verdict : int
        What the model takes it for.
    """

    def __init__(self):
        X, y, X_test, y_test = mi.data.mnist()
        loss = mi.models.softmax(10)
        self.objective = mi.LinearObjective(loss, X[:N], y[:N], l2=L2)
        self.theta = mi.fit(self.objective, gtol=1e-8).theta
        guess = (X_test @ self.theta.reshape(-1, 10)).argmax(axis=1)
        self.right = float(np.mean(guess == y_test))
        self.number = int(np.flatnonzero(guess != y_test)[0])
        self.image, self.label = X_test[self.number], int(y_test[self.number])
        self.verdict = int(guess[self.number])

    def probabilities(self, theta):
        """Of the ten digits for the test image.  (7840,) -> (10,)."""
        return softmax(self.image @ theta.reshape(-1, 10))

    def predicted(self):
        """Change of each probability without each training image.  -> (n, 10)."""
        p = self.probabilities(self.theta)
        slopes = np.diag(p) - np.outer(p, p)  # of the probabilities in the scores
        gradients = np.einsum("d,kj->kdj", self.image, slopes).reshape(10, -1)
        return -mi.Influence(self.objective, self.theta).up(gradients).T / N

    def retrained(self, gone):
        """The ten probabilities after training without the images `gone`.  -> (10,)."""
        return self.probabilities(mi.fit(self.objective.without(gone), self.theta, gtol=1e-8).theta)


def rounded(numbers):
    return [round(float(v), DIGITS) for v in numbers]


def main():
    """Compute the case and save it."""
    case = Case()
    changes = case.predicted()
    order = np.argsort(changes[:, case.verdict], kind="stable")
    harmful, helpful = order[:K].tolist(), order[::-1][:K].tolist()
    chosen = [*harmful, *helpful]
    groups = [(i,) for i in chosen] + [tuple(sorted(pair)) for pair in combinations(chosen, 2)]
    found = {
        "images": N,
        "right": case.right,
        "test": case.number,
        "label": case.label,
        "verdict": case.verdict,
        "harmful": harmful,
        "helpful": helpful,
        "labels": {str(i): int(case.objective.y[i]) for i in chosen},
        "now": rounded(case.probabilities(case.theta)),
        "predicted": {str(i): rounded(changes[i]) for i in chosen},
        "retrained": {" ".join(map(str, g)): rounded(case.retrained(list(g))) for g in groups},
    }
    lines = ",\n".join(f" {json.dumps(k)}: {_lines(v)}" for k, v in found.items())
    RESULT.write_text(f"{{\n{lines}\n}}\n", "utf-8")


def _lines(value):
    """A table with one row in a line, so that changes can be read."""
    if not isinstance(value, dict):
        return json.dumps(value)
    rows = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
    return f"{{\n{rows}\n }}"


if __name__ == "__main__":
    main()
