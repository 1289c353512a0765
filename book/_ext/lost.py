"""A page for those who follow a link to nowhere: 404.html, which hosts show at any depth.

Its links are those of a page at the site's root, and `<base>` says where that root is.
"""

from pathlib import Path
from urllib.parse import urlsplit

from finished import of_html

DOORS = {
    "book/index": "Start: which training data made the model say that?",
    "book/02_upweighting": "The method: one example a little heavier",
    "book/bring_your_own": "Use it on my model",
    "book/instructors": "Teach it",
    "book/api": "Reference of the package",
}
BODY = """<section><h1>This page is not here</h1>
<p>Perhaps it has moved, or the link has a slip. Search for what you wanted:</p>
<form class="lost" action="search.html" role="search">
<input type="search" name="q" aria-label="Search the book" placeholder="leverage, torch, ..." />
<button>Search</button></form>
<p>Or go on from here:</p>
<ul class="doors">{doors}</ul></section>
"""


def page(app):
    doors = "".join(
        f'<li><a href="{app.builder.get_target_uri(name)}">{said}</a></li>'
        for name, said in DOORS.items()
        if name in app.env.found_docs
    )
    return [
        ("404", {"title": "This page is not here", "body": BODY.format(doors=doors)}, "page.html")
    ]


@of_html
def say_where_the_root_is(app):
    path = Path(app.outdir) / "404.html"
    root = urlsplit(app.config.html_baseurl).path or "/"
    text = path.read_text("utf-8").replace('href="#', 'href="404.html#')
    if "<base " not in text:
        text = text.replace("<head>", f'<head>\n<base href="{root}" />', 1)
    path.write_text(text, "utf-8")


def setup(app):
    app.connect("html-collect-pages", page)
    app.connect("build-finished", say_where_the_root_is)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
