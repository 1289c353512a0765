"""What torch modules are given: several inputs, whole numbers, several targets, a data set."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.utils import data  # noqa: E402

import minfluence as mi  # noqa: E402
from minfluence.objectives.layout import Layout  # noqa: E402
from minfluence.objectives.torch import TorchObjective  # noqa: E402

per_example = partial(F.cross_entropy, reduction="none")
logistic = partial(F.binary_cross_entropy_with_logits, reduction="none")
N = 12
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((N, 4)), np.arange(N) % 2
INPUTS = {"ids": RNG.integers(0, 5, (N, 3)), "age": X[:, 0], "mask": RNG.random((N, 3)) < 0.3}
INPUTS["mask"][:, 0] = False


class Reader(nn.Module):
    """Words with a mask, and an age: attention, and a dict as outputs."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(5, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.last = nn.Linear(5, 2)

    def forward(self, ids, age, mask):
        assert (ids.dtype, mask.dtype) == (torch.int64, torch.bool)
        e = self.words(ids)
        e = self.attention(e, e, e, key_padding_mask=mask)[0].mean(1)
        return {"logits": self.last(torch.cat([e, age[:, None]], 1)), "words": e}


def in_tensors(inputs):
    return {name: torch.tensor(a) for name, a in inputs.items()}


def of_logits(outputs, y):
    return per_example(outputs["logits"], y)


def reader(inputs=INPUTS, y=Y, **options):
    return TorchObjective.from_module(Reader().eval(), of_logits, inputs, y, 0.1, **options)


def rows(inputs, chosen):
    return {name: a[chosen] for name, a in inputs.items()}


def gradients(theta, inputs=INPUTS, y=Y):
    """Gradient of every example's loss by a training loop, penalty included."""
    module = Reader().double().eval()
    parameters = list(module.parameters())
    nn.utils.vector_to_parameters(torch.tensor(theta), parameters)
    losses = of_logits(module(**in_tensors(inputs)), torch.tensor(y))
    parts = [torch.autograd.grad(a, parameters, retain_graph=True) for a in losses]
    return np.stack([nn.utils.parameters_to_vector(p).numpy() for p in parts]) + 0.1 * theta


# Several inputs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [dict, lambda inputs: tuple(inputs.values()), in_tensors],
)
def test_a_dict_or_a_tuple_goes_to_the_module_as_it_would_in_training(form):
    o = reader(form(INPUTS))
    theta = o.flatten(Reader()) + 0.1 * RNG.standard_normal(o.p)
    V = RNG.standard_normal((o.p, 2))
    G, h = gradients(theta), 1e-6
    assert o.example_shape == (7,) and o.X.dtype == np.float64
    assert_allclose(o.example_grads(theta, [5, 2]), G[[5, 2]], rtol=1e-9, atol=1e-12)
    assert_allclose(o.example_dots(theta, V), G @ V, rtol=1e-9, atol=1e-12)
    ends = [gradients(theta + s * h * V[:, 0]).mean(axis=0) for s in (1, -1)]
    assert_allclose(o.hvp(theta, V[:, 0]), (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-8)


def test_scores_of_test_points_in_dicts_are_those_of_the_equation():
    o = reader()
    theta = mi.fit(o, o.flatten(Reader()), gtol=1e-10).theta
    influence = mi.Influence(o, theta)
    bare = gradients(theta) - 0.1 * theta
    expected = -bare[:3] @ np.linalg.solve(o.hessian(theta), gradients(theta).T)
    assert_allclose(influence.up_loss(rows(INPUTS, slice(3)), Y[:3]), expected, rtol=1e-7)
    assert_allclose(influence.up_loss(rows(INPUTS, 1), Y[1]), expected[1], rtol=1e-7)
    parts = list(influence.up_loss(rows(INPUTS, slice(3)), Y[:3], batch_size=2))
    assert_allclose(np.concatenate(parts), expected, rtol=1e-7)
    assert_allclose(influence.up_loss(o.X[:3], Y[:3]), expected, rtol=1e-7)  # packed already
    refits = mi.refit_without(o, theta, [[0], [5]], gtol=1e-10, progress=False)
    kept = np.arange(N) != 5
    again = mi.fit(o.reweighted(kept / N), theta, gtol=1e-10).theta
    assert_allclose(refits.thetas[1], again, rtol=1e-5, atol=1e-7)


def test_examples_in_dicts_can_be_replaced_and_added():
    o, other = reader(), rows(INPUTS, np.roll(np.arange(N), 3))
    theta = o.flatten(Reader())
    changed = {name: np.r_[a[:4], other[name][4:6], a[6:]] for name, a in INPUTS.items()}
    y = np.r_[Y[:4], 1 - Y[4:6], Y[6:]]
    expected = gradients(theta, changed, y).mean(axis=0)
    moved = o.replaced([4, 5], rows(other, [4, 5]), 1 - Y[4:6])
    assert_allclose(moved.grad(theta), expected, rtol=1e-9, atol=1e-12)
    one_by_one = o.perturbed(4, rows(other, 4), 1 - Y[4]).perturbed(5, rows(other, 5), 1 - Y[5])
    assert_array_equal(one_by_one.X, moved.X)
    longer = o.extended(rows(other, slice(2)), Y[:2])
    assert longer.n == N + 2 and longer.grad(theta) == pytest.approx(o.grad(theta))
    assert_allclose(o.on(changed, y).grad(theta), expected, rtol=1e-9, atol=1e-12)


def test_a_dict_in_parts_is_the_same_risk():
    o = reader()
    parts = [o.on(rows(INPUTS, half), Y[half]) for half in (slice(5), slice(5, N))]
    whole, theta = mi.ShardedObjective(parts), o.flatten(Reader())
    assert_allclose(whole.grad(theta), o.grad(theta), rtol=1e-10, atol=1e-15)
    assert_allclose(whole.inputs(rows(INPUTS, 3)), o.X[3])


def test_saved_scores_know_what_inputs_mean(tmp_path):
    test = rows(INPUTS, slice(2))

    def saved(**changed):
        o = reader({**INPUTS, **changed})
        theta = mi.fit(o, o.flatten(Reader())).theta
        influence = mi.Influence(o, theta)
        mi.save_up_loss(influence, test, Y[:2], tmp_path, progress=False)
        return influence.up_loss(test, Y[:2])

    assert saved().shape == (2, N)
    saved()
    with pytest.raises(ValueError, match="training inputs, theta changed"):
        saved(age=2 * INPUTS["age"])


def test_more_numbers_than_floats_hold_are_refused():
    module = nn.Sequential(nn.Embedding(3, 2), nn.Flatten(), nn.Linear(2, 2))
    big = np.where(np.arange(N) < 4, 1, 2**24)[:, None]
    for dtype, limit in ((np.float32, 2**24), (np.float64, 2**53)):
        far = np.where(big > 1, limit, big)
        with pytest.raises(
            ValueError, match=f"X holds whole numbers of {limit} or more, which are"
        ):
            TorchObjective.from_module(module, per_example, far, Y, dtype=dtype)


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({**INPUTS, "age": X[:3, 0]}, r"one row for each example.* 'age': 3"),
        ({**INPUTS, "age": X[:, 0] * np.nan}, r"X\['age'\] holds NaN"),
        ({**INPUTS, "age": ["old"] * N}, r"X\['age'\] must hold numbers"),
        ({**INPUTS, "ids": INPUTS["ids"].astype(np.uint8)}, r"X\['ids'\] holds 8-bit .*astype.int"),
        ({**INPUTS, "ids": INPUTS["ids"] + 4}, "out of range.*below the size of the vocabulary"),
        ({}, "one row for each example, in a dict by name or in a tuple, got none"),
        ({"words": INPUTS["ids"]}, "cannot compute the losses .*unexpected keyword"),
    ],
)
def test_inputs_that_do_not_fit_together_get_one_sentence(inputs, sentence):
    with pytest.raises(ValueError, match=sentence):
        reader(inputs)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"ids": None},
            r"the inputs \['ids', 'age', 'mask'\] as in training, got \['age', 'mask'\]",
        ),
        ({"ids": np.ones((2, 4), int)}, r"X\['ids'\] must have the shape \(3,\) for each example"),
        ({"ids": np.full((2, 3), 0.5)}, r"X\['ids'\] must hold whole numbers, as in training"),
        ({"mask": np.full((2, 3), 2)}, r"X\['mask'\] must hold booleans, as in training"),
        ({"age": np.ones(3)}, "one row for each example, got 2, 3, 2 rows"),
        ({"age": np.float64(1)}, "one row for each example, got 2, a single, 2 rows"),
    ],
)
def test_test_points_of_another_kind_get_one_sentence(change, sentence):
    o = reader()
    test = {k: a for k, a in {**rows(INPUTS, slice(2)), **change}.items() if a is not None}
    with pytest.raises(ValueError, match=sentence):
        o.test_losses(np.zeros(o.p), test, Y[:2])


def test_whole_numbers_of_several_inputs_may_be_meant_as_floats():
    class Aged(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.last = nn.Embedding(5, 2), nn.Linear(4, 2)

        def forward(self, ids, ages):
            return self.last(torch.cat([self.words(ids), ages], 1))

    torch.manual_seed(0)
    ages = np.arange(2 * N).reshape(N, 2)
    made = partial(TorchObjective.from_module, Aged(), per_example)
    whole, floats = (made((INPUTS["ids"][:, 0], a), Y) for a in (ages, ages.astype(float)))
    theta = whole.flatten(Aged())
    assert_array_equal(whole.grad(theta), floats.grad(theta))


def test_outputs_that_are_no_tensor_have_a_hessian_and_no_gauss_newton_matrix():
    o = reader()
    for verb in (o.gauss_newton, o.gnvp_at, partial(mi.Influence, o, curvature="gauss-newton")):
        with pytest.raises(ValueError, match="needs a module that returns one tensor, got dict"):
            verb(np.zeros(o.p))


# Whole numbers, several targets -------------------------------------------------------------------


def test_words_stay_whole_and_have_no_derivative():
    torch.manual_seed(0)
    words = nn.Sequential(nn.Embedding(5, 2), nn.Flatten(), nn.Linear(6, 2))
    o = TorchObjective.from_module(words, per_example, INPUTS["ids"], Y, 0.1)
    theta = mi.fit(o, o.flatten(words), gtol=1e-9).theta
    one_hot = np.eye(5)[INPUTS["ids"]]  # (n, 3, 5)

    def losses(theta, X, y):
        e = X @ theta[:10].reshape(5, 2)
        S = e.flatten(1) @ theta[10:22].reshape(2, 6).T + theta[22:]
        return per_example(S, y)

    ours, theirs = o, TorchObjective(losses, one_hot, Y, 0.1, p=24)
    v = RNG.standard_normal(24)
    assert_allclose(ours.hvp(theta, v), theirs.hvp(theta, v), rtol=1e-9, atol=1e-12)
    influence = mi.Influence(o, theta)
    for attempt in (
        lambda: o.input_grads(theta, v, [0]),
        lambda: influence.pert_loss(INPUTS["ids"][0], Y[0]),
    ):
        with pytest.raises(ValueError, match="X holds whole numbers, in which a loss has no deriv"):
            attempt()
    with pytest.raises(ValueError, match="X must hold whole numbers, as in training"):
        o.test_losses(theta, INPUTS["ids"] + 0.5, Y)
    with pytest.raises(ValueError, match="index out of range in self.*size of the vocabulary"):
        TorchObjective.from_module(words, per_example, INPUTS["ids"] + 5, Y)
    with pytest.raises(ValueError, match="shapes cannot be multiplied"):
        TorchObjective.from_module(nn.Linear(2, 2), per_example, INPUTS["ids"], Y)
    with pytest.raises(ValueError, match=r"pass X.astype\(int\)"):
        TorchObjective.from_module(words, per_example, INPUTS["ids"].astype(float), Y)


def test_whole_numbers_are_floats_for_a_module_that_wants_floats():
    torch.manual_seed(0)
    module = nn.Linear(4, 2)
    for counts in ((10 * X).astype(int), X > 0, (10 * X).astype(np.int8)):
        ours, theirs = (
            TorchObjective.from_module(module, per_example, a, Y) for a in (counts, counts + 0.0)
        )
        theta, v = ours.flatten(module), RNG.standard_normal(10)
        assert_array_equal(ours.hvp(theta, v), theirs.hvp(theta, v))
        assert_array_equal(ours.input_grads(theta, v, [3]), theirs.input_grads(theta, v, [3]))


def test_whole_numbers_are_divided_in_double_precision():
    class Shares(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 2))

        def forward(self, x):
            return ((x / 3)[:, :, None] * self.weight).sum(1)

    made = partial(TorchObjective.from_module, Shares(), per_example)
    counts = (10 * X).astype(int)
    ours, theirs = (made(a, Y).grad(np.arange(8.0)) for a in (counts, counts + 0.0))
    assert_array_equal(ours, theirs)


def test_several_targets_are_least_squares_of_each():
    targets = RNG.standard_normal((N, 3))
    module = nn.Linear(4, 3)
    o = TorchObjective.from_module(
        module, lambda S, y: 0.5 * ((S - y) ** 2).sum(1), X, targets, 0.1
    )
    theta = mi.fit(o, o.flatten(module), gtol=1e-12).theta
    A = np.c_[X, np.ones(N)]
    W = np.linalg.solve(A.T @ A / N + 0.1 * np.eye(5), A.T @ targets / N)  # (5, 3)
    assert_allclose(theta, np.r_[W[:4].T.ravel(), W[4]], atol=1e-9)
    scores = mi.Influence(o, theta).up_loss(X[0], targets[0])
    slopes = np.einsum("nd,nc->ndc", A, A @ W - targets)
    moves = np.linalg.solve(A.T @ A / N + 0.1 * np.eye(5), (slopes + 0.1 * W).reshape(N, 5, 3))
    assert_allclose(scores, -np.einsum("ndc,dc->n", moves, slopes[0]), rtol=1e-8)
    refits = mi.refit_without(o, theta, [[2]], progress=False)
    assert refits.converged.all()
    with pytest.raises(
        ValueError, match=r"labels y of shape \(n, 3\) as in training, got \(12, 2\)"
    ):
        o.test_losses(theta, X, targets[:, :2])


# Labels of the wrong kind -------------------------------------------------------------------------


def column(loss):
    return lambda S, y: loss(S[:, 0], y)


@pytest.mark.parametrize(
    ("loss", "width", "y", "remedy", "changed"),
    [
        (column(logistic), 1, Y, "pass y.astype(float)", (column(logistic), Y.astype(float))),
        (per_example, 2, Y.astype(float), "pass y.astype(int)", (per_example, Y)),
        (logistic, 1, Y, "loss(outputs[:, 0], y), and pass y.astype(float)", None),
        (logistic, 1, Y + 0.0, "lambda outputs, y: loss(outputs[:, 0], y)", None),
        (lambda S, y: (S - y) ** 2, 1, Y + 0.0, "lambda outputs, y: loss(outputs[:, 0], y)", None),
        (
            lambda S, y: (S - y[:, None]) ** 2,
            2,
            Y + 0.0,
            "losses.flatten(1).sum(1)",
            (lambda S, y: ((S - y[:, None]) ** 2).flatten(1).sum(1), Y + 0.0),
        ),
        (
            F.cross_entropy,
            2,
            Y,
            'partial(torch.nn.functional.cross_entropy, reduction="none")',
            (per_example, Y),
        ),
    ],
)
def test_the_remedy_for_labels_of_the_wrong_kind_works(loss, width, y, remedy, changed):
    made = partial(TorchObjective.from_module, nn.Linear(4, width))
    with pytest.raises(ValueError) as told:
        made(loss, X, y)
    assert remedy in str(told.value)
    better, labels = changed or (column(loss), Y.astype(float))
    assert made(better, X, labels).n == N
    if labels.dtype.kind != np.asarray(y).dtype.kind:
        as_tensor = torch.tensor(y)
        assert made(better, X, as_tensor.double() if labels.dtype.kind == "f" else as_tensor.long())


def test_labels_of_test_points_have_the_same_remedy():
    o = TorchObjective.from_module(nn.Linear(4, 1), column(logistic), X, Y.astype(float))
    with pytest.raises(ValueError, match=r"pass y.astype\(float\)"):
        o.test_losses(np.zeros(5), X, Y)


# Data sets ----------------------------------------------------------------------------------------


class Dicts(data.Dataset):
    def __len__(self):
        return N

    def __getitem__(self, i):
        return {**{k: torch.tensor(a[i]) for k, a in INPUTS.items()}, "labels": int(Y[i])}


class Pairs(Dicts):
    def __getitem__(self, i):
        return X[i], Y[i]


class Together(Pairs):
    def __getitems__(self, indices):
        return [self[i] for i in indices]


class Triples(Dicts):
    def __getitem__(self, i):
        return *(a[i] for a in INPUTS.values()), Y[i]


class Stream(data.IterableDataset):
    def __iter__(self):
        return iter([(X[i], Y[i]) for i in range(N)])


class Augmented(Pairs):
    def __getitem__(self, i):
        return X[i] + torch.randn(4).numpy(), Y[i]


class Shuffled(Stream):
    def __iter__(self):
        return iter([(X[i], Y[i]) for i in torch.randperm(N).tolist()])


class Ragged(Pairs):
    def __getitem__(self, i):
        return X[i, : 2 + i // 5], Y[i]


def shuffled(dataset, **options):
    return data.DataLoader(dataset, batch_size=5, shuffle=True, drop_last=True, **options)


@pytest.mark.parametrize(
    "given",
    [
        Pairs(),
        Together(),
        Stream(),
        shuffled(Pairs()),
        shuffled(Together()),
        data.DataLoader(Stream(), batch_size=5),
        data.DataLoader([(X[:5], Y[:5]), (X[5:], Y[5:])], batch_size=None),  # items are batches
        data.DataLoader(Pairs(), batch_sampler=data.BatchSampler(range(N), 5, True)),
        data.DataLoader(Pairs(), batch_sampler=[range(6, N), range(6)]),
        data.TensorDataset(torch.tensor(X), torch.tensor(Y)),
        shuffled(Pairs(), collate_fn=lambda pairs: tuple(map(np.stack, zip(*pairs, strict=True)))),
    ],
)
def test_a_data_set_is_read_in_the_order_of_its_examples(given):
    module, state = nn.Linear(4, 2), torch.get_rng_state()
    o = TorchObjective.from_module(module, per_example, given)
    assert_array_equal(o.X, X)
    assert_array_equal(o.y, Y)
    assert torch.equal(torch.get_rng_state(), state)  # the reader's next numbers are as they were


@pytest.mark.parametrize(
    ("given", "y", "form"),
    [
        (shuffled(Dicts()), "labels", "dict"),
        (Dicts(), "labels", "dict"),
        (INPUTS | {"labels": Y}, "labels", "dict"),
        (shuffled(Triples()), None, "tuple"),
    ],
)
def test_a_data_set_of_several_inputs_is_that_of_the_arrays(given, y, form):
    o, theirs = reader(given, y), reader()
    assert o.losses.layout.form == form
    assert_array_equal(o.X, theirs.X)
    assert_array_equal(o.y, theirs.y)
    theta = o.flatten(Reader())
    assert_array_equal(o.grad(theta), theirs.grad(theta))


WEIGHTED = data.WeightedRandomSampler([1.0] * N, N)


@pytest.mark.parametrize(
    ("given", "y", "sentence"),
    [
        (Augmented(), None, "gives other values when it is read again: switch random augm"),
        (shuffled(Augmented()), None, "gives other values when it is read again"),
        (Shuffled(), None, "gives other values when it is read again"),
        (Ragged(), None, "do not fit into one batch .stack expects.*: pad them to one"),
        (
            data.DataLoader(Ragged(), 5),
            None,
            r"same shape for each example, got \(2,\), \(3,\), \(4,",
        ),
        (
            shuffled(Dicts()),
            None,
            r"y to name the entry .*'ids', 'age', 'mask', 'labels'.*got None",
        ),
        (shuffled(Dicts()), "label", "y to name the entry .*got 'label'"),
        (shuffled(Pairs()), "labels", "the batches are lists, whose last part .*leave y out"),
        (shuffled(Pairs()), Y, "brings its own labels: leave y out"),
        (data.TensorDataset(torch.tensor(X)), None, "got one without labels, of the type list"),
        (data.TensorDataset(torch.ones(0, 4), torch.ones(0)), None, "got an empty data set"),
        (X, None, "they can be left out only where X is a torch Dataset .* got ndarray"),
        (
            data.DataLoader(Pairs(), sampler=WEIGHTED),
            None,
            "by a WeightedRandomSampler, and a risk",
        ),
        (
            data.DataLoader(Pairs(), sampler=data.SubsetRandomSampler(range(5))),
            None,
            r"torch.utils.data.Subset\(dataset, indices\)",
        ),
    ],
)
def test_data_sets_without_a_meaning_get_one_sentence(given, y, sentence):
    with pytest.raises(ValueError, match=sentence):
        TorchObjective.from_module(nn.Linear(4, 2), per_example, given, y)


def test_a_subset_is_the_remedy_for_a_loader_that_leaves_out_examples():
    o = TorchObjective.from_module(nn.Linear(4, 2), per_example, data.Subset(Pairs(), [3, 1, 4]))
    assert_array_equal(o.X, X[[3, 1, 4]])


def test_what_was_packed_comes_out_again():
    layout = Layout.of(INPUTS)
    packed = torch.tensor(layout.pack(INPUTS))
    _, named = layout.unpack(packed)
    for name, a in INPUTS.items():
        assert named[name].numpy().dtype == a.dtype
        assert_array_equal(named[name], a)


# Modules as they are ------------------------------------------------------------------------------


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_a_module_in_half_precision_is_computed_in_double(half):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).to(half)
    wide = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    wide.load_state_dict(module.state_dict())
    ours, theirs = (TorchObjective.from_module(m, per_example, X, Y) for m in (module, wide))
    theta = theirs.flatten(wide)
    assert_array_equal(ours.flatten(module), theta)
    assert_array_equal(ours.grad(theta), theirs.grad(theta))
    for dtype in (np.float16, half):
        with pytest.raises(ValueError, match="dtype must be float64 or float32, got"):
            TorchObjective.from_module(module, per_example, X, Y, dtype=dtype)


class Autocast(nn.Linear):
    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().forward(x.float())


def test_a_module_that_computes_in_half_precision_is_refused():
    with pytest.raises(ValueError, match="cannot compute the losses|losses come in torch.bfloat16"):
        TorchObjective.from_module(Autocast(4, 2), per_example, X, Y)


def test_modules_without_a_theta_of_their_own_get_one_sentence():
    with pytest.raises(ValueError, match="lazy layers without shapes: call it once"):
        TorchObjective.from_module(nn.LazyLinear(2), per_example, X, Y)
    module = nn.LazyLinear(2)
    module(torch.ones(2, 4))  # the remedy
    assert TorchObjective.from_module(module, per_example, X, Y).p == 10
    with pytest.warns(DeprecationWarning):
        scripted = torch.jit.trace(nn.Linear(4, 2), torch.ones(2, 4))
    with pytest.raises(ValueError, match="torch.jit .*pass the module from which it was made"):
        TorchObjective.from_module(scripted, per_example, X, Y)


class Tied(nn.Module):
    """Words in and words out by one matrix, batch normalisation between, a frozen layer before."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(5, 3)
        self.frozen = nn.Linear(3, 3).requires_grad_(False)
        self.norm = nn.BatchNorm1d(3)
        self.out = nn.Linear(3, 5, bias=False)
        self.out.weight = self.words.weight
        self.norm.running_mean += 0.3

    def forward(self, ids):
        return self.out(self.norm(torch.tanh(self.frozen(self.words(ids).sum(1)))))


def test_tied_weights_frozen_layers_and_batch_normalisation_are_as_in_training():
    module = Tied().eval()
    ids, y = INPUTS["ids"], INPUTS["ids"][:, 0]
    o = TorchObjective.from_module(module, per_example, ids, y, 0.1)
    assert o.p == 15 + 3 + 3
    theta, v, h = o.flatten(module), RNG.standard_normal(21), 1e-6
    plain = Tied().double().eval()
    trained = [p for p in plain.parameters() if p.requires_grad]

    def gradient(theta):
        nn.utils.vector_to_parameters(torch.tensor(theta), trained)
        loss = per_example(plain(torch.tensor(ids)), torch.tensor(y)).mean()
        parts = torch.autograd.grad(loss, trained)
        return nn.utils.parameters_to_vector(parts).numpy() + 0.1 * theta

    assert_allclose(o.grad(theta), gradient(theta), rtol=1e-9, atol=1e-12)
    differences = (gradient(theta + h * v) - gradient(theta - h * v)) / (2 * h)
    assert_allclose(o.hvp(theta, v), differences, rtol=1e-6, atol=1e-8)
    moved = Tied()
    moved.load_state_dict(o.unflatten(theta + 1), strict=False)
    assert moved.out.weight is moved.words.weight
    assert_allclose(o.flatten(moved), theta + 1, rtol=1e-6)
