"""What a page says of itself to search engines and in messages, and the one public address.

A page is described by its own first sentences: its promise. Where `_config.yml` names a repository
that somebody can own, its GitHub Pages are the public address: pages then say where they are
(`canonical`, Open Graph) and show a card that is drawn from their first figure, and there is a
sitemap. Without one, nothing that needs an address is written, and buttons that would lead to
nobody's repository are hidden.
"""

import html
import re
from pathlib import Path
from urllib.parse import urlsplit

from docutils import nodes

from cards import SENTENCE, card_of
from finished import of_html

ENOUGH, MOST = 60, 200  # letters of a description
MINUTES = re.compile(r"About \d+ minutes")
TWICE = re.compile(r"<title>(.+?) &#8212; \1</title>")
OTHERS = {  # pages that the theme makes: title, description
    "search": ("Search", "Search all pages of the book."),
    "genindex": ("Index", "All names of the package and all words of the glossary, from A to Z."),
    "404": ("This page is not here", "Search the book, or go on from one of its doors."),
}


def settle(app, config):
    """Take the address from the repository's, or hide what would need one."""
    options = config.html_theme_options
    owner, name = urlsplit(options.get("repository_url", "")).path.strip("/").split("/")
    if owner.startswith("_"):
        options.update(use_repository_button=False, use_issues_button=False, launch_buttons={})
    elif not config.html_baseurl:
        config.html_baseurl = f"https://{owner.lower()}.github.io/{name}/"


def hide_placeholder(app, doctree, page):
    """Without an address readers install what they have, and links to files are left as text."""
    if app.config.html_baseurl:
        return
    for text in list(doctree.findall(nodes.Text)):
        if "github.com/_" in text:
            said = re.sub(r"\"minfluence(\[[\w,]+\])? @ git\+[^\"]*\"", r'".\1"', text)
            text.parent.replace(text, nodes.Text(said))
    for code in doctree.findall(nodes.literal_block):
        code.rawsource = code.astext()
    for link in list(doctree.findall(nodes.reference)):
        if "github.com/_" in link.get("refuri", ""):
            link.parent.replace(link, link.children)


def describe(app, pagename, templatename, context, doctree):
    title, said = OTHERS.get(pagename) or (context["title"], description(doctree))
    if doctree is None:
        context["pageurl"] = None  # no page that anybody shares
    address = context.get("pageurl")
    tags = {
        ("name", "description"): said,
        ("property", "og:title"): re.sub("<[^>]*>", "", title),
        ("property", "og:description"): said,
        ("property", "og:type"): "article",
        ("property", "og:site_name"): app.config.html_title,
        ("name", "twitter:card"): "summary_large_image" if address else "summary",
    }
    if address:
        tags["property", "og:url"] = address
        tags["property", "og:image"] = app.config.html_baseurl + card_of(pagename)
        tags["property", "og:image:width"], tags["property", "og:image:height"] = "1200", "630"
    context["metatags"] = context.get("metatags", "") + "".join(
        f'<meta {kind}="{name}" content="{html.escape(html.unescape(value))}" />\n'
        for (kind, name), value in tags.items()
        if value
    )


def description(doctree):
    """Whole sentences from the beginning of a page."""
    said = ""
    for paragraph in doctree.findall(nodes.paragraph) if doctree else []:
        text = " ".join(paragraph.astext().split())
        if MINUTES.match(text) or isinstance(paragraph.parent, nodes.list_item):
            continue
        for sentence in SENTENCE.split(text):
            if said and len(f"{said} {sentence}") > MOST:
                return said
            said = f"{said} {sentence}".strip()
        if len(said) >= ENOUGH:
            break
    return said


@of_html
def write_sitemap(app):
    if not app.config.html_baseurl:
        return
    pages = [app.builder.get_target_uri(page) for page in sorted(app.env.found_docs)]
    places = "".join(f"<url><loc>{app.config.html_baseurl}{page}</loc></url>\n" for page in pages)
    (Path(app.outdir) / "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{places}</urlset>\n',
        "utf-8",
    )


@of_html
def name_front_page_once(app):
    """The front page is called as the book is."""
    path = Path(app.outdir) / app.builder.get_target_uri(app.config.root_doc)
    path.write_text(TWICE.sub(r"<title>\1</title>", path.read_text("utf-8")), "utf-8")


def setup(app):
    app.connect("config-inited", settle)
    app.connect("doctree-resolved", hide_placeholder)
    app.connect("html-page-context", describe)
    app.connect("build-finished", write_sitemap)
    app.connect("build-finished", name_front_page_once)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
