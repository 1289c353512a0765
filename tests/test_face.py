"""The visual language: one palette in three places, and what every page of the book keeps to."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from chapter import ROOT, VIEW, notebooks, read, source, tags

from minfluence.book import style

PHONE = 358  # CSS pixels that a figure has on a phone 390 wide
READABLE = 10  # CSS pixels of the smallest text
MAX_SVG = 250_000  # bytes of one figure as it is saved
COLUMNS = 44  # characters of code that a phone shows in a line
CAPTION = re.compile(r"^\*\*Figure (?:(\d+)\.)?(\d+)\.\*\* \w", re.M)


def test_the_pages_have_the_colours_of_the_figures():
    css = (ROOT / "book/_static/style.css").read_text("utf-8")
    light, dark = css.split("html[data-theme", 1)
    for name, (on_light, on_dark) in style.COLOURS.items():
        assert f"--{name}: {on_light};" in light
        assert f"--{name}: {on_dark};" in dark


@pytest.mark.parametrize("ground", [0, 1], ids=["light", "dark"])
def test_text_and_lines_stand_out_from_the_ground(ground):
    def luminance(colour):
        channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(a, b):
        low, high = sorted([luminance(a), luminance(b)])
        return (high + 0.05) / (low + 0.05)

    colour = {name: pair[ground] for name, pair in style.COLOURS.items()}
    for ground_name in ("paper", "soft"):
        for text in ("ink", "grey"):
            assert contrast(colour[text], colour[ground_name]) >= 4.5
        for line in ("helps", "harms", "third"):
            assert contrast(colour[line], colour[ground_name]) >= 3


# --- rules for one page: each yields what is wrong ----------------------------------------------


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def pictures(cell):
    """The data of each figure of a cell."""
    found = [output.get("data", {}) for output in cell["outputs"]]
    return [
        data for data in found if VIEW not in data and any(m.startswith("image/") for m in data)
    ]


def draws_in_svg(notebook, path):
    for cell in code_cells(notebook):
        for data in pictures(cell):
            svg = "".join(data.get("image/svg+xml", ""))
            if not svg:
                yield f"{cell['id']} is no SVG"
            elif len(svg) > MAX_SVG:
                yield f"{cell['id']} weighs {len(svg)} bytes: rasterise what has many marks"


def is_readable_on_a_phone(notebook, path):
    for cell in code_cells(notebook):
        for data in pictures(cell):
            svg = "".join(data.get("image/svg+xml", ""))
            width = re.search(r'<svg[^>]*\bwidth="([\d.]+)pt"', svg)
            # an exponent in a formula is a child of its text, and may be smaller
            sizes = re.findall(r"<text[^>]*font-size: ([\d.]+)px", svg)
            scale = min(96 / 72, PHONE / float(width[1])) if width else 1
            smallest = min(map(float, sizes), default=READABLE) * scale
            if smallest < READABLE - 0.1:
                yield f"{cell['id']} has text of {smallest:.1f} pixels on a phone"


def says_what_to_see(notebook, path):
    cells = notebook["cells"]
    for cell, after in pairwise([*cells, {"cell_type": "none", "source": ""}]):
        if cell["cell_type"] == "code" and pictures(cell) and not CAPTION.match(source(after)):
            yield f"{cell['id']} has no caption: **Figure 2.1.** as the next cell"


def numbers_its_captions(notebook, path):
    texts = [source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    captions = [found.groups() for text in texts for found in CAPTION.finditer(text)]
    for (_, before), (_, number) in pairwise(captions):
        if int(number) != int(before) + 1:
            yield f"figure {number} follows figure {before}"
    chapter = str(int(path.name[:2])) if path.name[0].isdigit() else None
    for of, number in captions:
        if of != chapter:
            yield f"figure {of}.{number} stands in {path.name}"


def folds_its_checks(notebook, path):
    for cell in code_cells(notebook):
        if "check" in tags(cell) and "hide-cell" not in tags(cell):
            yield f"{cell['id']} gives the answer away: tag it hide-cell"


def shows_no_set_up(notebook, path):
    for cell in code_cells(notebook):
        if "hide-input" in tags(cell) and not cell["outputs"]:
            yield f"{cell['id']} is a bar without anything to see: tag it remove-cell"


def says_what_holds(notebook, path):
    for cell, text in printed(notebook):
        for line in text.splitlines():
            if re.search(r"(^|[^\w])(True|False)$", line):
                yield f"{cell['id']} prints {line!r}: say what holds, with ticks.holds or agree"


def prints_no_table(notebook, path):
    for cell, text in printed(notebook):
        wide = [line for line in text.splitlines() if len(line) > COLUMNS]
        if len([line for line in wide if re.search(r"\S {2,}\S", line)]) > 1:
            yield f"{cell['id']} prints columns that a phone breaks: use tables.table"


def printed(notebook):
    for cell in code_cells(notebook):
        for output in cell["outputs"]:
            if output["output_type"] == "stream":
                yield cell, "".join(output["text"])


RULES = [
    draws_in_svg,
    is_readable_on_a_phone,
    says_what_to_see,
    numbers_its_captions,
    folds_its_checks,
    shows_no_set_up,
    says_what_holds,
    prints_no_table,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_page(path, rule):
    found = list(rule(read(path), path))
    assert not found, "\n".join([path.name, *found])


# --- the rules can fail -------------------------------------------------------------------------


def figure(text=12, width=389, mime="image/svg+xml"):
    svg = f'<svg width="{width}pt" height="9pt"><text style="font-size: {text}px">a</text></svg>'
    return {"output_type": "display_data", "data": {mime: svg}}


def code(identifier, *outputs, tags=()):
    metadata = {"tags": list(tags)}
    cell = {"cell_type": "code", "id": identifier, "source": "", "metadata": metadata}
    return cell | {"outputs": list(outputs)}


def caption(number):
    text = f"**Figure {number}.** The line rises."
    return {"cell_type": "markdown", "id": "c", "source": text, "metadata": {}}


def says(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


SOUND = [code("a", figure()), caption("2.1"), code("b", figure()), caption("2.2")]
FLAWS = [
    (draws_in_svg, [code("a", figure(mime="image/png"))]),
    (draws_in_svg, [code("a", figure(text=" " * MAX_SVG))]),
    (is_readable_on_a_phone, [code("a", figure(text=10))]),
    (is_readable_on_a_phone, [code("a", figure(width=500))]),
    (says_what_to_see, [code("a", figure())]),
    (says_what_to_see, [code("a", figure()), code("b")]),
    (numbers_its_captions, [*SOUND, code("d", figure()), caption("2.2")]),
    (numbers_its_captions, [code("a", figure()), caption("3.1")]),
    (folds_its_checks, [code("a", tags=["check"])]),
    (shows_no_set_up, [code("a", tags=["hide-input"])]),
    (says_what_holds, [code("a", says("as by hand: True\n"))]),
    (prints_no_table, [code("a", says(("a" * 30 + "   " + "b" * 30 + "\n") * 2))]),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_is_content_with_a_sound_page(rule):
    cells = [*SOUND, code("q", says("✓ by hand\n")), code("r", tags=["check", "hide-cell"])]
    assert list(rule({"cells": cells}, Path("02_sound.ipynb"))) == []


@pytest.mark.parametrize(("rule", "cells"), FLAWS, ids=[rule.__name__ for rule, _ in FLAWS])
def test_rule_finds_a_planted_flaw(rule, cells):
    assert list(rule({"cells": cells}, Path("02_flawed.ipynb")))
