"""A small tanh network that tells what its layers see, as K-FAC and representer points need."""

from dataclasses import dataclass

import autograd.numpy as np
import numpy as onp
from autograd.scipy.special import logsumexp
from numpy import ndarray

from minfluence import validate
from minfluence.models.layers import Shapes, cut, size
from minfluence.models.losses import softmax


@dataclass(frozen=True)
class MLP:
    """Softmax loss of a network with tanh layers: ``losses(theta, X, y) -> (n,)``.

    Without hidden layers, ``MLP((d, c))``, it is softmax regression with intercepts.

    Attributes
    ----------
    widths : tuple of int
        Inputs, units of each hidden layer, classes.

    Notes
    -----
    Theta holds one matrix ``(inputs + 1, outputs)`` for each layer, flattened by rows; the last
    row of each is the intercept. Networks can be stacked: ``(..., p)`` with ``(..., n, d)``.
    """

    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        *before, classes = self.widths
        validate.count("The number of layers", len(before))
        for width in before:
            validate.count("Each width", width)
        validate.count("The number of classes, the last width,", classes, least=2)

    def __call__(self, theta: ndarray, X: ndarray, y: ndarray) -> ndarray:
        """Loss of every example.  (..., p), (..., n, d), (..., n) -> (..., n)."""
        return self.value(self.scores(theta, X), y)

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        """Softmax loss of scores.  (..., n, c), (..., n) -> (..., n)."""
        return logsumexp(S, axis=-1) - np.sum(S * onp.eye(self.widths[-1])[y.astype(int)], axis=-1)

    def scores(self, theta: ndarray, X: ndarray) -> ndarray:
        """Scores of every class.  (..., p), (..., n, d) -> (..., n, c)."""
        return self.inputs(theta, X)[-1] @ self.matrices(theta)[-1]

    def inputs(self, theta: ndarray, X: ndarray) -> list[ndarray]:
        """What each layer sees, a 1 for the intercept at the end.  -> list of (..., n, in + 1)."""
        seen = [_with_one(X)]
        for W in self.matrices(theta)[:-1]:
            seen.append(_with_one(np.tanh(seen[-1] @ W)))
        return seen

    def output_grads(self, theta: ndarray, seen: list[ndarray], slope: ndarray) -> list[ndarray]:
        """Backpropagation: gradient of the loss in the outputs of each layer, before tanh.

        Parameters
        ----------
        theta : array, shape (p,)
        seen : list of arrays
            From `inputs`.
        slope : array, shape (..., n, c)
            Gradient of the loss in the scores.

        Returns
        -------
        list of arrays, shape (..., n, out)
            The gradient of example i in the matrix of a layer is ``outer(seen[i], grads[i])``.
        """
        grads = [slope]
        for W, A in zip(self.matrices(theta)[:0:-1], seen[:0:-1], strict=True):
            grads.insert(0, (grads[0] @ W[:-1].T) * (1 - A[..., :-1] ** 2))
        return grads

    def by_label(self, theta: ndarray, X: ndarray) -> list[tuple[ndarray, ndarray]]:
        """Inputs and output gradients of each layer, for every label that the model might draw.

        The gradients of label y are scaled by the root of its probability, so that sums over
        labels are means: with ``v = outer(a, g)`` the sum of ``v vᵀ`` over labels and examples is
        n times the Gauss-Newton matrix. One backward pass for each class.

        Returns
        -------
        list of pairs of arrays, shapes (n, in + 1) and (c, n, out)
        """
        seen = self.inputs(theta, X)
        S = seen[-1] @ self.matrices(theta)[-1]
        P = np.exp(S - logsumexp(S, axis=1, keepdims=True))
        slope = P - np.eye(P.shape[1])[:, None, :]  # (c, n, c): label, example, score
        slope = slope * np.sqrt(P.T)[:, :, None]
        return list(zip(seen, self.output_grads(theta, seen, slope), strict=True))

    def matrices(self, theta: ndarray) -> list[ndarray]:
        """Theta cut into its layers.  (..., p) -> list of (..., in + 1, out)."""
        return cut(theta, self.shapes)

    @property
    def shapes(self) -> Shapes:
        """Shape of the matrix of each layer."""
        return tuple((d + 1, c) for d, c in zip(self.widths[:-1], self.widths[1:], strict=True))

    def check_labels(self, y: ndarray, training: bool) -> None:
        """Refuse labels other than the classes; not every class needs to occur."""
        softmax(self.widths[-1]).check_labels(y, training=False)

    def n_parameters(self, n_features: int) -> int:
        """Length of theta; inputs of another width are refused."""
        if n_features != self.widths[0]:
            raise ValueError(f"Expected inputs of width {self.widths[0]}, got {n_features}.")
        return size(self.shapes)

    def start(self, rng: onp.random.Generator | int) -> ndarray:
        """Random parameters to train from: variance 1 / inputs, intercepts 0.  -> (p,)."""
        rng = validate.generator(rng)
        parts = [rng.standard_normal(shape) / onp.sqrt(shape[0] - 1) for shape in self.shapes]
        for W in parts:
            W[-1] = 0.0
        return onp.concatenate([W.ravel() for W in parts])


def _with_one(A: ndarray) -> ndarray:
    return np.concatenate([A, onp.ones((*A.shape[:-1], 1))], axis=-1)
