"""The first screen: what it says is what was computed, and that is what the package computes."""

import importlib.util
import json
from itertools import combinations

import numpy as np
import pytest
from chapter import BOOK, read, source, widgets
from node import in_node
from numpy.testing import assert_allclose

import minfluence as mi

pytest.importorskip("anywidget", reason="anywidget is not installed")

from minfluence.book.explorables import Digit  # noqa: E402

FOUND = json.loads((BOOK / "results" / "first_screen.json").read_text("utf-8"))
CHOSEN = FOUND["harmful"] + FOUND["helpful"]
VERDICT = FOUND["verdict"]
IMAGES = np.linspace(0, 1, 11 * 784).reshape(11, 784)


def key(gone):
    return " ".join(map(str, sorted(gone)))


def says(code):
    return in_node(Digit, code, FOUND)


# --- what was computed ----------------------------------------------------------------------------


def test_every_image_and_every_pair_was_retrained_and_probabilities_are_such():
    groups = [*([i] for i in CHOSEN), *combinations(CHOSEN, 2)]
    assert set(FOUND["retrained"]) == set(map(key, groups)) and len(groups) == 55
    assert_allclose([sum(p) for p in FOUND["retrained"].values()], 1, atol=1e-5)
    assert_allclose([sum(change) for change in FOUND["predicted"].values()], 0, atol=1e-5)
    assert np.argmax(FOUND["now"]) == VERDICT != FOUND["label"]


def test_the_case_computed_again_is_the_one_that_is_kept():
    try:
        mi.data.find("mnist/train-images-idx3-ubyte.gz")
    except mi.data.DataUnavailable as reason:
        pytest.skip(str(reason))
    spec = importlib.util.spec_from_file_location("first", BOOK / "long" / "first_screen.py")
    first_screen = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(first_screen)
    case = first_screen.Case()
    assert (case.number, case.label, case.verdict) == (FOUND["test"], FOUND["label"], VERDICT)
    assert case.right == pytest.approx(FOUND["right"])
    assert_allclose(case.probabilities(case.theta), FOUND["now"], atol=2e-6)
    changes = case.predicted()
    order = np.argsort(changes[:, VERDICT])
    assert order[:5].tolist() == FOUND["harmful"] and order[:-6:-1].tolist() == FOUND["helpful"]
    for i in CHOSEN:
        assert_allclose(changes[i], FOUND["predicted"][str(i)], atol=2e-6)
    for gone in ([CHOSEN[0]], [CHOSEN[5]], sorted(CHOSEN[:2]), sorted([CHOSEN[3], CHOSEN[7]])):
        assert_allclose(case.retrained(gone), FOUND["retrained"][key(gone)], atol=1e-5)


def test_the_front_page_carries_these_numbers_and_names_them():
    page = read(BOOK / "index.ipynb")
    (state,) = [m["state"] for m in widgets(page).values() if "pixels" in m["state"]]
    for name, value in state["found"].items():
        assert value == FOUND[name]
    text = " ".join(source(cell) for cell in page["cells"] if cell["cell_type"] == "markdown")
    assert f"a handwritten {FOUND['label']}, and the model says {VERDICT}" in text
    assert f"first {FOUND['images']:,} training images" in text
    assert f"{100 * FOUND['right']:.0f} % of the test images" in text


# --- what it says ---------------------------------------------------------------------------------


def test_each_state_shows_the_sum_of_predictions_and_the_refit():
    states = [[], *([i] for i in CHOSEN), *map(list, combinations(CHOSEN, 2))]
    shown = says(f"{json.dumps(states)}.map((gone) => js.outcome(problem, gone))")
    for gone, outcome in zip(states, shown, strict=True):
        change = sum((np.array(FOUND["predicted"][str(i)]) for i in gone), np.zeros(10))
        assert_allclose(outcome["predicted"], FOUND["now"] + change, atol=1e-12)
        truth = FOUND["retrained"][key(gone)] if gone else FOUND["now"]
        assert outcome["retrained"] == truth


def test_a_second_tap_puts_back_and_a_third_image_brings_back_the_first():
    a, b, c = CHOSEN[:3]
    tapped = says(
        f"[js.toggle([], {a}), js.toggle([{a}], {b}), js.toggle([{a}, {b}], {c}), "
        f"js.toggle([{a}, {b}], {a})]"
    )
    assert [state["gone"] for state in tapped] == [[a], [a, b], [b, c], [b]]
    assert [state["back"] for state in tapped] == [None, None, a, None]


@pytest.mark.parametrize("gone", [CHOSEN[:1], CHOSEN[5:6], CHOSEN[:2], CHOSEN[5:7]])
def test_the_sentence_says_what_happened_and_where_prediction_and_truth_part(gone):
    sentence = says(f"js.sentence(problem, {gone})")
    now = FOUND["now"][VERDICT]
    did = FOUND["retrained"][key(gone)][VERDICT] - now
    missed = 100 * abs(sum(FOUND["predicted"][str(i)][VERDICT] for i in gone) - did)
    assert f"{100 * abs(did):.1f} points {'less' if did < 0 else 'more'} sure" in sentence
    assert f"misses that by {missed:.1f}" in sentence
    assert ("the truth bends" in sentence) == (missed >= 1)


def test_nothing_is_gone_at_first_and_what_comes_back_is_named():
    assert "Guess, then tap" in says("js.sentence(problem, [])")
    a, b, c = CHOSEN[:3]
    assert f"image {a} is back" in says(f"js.sentence(problem, [{b}, {c}], {a})")


# --- what Python sees -----------------------------------------------------------------------------


def test_python_sees_the_case():
    widget = Digit(FOUND, IMAGES[0], IMAGES[1:])
    assert widget.gone == [] and widget.found["now"] == FOUND["now"]
    assert "5 that the model reads as a 6" in repr(widget)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (({}, IMAGES[0], IMAGES[1:]), "found must have images, test"),
        ((FOUND, IMAGES[0], IMAGES[2:]), r"training must have shape \(10, 784\)"),
        ((FOUND, IMAGES[0, :9], IMAGES[1:]), r"image must have shape \(784,\)"),
        ((FOUND, 255 * IMAGES[10], IMAGES[1:]), r"Pixels must lie in 0 \.\. 1"),
    ],
)
def test_a_case_that_cannot_be_shown_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Digit(*arguments)
