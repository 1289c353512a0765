"""Every input gets the right number or one clear sentence: the table that make inputs prints."""

import re

import pytest
from chapter import ROOT

pytest.importorskip("torch")
from inputs import PARTS, table  # noqa: E402 - for the objectives of all cases are made of it


@pytest.mark.parametrize("part", PARTS)
def test_every_input_gets_the_right_number_or_one_clear_sentence(part):
    judged = [(case, *table.judge(case)) for case in table.cases_of(part)]
    wrong = [table.line(*row) for row in judged if row[1] not in table.GOOD]
    assert not wrong, "\n".join(wrong)


def test_the_readme_says_how_many_inputs_were_tried():
    total = sum(len(table.cases_of(part)) for part in PARTS)
    (said,) = re.findall(r"\*(.+ inputs .+)\*", (ROOT / "README.md").read_text("utf-8"))
    assert said == table.closing_line(total, total)


def a_case(case):
    return table.judge(case)[0]


def test_what_is_wrong_is_called_wrong():
    def nan(x):
        return x * float("nan")

    right, refused, told = table.right, table.refused, table.told
    assert a_case(right("x", abs, -1.0, expected=1.0)) == "right"
    assert a_case(right("x", abs, -1.0, expected=1.1)) == "WRONG"
    assert a_case(right("x", abs, -1.0, expected=[1.0])) == "WRONG"
    assert a_case(right("x", nan, 1.0, expected=1.0)) == "NAN"
    assert a_case(right("x", int, "one", expected=1.0)) == "CRYPTIC"
    assert a_case(refused("x", abs, -1.0, saying="")) == "WRONG"
    assert a_case(refused("x", nan, 1.0, saying="")) == "NAN"
    assert a_case(refused("x", int, "one", saying="")) == "CRYPTIC"  # not an error of ours
    assert a_case(told("x", abs, -1.0, saying="")) == "WRONG"


def test_only_sentences_of_the_package_about_the_matter_are_clear():
    import numpy as np

    import minfluence as mi

    def singular():
        return mi.cg(np.eye(3) * [1, 2, 3], np.ones(3), max_steps=1)

    negative = -np.eye(2), np.ones(2)
    assert a_case(table.refused("x", mi.direct, *negative, saying="eigenvalue -1")) == "clear"
    assert a_case(table.refused("x", mi.direct, *negative, saying="shape")) == "CRYPTIC"
    assert a_case(table.right("x", mi.direct, *negative, expected=0)) == "CRYPTIC"
    assert a_case(table.warned("x", singular, saying="residual")) == "clear"
    assert a_case(table.warned("x", singular, saying="shape")) == "WRONG"
    assert a_case(table.refused("x", singular, saying="residual")) == "WRONG"
    assert a_case(table.right_or_told("x", singular, expected=0, saying="residual")) == "clear"


def test_an_array_of_the_readers_may_not_change_and_nothing_may_hang(monkeypatch):
    import time

    import numpy as np

    def halve(a):
        a /= 2
        return a

    assert a_case(table.right("x", halve, np.ones(2), expected=[0.5, 0.5])) == "WRONG"
    monkeypatch.setattr(table, "PATIENCE", 0.05)
    assert a_case(table.right("x", time.sleep, 1.0, expected=0)) == "HANG"
