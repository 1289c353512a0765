"""Copy a figure of chapter 2 out of its executed notebook, for the README.

Usage: python tools/readme_picture.py
"""

from chapter import BOOK, outputs, read

PICTURE = BOOK / "_static" / "question.svg"
CELL = "cell-12"  # predicted against actual changes, for the forty points


def figure():
    """The first picture of that cell, as the text of an SVG file."""
    cells = read(BOOK / "02_upweighting.ipynb")["cells"]
    for output in outputs([cell for cell in cells if cell["id"] == CELL]):
        if "image/svg+xml" in output.get("data", {}):
            return "".join(output["data"]["image/svg+xml"])
    raise SystemExit("Chapter 2 shows no such picture: run it with make execute first.")


if __name__ == "__main__":
    PICTURE.write_text(figure(), "utf-8")
