"""Questions that answer back: Python and the browser say the same, and no wrong one is built."""

import numpy as np
import pytest
from node import in_node

pytest.importorskip("anywidget", reason="anywidget is not installed")

from minfluence.book import questions  # noqa: E402
from minfluence.book.questions import Choice, Number, Tally, readings  # noqa: E402


def choice(**others):
    notes = {"I/n": "Right size, wrong sign.", "−I/n": "", "I": "That is the slope itself."}
    arguments = {"asked": "By *how much*?", "options": notes, "right": "−I/n"}
    return Choice(**arguments | {"because": "Its weight 1/n is taken away."} | others)


def number(value=-0.371, **others):
    return Number("By how much?", value, **{"because": "It helps.", "again": "Why"} | others)


# --- what is said ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "right", "says"),
    [
        ("b", True, "Its weight 1/n is taken away."),
        ("B", True, "Its weight 1/n is taken away."),
        ("−I/n", True, "Its weight 1/n is taken away."),
        ("a", False, "Right size, wrong sign."),
        ("I", False, "That is the slope itself."),
        ("d", False, "Answer with a letter from a to c."),
        ("", False, "Answer with a letter from a to c."),
    ],
)
def test_a_choice_takes_a_letter_or_the_option(answer, right, says):
    assert choice().check(answer) == (right, says)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0.25", [0.25]),
        (" +0.25 ", [0.25]),
        ("0,25", [0.25]),
        (".5", [0.5]),
        ("3.", [3.0]),
        ("−3", [-3.0]),
        ("–3", [-3.0]),
        ("1e-3", [0.001]),
        ("1E+3", [1000.0]),
        ("2 × 10^-3", [0.002]),
        ("2*10^3", [2000.0]),
        ("-1/40", [-0.025]),
        ("0,371", [0.371]),
        ("1,234", [1.234, 1234.0]),
        ("1,234,567.5", [1234567.5]),
        ("1 000", [1000.0]),
        *(
            (text, [])
            for text in ("", "x", "1/0", "1e999", "--1", "1.2.3", "1/2/3", "Infinity", "²")
        ),
        ("37%", []),
        ("0x10", []),
    ],
)
def test_numbers_are_read_as_people_write_them_in_python_and_in_the_browser(text, meant):
    assert readings(text) == meant
    assert in_node(Number, "js.readings(problem)", text) == meant


def test_each_slip_is_named_and_anything_else_gets_a_sentence_too():
    own = "You counted the cross among the examples."
    asked = number(wrong={"n": -0.371 * 40, own: 0.5, "1/n": -0.371 / 40})
    says = {answer: asked.check(answer) for answer in ("-0.37", 0.5, -14.84, -0.0093, 0.371)}
    assert says["-0.37"] == (True, "It helps.")
    assert says[0.5] == (False, own)
    assert says[-14.84] == (False, questions.SLIPS["n"])
    assert says[-0.0093] == (False, questions.SLIPS["1/n"])
    assert says[0.371] == (False, questions.SLIPS["sign"])  # without being named
    assert asked.check("-0.4") == (False, questions.CLOSE)
    assert asked.check("7") == (False, questions.OTHER)
    assert asked.check("-37.1%") == (False, questions.PERCENT)
    assert asked.check("minus") == (False, questions.UNREADABLE)


@pytest.mark.parametrize("value", [0.0, 1.0, -1234.0, 1e-9])
def test_the_browser_says_of_every_number_what_python_says(value):
    asked = number(value, atol=1e-12, wrong={"n": 40 * value + 3, "leverage": 1.5 * value - 1})
    near = value * np.array([-1, 0.979, 0.981, 1, 1.019, 1.021, 1.09, 1.11, 40])
    answers = [f"{v:.12g}" for v in [*near, 1.5 * value - 1, 40 * value + 3]]
    answers += ["-1,234", "1 %", "", "one", "0"]
    state = {k: getattr(asked, k) for k in ("value", "rtol", "atol", "wrong", "because")}
    code = "problem.answers.map((a) => js.checkNumber(problem.state, a))"
    found = in_node(Number, code, {"state": state, "answers": answers})
    assert [tuple(f) for f in found] == [asked.check(a) for a in answers]


def test_the_browser_says_of_every_option_what_python_says():
    asked = choice()
    state = {k: getattr(asked, k) for k in ("notes", "because")}
    found = in_node(Choice, "['a', 'b', 'c'].map((k) => js.checkChoice(problem, k))", state)
    assert [tuple(f) for f in found] == [asked.check(k) for k in "abc"]


def test_the_tally_counts_first_tries_and_names_each_section_once():
    answered = [{"first": "right", "again": "A"}, {"first": "wrong", "again": "B"}]
    answered += [{"first": "wrong", "again": "B"}, {"first": "wrong"}, {"again": "C"}]
    found = in_node(Tally, "js.summary(problem)", answered)
    assert found["words"].startswith("This page asks 5 questions.")
    assert found["words"].endswith("answered 4, 1 right at the first try.")
    assert found["again"] == ["B"]
    assert "1 question. " in in_node(Tally, "js.summary(problem)", [{}])["words"]
    assert "Colab" in in_node(Tally, "js.summary(problem)", [])["words"]


# --- what is shown, and what is kept --------------------------------------------------------------


@pytest.mark.parametrize("widget", [choice(), number(), Tally()], ids=lambda w: type(w).__name__)
def test_each_is_one_small_module_that_needs_no_other_file(widget):
    assert "export default { render };" in widget._esm
    assert "\nimport " not in widget._esm and "\nexport *" not in widget._esm
    assert widget._esm.count("export function make(") == 1
    assert "cholesky" not in widget._esm
    assert len(widget._esm.encode()) < 10_000


def test_as_text_a_question_shows_its_options_and_nothing_of_the_answer():
    text = "By *how much*?\n  (a) I/n\n  (b) −I/n\n  (c) I"
    assert repr(choice()) == choice()._repr_mimebundle_()[0]["text/plain"] == text
    assert repr(number()) == "By how much?\n  (a number)"
    assert "JavaScript" in repr(Tally())


def test_what_the_reader_answered_is_synchronised():
    for widget in (choice(), number(np.float64(2.5)), number(np.array(3))):
        state = widget.get_state()
        assert (state["answer"], state["right"]) == ("", False)
    assert choice(again="Why").again == "Why"


# --- what cannot be asked -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: choice(right="I"), "right='I' among them .* without a note are .*−I/n"),
        (lambda: choice(right="2I"), "right='2I' among them"),
        (lambda: choice(options={"−I/n": "", "I": ""}), "each other one with a note"),
        (lambda: choice(options={"−I/n": ""}), "two options or more"),
        (lambda: choice(options={"b": "", "x": "y"}, right="b"), "'b' reads like the letter"),
        (lambda: choice(because=" "), "because= says why"),
        (lambda: choice(asked=""), "needs a text"),
        (lambda: number(0.0), "value is 0: say with atol how near"),
        (lambda: number(1e-17), "value is 1e-17: say with atol"),
        (lambda: number(np.nan), "value holds NaN"),
        (lambda: number(np.ones(2)), r"value must have shape \(\), got \(2,\)"),
        (lambda: number(1.0, rtol=-1), "rtol must be a number of at least 0"),
        (lambda: number(1.0, wrong={"n": 1.01}), r"wrong\['n'\] = 1.01 counts as right"),
        (lambda: number(1.0, wrong={"n": np.inf}), "n holds NaN or inf"),
    ],
)
def test_a_question_that_cannot_be_is_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_the_sign_is_a_slip_of_its_own_unless_another_one_leads_to_the_same_number():
    plain = Number("How much?", 2.0, because="So.")
    named = Number("How much?", 2.0, because="So.", wrong={"That is the largest.": -2.0})
    assert "the sign is not" in plain.check(-2)[1]
    assert named.check(-2)[1] == "That is the largest." and len(named.wrong) == 1
