"""One flat theta for a network of several layers."""

import math

import numpy as np

Shapes = tuple[tuple[int, ...], ...]


def size(shapes: Shapes) -> int:
    """Length of theta."""
    return sum(math.prod(shape) for shape in shapes)


def cut(theta: np.ndarray, shapes: Shapes) -> list[np.ndarray]:
    """Theta cut into arrays of these shapes, in their order.  (..., p) -> list of (..., *shape)."""
    if theta.shape[-1] != size(shapes):
        raise ValueError(
            f"theta must hold the {size(shapes)} parameters of this network, got "
            f"{theta.shape[-1]}: start(rng) of the network makes one."
        )
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    return [
        theta[..., end - math.prod(shape) : end].reshape(*theta.shape[:-1], *shape)
        for end, shape in zip(ends, shapes, strict=True)
    ]
