"""The reference names all that is public, once; tables fit phones; cards show a page's figure."""

import importlib
import inspect
import io
import re
import sys

import numpy as np
import pytest
from chapter import BOOK
from PIL import Image

import minfluence

sys.path.append(str(BOOK / "_ext"))
cards, tables = importlib.import_module("cards"), importlib.import_module("tables")

OVERVIEW = (BOOK / "api.md").read_text("utf-8")
TOPICS = {path.name: path.read_text("utf-8") for path in sorted(BOOK.glob("api_*.md"))}
DIRECTIVE = re.compile(r"^\.\. auto(\w+):: minfluence\.([\w.]+).*\n((?:   :.*\n)*)", re.M)


def documented():
    """(page, name below minfluence) of all that the topics document by itself."""
    for page, text in TOPICS.items():
        for kind, name, options in DIRECTIVE.findall(text):
            members = re.search(r"(?<!-):members:(.*)", options)
            if kind != "module":
                yield page, name
            elif members:
                given = [word.strip() for word in members[1].split(",") if word.strip()]
                yield from ((page, f"{name}.{member}") for member in given or public(name))


def public(module):
    found = importlib.import_module(f"minfluence.{module}")
    return getattr(found, "__all__", None) or [
        name
        for name, value in vars(found).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == found.__name__
    ]


def test_everything_public_is_documented_once_and_stands_in_the_overview():
    names = [name for _, name in documented()]
    assert len(names) == len(set(names)) > 130
    listed = re.findall(r"^   ([A-Za-z][\w.]+)$", OVERVIEW, re.M)
    assert sorted(listed) == sorted(names)


def test_the_reference_documents_all_that_the_package_exports():
    said = {name for _, name, _ in DIRECTIVE.findall("\n".join(TOPICS.values()))}
    last = {name.rpartition(".")[2] for name in [*said, *(name for _, name in documented())]}
    assert set(minfluence.__all__) - last == {"book"}  # of which each part is documented


def test_the_overview_leads_to_every_topic():
    assert set(re.findall(r"^### \[.*\]\((api_\w+\.md)\)", OVERVIEW, re.M)) == set(TOPICS)


def test_no_source_has_a_backslash_that_readers_would_see():
    """MathJax shows the backslash of an underscore in text."""
    for path in [*BOOK.glob("*.md"), *BOOK.glob("*.ipynb")]:
        assert not re.search(r"\\text\w*\{[^}]*\\_", path.read_text("utf-8")), path.name


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("predicted_change", "predicted_|change"),
        ("sklearn.linear_model", "sklearn.|linear_|model"),
        ("LogisticRegression", "LogisticRegression"),
        ("fit(objective)", "fit(|objective)"),
        ("&quot;a_long_word&quot;", "&quot;a_|long_|word&quot;"),
        ("_OWN_PLACES", "_OWN_|PLACES"),
        ("x_test", "x_test"),
    ],
)
def test_identifiers_may_break_between_words_only(name, broken):
    changed = tables.CODE.sub(tables.breakable, f'<span class="pre">{name}</span>')
    assert changed == f'<span class="pre">{broken}</span>'.replace("|", "<wbr>")


def table(*rows):
    def line(cells, tag):
        return "<tr>" + "".join(f"<{tag}><p>{cell}</p></{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(cells, "td") for cells in rows[1:])
    return f'<table class="table">{line(rows[0], "th")}{body}</table>'


def test_a_table_that_fits_a_phone_stays_a_table():
    small = table(["minutes", "what"], ["5", "a question for everybody in the room"])
    assert tables.stacked(small) == small


def test_a_wide_table_says_of_each_cell_which_column_it_is():
    head = ["formula", r"as <b>code</b>, \(8p^2\) bytes", "what it &lt; means"]
    wide = table(head, [r"\(H_{\hat\theta}\)", "x" * 20, "y" * 20], ["", "", "much"])
    stacked = tables.stacked(wide)
    labels = re.findall('data-label="([^"]*)"', stacked)
    assert labels == ["formula", "as code, 8p² bytes", "what it &lt; means", "what it &lt; means"]
    assert 'class="stack table"' in stacked
    plain = re.sub(' data-label="[^"]*"', "", stacked).replace("stack table", "table")
    assert plain == wide


def test_a_formula_counts_as_wide_as_it_is_and_not_as_long_as_its_tex():
    tex = r"\(\tfrac{\lambda}{2}\theta^\top\theta\)"
    assert tables.longest(tex) == 6


def test_a_card_shows_title_promise_and_figure(tmp_path):
    (tmp_path / "_images").mkdir()
    red = '<rect width="40" height="40" fill="#ff0000"/></svg>'
    red = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">{red}'
    (tmp_path / "_images" / "red.svg").write_text(red)
    Image.new("RGB", (30, 20), "lime").save(tmp_path / "_images" / "lime.png")
    seen = {}
    for name in ("red.svg", "lime.png", "none"):
        page = f'<img alt="" src="_images/chapter_map.svg"><img src="_images/{name}">'
        figure = cards.figure(tmp_path / "page.html", page)
        picture = Image.open(
            io.BytesIO(cards.png(cards.card("A & B", "A promise. More.", "Book", figure)))
        )
        assert picture.size == (1200, 630)
        seen[name] = np.asarray(picture.convert("RGB")).astype(int)
    assert tuple(seen["red.svg"][300, 950]) == (255, 0, 0)
    assert tuple(seen["lime.png"][300, 950]) == (0, 255, 0)
    assert tuple(seen["none"][300, 950]) == (255, 255, 255)
    for pixels in seen.values():
        assert (pixels[60:130, 50:400] < 100).any(), "a title"
        assert (pixels[560:600, 50:400] < 100).any(), "the book's name"
