"""The two commands as a stranger meets them (tools/newcomer.py), and what the README says."""

import re
import sys

import depends
import newcomer
import pytest
from chapter import code, notebooks, read
from test_depends import of_no_data

README = newcomer.README.read_text("utf-8")


def test_a_command_sees_nothing_of_the_user(tmp_path, monkeypatch):
    for name in ("MINFLUENCE_DATA", "PYTHONPATH", "PIP_CACHE_DIR", "VIRTUAL_ENV", "MAKEFLAGS"):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://example.org/simple")
    seen = newcomer.environment(tmp_path)
    assert seen["HOME"] == str(tmp_path) and "PATH" in seen
    assert seen["PIP_EXTRA_INDEX_URL"] == "https://example.org/simple"
    assert "mine" not in seen.values()


@pytest.mark.parametrize(
    ("prints", "status", "good"),
    [
        ("build succeeded.", 0, True),
        ("\x1b[01mbuild succeeded.\x1b[0m", 0, True),
        ("build succeeded.", 1, False),
        ("build finished with problems, 4 warnings.", 0, False),
        ("nothing to be done", 0, False),
    ],
)
def test_a_command_succeeds_if_it_prints_its_closing_line(tmp_path, prints, status, good):
    transcript, code = [], f"print({prints!r}); raise SystemExit({status})"
    command = [sys.executable, "-c", code]
    closing = newcomer.COMMANDS["make book"]
    assert newcomer.tried(command, closing, tmp_path, tmp_path, transcript) == good
    assert ("build succeeded." in transcript) == ("succeeded" in prints)
    assert transcript[0].startswith("$ ") and ("failed with 1" in transcript[-1]) == (status == 1)


@pytest.mark.parametrize(
    "line", ["=== 4331 passed, 19 skipped in 199.30s (0:03:19) ===", "== 2 failed in 1.2s =="]
)
def test_the_closing_line_of_pytest_is_known(line):
    assert newcomer.COMMANDS["make test"].search(line)[1] == line.strip("= ")


def test_what_pip_and_npm_fetch_is_counted(tmp_path):
    (tmp_path / "here.whl").write_bytes(bytes(3_000_000))
    (tmp_path / "pip.log").write_text(
        "  Downloading scipy-1.17.1-cp311.whl (35.2 MB)\n  Downloading six-1.17.0.whl (11 kB)\n"
        f"Processing {tmp_path}/here.whl\nCollecting numpy\n"
    )
    packages = tmp_path / ".npm" / "_cacache" / "content"
    packages.mkdir(parents=True)
    (packages / "katex").write_bytes(bytes(2_000_000))
    assert newcomer.fetched(tmp_path) == pytest.approx(40.211e6)
    assert newcomer.fetched(tmp_path / "nowhere") == 0


def test_the_readme_shows_the_transcript_of_both_commands():
    shown = newcomer.BLOCK.search(README)[0]
    assert re.findall(r"(?m)^\$ (.*)", shown) == list(newcomer.COMMANDS)
    assert len(re.findall(r"(?m)^# \d+ MB fetched, \d+ minutes$", shown)) == 2
    assert "build succeeded." in shown and "failed" not in shown


def test_the_readme_says_how_many_cells_need_no_data():
    sources = [code(read(path)["cells"]) for path in notebooks()]
    without = sum(len(depends.blocked(cells, of_no_data)) for cells in sources)
    total = sum(map(len, sources))
    assert f"the {total - without} of {total} cells" in README
    (cells,) = re.findall(
        r"(?m)^(\d+) passed, (\d+) skipped in [^,]*$", newcomer.BLOCK.search(README)[0]
    )
    assert tuple(map(int, cells)) == (total - without, without)
