"""The public address is set once, in _config.yml, and is the same wherever it is written.

So is the version, in pyproject.toml, whose tag install lines name.
"""

import re
import shutil
from pathlib import Path

import address

ROOT = Path(__file__).resolve().parents[1]


def copy_of_the_sources(folder):
    for path in [*address.pages(), ROOT / "_config.yml", ROOT / "pyproject.toml"]:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return folder


def test_our_address_is_the_same_wherever_it_is_written():
    name = address.address((ROOT / "_config.yml").read_text("utf-8"))
    assert not address.changed(), "run python tools/address.py"
    for path in address.pages():
        if path.suffix in (".ipynb", ".cff", ".py") or path.name == "README.md":
            assert f"https://github.com/{name}" in path.read_text("utf-8"), path.name


def test_all_install_lines_name_the_tag_of_this_version():
    version = address.tag((ROOT / "pyproject.toml").read_text("utf-8"))
    for path in address.pages():
        lines = re.findall(r"git\+https://github\.com/\S*?(?=[\\\"'\s])", path.read_text("utf-8"))
        assert all(line.endswith(f"@{version}") for line in lines), path.name
        assert lines or path.suffix != ".ipynb", f"{path.name} cannot be run on Colab"


def test_nobody_can_own_the_placeholder():
    """GitHub's names begin with a letter or a digit; what cannot exist cannot be installed."""
    name = address.address((ROOT / "_config.yml").read_text("utf-8"))
    assert address.OWNED.fullmatch(name) or name.startswith("_")


def test_a_new_version_reaches_every_install_line(tmp_path):
    root = copy_of_the_sources(tmp_path)
    pyproject = (root / "pyproject.toml").read_text("utf-8")
    old = address.tag(pyproject)
    (root / "pyproject.toml").write_text(pyproject.replace(f'"{old[1:]}"', '"9.1.0rc1"'), "utf-8")
    assert address.main([], root) is None
    assert not address.changed(root)
    for path in sorted((root / "book").glob("*.ipynb")):
        text = path.read_text("utf-8")
        assert "minfluence@v9.1.0rc1\\" in text and f"@{old}" not in text
    assert "version: 9.1.0rc1" in (root / "CITATION.cff").read_text("utf-8")
    assert "branch: v9.1.0rc1" in (root / "_config.yml").read_text("utf-8")


def test_a_new_address_reaches_every_place_and_nothing_else_changes(tmp_path, capsys):
    root = copy_of_the_sources(tmp_path)
    assert address.main(["https://github.com/some-one/new_book"], root) is None
    assert "README.md" in capsys.readouterr().out.splitlines()
    old = address.address((ROOT / "_config.yml").read_text("utf-8"))
    for path in [*address.pages(root), root / "_config.yml"]:
        before = (ROOT / path.relative_to(root)).read_text("utf-8")
        after = path.read_text("utf-8")
        assert f"/{old}" not in after
        assert after.replace("some-one/new_book", old) == before


def test_what_is_no_address_is_refused_and_nothing_is_written(tmp_path):
    root = copy_of_the_sources(tmp_path)
    before = (root / "_config.yml").read_text("utf-8")
    for wrong in (
        *("github.com/a/b", "https://github.com/a", "https://gitlab.com/a/b"),
        *("https://github.com/OWNER/NAME", "https://github.com/_OWNER_/minfluence"),
    ):
        assert "expected one address like" in address.main([wrong], root)
    assert (root / "_config.yml").read_text("utf-8") == before
