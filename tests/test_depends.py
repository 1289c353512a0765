"""Which cell needs which (tools/depends.py)."""

import depends
import pytest
from chapter import code, notebooks, read


def test_a_cell_is_given_if_an_exercise_needs_one_of_its_names():
    before = [
        "import numpy as np",
        "a = np.ones(3)",
        "b = 1",
        "a[0] = 2",
        "def f(x):\n    return x + b",
    ]
    assert depends.needed(before, ["f(3)"]) == [before[2], before[4]]
    assert depends.needed(before, ["a.sum()"]) == [before[0], before[1], before[3]]
    assert depends.needed(before, ["b = 2", "b + 1"]) == []
    assert depends.needed(["c = 1", "c = 2", "c += 1"], ["c"]) == ["c = 2", "c += 1"]


def test_names_inside_functions_and_comprehensions_are_their_own():
    cell = depends.Names(
        "total = sum(i * w for i in range(n))\n\ndef g(u):\n    v = u + c\n    return v"
    )
    assert cell.stored == {"total", "g"}
    assert {"w", "n", "c"} <= cell.loaded and not {"i", "u", "v"} & cell.loaded


# --- cells whose data cannot be had --------------------------------------------------------------


def blocked(*cells):
    return sorted(depends.blocked(cells, lambda name: "gone" if name == "data.mnist" else None))


def test_a_cell_that_asks_for_missing_data_is_blocked_with_what_depends_on_it():
    cells = [
        "X, y = mi.data.two_clouds(40)",
        "Z, z = mi.data.mnist()",
        "mean = Z.mean()",
        "X.mean()",
        "print(mean)",
    ]
    assert blocked(*cells) == [1, 2, 4]
    assert depends.blocked(cells, lambda name: f"no {name}")[4] == "no data.mnist"


@pytest.mark.parametrize(
    "cell", ["from minfluence.book.data import mnist", "mi.data.mnist((1, 7))", "f(data.mnist)"]
)
def test_every_way_to_ask_is_seen(cell):
    assert blocked(cell) == [0]
    assert blocked("mnist = 1", "digits = mnist + 1") == []


def test_a_name_that_is_stored_anew_is_free_again():
    assert blocked("X = mi.data.mnist()", "X = ones(3)", "X.sum()") == [0]
    assert blocked("X = mi.data.mnist()", "X[0] = 1", "X += 1", "X.sum()") == [0, 1, 2, 3]


def test_what_a_blocked_cell_would_have_changed_is_lost():
    assert blocked("found = []", "found.append(mi.data.mnist())", "len(found)") == [1, 2]
    assert blocked("a = ones(3)", "a[0] = mi.data.mnist()", "a = ones(2)", "a.sum()") == [1]


def test_a_function_needs_what_it_loads_when_it_is_called():
    define = "def risk(theta):\n    return [loss(theta, x) for x in X]"
    assert blocked(define, "X = mi.data.mnist()", "risk(0)", "1 + 1") == [1, 2]
    assert blocked("f = lambda: X", "X = mi.data.mnist()", "g = 1", "f()") == [1, 3]
    inside = "def outer():\n    def inner():\n        return X\n    return inner()"
    assert blocked(inside, "def two():\n    return outer()", "X = mi.data.mnist()", "two()") == [
        2,
        3,
    ]


def test_a_generator_that_a_blocked_cell_would_have_drawn_from_is_lost():
    made, drawn = "rng = np.random.default_rng(0)", "a = rng.choice(len(mi.data.mnist()))"
    assert blocked(made, drawn, "rng.random()", made, "rng.random()") == [1, 2]


def test_magic_is_no_syntax_error():
    assert blocked("if missing:\n    %pip install -q x", "!ls", "%matplotlib inline") == []


def test_at_least_half_of_all_cells_need_no_data():
    sources = [code(read(path)["cells"]) for path in notebooks()]
    without = [len(depends.blocked(cells, of_no_data)) for cells in sources]
    assert 2 * sum(without) <= sum(map(len, sources))


def of_no_data(loader):
    """As on a machine without network: only what is made or bundled is there."""
    made = ("data.two_clouds", "data.digits", "data.DataUnavailable")
    return None if loader in made else f"no {loader}"


def test_what_another_package_calls_data_is_no_data_set():
    cell = depends.Names(
        "from torch.utils.data import DataLoader\nfrom minfluence.book.data import mnist"
    )
    assert cell.loaders == {"data.mnist"}
