"""Two networks trained on ImageNet, as torch modules: MobileNetV2, and Inception v3 in large part.

Inputs are (k, 3, side, side), RGB from -1 to 1. Both were trained in TensorFlow, which pads so
that an image of any size is divided evenly, with the larger half of the padding at the end. Their
batch normalisation is folded into kernels and biases, so every weight is an ordinary parameter.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Convolution(nn.Module):
    """A convolution with TensorFlow's padding, "same" (to ceil(side / stride)) or none.

    Parameters
    ----------
    weight : array, shape (c_out, c_in / groups, height, width)
    bias : array, shape (c_out,)
    """

    def __init__(
        self, weight: Any, bias: Any, stride: int = 1, *, groups: int = 1, same: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float32))
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float32))
        self.stride, self.groups, self.same = stride, groups, same

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(k, c_in, h, w) -> (k, c_out, h', w')."""
        if self.same:
            x = F.pad(x, same_padding(x.shape[2:], self.weight.shape[2:], self.stride))
        return F.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)


def same_padding(sides: Sequence[int], sizes: Sequence[int], stride: int) -> list[int]:
    """Padding to ceil(side / stride) outputs: left, right, top, bottom; smaller half first."""
    padding: list[int] = []
    for side, size in zip(reversed(sides), reversed(sizes), strict=True):
        total = max((math.ceil(side / stride) - 1) * stride + size - side, 0)
        padding += [total // 2, total - total // 2]
    return padding


class MobileNetV2(nn.Module):
    """MobileNetV2: 1,280 features and 1,001 logits, of which the first stands for "background".

    The convolutions are `conv00` to `conv52`; `conv48` to `conv50` are the last block, `conv51`
    makes the features and `conv52` the logits.

    Parameters
    ----------
    arrays : mapping
        The file ``mobilenet_v2_imagenet.npz``: 8-bit kernels ``w00``, their scales ``s00``, biases
        ``b00``, and the order of operations.

    References
    ----------
    Sandler et al. (2018). The weights are those of Google Coral's model, quantised to 8 bits.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        architecture = json.loads(str(arrays["arch_json"]))
        self.input, self.operations = architecture["input"], architecture["ops"]
        for op in self.operations:
            if op["op"] in ("conv", "dwconv"):
                i = f"{op['i']:02d}"
                weight = arrays[f"w{i}"] * arrays[f"s{i}"][:, None, None, None]
                groups = len(weight) if op["op"] == "dwconv" else 1
                layer = Convolution(weight, arrays[f"b{i}"], op["stride"], groups=groups)
                self.add_module(f"conv{i}", layer)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Mean over space of the last feature maps.  (k, 3, h, w) -> (k, 1280)."""
        return self._run(x, until="gap")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits.  (k, 3, h, w) -> (k, 1001)."""
        return self._run(x, until=None)

    def _run(self, x: torch.Tensor, until: str | None) -> torch.Tensor:
        values = {self.input: x}
        for op in self.operations:
            A = values[op["inp"]]
            if op["op"] == "gap":
                A = A.mean(dim=(2, 3), keepdim=True)
            elif op["op"] == "add":
                A = A + values[op["inp2"]]
            elif op["op"] != "identity":
                A = self.get_submodule(f"conv{op['i']:02d}")(A)
                A = A.clamp(0, 6) if op["relu6"] else A
            values[op["out"]] = A
            if op["op"] == until:
                break
        return A.flatten(1)


class InceptionV3Trunk(nn.Module):
    """Inception v3 up to and with its layer `mixed_8`; blocks `stem`, `mixed`, ..., `mixed_8`.

    Parameters
    ----------
    arrays : mapping
        The file ``inception_v3_trunk.npz``: kernels ``w/<layer>`` and biases ``b/<layer>``.

    References
    ----------
    Szegedy et al. (2016). Weights of Google's model of December 2015.
    """

    BLOCKS = ("mixed", *(f"mixed_{k}" for k in range(1, 9)))

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        super().__init__()

        def layer(name: str, stride: int = 1, same: bool = True) -> ReLUConvolution:
            return ReLUConvolution(arrays[f"w/{name}"], arrays[f"b/{name}"], stride, same=same)

        self.stem = nn.Sequential(
            layer("conv", 2, same=False),
            layer("conv_1", same=False),
            layer("conv_2"),
            nn.MaxPool2d(3, 2),
            layer("conv_3", same=False),
            layer("conv_4", same=False),
            nn.MaxPool2d(3, 2),
        )
        for block in self.BLOCKS:
            names = [
                key.removeprefix(f"w/{block}_")
                for key in arrays
                if key.startswith((f"w/{block}_conv", f"w/{block}_tower"))
            ]
            branches = _branches(block, names, layer, halves=block in ("mixed_3", "mixed_8"))
            self.add_module(block, Block(branches))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Mean over space of `mixed_8`.  (k, 3, 299, 299) -> (k, 1280)."""
        return self(x).mean(dim=(2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Feature maps of `mixed_8`.  (k, 3, 299, 299) -> (k, 1280, 8, 8)."""
        x = self.stem(x)
        for block in self.BLOCKS:
            x = self.get_submodule(block)(x)
        return x


class InceptionV3(InceptionV3Trunk):
    """Inception v3 up to its last feature maps, or as far as there are weights.

    Parameters
    ----------
    arrays : mapping
        Kernels ``w/<layer>`` and biases ``b/<layer>``. Without ``mixed_9_tower_1_conv_1`` this
        branch of `mixed_9` is left out, and nothing can follow.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        super().__init__(arrays)
        average = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.mixed_9 = Block(_wide_branches("mixed_9", arrays, average))
        if "tower_1" in dict(self.mixed_9.named_children()):
            self.mixed_10 = Block(_wide_branches("mixed_10", arrays, nn.MaxPool2d(3, 1, 1)))

    def stages(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Feature maps of the last blocks.  (k, 3, 299, 299) -> dict of name -> (k, c, 8, 8)."""
        maps = {"mixed_8": super().forward(x)}
        maps["mixed_9"] = self.mixed_9(maps["mixed_8"])
        if hasattr(self, "mixed_10"):
            maps["mixed_10"] = self.mixed_10(maps["mixed_9"])
        return maps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Feature maps of the last block.  (k, 3, 299, 299) -> (k, 2048, 8, 8), if complete."""
        return list(self.stages(x).values())[-1]


class ReLUConvolution(Convolution):
    """A convolution, then max(0, .)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(k, c_in, h, w) -> (k, c_out, h', w'), not negative."""
        return F.relu(super().forward(x))


class Block(nn.Module):
    """Branches side by side, whose outputs are stacked."""

    def __init__(self, branches: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(k, c_in, h, w) -> (k, c_out, h', w')."""
        return torch.cat([branch(x) for branch in self.children()], dim=1)


def _branches(
    block: str, names: Sequence[str], layer: Callable[..., nn.Module], halves: bool
) -> dict[str, nn.Module]:
    """The branches of one block, from the names of its layers.

    ``tower_1_conv_2`` is the third convolution of the branch ``tower_1``. A block that halves the
    image does so in the last layer of each branch, and has a branch that only pools.
    """
    layers: dict[str, list[str]] = {
        branch: [] for branch in ("conv", "tower", "tower_1", "tower_2")
    }
    for name in sorted(names):
        branch = name.split("conv")[0].rstrip("_") or "conv"
        layers[branch].append(name)
    branches: dict[str, nn.Module] = {}
    for branch, chain in layers.items():
        if chain:
            modules = [layer(f"{block}_{name}") for name in chain]
            if halves:
                modules[-1] = layer(f"{block}_{chain[-1]}", stride=2, same=False)
            if branch == "tower_2":
                modules.insert(0, nn.AvgPool2d(3, 1, 1, count_include_pad=False))
            branches[branch] = nn.Sequential(*modules)
    if halves:
        branches["pool"] = nn.MaxPool2d(3, 2)
    return branches


def _wide_branches(
    block: str, arrays: Mapping[str, np.ndarray], pool: nn.Module
) -> dict[str, nn.Module]:
    """The branches of `mixed_9` or `mixed_10`; two end in kernels 1x3 and 3x1 side by side."""

    def layer(name: str) -> ReLUConvolution:
        return ReLUConvolution(arrays[f"w/{block}_{name}"], arrays[f"b/{block}_{name}"])

    def fork(tower: str) -> Block:
        return Block({name: layer(f"{tower}_{name}") for name in ("mixed_conv", "mixed_conv_1")})

    branches: dict[str, nn.Module] = {
        "conv": layer("conv"),
        "tower": nn.Sequential(layer("tower_conv"), fork("tower")),
    }
    if f"w/{block}_tower_1_conv_1" in arrays:
        chain = layer("tower_1_conv"), layer("tower_1_conv_1"), fork("tower_1")
        branches["tower_1"] = nn.Sequential(*chain)
    branches["tower_2"] = nn.Sequential(pool, layer("tower_2_conv"))
    return branches
