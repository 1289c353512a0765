"""Attacks: never outside the box, uphill step by step, and as strong as brute force on a toy."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minfluence import LinearObjective, ShardedObjective, attack, fit, models
from minfluence.attacks import pixels, project


@pytest.fixture
def toy():
    """Grey levels of 2 x 2 images in two classes, and a test point near the boundary."""
    rng = np.random.default_rng(0)
    images = np.round(rng.uniform(40, 215, (30, 2, 2)))
    flat = images.reshape(30, -1)
    y = np.where(flat @ [1.0, -1, 0.5, -0.5] + 40 * rng.standard_normal(30) > 0, 1, -1)
    objective = LinearObjective(models.logistic, scaled(images)[0], y, l2=0.01)
    return objective, fit(objective).theta, images, scaled(images[:1] + 7)[0], y[:1]


def scaled(images):
    """The model sees grey levels divided by 255, about their middle."""
    features, vjp = pixels(images)
    return features / 255 - 0.5, lambda v: vjp(v) / 255


def run(toy, indices, **options):
    objective, theta, images, X_test, y_test = toy
    return attack(
        objective,
        theta,
        indices,
        images[indices],
        X_test,
        y_test,
        feature_map=scaled,
        progress=False,
        **options,
    )


@pytest.mark.parametrize("budget", [0.499, 5.0, 100.0])
def test_no_pixel_ever_leaves_the_box(toy, budget):
    images = toy[2]
    attacked = run(toy, [3, 5], budget=budget, step_size=budget / 3, steps=10).images
    assert abs(attacked - images[[3, 5]]).max() <= budget + 1e-12
    assert attacked.min() >= 0 and attacked.max() <= 255


def test_less_than_half_a_grey_level_is_nothing_once_stored(toy):
    attacked = run(toy, [3, 5], steps=40)
    assert_array_equal(np.round(attacked.images), toy[2][[3, 5]])
    assert abs(attacked.images - toy[2][[3, 5]]).max() > 0.4


def test_the_loss_rises_with_every_step(toy):
    losses = run(toy, [3, 5], budget=20, step_size=1, steps=15).losses[:, 0]
    assert losses.shape == (16,) and (np.diff(losses) > 0).all()


def test_the_theta_returned_is_the_minimum_on_the_changed_images(toy):
    attacked = run(toy, [3, 5], budget=20, step_size=5, steps=5)
    objective, _, _, X_test, y_test = toy
    by_hand = objective.perturbed(3, scaled(attacked.images[:1])[0][0], objective.y[3])
    by_hand = by_hand.perturbed(5, scaled(attacked.images[1:])[0][0], objective.y[5])
    assert_allclose(attacked.theta, fit(by_hand).theta, atol=1e-7)
    assert_allclose(attacked.losses[-1], by_hand.test_losses(attacked.theta, X_test, y_test))
    assert_array_equal(attacked.objective.X, by_hand.X)


def test_it_finds_the_worst_corner_that_brute_force_finds(toy):
    objective, _, images, X_test, y_test = toy
    budget = 10.0
    best = max(
        objective.test_losses(fit(objective.perturbed(3, x, objective.y[3])).theta, X_test, y_test)[
            0
        ]
        for corner in itertools.product([-budget, budget], repeat=4)
        for x in scaled(images[[3]] + np.reshape(corner, (1, 2, 2)))[0]
    )
    found = run(toy, [3], budget=budget, step_size=2, steps=20).losses[-1, 0]
    assert found == pytest.approx(best, rel=1e-6)


def test_several_test_points_are_attacked_by_their_mean_loss(toy):
    objective, theta, images, X_test, y_test = toy
    both = scaled(images[:2])[0], objective.y[:2]
    attacked = attack(
        objective,
        theta,
        [3],
        images[[3]],
        *both,
        feature_map=scaled,
        budget=20,
        step_size=2,
        steps=10,
        progress=False,
    )
    assert attacked.losses.shape == (11, 2)
    assert attacked.losses[-1].mean() > attacked.losses[0].mean()


def test_the_originals_are_untouched(toy):
    before = toy[2].copy()
    run(toy, [3], steps=3)
    assert_array_equal(toy[2], before)


def test_projecting_twice_is_projecting_once():
    rng = np.random.default_rng(0)
    originals, x = rng.uniform(0, 255, (2, 3)), rng.uniform(-50, 300, (2, 3))
    once = project(x, originals, 5.0)
    assert_array_equal(project(once, originals, 5.0), once)
    assert_array_equal(project(originals, originals, 5.0), originals)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"budget": 0}, "budget must be greater than 0, got 0"),
        ({"step_size": -1.0}, "step_size must be greater than 0, got -1.0"),
    ],
)
def test_a_box_without_room_is_refused(toy, options, words):
    with pytest.raises(ValueError, match=words):
        run(toy, [3], **options)


def test_images_that_are_not_the_models_are_refused(toy):
    objective, theta, images, X_test, y_test = toy
    with pytest.raises(ValueError, match="one image for each of 2 indices, got 1 images"):
        attack(objective, theta, [3, 5], images[[3]], X_test, y_test, progress=False)
    with pytest.raises(ValueError, match=r"features of shape \(1, 8\).*trained on \(1, 4\)"):
        attack(objective, theta, [3], np.ones((1, 2, 4)), X_test, y_test, progress=False)


def test_images_in_another_scale_or_of_other_examples_are_refused(toy):
    objective, theta, images, X_test, y_test = toy

    def attacked(pictures, feature_map=scaled, indices=(3, 5)):
        points = X_test, y_test
        options = {"feature_map": feature_map, "steps": 1, "progress": False}
        return attack(objective, theta, indices, pictures, *points, **options)

    of = images[[3, 5]]
    for pictures in (of[::-1], images[[3, 6]], of + 0.5, of / 255):
        with pytest.raises(ValueError, match=r"objective.X\[indices\], but differs .* scale of X"):
            attacked(pictures)
    with pytest.raises(ValueError, match="features that the model was trained on"):
        attacked(of, pixels)
    with pytest.raises(ValueError, match="grey levels from 0 to 255, got values from 0"):
        attacked(of / 255, lambda x: (pixels(x)[0] - 0.5, pixels(x)[1]))
    for shift in (255, -255):
        with pytest.raises(ValueError, match="grey levels from 0 to 255, got values from"):
            attacked(of + shift, lambda x, shift=shift: scaled(x - shift))
    with pytest.raises(ValueError, match="return two things"):
        attacked(of, lambda x: scaled(x)[0])
    with pytest.raises(ValueError, match=r"must have shape \(2, 2, 2\), got \(2, 4\)"):
        attacked(of, lambda x: (scaled(x)[0], lambda v: v))
    for bad in (of * np.nan, of * 1j, of.astype(str)):
        with pytest.raises(ValueError, match="images (holds NaN|must hold (real )?numbers)"):
            attacked(bad)
    assert attacked(of.astype(np.uint8)).losses.shape == (2, 1)
    assert attacked((of + 1e-4).astype(np.float32)).losses.shape == (2, 1)  # rounding is no matter


def test_an_objective_of_parts_has_no_images_to_change(toy):
    objective, theta, images, X_test, y_test = toy
    parts = ShardedObjective([objective])
    with pytest.raises(ValueError, match="cannot be changed, only weighted"):
        attack(parts, theta, [3], images[[3]], X_test, y_test, feature_map=scaled, progress=False)
