"""The ledger of published numbers and ours (tools/reproduction.py) says what chapters compute."""

import html
import json

import pytest
import reproduction
from chapter import BOOK, outputs, read


def test_every_number_of_the_ledger_is_the_one_that_its_chapter_computed():
    saved = json.loads(reproduction.LEDGER.read_text("utf-8"))
    assert saved == reproduction.ledger(), "run python tools/reproduction.py"


def test_the_page_shows_every_number_of_the_ledger():
    page = outputs(read(BOOK / "reproduction.ipynb")["cells"])
    shown = html.unescape("".join("".join(o.get("data", {}).get("text/html", "")) for o in page))
    for figure in reproduction.ledger():
        for line in figure["line"]:
            assert line["ours"] in shown and line["what"] in shown


def test_a_number_that_its_cell_no_longer_prints_is_an_error():
    line = {"what": "Pearson", "cell": "02 27", "pattern": "Spirman (.*)"}
    with pytest.raises(LookupError, match="printed nothing like Spirman"):
        reproduction.ours(line)
    with pytest.raises(LookupError, match="no cell-999"):
        reproduction.output("02 999")
