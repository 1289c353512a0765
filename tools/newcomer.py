"""Try the two commands as somebody does who has nothing but Python, make and git.

::

    python3 tools/newcomer.py                          the last commit, with python3
    python3 tools/newcomer.py --python python3.13
    python3 tools/newcomer.py --site _build/html       keep the built book there
    python3 tools/newcomer.py --write                  put the transcript into the README

The commit is cloned into a temporary folder with nothing beside it. Of this machine the commands
see PATH, the language, and how to reach the package registries; the home folder is empty, and no
data can be found. Prints a transcript: what each command fetched, how long it took, and its closing
line. Exits with 1 if one of them fails or prints none.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"(?m)^\$ make book\n(?s:.*?)(?=\n```)")  # the transcript in the README
# How installers reach their registries, and what they trust: the machine's, not the user's.
KEPT = re.compile(r"PATH|LANG|(PIP|NPM_CONFIG|SSL|NODE_EXTRA)_\w+|\w+_CA_BUNDLE|\w+_(proxy|PROXY)")
LEFT_OUT = re.compile(r"PIP_(CACHE_DIR|NO_CACHE_DIR|LOG|QUIET|VERBOSE)")
COMMANDS = {  # and what their closing line looks like
    "make book": re.compile(r"^(build succeeded.*)"),
    "make test": re.compile(r"^=+ (.*(?:passed|failed|error).* in [\d.]+s.*?) =+$"),
}
FETCHED = re.compile(r"Downloading \S+ \(([\d.]+) (bytes|kB|MB|GB)\)")
FOUND_HERE = re.compile(r"Processing (/\S+\.whl)")
UNITS = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default="python3", help="the interpreter that make uses")
    parser.add_argument("--site", type=Path, help="where the built book goes (default: nowhere)")
    parser.add_argument("--write", action="store_true", help="put the transcript into the README")
    options = parser.parse_args(arguments)
    transcript = []
    with tempfile.TemporaryDirectory(prefix="newcomer-") as folder:
        clone, home = Path(folder) / "minfluence", Path(folder) / "home"
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        more = [] if options.python == "python3" else [f"PYTHON={options.python}"]
        good = all(
            tried([*command.split(), *more], closing, clone, home, transcript)
            for command, closing in COMMANDS.items()
        )
        if good and options.site:
            shutil.rmtree(options.site, ignore_errors=True)
            shutil.copytree(clone / "_build" / "html", options.site)
    print(*transcript, sep="\n")
    if good and options.write:
        README.write_text(BLOCK.sub("\n".join(transcript), README.read_text("utf-8")), "utf-8")
    return 0 if good else 1


def environment(home):
    """What a command sees of this machine."""
    kept = {k: v for k, v in os.environ.items() if KEPT.fullmatch(k) and not LEFT_OUT.fullmatch(k)}
    ours = {"HOME": str(home), "PIP_LOG": str(home / "pip.log"), "PIP_PROGRESS_BAR": "off"}
    return kept | ours


def tried(command, closing, clone, home, transcript):
    """Run one command and add it to the transcript; whether it printed what it should."""
    before, start, output = fetched(home), time.monotonic(), []
    running = subprocess.Popen(
        command,
        cwd=clone,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    for line in running.stdout:
        print(line, end="", file=sys.stderr, flush=True)
        output.append(re.sub(r"\x1b\[[0-9;]*m", "", line).strip())
    status, passed = running.wait(), time.monotonic() - start
    last = [found[1] for line in output if (found := closing.search(line))]
    transcript += [
        f"$ {' '.join(command)}",
        *last,
        f"# {(fetched(home) - before) / 1e6:.0f} MB fetched, {passed / 60:.0f} minutes",
    ]
    if status:
        transcript += [f"# failed with {status}"]
    return not status and bool(last)


def fetched(home):
    """Bytes that pip and npm have fetched; a package that lies on this machine counts as well."""
    log, packages = home / "pip.log", home / ".npm" / "_cacache"
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    sizes = [float(size) * UNITS[unit] for size, unit in FETCHED.findall(text)]
    sizes += [Path(path).stat().st_size for path in FOUND_HERE.findall(text)]
    sizes += [path.stat().st_size for path in packages.rglob("*") if path.is_file()]
    return sum(sizes)


if __name__ == "__main__":
    sys.exit(main())
