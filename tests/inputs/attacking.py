"""Attacks: images, features and examples that have to belong together."""

from functools import partial

import numpy as np

from inputs.examples import Y, by_hand
from inputs.table import Unexpected, agree, holds, refused, told
from minfluence import LinearObjective, ShardedObjective, attack, fit, models

IMAGES = np.random.default_rng(9).integers(0, 256, (30, 4)).astype(float)
OBJECTIVE = LinearObjective(models.logistic, IMAGES, Y, 0.1)
SCALED = LinearObjective(models.logistic, IMAGES / 255, Y, 0.1)
ATTACK = partial(attack, OBJECTIVE, fit(OBJECTIVE).theta, progress=False)
ON_SCALED = partial(attack, SCALED, fit(SCALED).theta, progress=False)
TEST = IMAGES[:1], Y[:1]
SCALED_TEST = IMAGES[:1] / 255, Y[:1]
NOT_THESE = "feature|trained on|scale|differ|image"


def scaled(images):
    return images.reshape(len(images), -1) / 255, lambda v: v.reshape(images.shape) / 255


def cases():
    yield from of_options()
    yield from of_features()
    yield from of_results()


def of_options():
    for budget in (0, -1, np.nan, "1"):
        yield refused(
            f"attack: budget {budget!r}",
            ATTACK,
            [0],
            IMAGES[:1],
            *TEST,
            steps=1,
            budget=budget,
            saying="budget",
        )
    for step_size in (0, np.nan):
        yield refused(
            f"attack: step_size {step_size}",
            ATTACK,
            [0],
            IMAGES[:1],
            *TEST,
            steps=1,
            step_size=step_size,
            saying="step_size",
        )
    for steps in (-5, 0, 1.5):
        yield refused(
            f"attack: steps = {steps}", ATTACK, [0], IMAGES[:1], *TEST, steps=steps, saying="steps"
        )
    bad = {
        "fewer images than indices": ([0, 1], IMAGES[:1], "one image for each"),
        "the same example twice": ([0, 0], IMAGES[[0, 0]], "once"),
        "an index beyond the last": ([30], IMAGES[:1], "must lie"),
        "a mask": (Y > 0, IMAGES[Y > 0], "whole numbers"),
        "NaN in an image": ([0], IMAGES[:1] * np.nan, "NaN"),
        "images of strings": ([0], IMAGES[:1].astype(str), "image|number"),
        "images complex": ([0], IMAGES[:1] + 1j, "image|number|complex"),
    }
    for name, (indices, images, saying) in bad.items():
        yield refused(f"attack: {name}", ATTACK, indices, images, *TEST, steps=1, saying=saying)
    yield refused(
        "attack: test labels 0 and 1",
        ATTACK,
        [0],
        IMAGES[:1],
        IMAGES[:2],
        [0, 1],
        steps=1,
        saying="labels",
    )
    parts = ShardedObjective([OBJECTIVE])
    yield refused(
        "attack: a sum of parts, whose examples stay",
        lambda: attack(parts, np.zeros(4), [0], IMAGES[:1], *TEST, steps=1, progress=False),
        saying="sharded|cannot be changed|subset",
    )
    yield told(
        "attack: theta that is no minimum",
        lambda: attack(OBJECTIVE, np.ones(4), [0], IMAGES[:1], *TEST, steps=1, progress=False),
        saying="minimum",
    )


def of_features():
    """The features of the images must be those that the model was trained on."""
    others = IMAGES[[1, 0]]
    bright = LinearObjective(models.logistic, IMAGES + 100, Y, 0.1)
    yield refused(
        "attack: images 0 .. 255 on a model of X / 255",
        ON_SCALED,
        [0],
        IMAGES[:1],
        *SCALED_TEST,
        steps=1,
        saying=NOT_THESE,
    )
    yield refused(
        "attack: images in another order than the indices",
        ATTACK,
        [0, 1],
        others,
        *TEST,
        steps=1,
        saying=NOT_THESE,
    )
    yield refused(
        "attack: images of other examples",
        ATTACK,
        [0],
        IMAGES[5:6],
        *TEST,
        steps=1,
        saying=NOT_THESE,
    )
    yield refused(
        "attack: images of another size",
        ATTACK,
        [0],
        IMAGES[:1, :3],
        *TEST,
        steps=1,
        saying="shape|feature",
    )
    yield refused(
        "attack: images / 255 on a model of 0 .. 255",
        ATTACK,
        [0],
        IMAGES[:1] / 255,
        *TEST,
        steps=1,
        saying=NOT_THESE,
    )
    yield refused(
        "attack: images beyond 255, which clipping would change at once",
        lambda: attack(
            bright,
            fit(bright).theta,
            [0],
            IMAGES[:1] + 100,
            IMAGES[:1] + 100,
            Y[:1],
            steps=1,
            progress=False,
        ),
        saying="255",
    )
    yield refused(
        "attack: a feature map that returns features alone",
        ON_SCALED,
        [0],
        IMAGES[:1],
        *SCALED_TEST,
        steps=1,
        feature_map=lambda images: images / 255,
        saying="feature_map",
    )


def of_results():
    def within():
        found = ATTACK([0, 1], IMAGES[:2].astype(np.uint8), *TEST, steps=3)
        if np.abs(found.images - IMAGES[:2]).max() > 0.5:
            raise Unexpected("a pixel changed by more than the budget")
        return found.images.min() >= 0 and found.images.max() <= 255

    def single():
        o = LinearObjective(models.logistic, IMAGES / 255, Y, 0.1, dtype=np.float32)
        found = attack(
            o,
            fit(o).theta,
            [0],
            IMAGES[:1],
            *SCALED_TEST,
            feature_map=scaled,
            steps=2,
            progress=False,
        )
        return np.isfinite(found.losses).all()

    def losses():
        found = ON_SCALED([0, 3], IMAGES[[0, 3]], *SCALED_TEST, feature_map=scaled, steps=2)
        X = IMAGES / 255
        X[[0, 3]] = found.images / 255
        o = LinearObjective(models.logistic, X, Y, 0.1)
        return found.losses[-1], by_hand("logistic", *SCALED_TEST, fit(o).theta)[0]

    yield holds("attack: 8-bit images stay within 0 .. 255 and the budget", within)
    yield holds("attack: float32", single)
    yield agree("attack: its losses are those of a refit on its images", losses)
