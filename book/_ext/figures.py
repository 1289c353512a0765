"""Put every figure into its page, and mark what belongs to it.

An SVG that a page loads as a picture knows neither the page's typeface nor whether it is dark. As a
part of the page it has both. A paragraph that begins with "Figure 2.1." in bold is a caption.
"""

import html
import re

from minfluence.book.drawing import inlined, sketched

from finished import change_pages, of_html

IMAGE = re.compile(r'<img (?=[^>]*src="([^"]*_images/[^"]*\.svg)")[^>]*>')
ALT = re.compile(r'alt="([^"]*)"')
CAPTION = re.compile(r"Figure [\d.]+\.$")


def mark_captions(app, doctree, page):
    from docutils import nodes  # here, so that the tests need no Sphinx

    for paragraph in doctree.findall(nodes.paragraph):
        first = next((child for child in paragraph if child.astext()), None)
        if isinstance(first, nodes.strong) and CAPTION.match(first.astext()):
            paragraph["classes"].append("figure-caption")


@of_html
def put_in(app):
    change_pages(app, lambda page, path: IMAGE.sub(lambda image: drawn(image, path.parent), page))


def drawn(image, folder):
    """The figure itself, in place of the element that would load it."""
    svg = (folder / image[1]).read_text("utf-8")
    alt = ALT.search(image[0])
    words = html.unescape(alt[1]) if alt else ""
    if 'viewBox="0 0 180 110"' in svg:  # a line of a derivation, drawn by hand
        return sketched(svg, words)
    if '<g id="figure_1">' in svg[:1000]:
        return inlined(svg, words)
    return image[0]  # not matplotlib's: drawn by a tool


def setup(app):
    app.connect("doctree-resolved", mark_captions)
    app.connect("build-finished", put_in, priority=400)  # before other mending of the pages
    return {"parallel_read_safe": True, "parallel_write_safe": True}
