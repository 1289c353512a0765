"""dattri. Scores have the opposite sign; one batch of all, as it adds the inverses of batches."""

import torch
from common import L2, measured
from dattri.algorithm.influence_function import (
    IFAttributorCG,
    IFAttributorExplicit,
    IFAttributorLiSSA,
)
from dattri.task import AttributionTask
from torch.func import functional_call
from torch.nn.functional import cross_entropy, softplus
from torch.utils.data import DataLoader, TensorDataset
from torch_models import linear, tensors


def scores(inputs, make, n_outputs=10):
    X, y = tensors(inputs.X, inputs.y, floats=n_outputs == 1)
    tests = TensorDataset(*tensors(*inputs.tests, floats=n_outputs == 1))
    module = linear(inputs.theta, n_outputs)

    def loss(params, data):
        x, labels = data
        out = functional_call(module, params, (x if x.ndim > 1 else x[None],))
        labels = labels if labels.ndim else labels[None]
        if n_outputs > 1:
            return cross_entropy(out, labels)
        return softplus(-labels * out[:, 0]).mean()

    def run():
        task = AttributionTask(loss, module, module.state_dict())
        attributor = make(task)
        everyone = DataLoader(TensorDataset(X, y), batch_size=len(X))
        attributor.cache(everyone)
        return -attributor.attribute(everyone, DataLoader(tests, batch_size=len(tests))).T

    return run


def cg(task):
    return IFAttributorCG(task, max_iter=45, tol=1e-12, regularization=L2)  # 45 steps reach 1e-5


def direct(task):
    return IFAttributorExplicit(task, regularization=L2)


def lissa(inputs, scale=50.0):
    def make(task):
        return IFAttributorLiSSA(
            task, batch_size=1, num_repeat=1, recursion_depth=5000, damping=L2, scaling=scale
        )

    return scores(inputs, make)


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
