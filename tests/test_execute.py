"""How chapters are executed and saved (tools/execute.py), and which are skipped (conftest.py)."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SLOWLY = "import time; print('one', flush=True); time.sleep(0.3); print('two')"
WIDGET = """\
import matplotlib.pyplot as plt
from minfluence.book.widgets import frames

def draw(k):
    figure, ax = plt.subplots(figsize=(1, 1))
    ax.plot([0, k])
    return figure
"""
SHOW = "frames(draw, {'a': [1, 2]}, alt='Up to {}.'.format)"


def write(path, *sources, **metadata):
    """Notebook as an editor might leave it: old format, no ids, traces of an earlier run."""
    traces = {"execution": {"iopub.execute_input": "2024-01-01"}}
    code = {"cell_type": "code", "execution_count": 7, "metadata": traces, "outputs": []}
    notebook = {
        "cells": [{**code, "source": source} for source in sources],
        "metadata": {"language_info": {"name": "python", "version": "2.7"}, **metadata},
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def run(*arguments, cwd=ROOT):
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
    )


def execute(*arguments):
    return run(ROOT / "tools" / "execute.py", *arguments)


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    """Text of a chapter before, after one run and after two."""
    path = tmp_path_factory.mktemp("book") / "chapter.ipynb"
    sources = [SLOWLY, WIDGET, SHOW, "draw(3);", SHOW, "frames\nraise KeyError(1)"]
    write(path, *sources)
    notebook = json.loads(path.read_text())
    notebook["cells"][-1]["metadata"]["tags"] = ["raises-exception"]
    path.write_text(json.dumps(notebook))
    texts = [path.read_text(encoding="utf-8")]
    for _ in range(2):
        result = execute(path)
        assert result.returncode == 0, result.stderr
        texts.append(path.read_text(encoding="utf-8"))
    return texts


def test_two_runs_give_the_same_bytes(chapter):
    before, once, twice = chapter
    assert before != once
    assert once == twice
    assert once.endswith("}\n") and not once.endswith("\n\n")


def test_nothing_of_this_run_or_machine_is_kept(chapter):
    notebook = json.loads(chapter[1])
    assert notebook["metadata"].keys() == {"kernelspec", "language_info", "widgets"}
    assert notebook["metadata"]["language_info"] == {"name": "python"}
    assert all("execution" not in cell["metadata"] for cell in notebook["cells"])
    assert notebook["cells"][-1]["outputs"][0]["traceback"] == ["KeyError: 1"]
    assert str(ROOT) not in chapter[1]


def test_prints_that_arrive_in_pieces_are_saved_as_one(chapter):
    (output,) = json.loads(chapter[1])["cells"][0]["outputs"]
    assert output["text"] == ["one\n", "two\n"]


def test_cells_get_ids_and_keep_their_tags(chapter):
    cells = json.loads(chapter[1])["cells"]
    assert [cell["id"] for cell in cells] == [f"cell-{k:02d}" for k in range(6)]
    assert cells[-1]["metadata"] == {"tags": ["raises-exception"]}


def test_widgets_are_numbered_and_complete(chapter):
    notebook = json.loads(chapter[1])
    (widgets,) = notebook["metadata"]["widgets"].values()
    models = widgets["state"]
    assert sorted(models) == [f"{k:032x}" for k in range(1, len(models) + 1)]
    assert set(re.findall("IPY_MODEL_([0-9a-f]{32})", chapter[1])) <= models.keys()
    names = [model["model_name"] for model in models.values()]
    assert (names.count("LinkModel"), names.count("StackModel"), names.count("HTMLModel")) == (
        2,
        2,
        4,
    )
    shown = re.findall('"model_id": "([0-9a-f]{32})"', chapter[1])
    assert [models[model]["model_name"] for model in shown] == ["VBoxModel", "VBoxModel"]


def test_check_changes_nothing_and_names_what_would_change(tmp_path):
    path = write(tmp_path / "chapter.ipynb", "1 + 1", "2 + 2")
    assert execute(path).returncode == 0
    assert execute("--check", path).returncode == 0

    stale = path.read_text().replace('"4"', '"5"')
    path.write_text(stale)
    result = execute("--check", path)
    assert result.returncode == 1
    assert "chapter.ipynb: would change in cell 1\n" in result.stdout
    assert path.read_text() == stale


def test_a_failing_chapter_is_left_as_it_was_and_the_others_run(tmp_path):
    bad = write(tmp_path / "bad.ipynb", "1 + 1", "1 / 0")
    good = write(tmp_path / "good.ipynb", "import sys; print('careful', file=sys.stderr)")
    before = bad.read_text()
    result = execute(bad, good)
    assert result.returncode == 1
    assert bad.read_text() == before
    assert "ZeroDivisionError" in result.stderr
    assert "2 notebooks, 1 changed, 1 failed" in result.stdout
    assert "careful" in good.read_text()
    assert "good.ipynb: cell 0 writes to stderr: careful" in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.ipynb", "good.ipynb"]


@pytest.fixture
def chapters(tmp_path):
    """A folder for chapters that are run under nbval as ours are."""
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    return tmp_path


def test_a_semicolon_hides_the_value_under_nbval_as_it_does_for_readers(chapters):
    write(chapters / "chapter.ipynb", "1 + 1;")
    result = run("-m", "pytest", "--nbval", "-p", "no:cacheprovider", chapters, cwd=chapters)
    assert "1 passed" in result.stdout, result.stdout


def test_cells_without_their_data_are_skipped_with_the_reason_and_the_others_run(chapters):
    package = chapters / "minfluence" / "book"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package.parent / "__init__.py").touch()
    (package / "data.py").write_text(
        "class DataUnavailable(Exception): pass\n"
        "def here(): return 1\n"
        "def gone(): raise DataUnavailable('set MINFLUENCE_DATA.')\n"
    )
    data = "class data:\n    here = int"
    write(chapters / "a.ipynb", data, "x = data.gone()", "x + 1", "y = data.here()", "z = y + 1")
    nowhere = {"name": "no-such-kernel", "display_name": "would fail if it were started"}
    write(
        chapters / "b.ipynb", "from minfluence.book.data import gone", "gone()", kernelspec=nowhere
    )

    command = ["-m", "pytest", "--nbval", "-rs", "-v", "-p", "no:cacheprovider", chapters]
    result = run(*command, cwd=chapters)
    assert "3 passed, 4 skipped" in result.stdout, result.stdout
    assert re.search(r"SKIPPED.*a\.ipynb.*no gone data: set MINFLUENCE_DATA\.", result.stdout)
