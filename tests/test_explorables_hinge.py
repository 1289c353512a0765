"""Chapter 9 opens with an example for which the right temperature predicts the refit."""

import numpy as np
import pytest
from chapter import BOOK, read
from node import in_node

pytest.importorskip("anywidget", reason="anywidget is not installed")

from minfluence.book.explorables import Hinge  # noqa: E402

TEMPERATURES = (10 ** (-3 + np.arange(61) / 20)).tolist()  # those of the slider


@pytest.fixture(scope="module")
def state():
    """The picture as the page saves it."""
    (part,) = read(BOOK / "09_beyond_smoothness.ipynb")["metadata"]["widgets"].values()
    saved = [model["state"] for model in part["state"].values()]
    return next(one for one in saved if "temperature" in one)


@pytest.fixture(scope="module")
def changes(state):
    """Predicted (temperature, example) and actual change of the loss of the cross."""
    machine = {name: state[name] for name in ("X", "y", "theta", "without", "l2")}
    *x, y = state["test"]
    given = {"machine": machine, "test": {"x": x, "y": y}}
    code = f"{TEMPERATURES}.map((t) => js.explore({{ ...problem, temperature: t }}))"
    found = in_node(Hinge, code, given)
    return np.array([one["predicted"] for one in found]), np.array(found[0]["actual"])


def off(changes, i):
    """Smallest relative error on the slider, and whether an end of the slider has it."""
    predicted, actual = changes
    errors = abs(predicted[:, i] / actual[i] - 1)
    return errors.min(), errors.argmin() in (0, len(errors) - 1)


def test_the_page_opens_with_example_24_whose_removal_changes_most(state, changes):
    assert state["selected"] == 24
    assert abs(changes[1][24]) == pytest.approx(abs(changes[1]).max(), rel=1e-9)


def test_a_temperature_inside_the_slider_predicts_its_refit(state, changes):
    error, at_an_end = off(changes, state["selected"])
    assert error < 0.05 and not at_an_end


def test_no_temperature_predicts_the_refit_of_example_22_which_is_on_the_kink(changes):
    error, _ = off(changes, 22)
    assert error > 0.15
