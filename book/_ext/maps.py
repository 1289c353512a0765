"""Put the map of the chapters into the page that shows it, so that its chapters are links.

There are two drawings, for a desk and for a phone; the style sheet shows one of them.
"""

import re
from pathlib import Path

STATIC = Path(__file__).resolve().parents[1] / "_static"
DRAWINGS = ("chapter_map.svg", "chapter_map_narrow.svg")
IMAGE = re.compile(r'(?:<a class="[^>]*>\s*)?<img [^>]*chapter_map\.svg"[^>]*>(?:</a>)?')


def put_in(app, error):
    if error or app.builder.format != "html":
        return
    drawn = "".join((STATIC / name).read_text("utf-8") for name in DRAWINGS)
    for path in Path(app.outdir).rglob("*.html"):
        page = path.read_text("utf-8")
        if "chapter_map.svg" in page:
            page = IMAGE.sub(f'<nav aria-label="Map of the chapters">{drawn}</nav>', page)
            path.write_text(page, "utf-8")


def setup(app):
    app.connect("build-finished", put_in, priority=300)  # before figures
    return {"parallel_read_safe": True, "parallel_write_safe": True}
