"""Torch modules and the package's own networks: their labels, their options."""

import copy
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from inputs.examples import (
    THETA,
    Y_BINARY,
    Y_CLASS,
    X,
    Y,
    in_torch,
    linear,
    torch_logistic,
)
from inputs.table import agree, refused, right, right_or_told
from minfluence import AutogradObjective, TorchObjective, attribution, models

CROSS_ENTROPY = partial(cross_entropy, reduction="none")
MLP = attribution.MLP((3, 4, 2))
START = MLP.start(np.random.default_rng(1))
CONV = models.conv_net(21, 2, 3)
IMAGES = np.random.default_rng(2).random((4, 441))


def cases():
    yield from of_torch_options()
    yield from of_torch_modules()
    yield from of_torch_labels()
    yield from of_torch_layers()
    yield from of_torch_inputs()
    yield from of_labels()


def of_torch_options():
    for size in (0, 2.5, -1, "8"):
        yield refused(
            f"Torch: batch_size {size!r}", in_torch, X, Y, batch_size=size, saying="batch_size"
        )
    yield refused(
        "Torch: p not told", TorchObjective, torch_logistic, X, Y, 0.1, saying="parameters"
    )
    for p in (0, "3", 2.5):
        yield refused(
            f"Torch: p = {p!r}",
            TorchObjective,
            torch_logistic,
            X,
            Y,
            0.1,
            p=p,
            saying="p |p=|parameter",
        )
    yield refused(
        "Torch: losses that return their mean",
        lambda: TorchObjective(lambda t, X, y: torch_logistic(t, X, y).mean(), X, Y, 0.1, p=3),
        saying="one loss per example",
    )
    for device in ("cuda:99", "nonsense"):
        yield refused(
            f"Torch: device {device}", in_torch, X, Y, device=device, saying="device|cuda|GPU"
        )
    yield right(
        "Torch: examples and labels in tensors",
        lambda: in_torch(torch.tensor(X), torch.tensor(Y)).risk(THETA),
        expected=linear(X, Y).risk(THETA),
    )


def module(*layers):
    torch.manual_seed(0)
    return nn.Sequential(*layers)


def of_module(made, y, loss=CROSS_ENTROPY):
    return TorchObjective.from_module(made, loss, X, y, 0.1)


def squared(outputs, y):
    return (outputs[:, 0] - y) ** 2


def of_torch_modules():
    training = {"dropout": nn.Dropout(0.5), "batch normalisation": nn.BatchNorm1d(1)}
    for name, layer in training.items():
        yield refused(
            f"Torch: a module that trains, with {name}",
            lambda layer: of_module(module(nn.Linear(3, 1), layer).train(), Y, squared),
            layer,
            saying="eval",
        )
    frozen = nn.Linear(3, 1).requires_grad_(False)
    yield refused(
        "Torch: a module without parameters to train",
        of_module,
        frozen,
        Y,
        squared,
        saying="gradient",
    )

    def kept():
        made = module(nn.Linear(3, 2))
        before = [w.detach().clone() for w in made.parameters()]
        objective = of_module(made, Y_BINARY)
        objective.grad(objective.flatten(made) + 1)
        return [w.detach().numpy().ravel() for w in made.parameters()][0], before[0].numpy().ravel()

    yield agree("Torch: the reader's module stays as it is", kept)


def of_torch_labels():
    """Cross entropy wants whole numbers of 64 bits; the same labels otherwise are widened."""

    def risk(y):
        return of_module(module(nn.Linear(3, 2)), y).risk(np.arange(8.0) / 8)

    W, b = np.arange(6.0).reshape(2, 3) / 8, np.array([6.0, 7]) / 8
    scores = X @ W.T + b
    losses = np.logaddexp(*scores.T) - scores[np.arange(30), Y_BINARY]
    expected = losses.mean() + 0.05 * ((np.arange(8) / 8) ** 2).sum()
    kinds = {
        "whole": Y_BINARY,
        "32-bit": Y_BINARY.astype(np.int32),
        "unsigned 8-bit": Y_BINARY.astype(np.uint8),
        "floating": Y_BINARY.astype(float),
        "boolean": Y > 0,
    }
    for name, y in kinds.items():
        yield right_or_told(
            f"Torch: {name} labels for cross entropy",
            risk,
            y,
            expected=expected,
            saying="label|int|long|whole|class",
        )
    for label in (7, -1, 0.5):
        wrong = np.r_[np.zeros(29), label].astype(int if label != 0.5 else float)
        yield refused(
            f"Torch: label {label} of 2 classes", risk, wrong, saying="label|class|target|whole"
        )

    def own_losses(y):
        return TorchObjective(
            lambda t, X, y: nn.functional.softplus((1 - 2 * y) * (X @ t)), X, y, 0.1, p=3
        ).risk(THETA)

    for name, y in kinds.items():
        if name in ("unsigned 8-bit", "whole", "boolean"):
            yield right(
                f"Torch: own losses with 1 - 2 y, {name} labels",
                own_losses,
                y,
                expected=linear(X, Y).risk(THETA),
            )


class Attentive(nn.Module):
    """The mean over positions of two-head self-attention."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.attention, self.last = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.attention(x, x, x)[0].mean(1))


def curvature(made, inputs, loss=CROSS_ENTROPY, y=Y_BINARY):
    """A product with the Hessian, and the same by differences of gradients in a training loop."""
    objective = TorchObjective.from_module(made.eval(), loss, inputs, y)
    theta, v = objective.flatten(made), np.random.default_rng(0).standard_normal(objective.p)
    plain = copy.deepcopy(made).double()
    parameters = list(plain.parameters())

    def gradient(theta):
        nn.utils.vector_to_parameters(torch.tensor(theta), parameters)
        mean = loss(plain(torch.tensor(inputs)), torch.tensor(y)).mean()
        return nn.utils.parameters_to_vector(torch.autograd.grad(mean, parameters)).numpy()

    ends = [gradient(theta + sign * 1e-6 * v) for sign in (1, -1)]
    return objective.hvp(theta, v), (ends[0] - ends[1]) / 2e-6


def of_torch_layers():
    """Layers without a rule that derivatives of torch need, or with a wrong one."""
    torch.manual_seed(0)
    sequences, rng = np.random.default_rng(3).standard_normal((30, 3, 4)), np.random.default_rng(4)
    encoder = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)
    flat = nn.Sequential(encoder, nn.Flatten(), nn.Linear(12, 2))
    yield agree("Torch: attention", curvature, Attentive(), sequences)
    yield agree("Torch: a transformer layer", curvature, flat, sequences)
    words = nn.Sequential(nn.Embedding(5, 2), nn.Flatten(), nn.Linear(6, 2))
    yield agree("Torch: words, as whole numbers", curvature, words, rng.integers(0, 5, (30, 3)))
    image = nn.Unflatten(1, (4, 1, 1))
    for name, layer in {
        "Hardsigmoid": nn.Hardsigmoid(),
        "CrossMapLRN2d": module(image, nn.CrossMapLRN2d(2), nn.Flatten()),
    }.items():
        yield refused(
            f"Torch: {name}, which has no second derivative",
            of_module,
            module(nn.Linear(3, 4), layer, nn.Linear(4, 2)),
            Y_BINARY,
            saying=f"second derivative.*{name}",
        )


def of_torch_inputs():
    """Several inputs, several targets, data sets; labels of a kind that the loss does not take."""

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.words, self.last = nn.Embedding(5, 2), nn.Linear(5, 2)

        def forward(self, ids, x):
            return self.last(torch.cat([self.words(ids), x], 1))

    ids = np.random.default_rng(5).integers(0, 5, 30)
    made = partial(TorchObjective.from_module, Both(), CROSS_ENTROPY)
    pairs = torch.utils.data.TensorDataset(*map(torch.tensor, (ids, X, Y_BINARY)))
    loader = torch.utils.data.DataLoader(pairs, batch_size=7, shuffle=True)
    theta = np.random.default_rng(6).standard_normal(22)
    E = theta[:10].reshape(5, 2)[ids]
    S = np.c_[E, X] @ theta[10:20].reshape(2, 5).T + theta[20:]
    expected = (np.logaddexp(*S.T) - S[np.arange(30), Y_BINARY]).mean()
    for name, given in {
        "a tuple": ((ids, X), Y_BINARY),
        "a dict": ({"ids": ids, "x": X}, Y_BINARY),
        "a dict with its labels": ({"ids": ids, "x": X, "labels": Y_BINARY}, "labels"),
        "a data set": (pairs,),
        "a loader": (loader,),
    }.items():
        yield right(
            f"Torch: {name} of inputs",
            lambda given: made(*given).risk(theta),
            given,
            expected=expected,
        )
    yield right(
        "Torch: several targets",
        lambda: TorchObjective.from_module(
            nn.Linear(3, 2), lambda S, y: ((S - y) ** 2).sum(1), X, X[:, :2]
        ).risk(np.zeros(8)),
        expected=(X[:, :2] ** 2).sum(1).mean(),
    )
    bad = {
        "a tuple of other lengths": (((ids[:5], X), Y_BINARY), "row"),
        "no labels": ((X,), "labels"),
        "a name of labels that is not there": (({"ids": ids, "x": X}, "labels"), "labels"),
        "words out of range": (((ids + 1, X), Y_BINARY), "vocabulary"),
    }
    for name, (given, saying) in bad.items():
        yield refused(f"Torch: {name}", made, *given, saying=saying)
    logistic = partial(nn.functional.binary_cross_entropy_with_logits, reduction="none")
    yield refused(
        "Torch: whole-number labels for binary cross-entropy",
        of_module,
        nn.Linear(3, 1),
        Y_BINARY,
        lambda S, y: logistic(S[:, 0], y),
        saying=r"pass y\.astype\(float\)",
    )
    yield refused(
        "Torch: half precision",
        lambda: TorchObjective.from_module(
            nn.Linear(3, 2).half(), CROSS_ENTROPY, X, Y_BINARY, dtype=np.float16
        ),
        saying="float64 or float32",
    )


def of_labels():
    """Networks of the package: the label says which class, and nothing is cut or wrapped."""

    def mlp(y):
        return AutogradObjective(MLP, X, y, 0.1).risk(START)

    def conv(y):
        return AutogradObjective(CONV, IMAGES, y, 0.1).risk(CONV.start(np.random.default_rng(0)))

    start = CONV.start(np.random.default_rng(0))
    good_mlp = AutogradObjective(MLP, X, Y_BINARY, 0.1)
    good_conv = AutogradObjective(CONV, IMAGES, [0, 1, 2, 2], 0.1)
    for label in (-1, 2, 0.7):
        y = np.where(np.arange(30) == 3, label, Y_BINARY)
        yield refused(f"MLP of 2 classes: label {label}", mlp, y, saying="label|class")
        yield refused(
            f"MLP of 2 classes: test label {label}",
            good_mlp.test_losses,
            START,
            X[:2],
            np.array([0, label]),
            saying="label|class",
        )
    for label in (-1, 3, 0.7):
        yield refused(
            f"conv_net of 3 classes: label {label}",
            conv,
            np.array([label, 0, 1, 2]),
            saying="label|class",
        )
        yield refused(
            f"conv_net of 3 classes: test label {label}",
            good_conv.test_losses,
            start,
            IMAGES[:2],
            np.array([0, label]),
            saying="label|class",
        )
    yield refused(
        "MLP: inputs too wide",
        lambda: AutogradObjective(attribution.MLP((4, 2)), X, Y_BINARY, 0.1),
        saying="width",
    )
    yield refused(
        "conv_net: images of another size",
        AutogradObjective,
        CONV,
        X,
        Y_CLASS,
        saying="shape|pixels|441|features",
    )
    for name, y in {"unsigned 8-bit": np.uint8, "floating": float}.items():
        yield right(
            f"MLP: {name} labels",
            mlp,
            Y_BINARY.astype(y),
            expected=good_mlp.risk(START),
        )
    train = partial(attribution.train, MLP, START, l2=0.1, steps=2)
    bad = {
        "more checkpoints than steps": (X, Y_BINARY, {"checkpoints": 5}, "checkpoints"),
        "fewer rows than labels": (X[:5], Y_BINARY, {}, "shape|length|label"),
        "labels -1 and 1": (X, Y, {}, "label|class"),
        "NaN in X": (X * np.nan, Y_BINARY, {}, "NaN"),
        "no steps": (X, Y_BINARY, {"steps": 0}, "steps"),
    }
    for name, (inputs, labels, options, saying) in bad.items():
        yield refused(f"train: {name}", train, X=inputs, y=labels, saying=saying, **options)
