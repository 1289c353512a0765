"""Write the exact versions that book, tests and Binder install, with checksums of all their files.

::

    python tools/lock.py              what is pinned stays, what is missing is added
    python tools/lock.py --upgrade    everything anew

Needs `uv` (`pip install uv`), which asks your package index. One list serves Python 3.11 to 3.14 on
all systems: markers say which line is for whom, and a line's checksums are those of all files of
its release. What torch brings for GPUs is a list of its own, for machines that take this build;
checksums of the CPU build are written by hand, from the index that has it.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from chapter import ROOT

PYTHON = "3.11.5"  # the oldest: soupsieve wants the fifth release of 3.11
LISTS = {  # file -> extras of pyproject.toml
    "requirements.txt": ["test", "torch"],
    "book/requirements.txt": ["book"],
    "binder/requirements.txt": ["plots"],
}
GPU_LIST = "requirements-torch.txt"
GPU = re.compile(r"(torch|triton|(nvidia|cuda)-[\w-]+)==")
PIN = re.compile(r"(?m)^[\w.-]+==.*\n(?: .*\n)*")  # one requirement, with its checksums
HEADER = """\
# Exact versions with checksums for {purpose}.
# Written by tools/lock.py from pyproject.toml.
"""
PURPOSES = {
    "requirements.txt": "the tests and the tools, but for torch itself",
    "book/requirements.txt": "building the book",
    "binder/requirements.txt": "Binder, before binder/postBuild: light, no book tools, no torch",
    GPU_LIST: "the torch that PyPI has, on Linux with what it needs for GPUs",
}


def main(arguments=None, root=ROOT):
    more = sys.argv[1:] if arguments is None else arguments
    build = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    with tempfile.TemporaryDirectory() as folder:
        done = []  # versions of one list hold for the next
        for name, extras in LISTS.items():
            out = Path(folder) / name.replace("/", "-")
            out.write_text(saved(root, name), "utf-8")
            command = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
            command += ["--no-header", "--no-annotate", f"--python-version={PYTHON}"]
            command += [f"--extra={extra}" for extra in extras]
            command += [part for path in done for part in ("-c", str(path))]
            command += ["-o", str(out), "pyproject.toml", "-", *more]
            subprocess.run(command, cwd=root, input="\n".join(build), text=True, check=True)
            done.append(out)
            write(root, name, PIN.findall(out.read_text("utf-8")))


def saved(root, name):
    """The pins that a list has now; those for tests with torch's."""
    names = [name, GPU_LIST] if "torch" in LISTS[name] else [name]
    paths = [root / part for part in names]
    return "".join(path.read_text("utf-8") for path in paths if path.exists())


def write(root, name, pins):
    """One list, or two if torch is among its pins."""
    for target, mine in ((name, False), (GPU_LIST, True)):
        chosen = [pin for pin in pins if bool(GPU.match(pin)) == mine]
        if chosen:
            text = HEADER.format(purpose=PURPOSES[target]) + "".join(chosen)
            (root / target).write_text(text, "utf-8")
            print(f"{target}: {len(chosen)} versions")


if __name__ == "__main__":
    main()
