"""Training-set attacks: change training inputs by less than anyone sees, and flip a prediction.

Written to *measure* how vulnerable a model is to its training data (KL 5.2), so that it can be
defended: see the chapter on attacks for who would notice.

The test loss after retraining is a function of the training images. Its derivative is
I_pert,loss, KL (5), so an attack climbs it: a step along the sign of the derivative, back into
the box of allowed changes, fit again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from minfluence import seam, validate
from minfluence.fit import fit
from minfluence.influence import Influence, pert_loss

SAME = 1e-3  # of the largest feature: what half precision may change, and no other image


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
    objective: seam.Objective
    theta: np.ndarray
    losses: np.ndarray


def pixels(images: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Flatten images: the feature map of a model that sees them as they are.

    (k, ...) -> features (k, d), and the map from (k, d) back to gradients like the images.
    """
    return images.reshape(len(images), -1), lambda v: v.reshape(images.shape)


def attack(
    objective: Any,
    theta_hat: np.ndarray,
    indices: Sequence[int],
    images: np.ndarray,
    X_test: np.ndarray,
    y_test: np.ndarray,
    *,
    feature_map: Callable = pixels,
    budget: float = 0.499,
    step_size: float = 0.02,
    steps: int = 100,
    progress: bool = True,
) -> Attack:
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
    progress : bool
        Show a tqdm bar.

    Returns
    -------
    Attack

    References
    ----------
    Koh & Liang (2017), section 5.2.
    """
    objective = validate.changeable(objective)
    originals = validate.finite("images", images).astype(float)
    changed = validate.indices(indices, objective.n)
    if len(originals) != len(changed):
        raise ValueError(
            f"Expected one image for each of {len(changed)} indices, got {len(originals)} images."
        )
    budget = validate.positive("budget", budget)
    step_size = validate.positive("step_size", step_size)
    features, vjp = _mapped(feature_map, originals)
    _check_features(features, objective.X[changed])
    _check_grey_levels(originals)
    x, theta = originals, theta_hat
    losses = [objective.test_losses(theta, X_test, y_test)]
    for _ in tqdm(range(validate.count("steps", steps)), desc="attack", disable=not progress):
        s_test = Influence(objective, theta).s_test(X_test, y_test).mean(axis=0)
        up = vjp(pert_loss(objective, theta, s_test, changed))  # KL (5), through the features
        up = validate.array("The gradient in the images, from feature_map,", up, x.shape)
        x = project(x + step_size * np.sign(up), originals, budget)
        features, vjp = _mapped(feature_map, x)
        objective = objective.replaced(changed, features, objective.y[changed])
        theta = fit(objective, theta).theta
        losses.append(objective.test_losses(theta, X_test, y_test))
    return Attack(x, objective, theta, np.array(losses))


def _mapped(feature_map: Callable, images: np.ndarray) -> tuple[np.ndarray, Callable]:
    mapped = feature_map(images)
    if not (isinstance(mapped, tuple) and len(mapped) == 2 and callable(mapped[1])):
        raise ValueError(
            "feature_map must return two things, the features and a function that turns gradients "
            f"in them into gradients in the images, got {type(mapped).__name__}."
        )
    return np.asarray(mapped[0]), mapped[1]


def _check_grey_levels(images: np.ndarray) -> None:
    """Refuse images in other units than those in which budgets and steps are counted."""
    low, high = images.min(), images.max()
    if low < 0 or 0 < high <= 1 or high > 255:
        raise ValueError(
            f"Expected images in grey levels from 0 to 255, got values from {low:g} to {high:g}: "
            "pass them in that range, and map it to the model's in feature_map."
        )


def _check_features(features: np.ndarray, trained: np.ndarray) -> None:
    """Refuse images that are not those the model was trained on, as it was trained on them."""
    if features.shape != trained.shape:
        raise ValueError(
            f"feature_map returns features of shape {features.shape}, but the model was trained "
            f"on {trained.shape}."
        )
    off = abs(features - trained).max() / max(abs(trained).max(), np.finfo(float).tiny)
    if not off <= SAME:
        raise ValueError(
            "feature_map(images) must give the features that the model was trained on, "
            f"objective.X[indices], but differs from them by {off:.1%} of the largest: pass the "
            "images with these indices, and a feature_map with the scale of X."
        )


def project(x: np.ndarray, originals: np.ndarray, budget: float) -> np.ndarray:
    """Π: the nearest images within `budget` of the originals, and within 0 .. 255."""
    nearest = np.clip(x, originals - budget, originals + budget)
    return np.clip(nearest, 0.0, 255.0)
