"""Assignments made from the chapters (tools/coursework.py), graded as a lecturer would do it."""

import json
import re

import coursework
import depends
import nbformat
import pytest
from chapter import BOOK, STATE, VIEW, code, pages, read, source

pytest.importorskip("anywidget", reason="anywidget is not installed")

from minfluence.book import questions  # noqa: E402
from minfluence.book.questions import Choice, Number, Tally  # noqa: E402

FORGOTTEN = ("02_upweighting", "predicted_double = up_loss / n", "predicted_double = up_loss")
SIGN = ("04_anatomy_of_influence", "flipped = -bare *", "flipped = bare *")
NAMED = {
    FORGOTTEN: "n times too large: the weight is 1/n",
    SIGN: "the sign is reversed: KL (2) begins with a minus",
}


# --- making them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_every_exercise_and_every_question_has_a_place_for_its_answer_and_a_test(path):
    cells = coursework.assignment(path).cells
    marks = [cell.metadata.nbgrader for cell in cells]
    assert len({m.grade_id for m in marks}) == len(marks)
    solutions = [c for c in cells if c.metadata.nbgrader.solution]
    tests = [c for c in cells if c.metadata.nbgrader.grade]
    asked = len(coursework.asked_in(read(path)))
    assert len(solutions) == len(tests) > asked
    assert sum("answer_" in test.source for test in tests) == asked
    for solution, test in zip(solutions, tests, strict=True):
        assert solution.source.startswith("### BEGIN SOLUTION")
        assert test.source.startswith("assert ")  # students see what is asked for
        assert "### BEGIN HIDDEN TESTS" in test.source


def test_what_follows_the_last_exercise_is_no_part_of_it():
    text = {"cell_type": "markdown", "metadata": {}}
    code = {"cell_type": "code", "metadata": {}}
    cells = [text, code, *({**code, "metadata": {"tags": [t]}} for t in ("solution", "check"))]
    cells += [{**code, "metadata": {"tags": [t]}} for t in ("dossier", "question")]
    sources = ["**Exercise 1.**", "x = 1", "y = x", "assert y", "print(heavy)", "Tally()"]
    (found,) = coursework.exercises(cells, sources)
    assert found.code == ["x = 1", "y = x", "assert y"]


def choice():
    notes = {"I/n": "Right size, wrong sign.", "−I/n": ""}
    return Choice("By *how much*?", notes, right="−I/n", because="It 'goes'.", again="Why")


def number():
    return Number("How many\tare left?", 39, because="One is out.", rtol=0, wrong={"All!": 40})


@pytest.mark.parametrize(
    ("widget", "right", "wrong", "says"),
    [
        (choice(), "b", "a", "Right size, wrong sign. Look again at Why."),
        (number(), 39.0, 40, "All!"),
        (number(), 39.0, -39, questions.SLIPS["sign"]),
        (number(), 39.0, 7, questions.OTHER),
    ],
)
def test_a_question_is_asked_as_on_the_page_and_its_feedback_is_the_message(
    widget, right, wrong, says
):
    state = {k: v for k, v in widget.get_state().items() if k != "_esm"}
    question = coursework.Question(state, repr(widget))
    assert question.answer == right
    text, (shown, hidden) = question.text(3), question.test(3).split("### BEGIN HIDDEN TESTS")
    assert "answer_3" in text and widget.asked in text
    assert all(f"- ({k}) {o}" in text for k, o in zip("ab", state.get("options", ()), strict=False))
    for part in (text, shown):
        assert widget.because not in part and "39" not in part
    with pytest.raises(AssertionError, match="store your answer as answer_3"):
        exec(shown, {})
    exec(hidden, {"answer_3": right})
    with pytest.raises(AssertionError) as caught:
        exec(hidden, {"answer_3": wrong})
    assert str(caught.value) == says


def test_questions_are_found_in_a_chapter_and_the_tally_is_none():
    widgets = {"1": choice(), "2": number(), "3": Tally()}
    cells = [
        {
            "metadata": {"tags": ["question"]},
            "outputs": [{"data": {"text/plain": [repr(w)], VIEW: {"model_id": k}}}],
        }
        for k, w in widgets.items()
    ]
    models = {k: {"state": widget.get_state()} for k, widget in widgets.items()}
    metadata = {"widgets": {STATE: {"state": models}}}
    found = coursework.asked_in({"cells": cells, "metadata": metadata})
    assert [question.answer for question in found] == ["b", 39.0]


@pytest.mark.parametrize("mistake", NAMED, ids=["1/n forgotten", "the sign of KL (2)"])
def test_a_typical_mistake_is_named_by_the_check_of_its_exercise(mistake):
    name, old, new = mistake
    cells = read(BOOK / f"{name}.ipynb")["cells"]
    first = next(k for k, cell in enumerate(cells) if "## Exercises" in source(cell))
    exercises = coursework.exercises(cells[first:], [source(cell) for cell in cells[first:]])
    (exercise,) = (e for e in exercises if old in e.solution)
    given = depends.needed(code(cells[:first])[1:], exercise.code)
    if reason := next(iter(depends.blocked(given).values()), None):
        pytest.skip(reason)
    names = {}
    for part in [*given, *exercise.given, exercise.solution.replace(old, new)]:
        exec(re.sub("(?m)^%.*", "", part), names)
    with pytest.raises(AssertionError, match=re.escape(NAMED[mistake])):
        exec(exercise.check, names)


def test_an_unknown_chapter_is_refused(capsys):
    with pytest.raises(SystemExit):
        coursework.main(["77"])
    assert "no chapter numbered 77" in capsys.readouterr().err


def test_the_lecturer_is_told_what_autograding_runs_and_given_a_line_that_contains_it():
    page = (BOOK / "instructors.md").read_text("utf-8")
    assert "Autograding runs students' code" in page
    (line,) = (line for line in page.splitlines() if line.startswith("docker run "))
    for limit in ("network none", "read-only", "memory", "pids-limit", "cap-drop ALL", "user"):
        assert f"--{limit}" in line
    first = page.index("nbgrader autograde")
    assert page.index("Autograding runs students' code") < page.index("docker run ") < first


# --- grading them ---------------------------------------------------------------------------------


def hand_in(course, student, name, answers):
    """What a student returns: the released notebook with `answers(k)` in its k-th solution cell."""
    notebook = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    for k, cell in enumerate(c for c in notebook.cells if c.metadata.nbgrader.solution):
        cell.source = answers(k) or cell.source
    folder = course / "submitted" / student / name
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


def solutions(course, name, old="", new=""):
    """The instructor's answers, one of them changed."""
    notebook = nbformat.read(course / "source" / name / f"{name}.ipynb", as_version=4)
    sources = [c.source for c in notebook.cells if c.metadata.nbgrader.solution]
    assert sum(old in s for s in sources) == 1 or not old
    return [s.replace(old, new) if old else s for s in sources].__getitem__


def points(course, student, name):
    """Points of each exercise, under the name of its test."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        (notebook,) = book.find_submission(name, student).notebooks
        return {grade.name: grade.score for grade in notebook.grades}


def without_data(name):
    """Why a test of an assignment cannot pass here: the reason, under the name of the test."""
    assignment = coursework.assignment(BOOK / f"{name}.ipynb")
    cells = [cell for cell in assignment.cells if cell.cell_type == "code"]
    reasons = depends.blocked([cell.source for cell in cells])
    return {cells[k].metadata.nbgrader.grade_id: reason for k, reason in reasons.items()}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course of one chapter with three students, graded."""
    pytest.importorskip("nbgrader")
    folder = tmp_path_factory.mktemp("course")
    name, old, new = FORGOTTEN
    coursework.main([name, "--to", str(folder)])
    hand_in(folder, "solved", name, solutions(folder, name))
    hand_in(folder, "untouched", name, lambda k: None)
    hand_in(folder, "mistaken", name, mistaken(folder, name, old, new))
    for command in ("autograde", "generate_feedback"):
        coursework.nbgrader(folder, command, name)
    return folder


def mistaken(course, name, old, new):
    """The instructor's answers with one exercise changed, and no question answered rightly."""
    right = solutions(course, name, old, new)
    asked = len(coursework.asked_in(read(BOOK / f"{name}.ipynb")))
    return lambda k: f'answer_{k + 1} = "no idea"' if k < asked else right(k)


@pytest.mark.slow
def test_solutions_get_full_marks_and_untouched_stubs_none(course):
    name = FORGOTTEN[0]
    skipped = without_data(name)
    solved, untouched = points(course, "solved", name), points(course, "untouched", name)
    assert set(untouched.values()) == {0}
    for test, got in solved.items():
        full = coursework.QUESTION_POINTS if "question" in test else coursework.POINTS
        assert got == full or test in skipped


@pytest.mark.slow
def test_a_mistake_costs_its_points_and_is_named(course):
    name = FORGOTTEN[0]
    solved, mistaken = points(course, "solved", name), points(course, "mistaken", name)
    lost = {test for test in solved if solved[test] != mistaken[test]}
    questions = {test for test in solved if "question" in test}
    assert lost - questions and len(lost - questions) == 1 and questions <= lost
    feedback = (course / "feedback" / "mistaken" / name / f"{name}.html").read_text("utf-8")
    assert NAMED[FORGOTTEN] in feedback


@pytest.mark.slow
def test_what_students_get_holds_no_answer(course):
    name = FORGOTTEN[0]
    released = (course / "release" / name / f"{name}.ipynb").read_text("utf-8")
    chapter = read(BOOK / f"{name}.ipynb")
    for question in coursework.asked_in(chapter):
        assert json.dumps(question.state["because"], ensure_ascii=False)[1:-1] not in released
    assert FORGOTTEN[1] not in released and "HIDDEN TESTS" not in released
