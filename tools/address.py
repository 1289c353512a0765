"""Write the book's public address and its version wherever they are needed.

::

    python tools/address.py                                  to wherever they are needed
    python tools/address.py https://github.com/OWNER/NAME    set the address first

The address is set in _config.yml, the version in pyproject.toml. Install lines of the chapters and
of the README then name the same repository and the tag of this version, so that what a reader
installs is what was published with the page, and not what somebody pushes later; buttons lead to
the notebooks of that tag. Tests compare. `_OWNER_` is nobody's: GitHub has no such names.
"""

import re
import sys
import tomllib

from chapter import ROOT

NAME = r"[\w.-]+/[\w-]+"  # OWNER/NAME
ADDRESS = re.compile(rf"https://github\.com/({NAME})")
SET = re.compile(rf"(?m)^(  url: https://github\.com/)({NAME})$")  # in _config.yml
BRANCH = re.compile(r"(?m)^(  branch: )(\S+)")
CITED = re.compile(r"(?m)^(version: )(\S+)")
INSTALL = re.compile(rf"(git\+https://github\.com/)({NAME}(?:@[\w.]*\w)?)")
PLACES = re.compile(  # what stands around OWNER/NAME where it means this repository
    r"(repository-code: \"?https://github\.com/"
    r"|mybinder\.org/v2/gh/|colab\.research\.google\.com/github/"
    rf"|https://github\.com/(?={NAME}/(?:blob/main|releases/download)/))({NAME})"
)
OWNED = re.compile(r"(?!(?i:owner)/)[A-Za-z0-9][\w-]*/.*")  # some repository, not a placeholder


def address(config):
    """OWNER/NAME in the text of _config.yml."""
    return SET.search(config)[2]


def tag(pyproject):
    """The tag that install lines name, from the text of pyproject.toml."""
    return f"v{tomllib.loads(pyproject)['project']['version']}"


def written(text, name, tag):
    """`text` with OWNER/NAME in all places, and the tag where something is installed."""
    return INSTALL.sub(rf"\g<1>{name}@{tag}", PLACES.sub(rf"\g<1>{name}", text))


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


def changed(root=ROOT):
    """(path, text) of every file that does not say what _config.yml and pyproject.toml say."""
    config = (root / "_config.yml").read_text("utf-8")
    name, now = address(config), tag((root / "pyproject.toml").read_text("utf-8"))
    texts = {path: written(path.read_text("utf-8"), name, now) for path in pages(root)}
    texts[root / "CITATION.cff"] = CITED.sub(rf"\g<1>{now[1:]}", texts[root / "CITATION.cff"])
    texts[root / "_config.yml"] = BRANCH.sub(rf"\g<1>{now}", config)
    return [(path, text) for path, text in texts.items() if text != path.read_text("utf-8")]


def main(arguments, root=ROOT):
    if arguments:
        found = ADDRESS.fullmatch(arguments[0])
        if not found or not OWNED.fullmatch(found[1]) or arguments[1:]:
            return f"expected one address like https://github.com/you/minfluence, got {arguments}"
        config, name = root / "_config.yml", found[1]
        config.write_text(SET.sub(rf"\g<1>{name}", config.read_text("utf-8")), "utf-8")
    for path, text in changed(root):
        path.write_text(text, "utf-8")
        print(path.relative_to(root))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
