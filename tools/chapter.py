"""Read the book's notebooks as they are saved: where they lie, and what their cells hold.

A cell is a dictionary, as in the file; one that nbformat has read will do as well.
"""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"


def notebooks():
    """Paths of all notebooks, in order."""
    return sorted(BOOK.glob("*.ipynb"))


def chapters(number="[0-9][0-9]"):
    """Paths of the numbered chapters, in order; given a number such as "02", of this one only."""
    return sorted(BOOK.glob(f"{number}_*.ipynb"))


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
