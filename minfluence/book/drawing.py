"""A figure of matplotlib's as part of a page: in the page's colours and typeface, with its text."""

import base64
import html
import io
import re

from minfluence.book.style import COLOURS, INK, PAPER

NAMES = {light: name for name, (light, _) in COLOURS.items()}
HEAD = re.compile(r"^.*?<svg\b([^>]*)>", re.DOTALL)
SIZE = re.compile(r'\b(?:width|height)="([\d.]+)pt"')
VIEW = re.compile(r'viewBox="([^"]*)"')
DROPPED = re.compile(
    r'<metadata>.*?</metadata>|<style\b.*?</style>|<!--.*?-->| style="image-rendering:[^"]*"',
    re.DOTALL,
)
GROUP_ID = re.compile(r'<g id="[^"]*"')
COLOUR = re.compile(r"#(?:[0-9a-f]{6}|222|fff)\b")
FACE = re.compile(r"font-family: [^;\"]*;? ?")
TAG = re.compile(r"<[^>]*>")
NUMBER = re.compile(r"(-?\d+\.\d\d)\d+")
PICTURE = re.compile(r'href="data:image/png;base64,([^"]*)"')

FEW_PIXELS = 64  # pictures of fewer are shown as squares, as they are
HEAVY = 4_000  # bytes of a picture that is saved as WebP


def inlined(svg: str, alt: str) -> str:
    """Turn a saved figure into an element of a page.

    Parameters
    ----------
    svg : str
        What ``figure.savefig(..., format="svg")`` writes in the book's style.
    alt : str
        What the figure shows, for those who cannot see it.

    Returns
    -------
    str
        An ``<svg>`` whose colours are the page's variables, whose text has the page's typeface,
        and whose photographs are WebP.
    """
    attributes = HEAD.match(svg)
    if attributes is None:
        raise ValueError(f"Expected the text of an SVG file, got {svg[:40]!r}.")
    width, height = (round(float(points) * 96 / 72) for points in SIZE.findall(attributes[1])[:2])
    body = DROPPED.sub("", svg[attributes.end() :]).replace("\n", " ")
    body = body.replace("xlink:href", "href")
    body = PICTURE.sub(_lighter, GROUP_ID.sub("<g", body))
    body = TAG.sub(lambda tag: NUMBER.sub(r"\1", tag[0]), body)  # never in the text
    body = re.sub(r" {2,}", " ", body)
    body = COLOUR.sub(_variable, FACE.sub("", body))
    view = VIEW.search(attributes[1])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="drawn" role="img" '
        f'aria-label="{html.escape(alt)}" width="{width}" height="{height}" '
        f'viewBox="{view[1] if view else ""}">{body.strip()}'
    )


def sketched(svg: str, alt: str) -> str:
    """Turn a small drawing made by hand into an element of a page.

    Parameters
    ----------
    svg : str
        An SVG file in the book's colours, with a ``viewBox``.
    alt : str
        What the drawing shows.

    Returns
    -------
    str
        The same in the page's colours.
    """
    head = f'<svg class="sketch" role="img" aria-label="{html.escape(alt)}" '
    return COLOUR.sub(_variable, svg.replace("<svg ", head, 1)).replace("\n", "")


def _variable(colour: re.Match) -> str:
    light = {"#000000": INK, "#222": INK, "#fff": PAPER}.get(colour[0], colour[0])
    return f"var(--{NAMES[light]}, {light})" if light in NAMES else light


def _lighter(picture: re.Match) -> str:
    """A photograph as WebP; a picture of few pixels with all of them to be seen."""
    from PIL import Image

    raw = base64.b64decode(picture[1])
    image = Image.open(io.BytesIO(raw))
    kept = f'href="data:image/png;base64,{"".join(picture[1].split())}"'
    if max(image.size) < FEW_PIXELS:
        return f'style="image-rendering: pixelated" {kept}'
    if len(raw) < HEAVY:
        return kept
    small = io.BytesIO()
    image.save(small, format="WEBP", quality=85)
    return f'href="data:image/webp;base64,{base64.b64encode(small.getvalue()).decode()}"'
