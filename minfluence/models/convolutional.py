"""The small convolutional network of the paper's section 4.2."""

from dataclasses import dataclass

import autograd.numpy as np
import numpy as onp  # the original NumPy, for what is never differentiated
from autograd.extend import defvjp, primitive
from numpy import ndarray

from minfluence import validate
from minfluence.models.layers import Shapes, cut, size
from minfluence.models.losses import Softmax

# Size, stride of each convolution of the paper's network; all have tanh units, none is padded.
CONVOLUTIONS = ((3, 1), (3, 2), (3, 1), (3, 2), (3, 1), (1, 1))


@dataclass(frozen=True)
class ConvNet:
    """Per-example loss of a convolutional network, ``losses(theta, X, y) -> (n,)``.

    Attributes
    ----------
    side : int
        Images have side x side pixels and come as rows of ``X``, shape (n, side * side).
    shapes : tuple of tuples
        Shape of the weights and of the biases of each layer, in their order in theta.
    """

    side: int
    shapes: Shapes

    def __call__(self, theta: ndarray, X: ndarray, y: ndarray) -> ndarray:
        """Softmax loss of every image.  (p,), (n, side * side), (n,) -> (n,)."""
        return self.value(self.scores(theta, X), y)

    def value(self, scores: ndarray, y: ndarray) -> ndarray:
        """Softmax loss, given the scores.  (n, n_classes), (n,) -> (n,)."""
        return Softmax(self.shapes[-1][0]).value(scores, y)

    def scores(self, theta: ndarray, X: ndarray) -> ndarray:
        """Scores of every class.  (p,), (n, side * side) -> (n, n_classes)."""
        *layers, W_top, b_top = cut(theta, self.shapes)
        A = X.reshape(-1, self.side, self.side, 1)
        for W, b, (width, stride) in zip(layers[::2], layers[1::2], CONVOLUTIONS, strict=True):
            A = np.tanh(np.dot(patches(A, width, stride), W) + b)
        return np.dot(np.mean(A, axis=(1, 2)), W_top) + b_top

    def check_labels(self, y: ndarray, training: bool) -> None:
        """Refuse labels other than the classes; not every class needs to occur."""
        Softmax(self.shapes[-1][0]).check_labels(y, training=False)

    def n_parameters(self, n_features: int) -> int:
        """Length of theta; images of another size are refused."""
        if n_features != self.side**2:
            raise ValueError(
                f"This network expects images of {self.side} x {self.side} = {self.side**2} "
                f"pixels, got {n_features}: conv_net(side=...)."
            )
        return size(self.shapes)

    def start(self, rng: onp.random.Generator | int) -> ndarray:
        """Random parameters to start training from: variance 1 / inputs, biases 0.  -> (p,)."""
        rng, weights = validate.generator(rng), self.shapes[::2]
        parts = [rng.standard_normal(shape) / onp.sqrt(shape[0]) for shape in weights]
        zeros = [onp.zeros(shape) for shape in self.shapes[1::2]]
        return onp.concatenate([a.ravel() for pair in zip(parts, zeros, strict=True) for a in pair])


def conv_net(side: int = 28, filters: int = 8, n_classes: int = 10) -> ConvNet:
    """Build the network of KL 4.2: three stages of `filters` 3 x 3 tanh filters, and a softmax.

    Each of the first two stages is a convolution and one of stride 2; the third is a convolution
    and one of size 1 with `n_classes` filters, whose outputs are averaged over the image. With the
    defaults p = 2,616, as in the paper's code.

    Parameters
    ----------
    side : int
        Images of side x side pixels, at least 21.
    filters : int
    n_classes : int

    Returns
    -------
    ConvNet
        Use it as the loss of an `AutogradObjective`; `ConvNet.start` gives a theta to fit from.

    References
    ----------
    Koh & Liang (2017), section 4.2, and the network of their published code.
    """
    validate.count("side", side, least=21)  # five of the convolutions are unpadded
    validate.count("filters", filters)
    validate.count("n_classes", n_classes, least=2)
    widths = [1, *[filters] * 5, n_classes]
    shapes: list[tuple[int, ...]] = []
    for (width, _), c_in, c_out in zip(CONVOLUTIONS, widths[:-1], widths[1:], strict=True):
        shapes += [(width * width * c_in, c_out), (c_out,)]
    return ConvNet(side, (*shapes, (n_classes, n_classes), (n_classes,)))


@primitive
def patches(A: ndarray, size: int, stride: int) -> ndarray:
    """Every size x size patch, flattened.  (n, h, w, c) -> (n, h', w', size * size * c)."""
    windows = onp.lib.stride_tricks.sliding_window_view(A, (size, size), axis=(1, 2))
    windows = windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)
    return windows.reshape(*windows.shape[:3], -1)


@primitive
def unpatched(P: ndarray, shape: tuple[int, ...], size: int, stride: int) -> ndarray:
    """Add patches back where they came from: the transpose of `patches`."""
    A = onp.zeros(shape)
    n, h, w, _ = P.shape
    P = P.reshape(n, h, w, size, size, -1)
    for i in range(size):
        for j in range(size):
            rows, columns = slice(i, i + stride * h, stride), slice(j, j + stride * w, stride)
            A[:, rows, columns] += P[:, :, :, i, j]
    return A


# Both maps are linear and each is the other's transpose, so derivatives of any order follow.
defvjp(
    patches,
    lambda ans, A, size, stride: lambda G: unpatched(G, A.shape, size, stride),
    argnums=[0],
)
defvjp(
    unpatched,
    lambda ans, P, shape, size, stride: lambda G: patches(G, size, stride),
    argnums=[0],
)
