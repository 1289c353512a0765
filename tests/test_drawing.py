"""A figure becomes a part of its page, and loses nothing that it says."""

import importlib
import io
import re
import sys
from xml.etree import ElementTree

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from chapter import BOOK, notebooks, outputs, read

from minfluence.book import plots
from minfluence.book.drawing import inlined, sketched

sys.path.append(str(BOOK / "_ext"))
figures = importlib.import_module("figures")


def drawn(draw, alt="A line."):
    with matplotlib.rc_context():
        plots.style()
        figure, ax = plt.subplots(figsize=(3, 2))
        draw(ax)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
        plt.close(figure)
    return inlined(text.getvalue(), alt)


def test_colours_become_those_of_the_page_and_text_stays_text():
    svg = drawn(lambda ax: ax.plot([0, 1], color=plots.HELPS) and ax.set(xlabel="weight 0.00125"))
    assert f"stroke: var(--helps, {plots.HELPS})" in svg
    assert "fill: var(--paper, #ffffff)" in svg
    assert ">weight 0.00125</text>" in svg and "DejaVu" not in svg
    assert not re.search(r"(?<!, )#0072b2", svg)


def test_it_says_what_it_shows_and_how_large_it_is():
    svg = drawn(lambda ax: None, alt='She said "no" & left')
    assert ElementTree.fromstring(svg).tag.endswith("svg")  # a file of its own, too
    assert 'role="img" aria-label="She said &quot;no&quot; &amp; left"' in svg
    assert 'width="288" height="192"' in svg  # 3 by 2 inches of 96 pixels


def test_it_styles_nothing_but_itself_and_shares_no_name_with_another():
    svg = drawn(lambda ax: ax.plot([0, 1]))
    assert "<style" not in svg and "<metadata" not in svg and 'id="figure' not in svg


def test_small_pictures_keep_their_pixels_and_photographs_become_lighter():
    small = drawn(lambda ax: ax.imshow(np.arange(64.0).reshape(8, 8)))
    assert "image-rendering: pixelated" in small and "image/png" in small
    noise = np.random.default_rng(0).random((120, 120, 3))
    large = drawn(lambda ax: ax.imshow(noise))
    assert "data:image/webp" in large and "pixelated" not in large


def test_what_is_no_svg_is_refused():
    with pytest.raises(ValueError, match="SVG"):
        inlined("<html>", "A line.")


def test_the_build_puts_every_figure_of_a_notebook_into_its_page(tmp_path):
    image = figures.IMAGE.search('<img alt="A line." src="_images/a.svg">')
    (tmp_path / "_images").mkdir()
    for path in notebooks():
        for output in outputs(read(path)["cells"]):
            saved = "".join(output.get("data", {}).get("image/svg+xml", ""))
            if saved.startswith("<?xml"):
                (tmp_path / "_images/a.svg").write_text(saved, "utf-8")
                assert figures.drawn(image, tmp_path).startswith("<svg"), path.name


def test_a_picture_by_another_hand_stays_a_picture(tmp_path):
    (tmp_path / "_images").mkdir()
    (tmp_path / "_images/a.svg").write_text("<svg><text>0.125</text></svg>", "utf-8")
    image = figures.IMAGE.search('<img alt="A line." src="_images/a.svg">')
    assert figures.drawn(image, tmp_path) == image[0]


def test_a_drawing_made_by_hand_gets_the_colours_of_the_page():
    svg = '<svg viewBox="0 0 180 110">\n<path fill="#fff" stroke="#222"/></svg>'
    page = sketched(svg, "A < B")
    assert 'class="sketch" role="img" aria-label="A &lt; B"' in page
    assert 'fill="var(--paper, #ffffff)" stroke="var(--ink, #222222)"' in page
