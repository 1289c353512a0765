"""Numbers in columns: a table in notebooks and pages, aligned text in a terminal."""

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minfluence import validate


@dataclass(frozen=True)
class Table:
    """What `table` returns: shown as HTML in a notebook, as aligned text elsewhere."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]

    def __repr__(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for cell, width, number in zip(line, widths, self.numeric, strict=True)
            ).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        def row(cells: tuple[str, ...], tag: str, scope: str = "") -> str:
            made = []
            for cell, number in zip(cells, self.numeric, strict=True):
                # a header without a name would be read to those who listen
                kind, of = (tag, scope) if cell else ("td", "")
                style = "number" if number else "word"
                made.append(f'<{kind}{of} class="{style}">{html.escape(cell)}</{kind}>')
            return "".join(made)

        head = row(self.header, "th", ' scope="col"')
        body = "\n".join(f"<tr>{row(cells, 'td')}</tr>" for cells in self.rows)
        return (
            f'<table class="numbers"><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>'
            "</table>"
        )


def table(
    columns: Mapping[str, Iterable[Any]],
    spec: str = ".3f",
    specs: Mapping[str, str] | None = None,
) -> Table:
    """Put columns side by side, the numbers of each with equally many decimals.

    Parameters
    ----------
    columns : mapping of str to sequence
        Name of each column -> its entries, all of one length. Floats are formatted, integers and
        strings stand as they are; `None` leaves the place empty.
    spec : str
        Format of floats, such as ``".3f"`` or ``"+.4f"``.
    specs : mapping of str to str, optional
        Name of a column -> its own format, also for integers (``","`` sets off the thousands).

    Returns
    -------
    Table
        The last expression of a cell shows it.

    Raises
    ------
    ValueError
        If there are no columns, or their lengths differ, or `specs` names none of them.

    Examples
    --------
    >>> table({"example": [24, 2], "change": [-0.3708, 0.2844]}, "+.2f")
    example  change
         24   −0.37
          2   +0.28
    """
    entries = {name: list(values) for name, values in columns.items()}
    lengths = {len(values) for values in entries.values()}
    if len(lengths) != 1:
        raise ValueError(
            "Expected columns of one length, got "
            f"{ {name: len(values) for name, values in entries.items()} }."
        )
    own = dict(specs or {})
    for name in own:
        validate.one_of("A name in specs", name, tuple(entries))
    for name, values in entries.items():
        validate.finite(name, np.array([value for value in values if _is_number(value)], float))
    texts = [
        [_text(value, own.get(name), spec) for value in values] for name, values in entries.items()
    ]
    numeric = tuple(
        all(value is None or _is_number(value) for value in values) for values in entries.values()
    )
    return Table(tuple(entries), tuple(zip(*texts, strict=True)), numeric)


def table_of_rows(
    names: Iterable[str],
    rows: Iterable[Iterable[Any]],
    spec: str = ".3f",
    specs: Mapping[str, str] | None = None,
) -> Table:
    """Put rows below one another: `table`, for what a loop has collected.

    Parameters
    ----------
    names : sequence of str
        Of the columns.
    rows : sequence of sequences
        One entry for each column, in the order of `names`.
    spec, specs
        As in `table`.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        If there are no rows, or one has more or fewer entries than there are names.

    Examples
    --------
    >>> table_of_rows(("example", "change"), [(24, -0.3708), (2, 0.2844)], "+.2f")
    example  change
         24   −0.37
          2   +0.28
    """
    header, lines = tuple(names), [tuple(row) for row in rows]
    lengths = {len(line) for line in lines}
    if lengths != {len(header)}:
        raise ValueError(
            f"Expected rows of {len(header)} entries, one for each name, got lengths "
            f"{sorted(lengths)}."
        )
    return table(dict(zip(header, zip(*lines, strict=True), strict=True)), spec, specs)


def _text(value: Any, own: str | None, spec: str) -> str:
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        text = format(value, own or spec)
    else:
        text = format(value, own) if own and _is_number(value) else str(value)
    return text.replace("-", "−") if _is_number(value) else text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
