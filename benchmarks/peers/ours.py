"""minfluence."""

from functools import partial

import numpy as np
from common import DAMPING, L2, L2_CNN, measured

import minfluence as mi
from minfluence.solvers import certified


def scores(inputs, loss, dtype=np.float32, solver="auto"):
    X, y, theta, tests = inputs.X.astype(dtype), inputs.y, inputs.theta, inputs.tests

    def run():
        objective = mi.LinearObjective(loss, X, y, l2=L2, dtype=dtype)
        influence = mi.Influence(objective, theta.astype(dtype), solver=solver)
        return influence.up_loss(*tests)

    return run


def ten_runs(A, B):
    """The paper's estimate, as the others compute it: `mi.lissa` stops sooner, on a residual."""
    rng, scale = np.random.default_rng(0), mi.safe_scale(A)
    runs = [mi.neumann(A, B, scale=scale, depth=5_000, rng=rng) for _ in range(10)]
    return certified(A, B, np.mean(runs, axis=0), steps=50_000)


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
            "lissa": partial(softmax, solver=ten_runs),
            "cnn": network,
        }
    )
