"""RelatIF: influence relative to what an example does to the model as a whole."""

import numpy as np

from minfluence.influence import Influence, up_params
from minfluence.inverse import Inverse
from minfluence.solvers import NotPositiveDefinite


def theta_relatif(influence: Influence, X_test: np.ndarray, y_test: np.ndarray) -> np.ndarray:
    """``I_up,loss(z_i, z_test) / ||H⁻¹ ∇L(z_i)||``: per unit of change of the parameters.

    Under a budget on how far theta may move, these examples change the test loss most.

    Parameters
    ----------
    influence : minfluence.Influence
    X_test : array, shape (m, ...)
    y_test : array, shape (m,)

    Returns
    -------
    array, shape (m, n)

    Notes
    -----
    Cost: that of n solves, beside those for the test points.

    References
    ----------
    Barshan, Brunet & Dziugaite (2020), section 3.
    """
    G = influence.objective.example_grads(influence.theta, np.arange(influence.objective.n))
    moved = up_params(Inverse(influence.H), G)
    return _relative(influence.up_loss(X_test, y_test), np.linalg.norm(moved, axis=1))


def loss_relatif(influence: Influence, X_test: np.ndarray, y_test: np.ndarray) -> np.ndarray:
    """``I_up,loss(z_i, z_test) / sqrt(-I_up,loss(z_i, z_i))``: per unit of self-influence's root.

    Up to a factor of the test point it is minus a cosine in the metric of H⁻¹: the length of a
    training gradient no longer counts. Parameters, result and cost as in `theta_relatif`.

    References
    ----------
    Barshan, Brunet & Dziugaite (2020), section 3.
    """
    own = -influence.self_influence()
    if not (own >= 0).all():
        raise NotPositiveDefinite(
            f"An example has the self-influence {-own.min():.1e}, which is never positive where "
            "the Hessian is positive definite: train closer to a minimum, or raise the damping."
        )
    return _relative(influence.up_loss(X_test, y_test), np.sqrt(own))


def _relative(scores: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Scores per unit of length; 0 for an example without a gradient, which changes nothing."""
    return np.divide(scores, lengths, out=np.zeros_like(scores), where=lengths > 0)
