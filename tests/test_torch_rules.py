"""How a torch module is differentiated twice: found by trial, and wrong rules found out."""

import warnings
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import minfluence as mi  # noqa: E402
from minfluence.objectives.rules import RULES, OneByOne, calm  # noqa: E402
from minfluence.objectives.torch import TorchObjective  # noqa: E402

per_example = partial(F.cross_entropy, reduction="none")
RNG = np.random.default_rng(0)
WORDS, X, Y = RNG.standard_normal((12, 3, 4)), RNG.standard_normal((12, 4)), np.arange(12) % 2


def objective(module, inputs=X, loss=per_example, **options):
    return TorchObjective.from_module(module.eval(), loss, inputs, Y, 0.1, **options)


class Attentive(nn.Module):
    """The mean over positions of self-attention, and a linear layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.attention(x, x, x)[0].mean(1))


class TwoHeads(nn.Module):
    """The same by `scaled_dot_product_attention`, causal."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(4, 12), nn.Linear(4, 2)

    def forward(self, x):
        q, k, v = self.first(x).reshape(-1, 3, 3, 2, 2).permute(2, 0, 3, 1, 4)
        heads = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (n, head, position, 2)
        return self.last(heads.transpose(1, 2).flatten(2).mean(1))


def by_hand(module, theta, V):
    """Gradients by a training loop, H V by their differences, d/dx of g . v likewise."""
    module = module.double().eval()
    parameters = list(module.parameters())

    def grads(theta, X=WORDS):
        nn.utils.vector_to_parameters(torch.tensor(theta), parameters)
        losses = per_example(module(torch.tensor(X)), torch.tensor(Y))
        parts = [torch.autograd.grad(a, parameters, retain_graph=True) for a in losses]
        return np.stack([nn.utils.parameters_to_vector(p).numpy() for p in parts]) + 0.1 * theta

    h = 1e-6
    HV = [(grads(theta + h * v) - grads(theta - h * v)).mean(axis=0) / (2 * h) for v in V.T]
    moved = [WORDS + s * h * (np.arange(4) == 1) * (np.arange(3) == 2)[:, None] for s in (1, -1)]
    slopes = (grads(theta, moved[0]) - grads(theta, moved[1])) @ V[:, 0] / (2 * h)
    return grads(theta), np.stack(HV, axis=1), slopes


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("module", [Attentive, TwoHeads])
def test_attention_agrees_with_plain_gradients_by_every_rule(module, rule):
    o = objective(module(), WORDS)
    assert o.rule == "forward"
    o._rule = rule
    theta, V = o.flatten(module()), np.random.default_rng(1).standard_normal((o.p, 33))
    G, HV, slopes = by_hand(module(), theta, V[:, :2])
    assert_allclose(o.example_grads(theta, [5, 2]), G[[5, 2]], rtol=1e-9, atol=1e-12)
    assert_allclose(o.grad(theta), G.mean(axis=0), rtol=1e-9, atol=1e-12)
    assert_allclose(o.example_dots(theta, V), G @ V, rtol=1e-9, atol=1e-12)
    assert_allclose(o.hvp(theta, V)[:, :2], HV, rtol=1e-6, atol=1e-8)
    assert o.hvp(theta, V[:, :0]).shape == (o.p, 0)
    moved = o.input_grads(theta, V[:, 0], np.arange(12))[:, 2, 1]
    assert_allclose(moved, slopes, rtol=1e-6, atol=1e-8)
    J, D = gauss_newton_parts(o, theta)
    expected = np.einsum("ncp,ncd,ndq->pq", J, D, J) / 12 + 0.1 * np.eye(o.p)
    assert_allclose(o.gauss_newton(theta), expected, rtol=1e-9, atol=1e-12)
    assert_allclose(o.gnvp(theta, V), expected @ V, rtol=1e-9, atol=1e-12)


def gauss_newton_parts(o, theta):
    """Jacobians of the scores by a loop, and the Hessian of cross entropy: diag(q) - q qᵀ."""
    t = torch.tensor(theta, requires_grad=True)
    S = o.losses.scores(t, torch.tensor(o.X))
    rows = [torch.autograd.grad(s, t, retain_graph=True)[0].numpy() for s in S.ravel()]
    q = S.detach().softmax(1).numpy()
    D = q[:, :, None] * np.eye(2) - q[:, :, None] * q[:, None]
    return np.stack(rows).reshape(12, 2, -1), D


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_does_not_depend_on_theta_or_on_inputs_has_the_derivative_zero(rule):
    def linear(theta, X, y):
        return X @ theta - y

    def apart(theta, X, y):
        return (theta**2).sum() + X.sum(1)

    theta, V = np.arange(4.0), RNG.standard_normal((4, 3))
    straight, bent = (TorchObjective(losses, X, Y, p=4) for losses in (linear, apart))
    straight._rule = bent._rule = rule
    for v in (V, V[:, 0]):
        assert_allclose(straight.hvp(theta, v), 0 * v)
        assert_allclose(straight.example_dots(theta, v), X @ v, rtol=1e-12)
        assert_allclose(bent.hvp(theta, v), 2 * v)
    assert_allclose(straight.input_grads(theta, V[:, 0], [3, 1]), [V[:, 0]] * 2)
    assert_allclose(bent.input_grads(theta, V[:, 0], [3, 1]), np.zeros((2, 4)))


def test_influence_of_attention_is_what_refits_say():
    o = objective(Attentive(), WORDS)
    theta = mi.fit(o, o.flatten(Attentive()), gtol=1e-10).theta
    G = o.example_grads(theta, np.arange(12))
    H = o.hessian(theta)
    scores = mi.Influence(o, theta).up_loss(WORDS[0], Y[0])
    bare = o.test_grads(theta, WORDS[:1], Y[:1])[0]
    assert_allclose(scores, -G @ np.linalg.solve(H, bare), rtol=1e-8)


@pytest.mark.parametrize("fast", [True, False])
def test_settings_of_the_reader_come_back(fast):
    cuda, mha, cudnn = torch.backends.cuda, torch.backends.mha, torch.backends.cudnn

    def settings():
        kinds = "flash", "mem_efficient", "math"
        attention = [getattr(cuda, f"{kind}_sdp_enabled")() for kind in kinds]
        return [*attention, mha.get_fastpath_enabled(), cudnn.enabled, len(warnings.filters)]

    kept = settings()
    try:
        mha.set_fastpath_enabled(fast)
        cuda.enable_math_sdp(not fast)
        before = settings()
        with pytest.raises(KeyError), OneByOne().calmly():
            assert settings()[:5] == [False, False, True, False, False]
            raise KeyError
        o = objective(TwoHeads(), WORDS)
        o.hvp(np.zeros(o.p), np.ones(o.p))
        assert settings() == before
    finally:
        mha.set_fastpath_enabled(kept[3])
        cuda.enable_math_sdp(kept[2])


def test_warnings_of_torch_do_not_reach_the_reader():
    class Loud(nn.Linear):
        def forward(self, x):
            warnings.warn("There is a performance drop", stacklevel=1)
            return super().forward(x)

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        o = objective(Loud(4, 2))
        o.example_grads(np.zeros(o.p), [0])
        o.hvp(np.zeros(o.p), np.ones((o.p, 2)))
        o.risk(np.zeros(o.p))
        o.hvp_flops  # noqa: B018
    assert not seen
    with calm(), warnings.catch_warnings(record=True):
        warnings.warn("all is as before", stacklevel=1)


# Rules that are missing, or wrong -----------------------------------------------------------------


class Squash(torch.autograd.Function):
    """tanh, whose backward pass torch can differentiate, as a function of the older kind."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, upstream):
        (x,) = ctx.saved_tensors
        return upstream * (1 - torch.tanh(x) ** 2)


class Detached(Squash):
    """Right gradients; their derivative is lost."""

    @staticmethod
    def backward(ctx, upstream):
        (x,) = ctx.saved_tensors
        return upstream * (1 - torch.tanh(x.detach()) ** 2)


class Reversed(Squash):
    """A gradient that is that of nothing."""

    @staticmethod
    def backward(ctx, upstream):
        (x,) = ctx.saved_tensors
        return -upstream * x


class Layer(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function.apply(x)


def around(layer, width=5):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, width), layer, nn.Linear(width, 2))


def test_a_function_that_torch_func_does_not_know_goes_one_by_one():
    o, plain = objective(around(Layer(Squash))), objective(around(nn.Tanh()))
    theta, V = plain.flatten(around(nn.Tanh())), RNG.standard_normal((o.p, 3))
    assert (o.rule, plain.rule) == ("one by one", "forward")
    for verb in (
        lambda o: o.hvp(theta, V),
        lambda o: o.example_dots(theta, V),
        lambda o: o.example_grads(theta, [3, 1]),
        lambda o: o.gauss_newton(theta),
        lambda o: o.input_grads(theta, V[:, 0], [3, 1]),
        lambda o: o.grad(theta),
        lambda o: o.hessian(theta),
    ):
        assert_allclose(verb(o), verb(plain), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("width", [5, 300])
def test_a_layer_with_a_wrong_second_derivative_is_refused_by_its_name(dtype, width):
    with pytest.raises(ValueError, match=r"differs from finite .*in the place of the Layer '1'\.$"):
        objective(around(Layer(Detached), width), dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_gradient_that_is_that_of_nothing_is_refused(dtype):
    with pytest.raises(ValueError, match="that of torch differs from finite differences of grad"):
        objective(around(Layer(Reversed)), dtype=dtype)


def test_a_layer_of_torch_with_a_wrong_second_derivative_is_refused_by_its_name():
    v, g = (torch.rand(s, dtype=torch.float64, requires_grad=True) for s in ((3, 4), (3, 1)))

    def f(v, g):
        return (torch._weight_norm(v, g, 0) ** 3).sum()

    right = torch.autograd.gradgradcheck(f, (v, g), raise_exception=False)
    module = nn.utils.parametrizations.weight_norm(nn.Linear(4, 2))
    if right:  # not in every version of torch is it wrong
        assert objective(module).rule
        return
    with pytest.raises(
        ValueError, match="in the place of the _WeightNorm 'parametrizations.weight"
    ):
        objective(module)


def test_a_loss_without_second_derivative_is_refused():
    loss = partial(F.multi_margin_loss, reduction="none")
    with pytest.raises(ValueError, match="torch has none .*not implemented.*layer, or the loss"):
        objective(nn.Linear(4, 2), loss=loss)


def test_own_losses_are_looked_at_as_modules_are():
    def losses(theta, X, y):
        return Detached.apply(X @ theta) ** 2 - y

    with pytest.raises(ValueError, match="differs from finite differences of gradients by"):
        TorchObjective(losses, X, Y, p=4)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("layer", [nn.ReLU(), nn.Hardtanh(), nn.Threshold(0.1, 2.0), nn.ReLU6()])
def test_kinks_and_jumps_are_no_reason_to_refuse(layer, dtype):
    o = objective(around(layer, width=2000), dtype=dtype)
    assert o.rule == "forward"


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("unit", [1e-6, 1e3, 1e6])
def test_raw_units_in_which_gradients_are_rounding_are_no_reason_to_refuse(unit, dtype):
    def losses(theta, X, y):
        return per_example(X @ theta.reshape(4, 2), y)

    assert TorchObjective(losses, unit * X, Y, p=8, dtype=dtype).rule == "forward"
    assert objective(nn.Linear(4, 2), unit * X, dtype=dtype).rule == "forward"


def test_a_model_whose_scores_are_flat_at_the_start_is_not_refused():
    module = around(nn.Tanh())
    nn.init.zeros_(module[2].weight)
    assert objective(module).rule == "forward"
