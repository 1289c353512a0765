"""How notebooks are read (tools/chapter.py)."""

import json

import chapter

STREAM = {"output_type": "stream", "name": "stdout", "text": ["2\n"]}
CELLS = [
    {"cell_type": "markdown", "source": ["# Title\n", "Text"], "metadata": {}},
    {"cell_type": "code", "source": ["a = 1\n", "a + 1"], "metadata": {}, "outputs": [STREAM]},
    {"cell_type": "code", "source": "b", "metadata": {"tags": ["check"]}, "outputs": []},
]


def test_cells_are_read_however_their_text_is_stored(tmp_path):
    path = tmp_path / "one.ipynb"
    path.write_text(json.dumps({"cells": CELLS, "metadata": {}}), "utf-8")
    cells = chapter.read(path)["cells"]
    assert chapter.source(cells[0]) == "# Title\nText"
    assert chapter.code(cells) == ["a = 1\na + 1", "b"]
    assert [chapter.tags(cell) for cell in cells] == [[], [], ["check"]]
    assert chapter.outputs(cells) == [STREAM]


def test_numbered_chapters_are_found_among_the_notebooks_in_their_order():
    numbers = [int(path.name[:2]) for path in chapter.chapters()]
    assert numbers == list(range(len(numbers)))
    assert set(chapter.chapters()) < set(chapter.notebooks())
    assert [path.name[:3] for path in chapter.chapters("02")] == ["02_"]
    assert chapter.chapters("77") == []
    core, *deeper = chapter.pages("08")
    assert chapter.chapters("08") == [core] and len(deeper) == 2
    assert all(map(chapter.goes_deeper, deeper)) and not chapter.goes_deeper(core)


def test_words_are_counted_in_the_text_alone():
    assert chapter.words(CELLS) == 3
