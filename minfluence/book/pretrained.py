"""Networks trained on ImageNet, and their features with the vector-Jacobian product.

They need torch (``pip install "minfluence[torch]"``), which is imported when a network is made.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minfluence import validate
from minfluence.book.data import read_arrays

VJP = Callable[[np.ndarray], np.ndarray]  # gradients in features -> gradients in images
FeatureMap = Callable[[Any], tuple[np.ndarray, VJP]]


def network(name: str) -> Any:
    """Make a network as a torch module, in eval mode; inputs are RGB from -1 to 1.

    Parameters
    ----------
    name : {"mobilenet_v2", "inception_v3_trunk"}
        MobileNetV2, or Inception v3 up to its layer `mixed_8`.

    Returns
    -------
    torch.nn.Module
        With ``features(x)`` (k, 1280).

    Raises
    ------
    ImportError
        If torch is not installed.
    DataUnavailable
        If the file of weights cannot be had.
    """
    validate.one_of("name", name, ("mobilenet_v2", "inception_v3_trunk"))
    networks = _networks()
    if name == "mobilenet_v2":
        return networks.MobileNetV2(read_arrays("mobilenet_v2_imagenet.npz")).eval()
    return networks.InceptionV3Trunk(read_arrays("inception_v3_trunk.npz")).eval()


def mobilenet_v2() -> FeatureMap:
    """Make MobileNetV2 up to its last features, from the weights of `minfluence.book.data`.

    Returns
    -------
    callable ``images -> (features, vjp)``
        `images` (k, side, side, 3) in grey levels from 0 to 255; `features` (k, 1280); ``vjp(v)``
        turns gradients in the features (k, 1280) into gradients in the images: the feature map
        that `minfluence.attack` expects. Computed in float32, given as float64.

    Raises
    ------
    ImportError, DataUnavailable
        As `network` does.

    References
    ----------
    Sandler et al. (2018). The weights are those of Google Coral's model, quantised to 8 bits.
    """
    return _feature_map(network("mobilenet_v2"))


def inception_v3() -> FeatureMap:
    """Make Inception v3 up to its layer `mixed_8`; everything else is as in `mobilenet_v2`.

    Images must be 299 x 299 for the features that the network was trained for.

    References
    ----------
    Szegedy et al. (2016).
    """
    return _feature_map(network("inception_v3_trunk"))


def _feature_map(module: Any) -> FeatureMap:
    import torch

    module.requires_grad_(False)

    def feature_map(images: Any) -> tuple[np.ndarray, VJP]:
        x = torch.tensor(np.asarray(images, dtype=np.float32) / np.float32(127.5) - 1)
        x = x.permute(0, 3, 1, 2).requires_grad_()
        features = module.features(x)

        def vjp(v: np.ndarray) -> np.ndarray:
            weights = torch.tensor(v, dtype=features.dtype)
            (gradient,) = torch.autograd.grad(features, x, weights, retain_graph=True)
            return gradient.permute(0, 2, 3, 1).numpy().astype(float) / 127.5

        return features.detach().numpy().astype(float), vjp

    return feature_map


def _networks() -> Any:
    """The file of networks, which needs torch."""
    try:
        from minfluence.book import networks
    except ImportError:
        raise ImportError(
            'Pretrained networks need torch, which is missing: pip install "minfluence[torch]".'
        ) from None
    return networks
