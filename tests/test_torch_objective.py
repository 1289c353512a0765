"""Torch: the same numbers as autograd, any module, and nothing that would make them meaningless."""

import copy
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch", reason="torch is not installed")

from problems import LOSSES, make_problem, make_torch_objective, network_examples  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import minfluence as mi  # noqa: E402
from minfluence.objectives.torch import TorchObjective  # noqa: E402

per_example = partial(F.cross_entropy, reduction="none")
NAMES = [*LOSSES, "network"]


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_agrees_with_autograd(name):
    ours, reference = (
        make_problem(f"TorchObjective-{name}"),
        make_problem(f"AutogradObjective-{name}"),
    )
    o, r, theta = ours.objective, reference.objective, reference.theta
    V = np.random.default_rng(3).standard_normal((o.p, 4))
    tests = reference.X_test, reference.y_test
    close = {"rtol": 1e-10, "atol": 1e-12}
    assert_allclose(o.risk(theta), r.risk(theta), **close)
    assert_allclose(o.grad(theta), r.grad(theta), **close)
    assert_allclose(o.hvp(theta, V), r.hvp(theta, V), **close)
    assert_allclose(o.hessian(theta), r.hessian(theta), **close)
    assert_allclose(o.example_dots(theta, V), r.example_dots(theta, V), **close)
    assert_allclose(o.example_grads(theta, [5, 2]), r.example_grads(theta, [5, 2]), **close)
    assert_allclose(
        o.input_grads(theta, V[:, 0], [5, 2]), r.input_grads(theta, V[:, 0], [5, 2]), **close
    )
    assert_allclose(o.test_losses(theta, *tests), r.test_losses(theta, *tests), **close)
    assert_allclose(o.test_grads(theta, *tests), r.test_grads(theta, *tests), **close)


def test_scores_agree_with_autograd_from_the_fit_to_the_end():
    ours, reference = (
        make_problem("TorchObjective-softmax"),
        make_problem("AutogradObjective-softmax"),
    )
    scores = [
        mi.Influence(p.objective, p.theta_hat).up_loss(p.X_test, p.y_test)
        for p in (ours, reference)
    ]
    assert_allclose(*scores, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("batch_size", [1, 7, 40, 1000])
def test_the_batch_size_changes_nothing(batch_size):
    p = make_problem("TorchObjective-network")
    o = copy.copy(p.objective)
    o.batch_size = batch_size
    V = np.random.default_rng(0).standard_normal((o.p, 40))  # more than pass together
    for f in ("hvp", "gnvp", "example_dots"):
        one = getattr(p.objective, f)(p.theta, V)
        assert_allclose(getattr(o, f)(p.theta, V), one, rtol=1e-9, atol=1e-12)


# Gauss-Newton -----------------------------------------------------------------------------------


def test_gauss_newton_is_the_hessian_of_a_model_linear_in_theta():
    for name in LOSSES:
        for kind in ("AutogradObjective", "LinearObjective", "TorchObjective"):
            p = make_problem(f"{kind}-{name}")
            V = np.random.default_rng(0).standard_normal((p.theta.size, 2))
            gnvp, hvp = p.objective.gnvp(p.theta, V), p.objective.hvp(p.theta, V)
            assert_allclose(gnvp, hvp, rtol=1e-9, atol=1e-12)


def test_gauss_newton_is_what_linearised_scores_leave_of_the_hessian():
    p = make_problem("TorchObjective-network")
    o = p.objective
    theta, X, y = (torch.tensor(a) for a in (p.theta, o.X, o.y))
    J = torch.func.jacrev(lambda t: o.losses.scores(t, X)[:, 0])(theta)
    S = o.losses.scores(theta, X)[:, 0]
    D = torch.func.vmap(torch.func.hessian(lambda s, y: o.losses.value(s[None, None], y[None])[0]))
    expected = (J.T * D(S, y) / o.n) @ J + o.l2 * torch.eye(o.p)
    H = mi.Hessian(o, p.theta, 0.3, curvature="gauss-newton")
    assert_allclose(mi.dense(H), expected.numpy() + 0.3 * np.eye(o.p), rtol=1e-9, atol=1e-12)


def test_gauss_newton_has_no_negative_eigenvalue_where_the_hessian_has():
    p = make_problem("TorchObjective-network")
    theta = np.random.default_rng(1).standard_normal(17)
    smallest, _ = mi.spectrum(mi.Hessian(p.objective, theta))
    positive, _ = mi.spectrum(mi.Hessian(p.objective, theta, curvature="gauss-newton"))
    assert smallest[0] < 0 < positive[0]


def test_samples_keep_the_kind_of_curvature():
    p = make_problem("TorchObjective-network")
    H = mi.Hessian(p.objective, p.theta, 0.1, curvature="gauss-newton")
    halves = [mi.dense(H.sample(range(k, H.n, 2))) for k in (0, 1)]
    assert_allclose(np.mean(halves, axis=0), mi.dense(H), rtol=1e-9, atol=1e-12)


def test_gauss_newton_of_losses_that_hide_their_scores_is_refused():
    X, y = network_examples()
    o = TorchObjective(lambda t, X, y: F.softplus(-y * (X @ t)), X, y, p=2)
    with pytest.raises(ValueError, match="scores\\(theta, X\\) and value"):
        mi.Hessian(o, np.zeros(2), curvature="gauss-newton")
    with pytest.raises(ValueError, match="curvature must be .*, got 'gn'"):
        mi.Hessian(o, np.zeros(2), curvature="gn")


# Modules ----------------------------------------------------------------------------------------


def small_net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3)).eval()


def digits_like(n=30):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 4)), rng.integers(0, 3, n)


def from_module(net, **options):
    return TorchObjective.from_module(net, per_example, *digits_like(), l2=0.01, **options)


def test_a_module_gives_its_own_losses_and_is_left_alone():
    net = small_net()
    before = copy.deepcopy(net.state_dict())
    o = from_module(net)
    theta = o.flatten(net)
    X, y = (torch.tensor(a) for a in digits_like())
    expected = per_example(copy.deepcopy(net).double()(X), y).detach()
    assert_allclose(o.test_losses(theta, *digits_like()), expected, rtol=1e-6)
    with pytest.warns(mi.FarFromMinimum):
        influence = mi.Influence(o, theta, damping=1.0, curvature="gauss-newton")
    influence.up_loss(*digits_like(2))
    assert net[0].weight.dtype == torch.float32 and net[0].weight.grad is None
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


def test_later_changes_of_the_module_do_not_reach_the_objective():
    net = small_net()
    o = from_module(net)
    theta = o.flatten(net)
    risk = o.risk(theta)
    net.train()
    net[1].running_mean += 1
    assert o.risk(theta) == risk


def test_theta_goes_back_into_a_module():
    net, other = small_net(0), small_net(1)
    o = from_module(net)
    missing = other.load_state_dict(o.unflatten(o.flatten(net)), strict=False)
    assert not missing.unexpected_keys
    assert_array_equal(o.flatten(other), o.flatten(net))


def test_frozen_parameters_are_no_part_of_theta():
    net = small_net()
    for parameter in net[0].parameters():
        parameter.requires_grad_(False)
    o = from_module(net)
    assert o.p == 10 + 18 and o.flatten(net).shape == (28,)
    with pytest.raises(ValueError, match="module with 28 trainable parameters, got 53"):
        o.flatten(small_net())
    net.requires_grad_(False)
    with pytest.raises(ValueError, match="No parameter of the module requires a gradient"):
        from_module(net)


def test_shared_parameters_are_counted_once_and_move_together():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 4, bias=False)
            self.b = nn.Linear(4, 4, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(torch.tanh(self.a(x)))[:, :3]

    torch.manual_seed(0)
    net = Tied()
    o = from_module(net)
    theta = o.flatten(net)
    assert theta.shape == (16,)
    mi.checks.check_gradient(o, theta)
    mi.checks.check_hvp(o, theta)


def test_float32_is_close_and_stays_float32():
    net = small_net()
    single, double = from_module(net, dtype=np.float32), from_module(net)
    theta = double.flatten(net)
    v = np.random.default_rng(0).standard_normal(theta.size)
    product = single.hvp(theta, v)
    assert product.dtype == np.float32 and single.flatten(net).dtype == np.float32
    assert_allclose(product, double.hvp(theta, v), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.BatchNorm1d(4)])
def test_modules_in_training_mode_are_refused(layer):
    with pytest.raises(ValueError, match="is in training mode.*call module.eval"):
        from_module(nn.Sequential(layer, nn.Linear(4, 3)))


class Noisy(nn.Linear):
    def forward(self, x):
        return super().forward(x) + torch.randn(len(x), 3)


class Centred(nn.Linear):
    def forward(self, x):
        return super().forward(x - x.mean(dim=0))


class InPlace(nn.Linear):
    def forward(self, x):
        return super().forward(x.mul_(2))


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (Noisy, "differ between two evaluations"),
        (Centred, "depends on the other examples of its batch"),
        (InPlace, "change X in place"),
    ],
)
def test_losses_without_a_meaning_are_refused(layer, sentence):
    with pytest.raises(ValueError, match=sentence):
        from_module(layer(4, 3))


def test_a_mean_in_place_of_losses_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match="one loss per example, shape .4,., got .*reduction"):
        TorchObjective.from_module(nn.Linear(4, 3), F.cross_entropy, *digits_like())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dtype": np.int64}, "dtype must be float64 or float32"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
        ({"dtype": "float16"}, "dtype must be float64 or float32"),
        ({"l2": -1.0}, "l2 must be a number of at least 0"),
        ({"l2": np.full(53, -1.0)}, "l2 must be a number of at least 0, or a vector of 53"),
    ],
)
def test_bad_options_get_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        TorchObjective.from_module(small_net(), per_example, *digits_like(), **options)


def test_the_number_of_parameters_must_be_known():
    with pytest.raises(ValueError, match="pass p="):
        TorchObjective(lambda t, X, y: X @ t, *digits_like())


# The penalty ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fold_l2", [True, False])
@pytest.mark.parametrize("name", ["logistic", "softmax", "network"])
def test_one_strength_for_each_parameter_and_a_penalty_of_its_own(name, fold_l2):
    p = make_problem(f"AutogradObjective-{name}")
    theta, rng = p.theta, np.random.default_rng(4)
    X, y, l2 = p.objective.X, p.objective.y, rng.uniform(0, 1, theta.size)
    reference = mi.AutogradObjective(p.losses, X, y, l2, fold_l2=fold_l2, p=theta.size)
    ours = make_torch_objective(name, X, y, l2=l2, fold_l2=fold_l2)
    V, weights = rng.standard_normal((theta.size, 3)), rng.uniform(0, 0.1, len(y))
    pairs = [(ours, reference), (ours.reweighted(weights), reference.reweighted(weights))]
    for o, r in pairs:
        assert_allclose(o.risk(theta), r.risk(theta), rtol=1e-11)
        for verb in (
            lambda o: o.grad(theta),
            lambda o: o.hvp(theta, V),
            lambda o: o.hessian(theta),
            lambda o: o.example_dots(theta, V),
            lambda o: o.example_grads(theta, [5, 2]),
        ):
            assert_allclose(verb(o), verb(r), rtol=1e-9, atol=1e-12)
        bare = make_torch_objective(name, X, y).reweighted(o.weights)
        for G in ("gnvp", "gauss_newton"):
            given = (theta,) if G == "gauss_newton" else (theta, np.eye(theta.size))
            penalty = np.diag(l2 * (o.weights.sum() if fold_l2 else 1))
            expected = getattr(bare, G)(*given) + penalty
            assert_allclose(getattr(o, G)(*given), expected, rtol=1e-9, atol=1e-12)


def test_weight_decay_on_weights_only_is_what_the_refit_says():
    net = nn.Linear(4, 3)
    l2 = np.r_[np.full(12, 0.1), np.zeros(3)]  # weights, then biases
    X, y = digits_like()
    o = TorchObjective.from_module(net, per_example, X, y, l2=l2)
    theta = mi.fit(o, o.flatten(net), gtol=1e-12).theta
    with pytest.raises(ValueError, match="l2 must be"):
        TorchObjective.from_module(net, per_example, X, y, l2=l2[:5])
    P = np.exp(X @ theta[:12].reshape(3, 4).T + theta[12:])
    residual = P / P.sum(axis=1, keepdims=True) - np.eye(3)[y]
    slope = np.r_[(residual.T @ X / 30).ravel(), residual.mean(axis=0)]
    assert_allclose(slope + l2 * theta, 0, atol=1e-10)  # the condition of the minimum, by hand


# What people have -------------------------------------------------------------------------------


def module(net=None, X=None, y=None, **options):
    """An objective on other examples than usual."""
    X, y = (a if b is None else b for a, b in zip(digits_like(), (X, y), strict=True))
    loss = options.pop("loss", per_example)
    return TorchObjective.from_module(net or nn.Linear(4, 3), loss, X, y, l2=0.1, **options)


def test_tensors_are_as_good_as_arrays():
    X, y = digits_like()
    net = small_net()
    o = from_module(net)
    theta, V = o.flatten(net), np.random.default_rng(0).standard_normal((53, 2))
    X_tensor = torch.tensor(X, requires_grad=True)
    ours = TorchObjective.from_module(net, per_example, X_tensor, torch.tensor(y), l2=0.01)
    assert_array_equal(ours.grad(theta), o.grad(theta))
    for t in (torch.tensor(theta, requires_grad=True), torch.tensor(theta).to_sparse()):
        for verb in ("grad", "hessian", "risk"):
            assert_array_equal(np.asarray(getattr(o, verb)(t)), getattr(o, verb)(theta))
        assert_array_equal(o.example_grads(t, [3]), o.example_grads(theta, [3]))
        assert_array_equal(o.test_losses(t, X_tensor, torch.tensor(y)), o.test_losses(theta, X, y))
        assert o.unflatten(t).keys() == o.unflatten(theta).keys()
    moved = o.perturbed(3, X_tensor[0], torch.tensor(y)[0]).grad(theta)
    assert_array_equal(moved, o.perturbed(3, X[0], y[0]).grad(theta))
    for v in (
        torch.tensor(V, requires_grad=True),
        torch.tensor(V).float().double(),
        torch.tensor(V).float(),
    ):
        for verb in ("hvp", "gnvp", "example_dots"):
            product = getattr(o, verb)(theta, v)
            assert isinstance(product, torch.Tensor) and product.dtype == torch.float64
            assert_allclose(product, getattr(o, verb)(theta, V), rtol=1e-5, atol=1e-6)
    for verb in ("hvp", "gnvp", "example_dots"):
        expected = getattr(o, verb)(theta, V)
        assert_array_equal(getattr(o, verb)(theta, V.tolist()), expected)
        assert_array_equal(getattr(o, verb)(theta.tolist(), V), expected)
    whole = o.to_native([1, 0, 2])
    assert whole.dtype == torch.float64 and whole.tolist() == [1, 0, 2]
    half = copy.deepcopy(net).to(torch.bfloat16)
    assert_allclose(o.flatten(half), theta, rtol=1e-2)
    assert_array_equal(ours.on(torch.tensor(X).bfloat16(), y).X, torch.tensor(X).bfloat16().float())


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
@pytest.mark.parametrize(
    ("v", "sentence"),
    [
        (np.ones(4), r"shape \(53,\) or \(53, k\)"),
        (np.ones((53, 1, 1)), r"shape \(53,\) or \(53, k\)"),
        (np.full(53, np.nan), "NaN or infinity"),
        (np.r_[np.inf, np.ones(52)], "NaN or infinity"),
    ],
)
def test_vectors_that_will_not_do_get_a_sentence(make, v, sentence):
    o = from_module(small_net())
    with pytest.raises(ValueError, match="of real numbers, got shape .53,. and torch.complex128"):
        o.hvp(np.zeros(53), torch.full((53,), 1j, dtype=torch.complex128))
    for verb in (o.hvp, o.gnvp, o.example_dots):
        with pytest.raises(ValueError, match=sentence):
            verb(np.zeros(53), make(v))


@pytest.mark.parametrize(
    ("theta", "sentence"),
    [
        (torch.zeros(4), r"shape \(53,\), got \(4,\)"),
        (torch.zeros(1, 53), r"shape \(53,\), got \(1, 53\)"),
        (torch.full((53,), torch.nan), "theta holds NaN"),
    ],
)
def test_a_theta_in_a_tensor_is_looked_at_too(theta, sentence):
    o = from_module(small_net())
    for verb in (o.grad, o.risk, o.hvp_at, o.hessian, o.unflatten):
        with pytest.raises(ValueError, match=sentence):
            verb(theta)


X30, Y30 = digits_like()
OUT_OF_RANGE = np.where(np.arange(30) == 17, 3, Y30)  # not among the first few
LABELS = "Class labels must be whole numbers 0 .. c - 1"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"y": Y30.astype(float)}, "labels between 0 and 2 in float64.*pass y.astype.int."),
        ({"y": OUT_OF_RANGE}, f"Target 3 is out of bounds.*between 0 and 3 in int64. {LABELS}"),
        ({"y": Y30 - 1}, f"Target -1 is out of bounds.*between -1 and 1 in int64. {LABELS}"),
        ({"net": nn.Linear(5, 3)}, r"Torch cannot compute.*X \(n, 4\) in float64"),
        ({"loss": lambda S, y: S.float()[:, 0]}, "The losses come in torch.float32"),
        ({"loss": lambda S, y: S[:, 0] + torch.ones(7)}, "Torch cannot compute the losses"),
        ({"loss": lambda S, y: S[:, :1]}, r"one loss per example, shape \(4,\), got \(4, 1\)"),
        ({"loss": lambda S, y: S.sum().item()}, "one loss per example.* got float"),
        ({"loss": lambda S, y: S[:, 0] * S[0, 0].item()}, "depends on the other examples"),
        ({"loss": lambda S, y: S[:, 0] * y.mul_(2)}, "in place"),
        ({"loss": "mean"}, "a torch.nn.Module and a loss.outputs, y. .*, got Linear and str"),
        ({"device": "cuda:99"}, "device 'cuda:99' cannot compute here.*use \"cpu\""),
        ({"device": "nonsense"}, "device 'nonsense' cannot compute here"),
        ({"device": "meta"}, "device 'meta' cannot compute here"),
    ],
)
def test_what_torch_cannot_compute_gets_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        module(**options)


def test_words_that_a_vocabulary_does_not_have_are_found_at_once():
    net = nn.Sequential(nn.Embedding(5, 2), nn.Flatten(), nn.Linear(4, 1))

    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, X):
            return self.net(X.long())

    def losses(S, y):
        return (S[:, 0] - y) ** 2

    X = np.random.default_rng(0).integers(0, 5, (30, 2)).astype(float)
    o = module(Words(), X, X[:, 0], loss=losses)
    with pytest.raises(ValueError, match="index out of range in self"):
        o.test_losses(np.zeros(o.p), X + 1, X[:, 0])
    X[17, 1] = 5
    with pytest.raises(ValueError, match="index out of range in self"):
        module(Words(), X, X[:, 0], loss=losses)


def test_test_points_and_new_examples_are_looked_at_as_the_training_set_is():
    o, theta = module(), np.zeros(15)
    for bad, sentence in ((OUT_OF_RANGE, "Target 3"), (Y30 + 0.0, "in float64. .*y.astype.int.")):
        for door in (
            lambda y: o.test_losses(theta, X30, y),
            lambda y: o.test_grads(theta, X30, y),
            lambda y: o.on(X30, y),
            lambda y: o.extended(X30, y),
            lambda y: o.perturbed(3, X30[17], y[17]),
        ):
            with pytest.raises(ValueError, match=sentence):
                door(bad)
    with pytest.raises(ValueError, match="at least one example, got none"):
        o.test_losses(theta, X30[:0], Y30[:0])


def test_the_number_of_parameters_must_be_right():
    def losses(theta, X, y):
        return X @ theta

    with pytest.raises(ValueError, match=r"Torch cannot compute.*they get theta \(5,\) and X"):
        TorchObjective(losses, *digits_like(), p=5)


def test_only_a_module_like_the_first_has_a_theta():
    o = module(nn.Linear(4, 3))
    with pytest.raises(ValueError, match="15 trainable parameters, got 15, or tensors of other"):
        o.flatten(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1, bias=False)))
    bare = TorchObjective(lambda t, X, y: X @ t, *digits_like(), p=4)
    for verb in (lambda: bare.flatten(nn.Linear(4, 1)), lambda: bare.unflatten(np.zeros(4))):
        with pytest.raises(ValueError, match="not made from a module"):
            verb()
    with pytest.raises(ValueError, match="expects a torch.nn.Module .* got NoneType"):
        TorchObjective.from_module(None, per_example, *digits_like())


# On the device ----------------------------------------------------------------------------------


class Watched:
    """A Hessian that remembers the kinds of arrays it was multiplied with."""

    def __init__(self, H):
        self.H, self.kinds, self.shape, self.n = H, set(), H.shape, H.n

    def __matmul__(self, V):
        self.kinds.add(type(V))
        product = self.H @ V
        self.kinds.add(type(product))
        return product

    def sample(self, indices):
        return self


@pytest.mark.parametrize("solve", [mi.cg, partial(mi.lissa, scale=20.0, batch_size=5)])
def test_a_solve_stays_in_tensors(solve):
    p = make_problem("TorchObjective-softmax")
    B = np.random.default_rng(0).standard_normal((p.theta.size, 3))
    watched = Watched(mi.Hessian(p.objective, p.theta_hat, damping=1.0))
    solution = solve(watched, p.objective.to_native(B))
    assert watched.kinds == {torch.Tensor} and isinstance(solution.x, torch.Tensor)
    assert isinstance(solution.residual, np.ndarray)


@pytest.mark.parametrize("solve", [mi.cg, mi.lissa])
def test_a_solver_gives_the_same_in_tensors_and_in_numpy(solve):
    p = make_problem("TorchObjective-softmax")
    H = mi.Hessian(p.objective, p.theta_hat, damping=1.0)
    B = np.random.default_rng(0).standard_normal((p.theta.size, 2))
    native, plain = solve(H, p.objective.to_native(B)), solve(H, B)
    assert_allclose(native.x.numpy(), plain.x, rtol=1e-9)
    assert_array_equal(native.steps, plain.steps)
    assert_allclose(native.residual, plain.residual, rtol=1e-6, atol=1e-14)


def test_influence_hands_its_solver_tensors_and_gives_numpy():
    p = make_problem("TorchObjective-softmax")
    seen = []

    def solver(A, B):
        seen.append(type(B))
        return mi.cg(A, B)

    scores = mi.Influence(p.objective, p.theta_hat, solver=solver).up_loss(p.X_test, p.y_test)
    assert seen == [torch.Tensor] and isinstance(scores, np.ndarray)


def test_a_negative_curvature_is_reported_from_tensors_too():
    p = make_problem("TorchObjective-network")
    H = mi.Hessian(p.objective, np.random.default_rng(1).standard_normal(17))
    with pytest.raises(mi.NotPositiveDefinite, match="vᵀAv / vᵀv = -"):
        mi.cg(H, p.objective.to_native(np.ones(17)))


def test_refits_of_a_network_agree_with_autograd():
    ours, reference = (
        make_problem("TorchObjective-network"),
        make_problem("AutogradObjective-network"),
    )
    theta = reference.theta_hat
    changes = [
        mi.actual_change(p.objective, theta, [0, 5], p.X_test, p.y_test, gtol=1e-9, progress=False)
        for p in (ours, reference)
    ]
    assert_allclose(*changes, rtol=1e-5, atol=1e-9)


def test_the_gauss_newton_matrix_is_what_its_products_say():
    for key in ("TorchObjective-network", "TorchObjective-softmax", "AutogradObjective-softmax"):
        p = make_problem(key)
        G = p.objective.gauss_newton(p.theta)
        assert_allclose(G, p.objective.gnvp(p.theta, np.eye(p.theta.size)), rtol=1e-9, atol=1e-12)
        assert_array_equal(G, G.T)


def test_operations_are_counted_by_torch():
    o = from_module(small_net())
    forward = 2 * 30 * (4 * 5 + 5 * 3)  # two linear layers, 30 examples
    assert o.hvp_flops == 6 * forward and o.hessian_flops == 53 * 6 * forward
    assert o.gauss_newton_flops == 3 * (3 * forward + 2 * 30 * 53**2)
