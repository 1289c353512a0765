"""Training-set attacks: change training inputs by less than anyone sees, and flip a prediction.

Written to *measure* how vulnerable a model is to its training data (KL 5.2), so that it can be
defended: see the chapter on attacks for who would notice.

The test loss after retraining is a function of the training images. Its derivative is
I_pert,loss, KL (5), so an attack climbs it: a step along the sign of the derivative, back into
the box of allowed changes, fit again.
"""

from dataclasses import dataclass

import numpy as np
from tqdm.auto import tqdm

from minfluence.fit import fit
from minfluence.influence import Influence, pert_loss


@dataclass(frozen=True)
class Attack:
    """Changed training images, and what they did.

    Attributes
    ----------
    images : array, shape (k, ...)
        The changed images, in the units of the originals.
    objective : an objective
        On the training set with the changed images.
    theta : array, shape (p,)
        Its minimiser.
    losses : array, shape (steps + 1, m)
        Losses of the test points before the attack and after each step, with retraining.
    """

    images: np.ndarray
    objective: object
    theta: np.ndarray
    losses: np.ndarray


def pixels(images):
    """Flatten images: the feature map of a model that sees them as they are.

    (k, ...) -> features (k, d), and the map from (k, d) back to gradients like the images.
    """
    return images.reshape(len(images), -1), lambda v: v.reshape(images.shape)


def attack(
    objective,
    theta_hat,
    indices,
    images,
    X_test,
    y_test,
    *,
    feature_map=pixels,
    budget=0.499,
    step_size=0.02,
    steps=100,
    solver="auto",
    progress=True,
):
    """Raise the mean loss of test points by small changes of some training images.

    Each step goes `step_size` along the sign of the derivative of the test loss in every pixel,
    through the feature map, returns into the box ``|change| <= budget``, and fits the model again.

    Parameters
    ----------
    objective : an objective
        Trained on the features of the images.
    theta_hat : array, shape (p,)
    indices : sequence of k ints
        Which training images may change.
    images : array, shape (k, ...)
        Those images, in grey levels from 0 to 255; they stay within these.
    X_test, y_test : arrays, shapes (m, d), (m,)
        Test points, as features.
    feature_map : callable ``images -> (features, vjp)``
        `features` has shape (k, d), and ``vjp(v)`` turns gradients in the features (k, d) into
        gradients in the images. By default the model sees the pixels.
    budget : float
        Largest change of a pixel. With less than half a grey level an image of 8 bits per pixel
        is unchanged to the last bit once it is stored.
    step_size : float
        In grey levels.
    steps : int
    solver : str or callable
        As in `Influence`.
    progress : bool
        Show a tqdm bar.

    Returns
    -------
    Attack

    References
    ----------
    Koh & Liang (2017), section 5.2.
    """
    originals = np.asarray(images, dtype=float)
    indices = objective._indices(indices)
    if len(originals) != len(indices):
        raise ValueError(
            f"Expected one image for each of {len(indices)} indices, got {len(originals)} images."
        )
    if not (budget > 0 and step_size > 0):
        raise ValueError(
            f"budget and step_size must be greater than 0, got {budget!r} and {step_size!r}."
        )
    features, vjp = feature_map(originals)
    if features.shape != objective.X[indices].shape:
        raise ValueError(
            f"feature_map returns features of shape {features.shape}, but the model was trained "
            f"on {objective.X[indices].shape}."
        )
    x, theta = originals, theta_hat
    losses = [objective.test_losses(theta, X_test, y_test)]
    for _ in tqdm(range(steps), desc="attack", disable=not progress):
        influence = Influence(objective, theta, solver=solver)
        s_test = influence.s_test(X_test, y_test).mean(axis=0)
        up = vjp(pert_loss(objective, theta, s_test, indices))  # KL (5), through the features
        x = project(x + step_size * np.sign(up), originals, budget)
        features, vjp = feature_map(x)
        objective = replaced(objective, indices, features)
        theta = fit(objective, theta).theta
        losses.append(objective.test_losses(theta, X_test, y_test))
    return Attack(x, objective, theta, np.array(losses))


def project(x, originals, budget):
    """Π: the nearest images within `budget` of the originals, and within 0 .. 255."""
    nearest = np.clip(x, originals - budget, originals + budget)
    return np.clip(nearest, 0.0, 255.0)


def replaced(objective, indices, features):
    """The objective with the features of several examples replaced; their labels stay."""
    features, _ = objective.check_test(features, objective.y[indices])
    X = objective.X.copy()
    X[indices] = features
    return objective._changed(X=X)
