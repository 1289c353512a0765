"""The frames of a widget, with the browser's part played by traitlets."""

import subprocess
import sys

import ipywidgets
import matplotlib.pyplot as plt
import pytest
import traitlets

from minfluence.book import style
from minfluence.book.widgets import frames


@pytest.fixture(params=["browser", "colab"])
def anywhere(request, monkeypatch):
    """Links as the browser follows them, and ipywidgets 7, which has no Stack."""
    if request.param == "colab":
        monkeypatch.delattr(ipywidgets, "Stack")
    else:
        monkeypatch.setattr(ipywidgets, "jslink", lambda a, b: traitlets.dlink(a, b))


@pytest.fixture
def book_style():
    with plt.rc_context():
        style.use()
        yield


def shown(box):
    """HTML that a reader sees now."""
    frame = box.children[-1]
    while hasattr(frame, "selected_index"):
        frame = frame.children[frame.selected_index]
    return frame.value


def dot(size):
    """Red dot on a white figure of 2 x 1 inches."""
    figure, ax = plt.subplots(figsize=(2, 1))
    ax.plot([0], [0], "o", color="red", ms=size)
    return figure


def product(a, b):
    return f"<b>{a * b}</b>"


def sentence(a, b):
    return f"{a} times {b} is {a * b}"


def dots(**options):
    return frames(dot, {"size": [2, 4]}, alt="A dot of size {}.".format, **options)


def products(**options):
    return frames(product, {"a": [2, 3, 5], "b": range(7, 12)}, alt=sentence, **options)


def test_the_control_chooses_the_frame_and_its_text(anywhere):
    box = dots()
    control = box.children[0]
    assert 'aria-label="A dot of size 2."' in shown(box)
    control.index = 1
    assert 'aria-label="A dot of size 4."' in shown(box)
    control.index = 0
    assert 'aria-label="A dot of size 2."' in shown(box)


def test_two_controls_choose_a_frame_together_in_any_order(anywhere):
    box = products()
    a, b, _ = box.children
    assert "<b>14</b>" in shown(box)
    b.index = 4
    assert "<b>22</b>" in shown(box)
    a.index = 2
    assert "<b>55</b>" in shown(box)
    b.index = 1
    assert "<b>40</b>" in shown(box)
    assert 'aria-label="5 times 8 is 40"' in shown(box)


def test_the_first_frame_can_be_chosen(anywhere):
    box = products(start={"b": 9})
    assert "<b>18</b>" in shown(box)
    assert [control.label for control in box.children[:2]] == ["2", "9"]


def test_up_to_four_values_become_buttons_and_more_a_slider():
    a, b, _ = products().children
    assert isinstance(a, ipywidgets.ToggleButtons)
    assert isinstance(b, ipywidgets.SelectionSlider)
    assert (a.description, b.description) == ("a", "b")


def test_a_value_may_be_shown_under_another_text():
    box = frames(str, {"side": [("left", -1), ("right", 1)]}, alt=str, start={"side": 1})
    assert box.children[0].label == "right"
    assert ">1<" in shown(box)


def test_two_runs_give_the_same_bytes(book_style):
    assert shown(dots()) == shown(dots())


def test_the_page_knows_the_size_of_a_picture_beforehand():
    assert 'width="192" height="96"' in shown(dots())


def test_an_axes_will_do_and_no_figure_stays_open():
    plt.close("all")
    html = shown(frames(lambda size: dot(size).axes[0], {"size": [2, 4]}, alt=str))
    assert html.startswith("<svg")
    assert plt.get_fignums() == []


def test_the_text_alternative_is_escaped():
    for draw in (dot, str):
        html = shown(frames(draw, {"size": [2, 4]}, alt=lambda k: f'"<{k} & more>"'))
        assert '="&quot;&lt;2 &amp; more&gt;&quot;"' in html


def test_without_widgets_the_first_picture_and_all_texts_are_left():
    data = dots(start={"size": 4})._repr_mimebundle_()
    assert "size = 2: A dot of size 2.\nsize = 4: A dot of size 4." in data["text/plain"]
    assert 'aria-label="A dot of size 4."' in data["image/svg+xml"]
    assert "application/vnd.jupyter.widget-view+json" in data


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"controls": {}}, "one or two labels"),
        ({"controls": range(3)}, "one or two labels"),
        ({"controls": dict.fromkeys("abc", [1, 2])}, "one or two labels"),
        ({"controls": {"a": []}}, "'a' needs at least two values"),
        ({"alt": "one text for all"}, "alt must be a function"),
        ({"alt": lambda _: " "}, "alt must return a sentence for a = 1"),
        ({"alt": lambda _: None}, "alt must return a sentence for a = 1"),
        ({"draw": lambda _: None}, "for a = 1 it returned None"),
        ({"start": {"a": 9}}, "none of its values"),
        ({"start": {"b": 1}}, r"the controls are \['a'\]"),
    ],
)
def test_a_mistake_is_explained_in_one_sentence(change, words):
    good = {"draw": str, "controls": {"a": [1, 2]}, "alt": str}
    with pytest.raises(ValueError, match=words):
        frames(**(good | change))


def test_a_page_that_grows_too_heavy_is_reported():
    with pytest.warns(UserWarning, match=r"2 frames weigh 2\.0 MB"):
        frames(lambda _: "x" * 1_000_000, {"k": [0, 1]}, alt=str)


def test_importing_the_module_loads_neither_matplotlib_nor_ipywidgets():
    heavy = {"matplotlib", "ipywidgets"}
    code = f"import sys, minfluence.book.widgets; print({heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
