"""One image that a model gets wrong, and what it would say without the images that made it so."""

import base64
from collections.abc import Mapping
from typing import Any

import anywidget
import numpy as np
import traitlets

from minfluence import validate
from minfluence.book.explorables.base import module, numbers

SIDE = 28  # pixels of an image
NEEDED = (
    "images",
    "test",
    "label",
    "verdict",
    "harmful",
    "helpful",
    "labels",
    "now",
    "predicted",
    "retrained",
)


class Digit(anywidget.AnyWidget):
    """Take training images away; see a verdict move as predicted, and as retrained.

    Nothing is fitted here: ``book/long/first_screen.py`` computes what is shown, for each image
    and for each pair.

    Parameters
    ----------
    found : mapping
        What ``book/results/first_screen.json`` holds.
    image : array, shape (784,)
        The test image, pixels from 0 to 1.
    training : array, shape (n, 784)
        The images `found` calls harmful, then the helpful ones.

    Attributes
    ----------
    gone : list of int
        Training images that the reader has taken away, two at most.
    """

    _esm = module("digit.js")
    found = traitlets.Dict().tag(sync=True)
    pixels = traitlets.Unicode().tag(sync=True)
    gone = numbers()

    def __init__(self, found: Mapping[str, Any], image: Any, training: Any) -> None:
        missing = [name for name in NEEDED if name not in found]
        if missing:
            raise ValueError(f"found must have {', '.join(missing)}: see first_screen.json.")
        n = len(found["harmful"]) + len(found["helpful"])
        image = validate.array("image", image, (SIDE**2,), float)
        training = validate.array("training", training, (n, SIDE**2), float)
        pixels = np.rint(255 * np.vstack([image, training]))
        if pixels.min() < 0 or pixels.max() > 255:
            raise ValueError("Pixels must lie in 0 .. 1: divide them by 255.")
        text = base64.b64encode(pixels.astype(np.uint8).tobytes()).decode()
        super().__init__(found={name: found[name] for name in NEEDED}, pixels=text)

    def __repr__(self) -> str:
        label, verdict = self.found["label"], self.found["verdict"]
        return (
            f"A {label} that the model reads as a {verdict}, and {len(self.found['labels'])} "
            "training images that can be taken away where JavaScript runs: in Jupyter, and in the "
            "built page."
        )
