"""Per-example losses: a model is one function ``losses(theta, X, y) -> (n,)``.

Most see theta only through scores, ``X @ Theta`` (`losses`). Two things go beyond straight lines:
`rbf_features`, in which a linear model is a kernel machine (`kernels`), and `conv_net`, the small
network of the paper's section 4.2.
"""

from minfluence.models.convolutional import ConvNet, conv_net
from minfluence.models.kernels import RBFFeatures, rbf_features
from minfluence.models.losses import (
    CenteredSoftmax,
    Hinge,
    Huber,
    LinearLoss,
    Logistic,
    MarginLoss,
    Poisson,
    SmoothHinge,
    Softmax,
    Squared,
    SquaredHinge,
    centered_softmax,
    contrasts,
    hinge,
    huber,
    logistic,
    poisson,
    smooth_hinge,
    softmax,
    squared,
    squared_hinge,
)

__all__ = [
    "CenteredSoftmax",
    "ConvNet",
    "Hinge",
    "Huber",
    "LinearLoss",
    "Logistic",
    "MarginLoss",
    "Poisson",
    "RBFFeatures",
    "SmoothHinge",
    "Softmax",
    "Squared",
    "SquaredHinge",
    "centered_softmax",
    "contrasts",
    "conv_net",
    "hinge",
    "huber",
    "logistic",
    "poisson",
    "rbf_features",
    "smooth_hinge",
    "softmax",
    "squared",
    "squared_hinge",
]
