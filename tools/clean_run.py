"""Run every chapter, top to bottom, in an environment that holds nothing but what readers get.

::

    python tools/clean_run.py binder                 only what binder/ says is installed
    python tools/clean_run.py colab                  ipywidgets 7.7.1, and the package is missing:
                                                     the chapter's own first cell installs it
    python tools/clean_run.py binder book/index.ipynb

The environment is made anew in ``_build/clean``; nothing of this one is seen from there. Prints
seconds for each chapter, and exits with 1 if one of them fails. On Colab the chapters would fetch
the package from its public address; here git hands them the last commit of this folder instead,
under the tag that they ask for.
"""

import argparse
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from address import address, tag
from chapter import ROOT, notebooks, read
from execute import executed, stderr_lines
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

INSTALLED = {  # before the first cell of a chapter is run
    # the image of Binder has a kernel
    "binder": [
        "pip install -r binder/requirements.txt",
        "pip install ipykernel",
        "binder/postBuild",
    ],
    # what Colab is reported to bring, as far as the chapters notice
    "colab": [
        "pip install ipykernel<7 ipywidgets==7.7.1 numpy scipy matplotlib scikit-learn",
        "pip install torch==2.13.0",
    ],
}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("like", choices=INSTALLED)
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all in book/")
    parser.add_argument("--jobs", type=int, default=2, help="chapters at a time")
    options = parser.parse_args(arguments)
    paths = sorted(options.notebooks or notebooks())
    paths.sort(key=lambda path: path.stem != "index")  # short, and so the one to go alone

    environment(options.like)
    first, rest = paths[:1], paths[1:]  # the first one may install the package for all
    failed = [path for path in first if not run(path)]
    with multiprocessing.Pool(options.jobs) as pool:
        ran = pool.map(run, rest, chunksize=1)
    failed += [path for path, good in zip(rest, ran, strict=True) if not good]
    print(f"like {options.like}: {len(paths)} notebooks, {len(failed)} failed")
    return 1 if failed else 0


def environment(like):
    """Make it, and let ``python3`` among the kernels mean this one."""
    folder = ROOT / "_build" / "clean" / like
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    seen = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "PIP_QUIET": "1"}
    for command in INSTALLED[like]:
        subprocess.run(command.split(), cwd=ROOT, env={**os.environ, **seen}, check=True)
    # the kernel that comes with ipykernel is called "python", whichever that may be: name this one
    register = [python, "-m", "ipykernel", "install", "--prefix", folder]
    subprocess.run(register, check=True, stdout=subprocess.DEVNULL)
    os.environ["CLEAN_PYTHON"] = str(python)
    os.environ["JUPYTER_PATH"] = str(folder / "share" / "jupyter")
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # two at a time
    home = at_home(ROOT / "_build" / "clean" / "home.git")
    os.environ["GIT_CONFIG_COUNT"] = "1"
    os.environ["GIT_CONFIG_KEY_0"] = f"url.{home.as_uri()}.insteadOf"
    name = address((ROOT / "_config.yml").read_text("utf-8"))
    os.environ["GIT_CONFIG_VALUE_0"] = f"https://github.com/{name}"


def at_home(folder):
    """A repository in `folder` whose tag for this version is the last commit of ours."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", "--bare", ROOT, folder], check=True)
    version = tag((ROOT / "pyproject.toml").read_text("utf-8"))
    name_it = ["git", "-C", folder, "tag", "--force", version, "HEAD"]
    subprocess.run(name_it, check=True, stdout=subprocess.DEVNULL)
    return folder


def has(module):
    """Whether the environment can import a module."""
    look = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    return subprocess.run([os.environ["CLEAN_PYTHON"], "-c", look]).returncode == 0


def run(path):
    """Execute one notebook, saving nothing; say how long it took, or where it failed."""
    needs = read(path)["metadata"].get("minfluence", {}).get("modules", [])
    missing = [name for name in needs if not has(name)]
    if missing:
        print(f"{path.stem}: skipped, it says that it needs {' and '.join(missing)}", flush=True)
        return True
    start = time.perf_counter()
    try:
        after = executed(path.read_text("utf-8"), folder=path.resolve().parent)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
        print(f"{path.stem}: failed\n{plain}", flush=True)
        return False
    print(f"{path.stem}: {time.perf_counter() - start:.0f} s", flush=True)
    for line in stderr_lines(after):
        print(f"{path.stem}: {line}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
