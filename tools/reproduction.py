"""Put what was published beside what the chapters found: ``book/results/reproduction.json``.

Usage: python tools/reproduction.py

What was published, and where our number is found, says ``book/results/published.toml``. Every
number of ours is taken from the saved output of the cell that computes it, which the tests run
again and compare; none is written by hand.
"""

import json
import re
import tomllib

from chapter import BOOK, outputs, pages, read

PUBLISHED = BOOK / "results" / "published.toml"
LEDGER = BOOK / "results" / "reproduction.json"


def output(cell):
    """Text that a chapter's cell printed, by the two numbers: "04 27" is cell-27 of chapter 4.

    A table counts as its text. The cell may stand in the chapter itself or on one of its "Going
    deeper" pages.
    """
    chapter, number = cell.split()
    cells = [found for path in pages(chapter) for found in read(path)["cells"]]
    for found in cells:
        if found["id"] == f"cell-{number}":
            return "".join(map(text, outputs([found]))).rstrip("\n")
    raise LookupError(f"Chapter {chapter} has no cell-{number}: name another in {PUBLISHED.name}.")


def text(output):
    """What an output says in a terminal, with the minus sign of a keyboard."""
    shown = output.get("text") or [*output.get("data", {}).get("text/plain", []), "\n"]
    return "".join(shown).replace("−", "-")


def ours(line):
    """Our number, as its chapter printed it."""
    found = re.search(line["pattern"], output(line["cell"]))
    if not found:
        raise LookupError(
            f"{line['what']}: cell-{line['cell']} printed nothing like {line['pattern']}; "
            f"change the pattern in {PUBLISHED.name}."
        )
    return line.get("ours", "{}").format(*found.groups())


def ledger():
    """Every figure with its lines, and our number in each."""
    figures = tomllib.loads(PUBLISHED.read_text("utf-8"))["figure"]
    for figure in figures:
        figure["line"] = [
            {
                "what": line["what"],
                "paper": line.get("paper", ""),
                "release": line.get("release", ""),
                "ours": ours(line),
                "chapter": line["cell"].split()[0],
            }
            for line in figure["line"]
        ]
    return figures


if __name__ == "__main__":
    LEDGER.write_text(json.dumps(ledger(), indent=1, ensure_ascii=False) + "\n", "utf-8")
