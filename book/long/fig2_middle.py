"""Refit the 500 leave-one-out models of KL, Fig. 2 (left and middle), and save the changes.

    python book/long/fig2_middle.py    # about two minutes on two cores; needs MNIST

Writes ``book/results/fig2_refits.csv``: the 500 training images of largest predicted change for the
first misclassified test image, and the actual change in its loss when each is left out. Chapter 7
reads the file, and computes some of its rows again to check it.
"""

from functools import partial
from pathlib import Path

import minfluence as mi
import numpy as np

RESULTS = Path(__file__).parent.parent / "results" / "fig2_refits.csv"
HEADER = "left_out,actual_change"
GTOL = 1e-8  # of each refit's own gradient: leaves errors of about 1e-8 in the changes


def main():
    X, y, X_test, y_test = mi.data.mnist()
    objective = mi.LinearObjective(mi.models.softmax(10), X, y, l2=0.01)
    theta_hat = mi.fit(objective).theta
    guess = (X_test @ theta_hat.reshape(-1, 10)).argmax(axis=1)
    t = np.flatnonzero(guess != y_test)[:1]

    influence = mi.Influence(objective, theta_hat, solver=partial(mi.cg, rtol=1e-8))
    predicted = influence.predicted_change(X_test[t], y_test[t])[0]
    most = np.argsort(-abs(predicted))[:500]
    actual = mi.actual_change(objective, theta_hat, most, X_test[t], y_test[t], gtol=GTOL)[0]

    lines = [f"{i},{change:.9f}" for i, change in zip(most, actual, strict=True)]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join([HEADER, *lines]) + "\n")
    print(f"test image {t[0]}: {mi.agreement(predicted[most], actual)}")


if __name__ == "__main__":
    main()
