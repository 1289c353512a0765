"""Copy the front page's figure out of its executed notebook, for the README.

Usage: python tools/readme_picture.py
"""

import base64
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "book" / "_static" / "question.png"


def front_picture():
    """The first picture that the front page shows, as the bytes of a PNG file."""
    notebook = json.loads((ROOT / "book" / "index.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                return base64.b64decode(output["data"]["image/png"])
    raise SystemExit("book/index.ipynb shows no picture: run it with make execute first.")


if __name__ == "__main__":
    PICTURE.write_bytes(front_picture())
