"""Mend what docutils, the themes and matplotlib write, once all pages are there.

The corner of a table is an empty header, which says nothing to those who listen: it becomes a cell.
Entries of the bibliography have a role that no longer exists, in a list without items. The sidebar
belongs to no landmark, so that nobody who jumps between landmarks finds it. The button that unfolds
a chapter's further pages has no name. A table or a formula that scrolls cannot be reached by
keyboard. Pictures have no size until they are there, and then the text below them moves, and they
are fetched before anybody comes near. And pictures of photographs are heavier than a phone needs.
"""

import re
from pathlib import Path

from PIL import Image

from finished import change_pages, of_html

MENDED = [
    (r'<th class="(head[^"]*)"><p></p></th>', r'<td class="\1"></td>'),
    ('role="doc-biblioentry"', 'role="listitem"'),
    (
        '<div id="pst-primary-sidebar" class',
        '<div id="pst-primary-sidebar" role="complementary" aria-label="Contents" class',
    ),
    ('<summary aria-label="Toggle hidden content">', "<summary>"),  # its words say more
    (
        '<summary><span class="toctree-toggle"',
        '<summary aria-label="Pages that go deeper"><span class="toctree-toggle"',
    ),
    (
        '<div class="pst-scrollable-table-container">',
        '<div class="pst-scrollable-table-container" tabindex="0">',
    ),
]
IMAGE = re.compile(r'<img (?![^>]*width=)([^>]*src="([^"]*_images/[^"]*\.png)")')
HEAVY = 200_000  # bytes of a picture


@of_html
def mend(app):
    change_pages(app, mended)
    for path in (Path(app.outdir) / "_images").glob("*.png"):
        if path.stat().st_size > HEAVY:
            reduce_colours(path)


def mended(page, path):
    for wrong, right in MENDED:
        page = re.sub(wrong, right, page)
    return IMAGE.sub(lambda image: with_shape(image, path.parent), page)


def with_shape(image, folder):
    """Say how large a picture is, so that its place is kept until a reader comes near."""
    width, height = Image.open(folder / image[2]).size
    return f'<img loading="lazy" width="{width}" height="{height}" {image[1]}'


def reduce_colours(path):
    """Save a picture with 256 colours: a third of the size, and hardly a difference."""
    picture = Image.open(path).convert("RGB")
    picture.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


def setup(app):
    app.connect("build-finished", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
