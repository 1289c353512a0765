"""Frozen networks, trained on ImageNet, as feature maps with their vector-Jacobian product.

They need torch (``pip install "minfluence[torch]"``), which is imported when a network is made.
"""

import json
import math

import numpy as np

from minfluence.data import read_arrays


def mobilenet_v2():
    """Make MobileNetV2 up to its last features, from the weights of `minfluence.data`.

    Returns
    -------
    callable ``images -> (features, vjp)``
        `images` (k, side, side, 3) in grey levels from 0 to 255; `features` (k, 1280); ``vjp(v)``
        turns gradients in the features (k, 1280) into gradients in the images: the feature map
        that `minfluence.attack` expects. Computed in float32, given as float64.

    Raises
    ------
    ImportError
        If torch is not installed.
    DataUnavailable
        If the file of weights cannot be had.

    References
    ----------
    Sandler et al. (2018). The weights are those of Google Coral's model, quantised to 8 bits.
    """
    try:
        import torch
    except ImportError:
        raise ImportError(
            'MobileNetV2 needs torch, which is missing: pip install "minfluence[torch]".'
        ) from None
    arrays = read_arrays("mobilenet_v2_imagenet.npz")
    architecture = json.loads(str(arrays["arch_json"]))
    operations = architecture["ops"]
    weights = {
        op["i"]: _weight(arrays, op["i"]) for op in operations if op["op"] in ("conv", "dwconv")
    }
    weights = {i: tuple(torch.tensor(a) for a in pair) for i, pair in weights.items()}

    def forward(x):
        values = {architecture["input"]: x}
        for op in operations:
            A = values[op["inp"]]
            if op["op"] == "gap":
                return A.mean(dim=(2, 3))
            if op["op"] == "add":
                A = A + values[op["inp2"]]
            elif op["op"] != "identity":
                W, b = weights[op["i"]]
                A = torch.nn.functional.pad(A, _same_padding(A.shape, op["k"], op["stride"]))
                groups = A.shape[1] if op["op"] == "dwconv" else 1
                A = torch.nn.functional.conv2d(A, W, b, op["stride"], groups=groups)
                A = A.clamp(0, 6) if op["relu6"] else A
            values[op["out"]] = A
        raise AssertionError("the network has no last features")

    def feature_map(images):
        x = torch.tensor(np.asarray(images, dtype=np.float32) / np.float32(127.5) - 1)
        x = x.permute(0, 3, 1, 2).requires_grad_()
        features = forward(x)

        def vjp(v):
            v = torch.tensor(v, dtype=features.dtype)
            (gradient,) = torch.autograd.grad(features, x, v, retain_graph=True)
            return gradient.permute(0, 2, 3, 1).numpy().astype(float) / 127.5

        return features.detach().numpy().astype(float), vjp

    return feature_map


def _weight(arrays, i):
    """Kernel and bias of one convolution, as floats: 8 bits times a scale per output channel."""
    scale = arrays[f"s{i:02d}"][:, None, None, None]
    return arrays[f"w{i:02d}"] * scale, arrays[f"b{i:02d}"]


def _same_padding(shape, size, stride):
    """TensorFlow's SAME padding: left, right, top, bottom; the smaller half comes first."""
    sides = []
    for length in (shape[3], shape[2]):
        total = max((math.ceil(length / stride) - 1) * stride + size - length, 0)
        sides += [total // 2, total - total // 2]
    return sides
