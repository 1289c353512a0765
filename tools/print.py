"""Print the built book: one PDF for each page, and all of them as one with an outline.

::

    python tools/print.py [SITE]         from _build/html (`make book` first) into _build/pdf

Chromium prints what it shows, so the pages must have been built; CHROMIUM names it where it is not
found by itself. What paper shows is in ``book/_static/paper.css``: notes open, code as the page has
it, no solutions, live pictures as they stand at the beginning.
"""

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from chapter import ROOT
from contents import contents
from pypdf import PdfReader, PdfWriter

TARGET = ROOT / "_build" / "pdf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
PATIENCE = 15_000  # ms of the page's own time, for formulas and widgets


def main(arguments):
    site = Path(arguments[0]) if arguments else ROOT / "_build" / "html"
    if not (site / "index.html").exists():
        return f"no built book in {site}: run make book first."
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser:
        return f"none of {', '.join(BROWSERS)} is installed: set CHROMIUM to your browser."
    TARGET.mkdir(parents=True, exist_ok=True)
    with serving(site) as address:
        for _, page in contents():
            print_page(browser, f"{address}/{page}.html", TARGET / f"{Path(page).name}.pdf")
            print(f"{Path(page).name}.pdf", flush=True)
    merge(TARGET / "minfluence-book.pdf")
    return None


class serving:
    """A web server for one folder, on a free port, as long as the block lasts."""

    def __init__(self, folder):
        handler = functools.partial(QuietHandler, directory=folder)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_):
        """Keep the terminal for the names of the pages."""


def print_page(browser, address, target):
    with tempfile.TemporaryDirectory() as profile:
        wait = f"--virtual-time-budget={PATIENCE}"
        own = f"--user-data-dir={profile}"
        command = [browser, *FLAGS, wait, own, f"--print-to-pdf={target}", address]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


def merge(target):
    """One file, with the parts and pages of the contents as its outline."""
    book, parts = PdfWriter(), {}
    for part, page in contents():
        start = len(book.pages)
        printed = PdfReader(TARGET / f"{Path(page).name}.pdf")
        for sheet in printed.pages:
            book.add_page(sheet)
        if part and part not in parts:
            parts[part] = book.add_outline_item(title=part, page_number=start)
        book.add_outline_item(title=title(page), page_number=start, parent=parts.get(part))
    book.compress_identical_objects()
    book.write(target)
    print(f"{target.name}: {len(book.pages)} sheets")


def title(page):
    """What the built page calls itself."""
    built = (ROOT / "_build" / "html" / f"{page}.html").read_text("utf-8")
    return re.search(r"<title>\s*(.*?)\s+&#8212;", built, re.DOTALL)[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
