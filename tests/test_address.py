"""The public address is set once, in _config.yml, and is the same wherever it is written."""

import shutil
from pathlib import Path

import address

ROOT = Path(__file__).resolve().parents[1]


def copy_of_the_sources(folder):
    for path in [*address.pages(), ROOT / "_config.yml"]:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return folder


def test_our_address_is_the_same_wherever_it_is_written():
    name = address.address((ROOT / "_config.yml").read_text("utf-8"))
    for path in address.pages():
        text = path.read_text("utf-8")
        assert address.written(text, name) == text, f"{path.name}: run python tools/address.py"
        if path.suffix in (".ipynb", ".cff", ".py") or path.name == "README.md":
            assert address.PLACES.search(text), f"{path.name} does not say where the book lives"


def test_a_new_address_reaches_every_place_and_nothing_else_changes(tmp_path, capsys):
    root = copy_of_the_sources(tmp_path)
    assert address.main(["https://github.com/some-one/new_book"], root) is None
    assert "README.md: some-one/new_book" in capsys.readouterr().out
    old = address.address((ROOT / "_config.yml").read_text("utf-8"))
    for path in [*address.pages(root), root / "_config.yml"]:
        before = (ROOT / path.relative_to(root)).read_text("utf-8")
        after = path.read_text("utf-8")
        assert f"/{old}" not in after
        assert after.replace("some-one/new_book", old) == before


def test_what_is_no_address_is_refused_and_nothing_is_written(tmp_path):
    root = copy_of_the_sources(tmp_path)
    before = (root / "_config.yml").read_text("utf-8")
    for wrong in ("github.com/a/b", "https://github.com/a", "https://gitlab.com/a/b"):
        assert "expected one address like" in address.main([wrong], root)
    assert (root / "_config.yml").read_text("utf-8") == before
