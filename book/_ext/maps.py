"""Put the map of the chapters into the page that shows it, so that its chapters are links.

There are two drawings, for a desk and for a phone; the style sheet shows one of them.
"""

import re
from pathlib import Path

from finished import change_pages, of_html

STATIC = Path(__file__).resolve().parents[1] / "_static"
DRAWINGS = ("chapter_map.svg", "chapter_map_narrow.svg")
IMAGE = re.compile(r'(?:<a class="[^>]*>\s*)?<img [^>]*chapter_map\.svg"[^>]*>(?:</a>)?')


@of_html
def put_in(app):
    drawn = "".join((STATIC / name).read_text("utf-8") for name in DRAWINGS)
    shown = f'<nav aria-label="Map of the chapters">{drawn}</nav>'
    change_pages(app, lambda page, path: IMAGE.sub(shown, page))


def setup(app):
    app.connect("build-finished", put_in, priority=300)  # before figures
    return {"parallel_read_safe": True, "parallel_write_safe": True}
