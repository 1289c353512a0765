"""What chapters print: tables of numbers, and lines that say what holds."""

import numpy as np
import pytest

from minfluence.book.tables import table, table_of_rows
from minfluence.book.ticks import agree, holds


def test_a_table_reads_the_same_as_text_and_as_html():
    shown = table({"example": [24, 2], "change": [-0.3708, 0.2844]}, "+.2f")
    assert repr(shown).splitlines() == ["example  change", "     24   −0.37", "      2   +0.28"]
    for cell in ("example", "change", "24", "2", "−0.37", "+0.28"):
        assert f">{cell}</t" in shown._repr_html_()


def test_each_column_may_have_its_own_format():
    shown = table({"n": [55_000], "h": [0.25]}, specs={"n": ",", "h": ".1%"})
    assert repr(shown).split() == ["n", "h", "55,000", "25.0%"]


def test_words_are_escaped_and_an_empty_place_stays_empty():
    shown = table({"a < b": ["x & y", "z"], "k": [1, None]})
    assert "a &lt; b" in shown._repr_html_() and "x &amp; y" in shown._repr_html_()
    assert shown.rows[1] == ("z", "") and shown.numeric == (False, True)


@pytest.mark.parametrize(
    ("columns", "specs", "saying"),
    [
        ({}, None, "columns of one length"),
        ({"a": [1], "b": [1, 2]}, None, "columns of one length"),
        ({"a": [1]}, {"b": ".2f"}, "specs"),
        ({"a": [np.nan]}, None, "NaN"),
    ],
)
def test_a_table_that_cannot_be_is_refused(columns, specs, saying):
    with pytest.raises(ValueError, match=saying):
        table(columns, specs=specs)


def test_rows_and_columns_make_the_same_table():
    by_rows = table_of_rows(("example", "change"), [(24, -0.3708), (2, 0.2844)], "+.2f")
    assert by_rows == table({"example": [24, 2], "change": [-0.3708, 0.2844]}, "+.2f")


@pytest.mark.parametrize("rows", [[], [(1, 2, 3)], [(1, 2), (1,)]])
def test_rows_that_do_not_fit_the_names_are_refused(rows):
    with pytest.raises(ValueError, match="rows of 2 entries"):
        table_of_rows(("a", "b"), rows)


def test_a_header_without_a_name_is_no_header():
    assert table({"": ["helpful"], "k": [1]})._repr_html_().count("<th ") == 1


def test_what_holds_is_said_and_what_does_not_is_an_error(capsys):
    holds("all solves converged", [True, True])
    assert capsys.readouterr().out == "✓ all solves converged\n"
    with pytest.raises(AssertionError, match="all solves converged"):
        holds("all solves converged", [True, False])


def test_what_agrees_is_said_with_how_closely(capsys):
    agree("by hand and the package", [1.0, 0.0], [1.0, 1e-12], rtol=1e-10)
    assert capsys.readouterr().out == "✓ by hand and the package agree to 1e-10\n"
    agree("prediction and refit", [1.1], [1.0], rtol=0, atol=0.2)
    assert capsys.readouterr().out == "✓ prediction and refit agree to 2e-01\n"
    with pytest.raises(AssertionError, match="by up to 0.1, where the largest is 1"):
        agree("prediction and refit", [1.1], [1.0])
    with pytest.raises(ValueError, match="NaN"):
        agree("prediction and refit", [np.nan], [np.nan])
