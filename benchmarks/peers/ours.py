"""minfluence."""

from functools import partial

import numpy as np
from common import DAMPING, L2, L2_CNN, measured

import minfluence as mi


def scores(inputs, loss, dtype=np.float32, solver="auto"):
    X, y, theta, tests = inputs.X.astype(dtype), inputs.y, inputs.theta, inputs.tests

    def run():
        objective = mi.LinearObjective(loss, X, y, l2=L2, dtype=dtype)
        influence = mi.Influence(objective, theta.astype(dtype), solver=solver)
        return influence.up_loss(*tests)

    return run


def network(inputs):
    import torch
    from torch.nn.functional import cross_entropy
    from torch_models import conv_net

    from minfluence.objectives.torch import TorchObjective

    module = conv_net().eval()
    module.load_state_dict(torch.load(inputs.folder / "cnn.pt"))
    X, y, tests = inputs.X, inputs.y, inputs.tests
    loss = partial(cross_entropy, reduction="none")

    def run():
        objective = TorchObjective.from_module(module, loss, X, y, l2=L2_CNN, dtype=np.float32)
        theta = objective.flatten(module)
        influence = mi.Influence(objective, theta, damping=DAMPING, curvature="gauss-newton")
        return influence.up_loss(*tests)

    return run


if __name__ == "__main__":
    softmax = partial(scores, loss=mi.models.softmax(10))
    measured(
        {
            "a1": softmax,
            "a100": softmax,
            "b": partial(scores, loss=mi.models.logistic),
            "b64": partial(scores, loss=mi.models.logistic, dtype=np.float64),
            "lissa": partial(softmax, solver="lissa"),
            "cnn": network,
        }
    )
