"""Representer points: the scores of a test point as a sum over the training examples."""

from typing import Any

import numpy as np
from autograd import elementwise_grad

from minfluence import seam, validate


def representer_values(objective: Any, theta: np.ndarray, X_test: np.ndarray) -> np.ndarray:
    """Contribution of every training example to every score of a test point.

    Where the penalised risk is stationary in the matrix W of the last layer, ``l2 W = -Σ w_i a_i
    g_iᵀ``: with what the layer sees, a, and the slopes of the loss in the scores, g. So

        scores(x_test)  =  a_test W  =  Σ_i  -(w_i / l2) (a_test · a_i) g_i.

    Parameters
    ----------
    objective : an objective
        Its losses an `MLP`, its `l2` greater than 0.
    theta : array, shape (p,)
        A stationary point, at least in the last layer.
    X_test : array, shape (m, d)

    Returns
    -------
    array, shape (m, n, c)
        They sum to the scores over n.

    Notes
    -----
    Cost: n + m, and only the last layer of each backward pass.

    References
    ----------
    Yeh, Kim, Yen & Ravikumar (2018).
    """
    return objective.weights[:, None] * _per_weight(objective, theta, X_test)


def representer(
    objective: Any, theta: np.ndarray, X_test: np.ndarray, y_test: np.ndarray
) -> np.ndarray:
    """Representer values on the scale of ``up_loss``: what they do to the test loss.

    The slope of the test loss times the values, per unit of weight. It equals the gradient dot
    product within the last layer, divided by l2: the penalty takes the Hessian's place.

    Parameters
    ----------
    objective, theta, X_test
        As in `representer_values`.
    y_test : array, shape (m,)

    Returns
    -------
    array, shape (m, n)
    """
    values = _per_weight(objective, theta, X_test)
    slopes = _slopes(objective.losses, theta, *objective.check_examples(X_test, y_test))
    return np.einsum("mnc,mc->mn", values, slopes)


def _per_weight(objective: Any, theta: np.ndarray, X_test: Any) -> np.ndarray:
    """Contributions per unit of weight, which an example left out has as well.  -> (m, n, c)."""
    o, network = objective, getattr(objective, "losses", None)
    if not isinstance(network, seam.LayeredLosses) or np.ndim(o.l2) or not o.l2 > 0:
        raise ValueError(
            "Representer points need the losses of a minfluence.attribution.MLP and one l2 > 0."
        )
    strength = validate.positive("The penalty in the risk, l2 times the sum of weights,", o.penalty)
    theta = validate.theta(theta, o.p)
    X_test = validate.array("X_test", X_test, ("m", *o.example_shape), dtype=float)
    X, y = o.examples(np.arange(o.n))
    seen, seen_test = (network.inputs(theta, inputs)[-1] for inputs in (X, X_test))
    alpha = -_slopes(network, theta, X, y) / strength
    return (seen_test @ seen.T)[:, :, None] * alpha


def _slopes(network: Any, theta: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gradient of each example's loss in its scores.  -> (n, c)."""
    return elementwise_grad(network.value)(network.scores(theta, X), y)
