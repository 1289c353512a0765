"""Assignments made from the chapters (tools/coursework.py), graded as a lecturer would do it."""

import coursework
import depends
import nbformat
import pytest
from chapter import BOOK, chapters

FORGOTTEN = ("02_upweighting", "predicted_double = up_loss / n", "predicted_double = up_loss")
SIGN_OF_R4 = ("04_anatomy_of_influence", "flipped = -bare", "flipped = bare")


# --- making them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_every_exercise_becomes_a_question_a_solution_and_a_test(path):
    cells = coursework.assignment(path).cells
    marks = [cell.metadata.nbgrader for cell in cells]
    assert len({m.grade_id for m in marks}) == len(marks)
    solutions = [c for c in cells if c.metadata.nbgrader.solution]
    tests = [c for c in cells if c.metadata.nbgrader.grade]
    assert len(solutions) == len(tests) >= 3
    for solution, test in zip(solutions, tests, strict=True):
        assert solution.source.startswith("### BEGIN SOLUTION")
        assert test.source.startswith("assert ")  # students see what is asked for
        assert "### BEGIN HIDDEN TESTS" in test.source


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
    """A course with four students, graded."""
    pytest.importorskip("nbgrader")
    folder = tmp_path_factory.mktemp("course")
    coursework.main(["02", "04", "--to", str(folder)])
    for name, old, new in (FORGOTTEN, SIGN_OF_R4):
        hand_in(folder, "solved", name, solutions(folder, name))
        hand_in(folder, "untouched", name, lambda k: None)
        hand_in(folder, "mistaken", name, solutions(folder, name, old, new))
        for command in ("autograde", "generate_feedback"):
            coursework.nbgrader(folder, command, name)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("exercise", [f"test-{k}" for k in range(1, 6)])
@pytest.mark.parametrize("name", [FORGOTTEN[0], SIGN_OF_R4[0]])
def test_solutions_get_full_marks_and_untouched_stubs_none(course, name, exercise):
    assert points(course, "untouched", name)[exercise] == 0
    if reason := without_data(name).get(exercise):
        pytest.skip(reason)
    assert points(course, "solved", name)[exercise] == coursework.POINTS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mistake", "named"),
    [
        (FORGOTTEN, "n times too large: the weight is 1/n"),
        (SIGN_OF_R4, "the sign is reversed: R (4) lacks a minus"),
    ],
    ids=["1/n forgotten", "the sign of R (4)"],
)
def test_a_typical_mistake_costs_one_exercise_and_is_named(course, mistake, named):
    name = mistake[0]
    solved, mistaken = points(course, "solved", name), points(course, "mistaken", name)
    assert len(solved) == 5
    assert sum(solved.values()) - sum(mistaken.values()) == coursework.POINTS
    feedback = (course / "feedback" / "mistaken" / name / f"{name}.html").read_text("utf-8")
    assert named in feedback
