"""Draw the card of each page: what a message shows of a link to it.

Title, first sentence, the book's name, and the page's first figure on paper. Cards are drawn only
where pages can name them, that is where the book has a public address.
"""

import base64
import html
import re
import textwrap
from pathlib import Path

import matplotlib
import resvg_py
from minfluence.book.style import GREY, INK, PAPER, RULE

from finished import of_html

WIDTH, HEIGHT, EDGE = 1200, 630, 56
FIGURE = (600, 500)  # as wide and as high as a figure may be
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
FIRST = re.compile(r'<img [^>]*src="([^"]*_images/[^"]*\.(svg|png))"')
NO_FIGURE = re.compile(r"chapter_map|_images/(mathtext|icon)")
SAID = re.compile(r'<meta property="og:(title|description)" content="([^"]*)"')
PNG = "data:image/png;base64,"
SVG = re.compile(r"<svg\b[^>]*>", re.DOTALL)
SENTENCE = re.compile(r"(?<=[.?!])\s+")
SIZE = re.compile(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"')


@of_html
def draw_all(app):
    if not app.config.html_baseurl:
        return
    for page in sorted(app.env.found_docs):
        path = Path(app.outdir) / app.builder.get_target_uri(page)
        text = path.read_text("utf-8")
        said = {kind: html.unescape(content) for kind, content in SAID.findall(text)}
        svg = card(said["title"], said["description"], app.config.html_title, figure(path, text))
        target = Path(app.outdir) / card_of(page)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(png(svg))


def card_of(page):
    """Where the card of a page lies in the site."""
    return f"_static/cards/{page.replace('/', '-')}.png"


def figure(path, text):
    """The first figure of a page, as text of an SVG file, with its size."""
    for found in FIRST.finditer(text):
        if NO_FIGURE.search(found[1]):
            continue
        data = (path.parent / found[1]).read_bytes()
        if found[2] == "png":
            width, height = (int.from_bytes(data[k : k + 4], "big") for k in (16, 20))
            picture = base64.b64encode(data).decode()
            inside = f'<image width="{width}" height="{height}" href="{PNG}{picture}"/>'
            return f'viewBox="0 0 {width} {height}"', (width, height), inside
        svg = data.decode()
        size = SIZE.search(svg)
        if size:
            inside = svg[SVG.search(svg).end() : svg.rindex("</svg>")]
            return size[0], tuple(map(float, size.groups())), inside
    return None


def card(title, description, book, figure=None):
    """The card as text of an SVG file."""
    parts, letters, (large, small) = [], 19, (48, 28)
    if not figure:
        letters, (large, small) = 27, (68, 38)
    if figure:
        view, (width, height), inside = figure
        scale = min(FIGURE[0] / width, FIGURE[1] / height)
        x, y = WIDTH - EDGE / 2 - scale * width, (HEIGHT - scale * height) / 2
        parts.append(
            f'<svg x="{x:.0f}" y="{y:.0f}" width="{scale * width:.0f}" '
            f'height="{scale * height:.0f}" {view}>{inside}</svg>'
        )
    y = 72 + large
    for lines, size, colour in (
        (textwrap.wrap(title, letters)[:4], large, INK),
        (textwrap.wrap(SENTENCE.split(description)[0], 1.6 * letters)[:5], small, GREY),
    ):
        for line in lines:
            parts.append(
                f'<text x="{EDGE}" y="{y}" font-size="{size}" fill="{colour}">'
                f"{html.escape(line)}</text>"
            )
            y += round(1.35 * size)
        y += 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="DejaVu Sans">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>{"".join(parts)}'
        f'<path d="M{EDGE} 556h{500 if figure else WIDTH - 2 * EDGE}" stroke="{RULE}"/>'
        f'<text x="{EDGE}" y="590" font-size="22" fill="{INK}">{html.escape(book)}</text></svg>'
    )


def png(svg):
    """The card as a PNG file, with the one typeface that every environment of the book has."""
    return resvg_py.svg_to_bytes(
        svg_string=svg,
        width=WIDTH,
        height=HEIGHT,
        skip_system_fonts=True,
        font_files=[str(FONTS / name) for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")],
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
    )


def setup(app):
    app.connect("build-finished", draw_all, priority=200)  # while figures are files
    return {"parallel_read_safe": True, "parallel_write_safe": True}
