"""Copy the front page's figure out of its executed notebook, for the README.

Usage: python tools/readme_picture.py
"""

import base64

from chapter import BOOK, outputs, read

PICTURE = BOOK / "_static" / "question.png"


def front_picture():
    """The first picture that the front page shows, as the bytes of a PNG file."""
    for output in outputs(read(BOOK / "index.ipynb")["cells"]):
        if "image/png" in output.get("data", {}):
            return base64.b64decode(output["data"]["image/png"])
    raise SystemExit("book/index.ipynb shows no picture: run it with make execute first.")


if __name__ == "__main__":
    PICTURE.write_bytes(front_picture())
