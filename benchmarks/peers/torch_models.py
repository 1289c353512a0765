"""The models of the tasks in torch, for all libraries that want a module."""

import numpy as np
import torch
from torch import nn


def linear(theta, n_outputs):
    """A linear model whose theta is a (d, c) matrix, flattened."""
    module = nn.Linear(len(theta) // n_outputs, n_outputs, bias=False)
    matrix = theta.reshape(-1, n_outputs).T.astype(np.float32)
    module.weight.data = torch.tensor(matrix).contiguous()
    return module


def conv_net():
    """The network of Koh & Liang (2017), section 4.2: 2,616 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.Tanh(),
        nn.Conv2d(8, 8, 3, stride=2),
        nn.Tanh(),
        nn.Conv2d(8, 8, 3),
        nn.Tanh(),
        nn.Conv2d(8, 8, 3, stride=2),
        nn.Tanh(),
        nn.Conv2d(8, 8, 3),
        nn.Tanh(),
        nn.Conv2d(8, 10, 1),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(10, 10),
    )


def tensors(X, y, floats=False):
    """Examples as float32 inputs, with labels as classes or as -1 and +1."""
    labels = torch.tensor(y, dtype=torch.float32) if floats else torch.tensor(y)
    return torch.tensor(X, dtype=torch.float32), labels
