"""Let tables and identifiers fit where they stand.

A table whose words are wider than a phone is marked there as one to be stacked: each row becomes a
block of lines, and each line says which column it is. Identifiers may be broken after a point, an
underscore or a bracket, so that they need not be broken inside a word.
"""

import html
import re

from finished import change_pages, of_html

TABLE = re.compile(r'<table class="table">.*?</table>', re.DOTALL)
ROW = re.compile(r"<tr\b.*?</tr>", re.DOTALL)
CELL = re.compile(r"<(t[dh])\b([^>]*)>(.*?)</\1>", re.DOTALL)
FORMULA = re.compile(r"\\\((.*?)\\\)", re.DOTALL)
CODE = re.compile(r'(<span class="pre">)([^<]*)(</span>)')
BREAK = re.compile(r"((?<=\w)_|[.,(\[/=])(?=[\w(\[])")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PHONE = 38  # letters beside one another, two of them between columns
LONG = 10  # letters of an identifier that is left whole


@of_html
def mend(app):
    change_pages(
        app,
        lambda page, path: TABLE.sub(lambda table: stacked(table[0]), CODE.sub(breakable, page)),
    )


def breakable(code):
    """An identifier with its places to break."""
    name = code[2]
    return code[1] + (BREAK.sub(r"\1<wbr>", name) if len(name) > LONG else name) + code[3]


def stacked(table):
    """The table, marked where a phone cannot show its columns beside one another."""
    head, *rows = [CELL.findall(row) for row in ROW.findall(table)]
    if len({len(cells) for cells in [head, *rows]}) > 1 or "<th" not in table:
        return table
    columns = zip(*[head, *rows], strict=True)
    needed = sum(max(longest(content) for _, _, content in column) + 2 for column in columns)
    if needed <= PHONE:
        return table
    names = [html.escape(text(FORMULA.sub(_plain, content))) for _, _, content in head]
    labelled = ROW.sub(lambda row: _with_labels(row[0], names), table)
    return labelled.replace('class="table', 'class="stack table', 1)


def longest(content):
    """Letters of the longest part of a cell that is not broken."""
    return max((len(part) for part in re.split(r"\s+|\u200b", text(content))), default=0)


def text(content):
    """The words of a cell; a formula is one word."""
    content = FORMULA.sub(_formula, content).replace("<wbr>", "\u200b")
    return html.unescape(re.sub(r"<[^>]*>", "", content)).strip()


def _formula(tex):
    """As many letters as a formula is wide."""
    return "x" * len(re.sub(r"[{}\s^_&\\]", "", re.sub(r"\\[a-zA-Z]+", "x", tex[1])))


def _plain(tex):
    """A small formula without TeX."""
    said = re.sub(r"\^\{?(-?\d)\}?", lambda power: power[1].translate(RAISED), tex[1])
    said = said.replace(r"\ell", "ℓ")
    return re.sub(r"\\text|\\[,;! ]|[{}\\]", "", said)


def _with_labels(row, names):
    if "<th" in row:
        return row
    label = iter(names)

    def labelled(cell):
        name = next(label)
        said = f' data-label="{name}"' if name and text(cell[3]) else ""
        return f"<{cell[1]}{cell[2]}{said}>{cell[3]}</{cell[1]}>"

    return CELL.sub(labelled, row)


def setup(app):
    app.connect("build-finished", mend, priority=450)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
