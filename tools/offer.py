"""Put the book, its slides and its PDFs into _build/site, where pages offer what there is.

Usage: python tools/offer.py [SITE]    from _build/html, _build/slides and _build/pdf

``make site`` builds all three first. A page's menu "Download this page" then has its PDF in the
place of the browser's own printing, and the slides where the page is part of the lecture; the
front page offers the whole book. The built book itself stays as it is.
"""

import re
import shutil
import sys
from pathlib import Path

from chapter import ROOT
from contents import contents

BUILD = ROOT / "_build"
TARGET = BUILD / "site"
LECTURE = ("02_", "03_", "04_", "instructors")  # slides.py makes them from these chapters
PRINTING = re.compile(r"(?s)<li>\s*<button onclick=\"window\.print\(\)\".*?</li>")
ITEM = (
    '<li><a class="btn btn-sm dropdown-item" href="../{folder}/{file}">'
    '<span class="btn__text-container">{name}</span></a></li>'
)


def main(arguments):
    site = Path(arguments[0]) if arguments else BUILD / "html"
    shutil.rmtree(TARGET, ignore_errors=True)
    shutil.copytree(site, TARGET)
    shutil.copytree(BUILD / "slides", TARGET / "slides")
    (TARGET / "pdf").mkdir()
    for _, page in contents():
        path = TARGET / f"{page}.html"
        path.write_text(offering(path.read_text("utf-8"), path.stem), "utf-8")
        shutil.copy2(BUILD / "pdf" / f"{path.stem}.pdf", TARGET / "pdf")
    shutil.copy2(BUILD / "pdf" / "minfluence-book.pdf", TARGET / "pdf")
    print(f"{TARGET}: the book, its slides and its PDFs")


def offering(page, name):
    """The page with what there is to take away, in its menu."""
    items = [("pdf", f"{name}.pdf", "PDF of this page")]
    if name == "index":
        items.append(("pdf", "minfluence-book.pdf", "PDF of the whole book"))
    if name.startswith(LECTURE) and not name.endswith("_deeper"):
        items.append(("slides", "lecture.slides.html", "Slides"))
    links = [ITEM.format(folder=folder, file=file, name=words) for folder, file, words in items]
    offered, count = PRINTING.subn(lambda _: "\n".join(links), page)
    if count != 1:
        raise LookupError(f"{name}: the menu has {count} places for a PDF, expected 1.")
    return offered


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
