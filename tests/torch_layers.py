"""Every layer of `torch.nn` in a small model: what it is made with, and what it is given."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Row:
    """A layer with what stands before and after it: a module, a loss, examples."""

    module: nn.Module
    loss: Callable
    X: Any
    y: np.ndarray


def examples(n: int = 4, features: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, features)), np.arange(n) % 2


class Around(nn.Module):
    """A layer between two linear ones, so that it is differentiated in its inputs as well."""

    def __init__(self, layer: nn.Module, shape: tuple[int, ...], call: Callable | None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.shape, self.call = shape, call or (lambda layer, h: layer(h))
        self.before, self.layer = nn.Linear(3, int(np.prod(shape))), layer
        self.eval()
        with torch.no_grad():  # a lazy layer finds its shapes now
            width = self.middle(torch.zeros(2, 3)).shape[1]
        self.after = nn.Linear(width, 2)

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        return self.call(self.layer, self.before(x).reshape(-1, *self.shape)).flatten(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.middle(x))


def layer(make: Callable, *shape: int, call: Callable | None = None) -> Callable[[], Row]:
    """A layer that is given an array of this shape for each example."""

    def row() -> Row:
        module = Around(make(), shape, call).eval()
        return Row(module, partial(F.cross_entropy, reduction="none"), *examples())

    return row


class Words(nn.Module):
    """A layer that is given words, three for each example."""

    def __init__(self, make: Callable) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = make()
        self.after = nn.LazyLinear(2)
        self(torch.zeros(2, 3, dtype=torch.long))

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return self.after(torch.tanh(self.layer(words).flatten(1)))


def words(make: Callable) -> Callable[[], Row]:
    def row() -> Row:
        X = np.random.default_rng(0).integers(0, 5, (4, 3))
        loss = partial(F.cross_entropy, reduction="none")
        return Row(Words(make).eval(), loss, X, np.arange(4) % 2)

    return row


def loss(make: Callable, outputs: int, of: Callable, squash: Any = None) -> Callable[[], Row]:
    """A loss, given the outputs of a linear layer and the labels: one number for each example."""

    def row() -> Row:
        torch.manual_seed(0)
        made = make()
        squash_by = squash if squash is not None else nn.Identity()
        module = nn.Sequential(nn.Linear(3, outputs), squash_by).eval()

        def per_example(S: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return of(made, S, y).reshape(len(y), -1).sum(1)

        return Row(module, per_example, *examples())

    return row


def with_targets(criterion: nn.Module, S: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Numbers as labels, one for each output."""
    return criterion(S, 0.3 + y[:, None].to(S).expand_as(S) / 3)


def with_signs(criterion: nn.Module, S: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return criterion(S, (2 * y - 1)[:, None].to(S).expand_as(S))


def with_classes(criterion: nn.Module, S: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return criterion(S, y)


def with_pairs(criterion: nn.Module, S: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return criterion(S[:, :3], S[:, 3:], (2 * y - 1).to(S))


def with_single_numbers(criterion: nn.Module, S: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return criterion(S[:, 0], S[:, 1], (2 * y - 1).to(S))


def with_triplets(criterion: nn.Module, S: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return criterion(S[:, :2], S[:, 2:4], S[:, 4:])


def first(layer: Callable, h: torch.Tensor) -> torch.Tensor:
    return layer(h)[0]


def recurrent(make: Callable) -> Callable[[], Row]:
    return layer(partial(make, 2, 3, batch_first=True), 4, 2, call=first)


class Scored(nn.Module):
    """A layer that is given the labels as well, and returns losses."""

    def __init__(self, make: Callable) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.before, self.layer = nn.Linear(3, 5), make()

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> Any:
        return self.layer(self.before(x), labels)


def scored(make: Callable) -> Callable[[], Row]:
    def row() -> Row:
        X, y = examples()
        return Row(Scored(make).eval(), lambda losses, y: losses, (X, y), y)

    return row


def unpooled(pool: Callable, unpool: Callable, *shape: int) -> Callable[[], Row]:
    def call(layers: nn.ModuleList, h: torch.Tensor) -> torch.Tensor:
        return layers[1](*layers[0](h))

    return layer(
        lambda: nn.ModuleList([pool(2, return_indices=True), unpool(2)]), *shape, call=call
    )


def attention(mha: nn.Module, h: torch.Tensor) -> torch.Tensor:
    return mha(h, h, h)[0].mean(1)


def twice(layer: Callable, h: torch.Tensor) -> torch.Tensor:
    return layer(h, h)


def with_ctc(criterion: nn.Module, S: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    n = len(y)
    log_probabilities = F.log_softmax(S.reshape(n, 4, 3), -1).transpose(0, 1)  # (T, n, c)
    targets = (1 + y)[:, None].expand(n, 1)
    whole = partial(torch.full, (n,), dtype=torch.long)
    return criterion(log_probabilities, targets, whole(fill_value=4), whole(fill_value=1))


LINE, PLANE, SPACE = (2, 6), (2, 4, 4), (2, 4, 4, 4)
SMALL = (2, 2, 2, 2)
none = {"reduction": "none"}
ENCODER = partial(nn.TransformerEncoderLayer, 4, 2, 6, batch_first=True)
DECODER = partial(nn.TransformerDecoderLayer, 4, 2, 6, batch_first=True)

ELEMENTWISE = (
    "CELU ELU GELU Hardshrink Hardsigmoid Hardswish Hardtanh Identity LeakyReLU LogSigmoid Mish "
    "PReLU RReLU ReLU ReLU6 SELU SiLU Sigmoid Softplus Softshrink Softsign Tanh Tanhshrink Dropout "
    "Flatten AlphaDropout"
).split()

TABLE: dict[str, Callable[[], Row]] = {
    **{name: layer(getattr(nn, name), 5) for name in ELEMENTWISE},
    "AdaptiveAvgPool1d": layer(partial(nn.AdaptiveAvgPool1d, 3), *LINE),
    "AdaptiveAvgPool2d": layer(partial(nn.AdaptiveAvgPool2d, 3), *PLANE),
    "AdaptiveAvgPool3d": layer(partial(nn.AdaptiveAvgPool3d, 2), *SPACE),
    "AdaptiveMaxPool1d": layer(partial(nn.AdaptiveMaxPool1d, 3), *LINE),
    "AdaptiveMaxPool2d": layer(partial(nn.AdaptiveMaxPool2d, 3), *PLANE),
    "AdaptiveMaxPool3d": layer(partial(nn.AdaptiveMaxPool3d, 2), *SPACE),
    "AvgPool1d": layer(partial(nn.AvgPool1d, 2), *LINE),
    "AvgPool2d": layer(partial(nn.AvgPool2d, 2), *PLANE),
    "AvgPool3d": layer(partial(nn.AvgPool3d, 2), *SPACE),
    "MaxPool1d": layer(partial(nn.MaxPool1d, 2), *LINE),
    "MaxPool2d": layer(partial(nn.MaxPool2d, 2), *PLANE),
    "MaxPool3d": layer(partial(nn.MaxPool3d, 2), *SPACE),
    "LPPool1d": layer(partial(nn.LPPool1d, 2, 2), *LINE),
    "LPPool2d": layer(partial(nn.LPPool2d, 2, 2), *PLANE),
    "LPPool3d": layer(partial(nn.LPPool3d, 2, 2), *SPACE),
    "FractionalMaxPool2d": layer(
        lambda: nn.FractionalMaxPool2d(
            2, output_size=2, _random_samples=torch.full((1, 2, 2), 0.3)
        ),
        *PLANE,
        call=lambda pool, h: F.fractional_max_pool2d(
            h, 2, 2, _random_samples=torch.full((len(h), 2, 2), 0.3).to(h)
        ),
    ),
    "FractionalMaxPool3d": layer(
        nn.Identity,
        *SPACE,
        call=lambda pool, h: F.fractional_max_pool3d(
            h, 2, 2, _random_samples=torch.full((len(h), 2, 3), 0.3).to(h)
        ),
    ),
    "MaxUnpool1d": unpooled(nn.MaxPool1d, nn.MaxUnpool1d, *LINE),
    "MaxUnpool2d": unpooled(nn.MaxPool2d, nn.MaxUnpool2d, *PLANE),
    "MaxUnpool3d": unpooled(nn.MaxPool3d, nn.MaxUnpool3d, *SPACE),
    "BatchNorm1d": layer(partial(nn.BatchNorm1d, 2), *LINE),
    "BatchNorm2d": layer(partial(nn.BatchNorm2d, 2), *PLANE),
    "BatchNorm3d": layer(partial(nn.BatchNorm3d, 2), *SMALL),
    "SyncBatchNorm": layer(partial(nn.SyncBatchNorm, 2), *PLANE),
    "InstanceNorm1d": layer(partial(nn.InstanceNorm1d, 2, affine=True), *LINE),
    "InstanceNorm2d": layer(partial(nn.InstanceNorm2d, 2, affine=True), *PLANE),
    "InstanceNorm3d": layer(partial(nn.InstanceNorm3d, 2, affine=True), *SMALL),
    "GroupNorm": layer(partial(nn.GroupNorm, 2, 4), 4, 3),
    "LayerNorm": layer(partial(nn.LayerNorm, 5), 5),
    "LocalResponseNorm": layer(partial(nn.LocalResponseNorm, 2), *PLANE),
    "CrossMapLRN2d": layer(partial(nn.CrossMapLRN2d, 2), *PLANE),
    "Bilinear": layer(partial(nn.Bilinear, 3, 3, 2), 3, call=twice),
    "Linear": layer(partial(nn.Linear, 5, 2), 5),
    "Conv1d": layer(partial(nn.Conv1d, 2, 2, 3), *LINE),
    "Conv2d": layer(partial(nn.Conv2d, 2, 2, 3), *PLANE),
    "Conv3d": layer(partial(nn.Conv3d, 2, 2, 2), *SMALL),
    "ConvTranspose1d": layer(partial(nn.ConvTranspose1d, 2, 2, 3), *LINE),
    "ConvTranspose2d": layer(partial(nn.ConvTranspose2d, 2, 2, 2), *PLANE),
    "ConvTranspose3d": layer(partial(nn.ConvTranspose3d, 2, 2, 2), *SMALL),
    "LazyLinear": layer(partial(nn.LazyLinear, 2), 5),
    "LazyBatchNorm1d": layer(nn.LazyBatchNorm1d, *LINE),
    "LazyBatchNorm2d": layer(nn.LazyBatchNorm2d, *PLANE),
    "LazyBatchNorm3d": layer(nn.LazyBatchNorm3d, *SMALL),
    "LazyInstanceNorm1d": layer(partial(nn.LazyInstanceNorm1d, affine=True), *LINE),
    "LazyInstanceNorm2d": layer(partial(nn.LazyInstanceNorm2d, affine=True), *PLANE),
    "LazyInstanceNorm3d": layer(partial(nn.LazyInstanceNorm3d, affine=True), *SMALL),
    "LazyConv1d": layer(partial(nn.LazyConv1d, 2, 3), *LINE),
    "LazyConv2d": layer(partial(nn.LazyConv2d, 2, 3), *PLANE),
    "LazyConv3d": layer(partial(nn.LazyConv3d, 2, 2), *SMALL),
    "LazyConvTranspose1d": layer(partial(nn.LazyConvTranspose1d, 2, 3), *LINE),
    "LazyConvTranspose2d": layer(partial(nn.LazyConvTranspose2d, 2, 2), *PLANE),
    "LazyConvTranspose3d": layer(partial(nn.LazyConvTranspose3d, 2, 2), *SMALL),
    "ChannelShuffle": layer(partial(nn.ChannelShuffle, 2), 4, 2, 2),
    "PixelShuffle": layer(partial(nn.PixelShuffle, 2), 4, 2, 2),
    "PixelUnshuffle": layer(partial(nn.PixelUnshuffle, 2), 1, 4, 4),
    "Fold": layer(partial(nn.Fold, (3, 3), 2), 4, 4),
    "Unfold": layer(partial(nn.Unfold, 2), 1, 3, 3),
    "Unflatten": layer(partial(nn.Unflatten, 1, (2, 3)), 6),
    "Upsample": layer(partial(nn.Upsample, scale_factor=2, mode="bicubic"), *PLANE),
    "UpsamplingBilinear2d": layer(partial(nn.UpsamplingBilinear2d, scale_factor=2), *PLANE),
    "UpsamplingNearest2d": layer(partial(nn.UpsamplingNearest2d, scale_factor=2), *PLANE),
    **{
        f"{kind}Pad{d}d": layer(partial(getattr(nn, f"{kind}Pad{d}d"), 1), *shape)
        for d, shape in ((1, LINE), (2, PLANE), (3, SMALL))
        for kind in ("Circular", "Reflection", "Replication", "Zero")
    },
    **{
        f"ConstantPad{d}d": layer(partial(getattr(nn, f"ConstantPad{d}d"), 1, 0.5), *shape)
        for d, shape in ((1, LINE), (2, PLANE), (3, SMALL))
    },
    "Dropout1d": layer(nn.Dropout1d, *LINE),
    "Dropout2d": layer(nn.Dropout2d, *PLANE),
    "Dropout3d": layer(nn.Dropout3d, *SMALL),
    "FeatureAlphaDropout": layer(nn.FeatureAlphaDropout, *PLANE),
    "GLU": layer(nn.GLU, 6),
    "Threshold": layer(partial(nn.Threshold, 0.1, 0.2), 5),
    "Softmax": layer(partial(nn.Softmax, 1), 5),
    "Softmin": layer(partial(nn.Softmin, 1), 5),
    "LogSoftmax": layer(partial(nn.LogSoftmax, 1), 5),
    "Softmax2d": layer(nn.Softmax2d, *PLANE),
    "CosineSimilarity": layer(
        nn.CosineSimilarity, 6, call=lambda layer, h: layer(h[:, :3], h[:, 3:])[:, None]
    ),
    "PairwiseDistance": layer(
        nn.PairwiseDistance, 6, call=lambda layer, h: layer(h[:, :3], h[:, 3:])[:, None]
    ),
    "RNN": recurrent(nn.RNN),
    "LSTM": recurrent(nn.LSTM),
    "GRU": recurrent(nn.GRU),
    "RNNCell": layer(partial(nn.RNNCell, 4, 3), 4),
    "GRUCell": layer(partial(nn.GRUCell, 4, 3), 4),
    "LSTMCell": layer(partial(nn.LSTMCell, 4, 3), 4, call=first),
    "Embedding": words(partial(nn.Embedding, 5, 2)),
    "EmbeddingBag": words(partial(nn.EmbeddingBag, 5, 2)),
    "MultiheadAttention": layer(
        partial(nn.MultiheadAttention, 4, 2, batch_first=True), 3, 4, call=attention
    ),
    "TransformerEncoderLayer": layer(ENCODER, 3, 4),
    "TransformerEncoder": layer(lambda: nn.TransformerEncoder(ENCODER(), 2), 3, 4),
    "TransformerDecoderLayer": layer(DECODER, 3, 4, call=twice),
    "TransformerDecoder": layer(lambda: nn.TransformerDecoder(DECODER(), 2), 3, 4, call=twice),
    "Transformer": layer(
        partial(nn.Transformer, 4, 2, 1, 1, 6, batch_first=True), 3, 4, call=twice
    ),
    "Sequential": layer(lambda: nn.Sequential(nn.Linear(5, 3), nn.Tanh()), 5),
    "ModuleList": layer(
        lambda: nn.ModuleList([nn.Linear(5, 3)]), 5, call=lambda layers, h: layers[0](h)
    ),
    "ModuleDict": layer(
        lambda: nn.ModuleDict({"a": nn.Linear(5, 3)}), 5, call=lambda layers, h: layers["a"](h)
    ),
    "ParameterList": layer(
        lambda: nn.ParameterList([torch.ones(5)]), 5, call=lambda layers, h: h * layers[0]
    ),
    "ParameterDict": layer(
        lambda: nn.ParameterDict({"a": torch.ones(5)}), 5, call=lambda layers, h: h * layers["a"]
    ),
    "DataParallel": layer(lambda: nn.DataParallel(nn.Linear(5, 3)), 5),
    "BCELoss": loss(partial(nn.BCELoss, **none), 3, with_targets, nn.Sigmoid()),
    "BCEWithLogitsLoss": loss(partial(nn.BCEWithLogitsLoss, **none), 3, with_targets),
    "MSELoss": loss(partial(nn.MSELoss, **none), 3, with_targets),
    "L1Loss": loss(partial(nn.L1Loss, **none), 3, with_targets),
    "SmoothL1Loss": loss(partial(nn.SmoothL1Loss, **none), 3, with_targets),
    "HuberLoss": loss(partial(nn.HuberLoss, **none), 3, with_targets),
    "PoissonNLLLoss": loss(partial(nn.PoissonNLLLoss, **none), 3, with_targets),
    "KLDivLoss": loss(partial(nn.KLDivLoss, **none), 3, with_targets, nn.LogSoftmax(1)),
    "SoftMarginLoss": loss(partial(nn.SoftMarginLoss, **none), 3, with_signs),
    "HingeEmbeddingLoss": loss(partial(nn.HingeEmbeddingLoss, **none), 3, with_signs),
    "MultiLabelSoftMarginLoss": loss(partial(nn.MultiLabelSoftMarginLoss, **none), 3, with_targets),
    "MultiLabelMarginLoss": loss(
        partial(nn.MultiLabelMarginLoss, **none),
        3,
        lambda criterion, S, y: criterion(S, torch.stack([y, y * 0 - 1, y * 0], 1)),
    ),
    "CrossEntropyLoss": loss(partial(nn.CrossEntropyLoss, **none), 3, with_classes),
    "NLLLoss": loss(partial(nn.NLLLoss, **none), 3, with_classes, nn.LogSoftmax(1)),
    "NLLLoss2d": loss(
        partial(nn.NLLLoss2d, **none),
        8,
        lambda criterion, S, y: criterion(
            F.log_softmax(S.reshape(-1, 2, 2, 2), 1), y[:, None, None].expand(-1, 2, 2)
        ),
    ),
    "MultiMarginLoss": loss(partial(nn.MultiMarginLoss, **none), 3, with_classes),
    "CosineEmbeddingLoss": loss(partial(nn.CosineEmbeddingLoss, **none), 6, with_pairs),
    "MarginRankingLoss": loss(partial(nn.MarginRankingLoss, **none), 2, with_single_numbers),
    "TripletMarginLoss": loss(partial(nn.TripletMarginLoss, **none), 6, with_triplets),
    "TripletMarginWithDistanceLoss": loss(
        partial(nn.TripletMarginWithDistanceLoss, **none), 6, with_triplets
    ),
    "GaussianNLLLoss": loss(
        partial(nn.GaussianNLLLoss, **none),
        2,
        lambda criterion, S, y: criterion(S[:, 0], y.to(S), S[:, 1].exp()),
    ),
    "AdaptiveLogSoftmaxWithLoss": layer(
        partial(nn.AdaptiveLogSoftmaxWithLoss, 5, 4, [2]),
        5,
        call=lambda layer, h: layer.log_prob(h),
    ),
    "CTCLoss": loss(partial(nn.CTCLoss, **none), 12, with_ctc),
}

if hasattr(nn, "RMSNorm"):  # not in older versions of torch
    TABLE["RMSNorm"] = layer(partial(nn.RMSNorm, 5), 5)
if hasattr(nn, "LinearCrossEntropyLoss"):
    TABLE["LinearCrossEntropyLoss"] = scored(partial(nn.LinearCrossEntropyLoss, 5, 3, **none))


# Not a layer with a forward of its own, or one whose forward gives no loss of single examples.
NO_ROW = {
    "Module": "the base of all layers",
    "Container": "an old name of Module",
    "RNNBase": "what RNN, LSTM and GRU share",
    "RNNCellBase": "what the cells share",
}


def layers() -> list[str]:
    """The names of all layers that torch has."""
    return sorted(
        name
        for name, value in vars(nn).items()
        if inspect.isclass(value) and issubclass(value, nn.Module)
    )
