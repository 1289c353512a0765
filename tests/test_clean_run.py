"""Chapters in clean environments (tools/clean_run.py); `make binder` makes a real one."""

import json
import subprocess
import sys

import clean_run
import pytest
from chapter import ROOT


@pytest.fixture
def here(monkeypatch):
    """Run in this environment, to save a minute."""
    monkeypatch.setattr(clean_run, "environment", lambda like: None)
    monkeypatch.setenv("CLEAN_PYTHON", sys.executable)


def notebook(path, source, **metadata):
    code = {"cell_type": "code", "id": "a", "execution_count": None, "metadata": {}, "outputs": []}
    cells = [code | {"source": source}]
    path.write_text(
        json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})
    )
    return str(path)


def test_a_chapter_that_fails_is_named_with_its_error(here, tmp_path, capfd):
    good = notebook(tmp_path / "good.ipynb", "1 + 1")
    bad = notebook(tmp_path / "bad.ipynb", "import no_such_module")
    assert clean_run.main(["binder", good, bad]) == 1
    said = capfd.readouterr().out
    assert "good: " in said and "bad: failed" in said and "no_such_module" in said
    assert "2 notebooks, 1 failed" in said


def test_chapters_that_run_pass_and_are_left_as_they_were(here, tmp_path, capfd):
    path = tmp_path / "good.ipynb"
    good = notebook(path, "1 + 1")
    before = path.read_text()
    assert clean_run.main(["colab", good]) == 0
    assert path.read_text() == before


def test_a_chapter_that_says_what_it_needs_is_skipped_without_it(here, tmp_path, capfd):
    needs = {"minfluence": {"modules": ["no_such_module"]}}
    path = notebook(tmp_path / "torchy.ipynb", "import no_such_module", **needs)
    assert clean_run.main(["binder", path]) == 0
    assert "torchy: skipped, it says that it needs no_such_module" in capfd.readouterr().out


def test_ci_calls_only_what_anybody_can_call():
    workflow = (ROOT / ".github" / "workflows" / "book.yml").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    commands = [line.split("run:")[1].strip() for line in workflow.splitlines() if "run: " in line]
    assert commands
    for command in commands:
        target = command.removeprefix("make ").split()[0]
        assert command == ".ci/run" or f"\n{target}:" in makefile


def test_the_tag_that_chapters_install_is_the_last_commit_here(tmp_path):
    def commit(where, name):
        command = ["git", "-C", str(where), "rev-parse", f"{name}^{{commit}}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    home = clean_run.at_home(tmp_path / "home.git")
    version = clean_run.tag((ROOT / "pyproject.toml").read_text("utf-8"))
    assert commit(home, f"refs/tags/{version}") == commit(ROOT, "HEAD")
