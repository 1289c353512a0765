"""The site that is published: pages that offer their PDF and the slides (tools/offer.py)."""

import re

import offer
import pytest

MENU = """<ul>
<li><a href="x.ipynb">.ipynb</a></li>
<li>
<button onclick="window.print()"
  title="Print to PDF">
<span class="btn__text-container">.pdf</span>
</button>
</li>
</ul>"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("refresher", ["pdf/refresher.pdf"]),
        ("02_upweighting", ["pdf/02_upweighting.pdf", "slides/lecture.slides.html"]),
        ("02_upweighting_deeper", ["pdf/02_upweighting_deeper.pdf"]),
        ("index", ["pdf/index.pdf", "pdf/minfluence-book.pdf"]),
    ],
)
def test_a_page_offers_what_there_is_for_it_in_place_of_the_browsers_own_printing(name, expected):
    offered = offer.offering(MENU, name)
    assert re.findall(r'href="\.\./([^"]*)"', offered) == expected
    assert "x.ipynb" in offered and "window.print" not in offered


def test_a_page_without_a_place_for_it_is_an_error():
    with pytest.raises(LookupError, match="refresher: the menu has 0 places"):
        offer.offering("<ul></ul>", "refresher")


def test_the_folder_has_the_book_the_slides_and_a_pdf_for_each_page(tmp_path, monkeypatch):
    (tmp_path / "html" / "book").mkdir(parents=True)
    (tmp_path / "html" / "book" / "refresher.html").write_text(MENU)
    for name in ("slides/lecture.slides.html", "pdf/refresher.pdf", "pdf/minfluence-book.pdf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    monkeypatch.setattr(offer, "BUILD", tmp_path)
    monkeypatch.setattr(offer, "TARGET", tmp_path / "site")
    monkeypatch.setattr(offer, "contents", lambda: [("Start", "book/refresher")])
    offer.main([str(tmp_path / "html")])
    made = {str(p.relative_to(tmp_path / "site")) for p in (tmp_path / "site").rglob("*.*")}
    assert made == {
        "book/refresher.html",
        "pdf/minfluence-book.pdf",
        "pdf/refresher.pdf",
        "slides/lecture.slides.html",
    }
    assert "window.print" in (tmp_path / "html" / "book" / "refresher.html").read_text()
