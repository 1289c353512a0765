"""pyDVL. Its scores have the opposite sign, and its losses are means over a batch."""

import torch
from common import L2, measured
from pydvl.influence.torch import CgInfluence, DirectInfluence, LissaInfluence
from torch.nn.functional import cross_entropy, softplus
from torch.utils.data import DataLoader, TensorDataset
from torch_models import linear, tensors


def margin_loss(scores, y):
    return softplus(-y * scores.squeeze(-1)).mean()


def scores(inputs, make, n_outputs=10, batch=None):
    X, y = tensors(inputs.X, inputs.y, floats=n_outputs == 1)
    X_test, y_test = tensors(*inputs.tests, floats=n_outputs == 1)
    module = linear(inputs.theta, n_outputs)
    loss = cross_entropy if n_outputs > 1 else margin_loss

    def run():
        influence = make(module, loss).fit(
            DataLoader(TensorDataset(X, y), batch_size=batch or len(X), shuffle=batch is not None)
        )
        return -influence.influences(X_test, y_test, X, y)

    return run


def cg(module, loss):
    """It stops when the residual is below ``rtol**2 * ||b||``."""
    return CgInfluence(
        module, loss, regularization=L2, rtol=1e-5**0.5, atol=0.0, solve_simultaneously=True
    )


def direct(module, loss):
    return DirectInfluence(module, loss, regularization=L2)


def lissa(inputs, scale=10.0):
    def make(module, loss):
        return LissaInfluence(module, loss, regularization=L2, maxiter=5000, scale=scale, rtol=0.0)

    return scores(inputs, make, batch=1)


if __name__ == "__main__":
    torch.manual_seed(0)
    measured(
        {
            "a1": lambda i: scores(i, cg),
            "a100": lambda i: scores(i, cg),
            "b": lambda i: scores(i, direct, n_outputs=1),
            "lissa": lissa,
        }
    )
