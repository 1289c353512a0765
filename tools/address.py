"""Write the book's public address wherever it is needed, from the one place where it is set.

::

    python tools/address.py                                  from _config.yml to everywhere else
    python tools/address.py https://github.com/OWNER/NAME    set it there first

The install cells of the chapters, the README, the citation file and the origin of the derived data
then name the same repository; a test compares them. Needs what `make test` installs.
"""

import re
import sys

import yaml
from chapter import ROOT

ADDRESS = re.compile(r"https://github\.com/([\w.-]+/[\w-]+)")
PLACES = re.compile(  # what stands around OWNER/NAME where it means this repository
    r"(git\+https://github\.com/|repository-code: \"?https://github\.com/"
    r"|mybinder\.org/v2/gh/|colab\.research\.google\.com/github/"
    r"|https://github\.com/(?=[\w.-]+/[\w-]+/(?:blob/main|releases/download)/))([\w.-]+/[\w-]+)"
)


def address(config):
    """OWNER/NAME in the text of _config.yml."""
    return ADDRESS.fullmatch(yaml.safe_load(config)["repository"]["url"])[1]


def written(text, name):
    """`text` with OWNER/NAME in all places."""
    return PLACES.sub(rf"\g<1>{name}", text)


def pages(root=ROOT):
    """Files that name the repository, or may."""
    book = root / "book"
    return [
        *sorted(book.glob("*.ipynb")),
        *sorted(book.glob("*.md")),
        *sorted(root.glob("*.md")),
        root / "CITATION.cff",
        root / "minfluence" / "book" / "files.py",
        root / "tests" / "templates" / "chapter.ipynb",
    ]


def main(arguments, root=ROOT):
    config = root / "_config.yml"
    if arguments:
        if not ADDRESS.fullmatch(arguments[0]) or arguments[1:]:
            return f"expected one address like https://github.com/OWNER/NAME, got {arguments}"
        text = config.read_text("utf-8")
        old = f"https://github.com/{address(text)}"
        config.write_text(text.replace(old, arguments[0]), "utf-8")
    name = address(config.read_text("utf-8"))
    for path in pages(root):
        before = path.read_text("utf-8")
        after = written(before, name)
        if after != before:
            path.write_text(after, "utf-8")
            print(f"{path.relative_to(root)}: {name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
