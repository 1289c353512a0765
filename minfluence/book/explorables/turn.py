"""A direction that turns, and its product with a Hessian."""

from typing import Any

import anywidget
import numpy as np
import traitlets

from minfluence import validate
from minfluence.book.explorables.base import module, numbers


class Turn(anywidget.AnyWidget):
    """Turn a direction v; see H v, its length, its angle to v, and the curvature along v.

    Parameters
    ----------
    H : array, shape (2, 2)
        Symmetric and positive definite.
    angle : float
        Of v, in degrees from 0 to 360.

    Attributes
    ----------
    angle
        As the reader left it.
    product : list, length 2
        H v, computed in the browser; empty until v was turned.
    """

    _esm = module("turn.js")
    H = numbers()
    angle = traitlets.Float().tag(sync=True)
    product = numbers()

    def __init__(self, H: Any, angle: float = 45.0) -> None:
        H = validate.array("H", H, (2, 2), float)
        if not np.allclose(H, H.T) or np.linalg.eigvalsh(H)[0] <= 0:
            raise ValueError(f"H must be symmetric and positive definite, got {H.tolist()}.")
        super().__init__(H=H.tolist(), angle=validate.between("angle", angle, 0, 360))

    def __repr__(self) -> str:
        return (
            "A direction v and its product with a Hessian of two parameters. It can be turned "
            "where JavaScript runs: in Jupyter, and in the built page."
        )
