"""Say whether this commit and its built book may be published: a sentence for each reason why not.

::

    python tools/publishable.py                this commit
    python tools/publishable.py _build/html    and the book that was built from it

A published page tells its readers what to install. So the address must be ours and not the
placeholder's, the tag must be that of this very commit, and a page loads nothing from other hosts.
To build and to test the book, none of this is needed. The workflow runs it before it publishes;
there GITHUB_REPOSITORY says who we are.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from address import OWNED, address, changed, tag
from chapter import ROOT
from check_links import loaded_from_elsewhere

OPENED = re.compile(r"colab\.research\.google\.com/github/([\w.-]+/[\w-]+/blob/[\w.]+)/")


def reasons(root=ROOT, sites=(), publisher=None):
    """Why not: a list of sentences."""
    config, pyproject = ((root / n).read_text("utf-8") for n in ("_config.yml", "pyproject.toml"))
    name, version = address(config), tag(pyproject)
    ours = publisher or "you/minfluence"
    run = f"run python tools/address.py https://github.com/{ours} and commit."
    if not OWNED.fullmatch(name):
        yield f"Expected the address of this repository, got the placeholder {name}: {run}"
    elif publisher and publisher != name:
        yield f"Expected install lines that name {publisher}, got {name}: {run}"
    for path, _ in changed(root):
        yield (
            f"Expected {name} at {version} in {path.relative_to(root)}, got another address or "
            "version: run python tools/address.py and commit."
        )
    if version not in tags_here(root):
        yield (
            f"Expected a commit with the tag {version}, which install lines name, got one without: "
            f"git tag {version}, or set another version in pyproject.toml and run "
            "python tools/address.py."
        )
    for site in sites:
        opened = OPENED.findall((Path(site) / "book" / "index.html").read_text("utf-8"))
        if set(opened) != {f"{name}/blob/{version}"}:
            yield (
                f"Expected pages with a button that opens {name}/blob/{version}, got {opened}: "
                "run make book."
            )
        for page, what in loaded_from_elsewhere(site):
            yield (
                f"Expected a page that loads nothing from other hosts, got {what} in {page}: "
                "install Node.js with npm and build again."
            )


def tags_here(root):
    """Tags of the commit that is checked out."""
    command = ["git", "tag", "--points-at", "HEAD"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.split()


def main(arguments):
    why = list(reasons(ROOT, arguments, os.environ.get("GITHUB_REPOSITORY")))
    print(*why or ["This may be published."], sep="\n")
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
