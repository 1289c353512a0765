"""Send the book's own style sheets as one: each file of its own keeps a page waiting."""

import hashlib
import re
from pathlib import Path

from finished import change_pages, of_html


@of_html
def join(app):
    names = [name for name, _ in app.config.html_css_files]
    static = Path(app.outdir) / "_static"
    style = "\n".join((static / name).read_text("utf-8") for name in names)
    (static / "pages.css").write_text(style, "utf-8")
    version = hashlib.sha256(style.encode()).hexdigest()[:8]
    listed = "|".join(map(re.escape, names))
    links = re.compile(rf'(?:<link [^>]*href="([^"]*_static/)(?:{listed})(?:\?[^"]*)?" />\s*)+')
    one = rf'<link rel="stylesheet" href="\1pages.css?v={version}" />' + "\n"
    change_pages(app, lambda page, path: links.sub(one, page))


def setup(app):
    app.connect("build-finished", join)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
