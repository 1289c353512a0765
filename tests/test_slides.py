"""The slides of one lecture (tools/slides.py)."""

import re

import pytest

pytest.importorskip("nbconvert")

import nbformat  # noqa: E402
import slides  # noqa: E402

DERIVED = """## A heading

<div class="derivation" aria-label="x">

1. $a$

   Because.

   ![A picture.](_static/a.svg)

2. $b$

   So.

   <details><summary>Why?</summary>

   Thus.

   </details>

</div>

In words."""


FORMULA = nbformat.v4.new_markdown_cell("$x$", metadata={"slideshow": {"slide_type": "slide"}})


def test_the_lines_of_a_derivation_come_one_by_one_between_what_stands_around_it():
    assert list(slides.parts(DERIVED, "fragment")) == [
        ("## A heading", "fragment"),
        ("1. $a$ Because.", "slide"),
        ("2. $b$ So.", "fragment"),
        ("In words.", "slide"),
    ]
    assert list(slides.parts("Text.", "slide")) == [("Text.", "slide")]


def test_the_lecture_has_the_derivations_of_its_chapters_and_no_slide_shows_what_only_pages_can():
    shown = [cell.source for cell in slides.lecture().cells if cell.cell_type == "markdown"]
    numbered = [source for source in shown if re.match(r"\d+\. ", source)]
    assert len(numbered) >= 3 * 3  # KL (1), KL (2), KL (3) to (5)
    assert not any(
        mark in source for source in shown for mark in ("<div", "<details", ":::", "_static")
    )
    assert any("KL (1)" in source for source in shown) and any(
        "KL (5)" in source for source in shown
    )


def test_with_what_npm_brings_the_slides_load_nothing_from_a_network(tmp_path, monkeypatch):
    for name, parts in slides.SCRIPTS.items():
        for part in parts:
            (tmp_path / "node_modules" / name / part).mkdir(parents=True)
    monkeypatch.setattr(slides, "ROOT", tmp_path)
    monkeypatch.setattr(slides, "TARGET", tmp_path / "slides")
    monkeypatch.setattr(slides, "lecture", lambda: nbformat.v4.new_notebook(cells=[FORMULA]))
    slides.main()
    page = (tmp_path / "slides" / "lecture.slides.html").read_text("utf-8")
    assert not re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"|import .* from .https', page)
    assert "MathJax" not in page and '<script src="katex/dist/katex.min.js">' in page


def test_without_npm_they_keep_the_formulas_that_a_network_brings(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(slides, "ROOT", tmp_path)
    monkeypatch.setattr(slides, "TARGET", tmp_path / "slides")
    monkeypatch.setattr(slides, "lecture", lambda: nbformat.v4.new_notebook(cells=[FORMULA]))
    slides.main()
    assert "from a public network" in capsys.readouterr().out
    assert "mathjax" in (tmp_path / "slides" / "lecture.slides.html").read_text("utf-8").lower()
