"""What the README promises: its code runs as printed, its picture is the front page's."""

import re

import numpy as np
import pytest
import readme_picture
from chapter import BOOK, ROOT

import minfluence as mi

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


def test_the_readmes_first_example_runs(monkeypatch, capsys):
    monkeypatch.setattr(mi.data, "mnist", mi.data.digits)  # bundled, so that this needs no network
    exec(BLOCKS[0], {})  # noqa: S102
    assert "Pearson" in capsys.readouterr().out


def test_a_readers_own_network_runs_as_the_readme_shows(capsys):
    X, y = mi.data.two_clouds(40, rng=2)
    X_test, y_test = mi.data.two_clouds(10, rng=3)
    names = {"mi": mi, "np": np, "X": X[:, :2], "y": y, "X_test": X_test[:, :2], "y_test": y_test}
    exec(BLOCKS[1], names)  # noqa: S102
    assert len([line for line in BLOCKS[1].splitlines() if line]) == 10  # "in ten lines"
    found = mi.agreement(names["change"], names["actual"])
    assert found.pearson > 0.9  # a network, and one example is 2.5 % of the data
    assert str(found) in capsys.readouterr().out


def test_the_instructors_ten_lines_for_other_data_run():
    page = (BOOK / "instructors.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len([line for line in block.splitlines() if line]) <= 10
    names = {}
    exec(block, names)
    objective = mi.LinearObjective(mi.models.logistic, names["X"], names["y"], l2=0.01)
    helpful, _ = mi.Influence(objective, mi.fit(objective).theta).top(
        names["x_test"], names["y_true"]
    )
    assert len(helpful) == 5


def test_the_readmes_picture_is_that_of_chapter_2():
    picture = readme_picture.PICTURE.read_text("utf-8")
    assert picture == readme_picture.figure(), "run tools/readme_picture.py"


@pytest.mark.parametrize("name", ["benchmarks", "ARCHITECTURE.md", "CONTRIBUTING.md", "LICENSE"])
def test_what_the_readme_links_to_exists(name):
    assert (ROOT / name).exists()
