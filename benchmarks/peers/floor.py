"""The matrix products that a task cannot do without, in plain NumPy; the scores are not right."""

import numpy as np
from common import measured
from scipy.linalg import cho_factor, cho_solve

STEPS = 33  # products of CG for task a1; `compare.py` checks that ours takes as many


def cg(inputs):
    X = inputs.X
    V = np.ones((X.shape[1], 10), dtype=X.dtype)

    def run():
        U = X @ V  # scores at theta
        for _ in range(STEPS + 1):
            U = X @ V
            X.T @ U
        return (U * (X @ V)).sum(axis=1)[None]

    return run


def direct(inputs, pairs, c, dtype=np.float32):
    X = inputs.X.astype(dtype)
    w = np.full(len(X), 0.3, dtype=dtype)
    m = inputs.m

    def run():
        d = X.shape[1]
        for _ in range(pairs):
            A = X * w[:, None]
            G = A.T @ A
        H = np.zeros((c * d, c * d), dtype=dtype)
        H[:d, :d] = G
        H[np.diag_indices(c * d)] += len(X)
        S = cho_solve(cho_factor(H.T, overwrite_a=True), np.ones((c * d, m), dtype=dtype))
        T = (X @ S.reshape(d, -1)).reshape(len(X), c, m)
        return np.negative(np.einsum("nc,nck->nk", np.ones((len(X), c), dtype=dtype), T)).T

    return run


if __name__ == "__main__":
    measured(
        {
            "a1": cg,
            "a100": lambda inputs: direct(inputs, 45, 10),
            "b": lambda inputs: direct(inputs, 1, 1),
            "b64": lambda inputs: direct(inputs, 1, 1, np.float64),
        }
    )
