"""Every layer of `torch.nn` gives right second derivatives, or is refused in one sentence."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch_layers import NO_ROW, TABLE, layers  # noqa: E402

from minfluence.objectives.torch import TorchObjective  # noqa: E402

EXAMPLES = "forward, examples one by one"
RULES = {  # what is not "forward"; None: refused, as torch has no second derivative
    **dict.fromkeys(["CTCLoss", "CrossMapLRN2d", "EmbeddingBag", "Hardsigmoid"]),
    **dict.fromkeys(["MultiMarginLoss", "MultiLabelMarginLoss"]),
    **dict.fromkeys(["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNCell"], EXAMPLES),
    **dict.fromkeys(["GaussianNLLLoss"], EXAMPLES),
    "RReLU": "one by one",
}


def test_every_layer_has_a_row():
    assert set(layers()) <= set(TABLE) | set(NO_ROW)


def made(row):
    return TorchObjective.from_module(row.module, row.loss, row.X, row.y, 0.1)


def gradients(row, theta):
    """Gradient of every example's loss as a training loop computes it, example by example."""
    module = row.module.double()
    parameters = [p for p in module.parameters() if p.requires_grad]
    torch.nn.utils.vector_to_parameters(torch.tensor(theta), parameters)
    several = isinstance(row.X, tuple)
    found = []
    for i in range(len(row.y)):
        inputs = [torch.tensor(a[i : i + 1]) for a in (row.X if several else (row.X,))]
        loss = row.loss(module(*inputs), torch.tensor(row.y[i : i + 1]))[0]
        parts = torch.autograd.grad(loss, parameters, allow_unused=True)
        pairs = zip(parts, parameters, strict=True)
        found.append(torch.cat([(0 * p if g is None else g).ravel() for g, p in pairs]))
    return torch.stack(found).detach().numpy()


@pytest.mark.parametrize("name", TABLE)
def test_a_layer_agrees_with_differences_of_its_gradients_or_is_refused(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        row = TABLE[name]()  # torch says of some layers that they are old
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if RULES.get(name, "forward") is None:
            with pytest.raises(ValueError, match="needs the second derivative of the losses, and"):
                made(row)
            return
        o = made(row)
        assert o.rule == RULES.get(name, "forward")
        rng = np.random.default_rng(1)
        theta = o.flatten(row.module) + 0.05 * rng.standard_normal(o.p)
        V = rng.standard_normal((o.p, 2))
        products, dots = o.hvp(theta, V), o.example_dots(theta, V)
        grads = o.example_grads(theta, [3, 1])
    G = gradients(row, theta) + 0.1 * theta
    h = 1e-6
    ends = [gradients(row, theta + s * h * V[:, 0]).mean(axis=0) for s in (1, -1)]
    scale = np.abs(products).max()
    assert_allclose(grads, G[[3, 1]], rtol=1e-9, atol=1e-12)
    assert_allclose(dots, G @ V, rtol=1e-9, atol=1e-10)
    differences = (ends[0] - ends[1]) / (2 * h) + 0.1 * V[:, 0]
    assert_allclose(products[:, 0], differences, rtol=1e-5, atol=1e-6 * scale)
    assert_allclose(o.hessian(theta) @ V[:, 1], products[:, 1], rtol=1e-8, atol=1e-8 * scale)
