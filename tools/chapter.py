"""Read the book's notebooks as they are saved: where they lie, and what their cells hold.

A cell is a dictionary, as in the file; one that nbformat has read will do as well.
"""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"


def notebooks():
    """Paths of all notebooks, in order."""
    return sorted(BOOK.glob("*.ipynb"))


def pages(number="[0-9][0-9]"):
    """Paths of all pages of the numbered chapters, each chapter before its "Going deeper" pages."""
    found = BOOK.glob(f"{number}_*.ipynb")
    return sorted(found, key=lambda path: (path.name[:2], goes_deeper(path), path.name))


def chapters(number="[0-9][0-9]"):
    """Paths of the numbered chapters, in order; given a number such as "02", of this one only."""
    return [path for path in pages(number) if not goes_deeper(path)]


def goes_deeper(path):
    """Whether a page goes deeper into a chapter than the chapter itself."""
    return path.stem.endswith("_deeper")


def words(cells):
    """How many words the text of these cells has; a formula counts as its parts."""
    return sum(len(source(cell).split()) for cell in cells if cell["cell_type"] == "markdown")


def read(path):
    """The notebook at `path`."""
    return json.loads(path.read_text("utf-8"))


def source(cell):
    """Text of a cell, however it is stored."""
    return "".join(cell["source"])


def tags(cell):
    """Tags of a cell."""
    return cell["metadata"].get("tags", [])


def code(cells):
    """Sources of those cells that are code."""
    return [source(cell) for cell in cells if cell["cell_type"] == "code"]


def outputs(cells):
    """Outputs of all these cells, in order."""
    return [output for cell in cells for output in cell.get("outputs", [])]


def widgets(notebook):
    """Models of all widgets that a notebook carries, by their ids."""
    return notebook["metadata"].get("widgets", {}).get(STATE, {}).get("state", {})
