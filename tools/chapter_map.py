"""Draw the map of the chapters, describe it, and list for instructors what each of them is for.

Usage: python tools/chapter_map.py

Title, minutes, needs and objectives are read from each chapter's first lines ("About 45 minutes,
and 20 for the exercises. You need: [chapter 1](01_leave_one_out.ipynb), ..."), so that map and
list say what the chapters say. A test compares.
"""

import re
from typing import NamedTuple
from xml.sax.saxutils import escape

from chapter import BOOK, chapters, read, source

STATIC = BOOK / "_static"
INSTRUCTORS = BOOK / "instructors.md"
INDEX = BOOK / "index.ipynb"
ROW, BOX, PAD = 76, 56, 8
PARTS = [("Part I · The method", 0, 9), ("Part II · Uses", 10, 13), ("Part III · Further", 14, 99)]
TIMES = re.compile(r"\*About (\d+) minutes(?:, and (\d+) for the exercises)?\. You need: (.*)")


class Shape(NamedTuple):
    """How large a map is: pixels, chapters beside one another, pixels of a title."""

    name: str
    width: int
    across: int
    size: int


MAPS = {  # where there is room; and as wide as a phone. `_ext/maps.py` puts both into a page
    STATIC / "chapter_map.svg": Shape("wide", 720, 4, 15),
    STATIC / "chapter_map_narrow.svg": Shape("narrow", 358, 2, 14),
}


class Chapter(NamedTuple):
    """What the first lines of a chapter say."""

    number: int
    name: str
    minutes: int
    exercises: int
    needs: tuple
    stem: str
    objectives: tuple


def first_lines(path):
    """What the first lines of the chapter at `path` say."""
    promise = source(read(path)["cells"][1])
    name = re.match(r"# \d+ · (.+)", promise)[1]
    minutes, exercises, needs = TIMES.search(promise).groups()
    numbers = tuple(int(n) for n in dict.fromkeys(re.findall(r"\]\((\d\d)_", needs)))
    able = promise[promise.index("You will be able to") :]
    objectives = tuple(line[2:].rstrip(",.") for line in able.splitlines() if line.startswith("- "))
    times = int(minutes), int(exercises or 0)
    return Chapter(int(path.name[:2]), name, *times, numbers, path.stem, objectives)


def levels(part):
    """Rows of chapters, each below what it needs from its own part."""
    rows, placed = [], set()
    here = {c.number for c in part}
    waiting = list(part)
    while waiting:
        ready = [c for c in waiting if set(c.needs) & here <= placed]
        rows.append(ready)
        placed |= {c.number for c in ready}
        waiting = [c for c in waiting if c not in ready]
    return rows


def svg(all_chapters, shape):
    """The map as text of an SVG file."""
    marks, centres, y = [], {}, 4
    for title, first, last in PARTS:
        part = [c for c in all_chapters if first <= c.number <= last]
        outside = sorted({n for c in part for n in c.needs if n < first})
        needs = f": needs {_numbers(outside)}" if outside else ""
        marks.append(
            f'<text x="{PAD / 2:g}" y="{y + 18}" class="part">{escape(title + needs)}</text>'
        )
        y += 30
        for row in levels(part):
            for chunk in _chunks(row, shape.across):
                for chapter, x in zip(chunk, _places(len(chunk), shape.width), strict=True):
                    centres[chapter.number] = (x, y)
                    marks.append(_box(chapter, x, y, len(chunk), shape))
                y += ROW
        y += 6
    inside = [(n, c.number) for c in all_chapters for n in c.needs if _same_part(n, c.number)]
    arrows = [_arrow(centres[a], centres[b], shape.name) for a, b in _direct(inside)]
    head = HEAD.format(width=shape.width, height=y, size=shape.size, name=shape.name)
    return "\n".join([head, *arrows, *marks, "</svg>", ""])


def describe(all_chapters):
    """The same for those who cannot see it."""
    said = []
    for c in all_chapters:
        needs = f", needs {_numbers(c.needs)}" if c.needs else ""
        said.append(f"{c.number} {c.name}, {c.minutes} minutes{needs}")
    return "Map of the chapters. " + "; ".join(said) + "."


HEAD = """<svg xmlns="http://www.w3.org/2000/svg" class="chapter-map {name}" text-anchor="middle"
 viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-size="{size}">
<style>.chapter-map {{ font-family: var(--pst-font-family-base, system-ui, sans-serif) }}
.chapter-map text {{ fill: var(--ink, #222222) }}
.chapter-map .part {{ font-weight: bold; text-anchor: start }}
.chapter-map .minutes {{ font-size: 12px; fill: var(--grey, #6b6b6b) }}
.chapter-map rect {{ fill: var(--soft, #f3f4f5); stroke: var(--rule, #c8c8c8) }}
.chapter-map a:is(:hover, :focus-visible) rect {{ stroke: var(--ink, #222222); stroke-width: 3 }}
.chapter-map a {{ text-decoration: none; outline: none }}
.chapter-map .arrow {{ stroke: var(--grey, #6b6b6b); fill: none }}</style>
<marker id="tip-{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6"
 orient="auto"><path d="M0 0L8 4L0 8z" fill="var(--grey, #6b6b6b)"/></marker>"""


def _chunks(row, across):
    """A row in pieces of nearly equal length, none longer than `across`."""
    count = -(-len(row) // across)
    ends = [len(row) * k // count for k in range(count + 1)]
    return [row[a:b] for a, b in zip(ends, ends[1:], strict=False)]


def _places(count, width):
    return [width * (2 * k + 1) / (2 * count) for k in range(count)]


def _box(chapter, x, y, in_row, shape):
    """A chapter: its number, its title and its minutes, and a link to it."""
    width = min(shape.width / in_row - PAD, 240)
    lines = _lines(f"{chapter.number} {chapter.name}", int((width - 8) / (0.53 * shape.size)))
    first = y + (25 if len(lines) == 1 else 18)
    text = [
        f'<text x="{x:g}" y="{first + 17 * k}">{escape(line)}</text>'
        for k, line in enumerate(lines)
    ]
    return "\n".join(
        [
            f'<a href="{chapter.stem}.html">',
            f'<rect x="{x - width / 2:g}" y="{y}" width="{width:g}" height="{BOX}" rx="5"/>',
            *text,
            f'<text x="{x:g}" y="{y + BOX - 6}" class="minutes">{chapter.minutes} min</text>',
            "</a>",
        ]
    )


def _lines(text, letters):
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if len(longer) <= letters or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _arrow(start, end, name):
    (x1, y1), (x2, y2) = start, end
    tip = f'marker-end="url(#tip-{name})"'
    return f'<path class="arrow" {tip} d="M{x1:g} {y1 + BOX}L{x2:g} {y2 - 1}"/>'


def _same_part(a, b):
    return any(first <= a <= last and first <= b <= last for _, first, last in PARTS)


def _direct(pairs):
    """Without those that follow from two others, such as 2 -> 7 from 2 -> 5 -> 7."""
    known = set(pairs)
    return [(a, b) for a, b in pairs if not any((a, m) in known for m, c in pairs if c == b)]


def _numbers(numbers):
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last


def with_objectives(page, all_chapters):
    """The instructors' page with its list of objectives written anew."""
    begin, end = re.findall(r"<!-- .*objectives.* -->", page)
    said = [
        f"**[{c.number} {c.name}]({c.stem}.ipynb)**, {c.minutes} minutes{_more(c)}: "
        f"{'; '.join(c.objectives)}."
        for c in all_chapters
    ]
    before, after = page.split(begin)[0], page.split(end)[1]
    return "\n\n".join([before + begin, *said, end + after])


def _more(chapter):
    return f", and {chapter.exercises} for the exercises" if chapter.exercises else ""


if __name__ == "__main__":
    all_chapters = [first_lines(path) for path in chapters()]
    for path, shape in MAPS.items():
        path.write_text(svg(all_chapters, shape), "utf-8")
    INSTRUCTORS.write_text(with_objectives(INSTRUCTORS.read_text("utf-8"), all_chapters), "utf-8")
    said = f"![{describe(all_chapters)}]("
    index = re.sub(r"!\[Map of the chapters\.[^]]*\]\(", lambda _: said, INDEX.read_text("utf-8"))
    INDEX.write_text(index, "utf-8")
