"""Make assignments out of the chapters' questions and exercises, in the format of nbgrader.

::

    python tools/coursework.py                 every chapter, into _build/coursework
    python tools/coursework.py 02 04           these only, with the pages that go deeper
    python tools/coursework.py 02_upweighting  this page only
    python tools/coursework.py 02 --to FOLDER

``source/`` is the instructor's version, with solutions and hidden tests; ``release/`` is what
students get. Both are made from the chapters' own cells: exercise, solution (tag ``solution``) and
check (tag ``check``), after as much of the chapter's code as these need; and the questions as the
chapter's outputs hold them. Nothing is written twice, so the assignments follow the book. Grade
with ``nbgrader autograde`` in the same folder, but know that it runs students' code with your
rights: book/instructors.md says how to contain it.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from string import ascii_lowercase

import nbformat
from chapter import BOOK, ROOT, VIEW, code, pages, read, source, tags, widgets
from depends import Names, needed

POINTS, QUESTION_POINTS = 2, 1  # for each exercise, for each question
CONFIG = """\
c = get_config()
c.CourseDirectory.course_id = "minfluence"
c.ExecutePreprocessor.timeout = 600
"""
WELCOME = """\
# Assignment {number}: {name}

From chapter {number} of *Influence Functions, Step by Step*. {asked} questions, {count} exercises,
{points} points.

The first cells set things up; run them and leave them as they are. Write each answer where it says
YOUR CODE HERE, under the names that are asked for."""
ASKED = """\
**Question {k}.** {text}

Store the {kind} as `answer_{k}`."""
HIDDEN = """\
assert "answer_{k}" in globals(), "store your answer as answer_{k}"
### BEGIN HIDDEN TESTS
from minfluence.book.questions import {name}

right, says = {question}.check(answer_{k})
assert right, says{again}
### END HIDDEN TESTS"""


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="two digits, or a page's name; default: all")
    parser.add_argument("--to", type=Path, default=ROOT / "_build" / "coursework")
    options = parser.parse_args(arguments)
    paths = [p for p in pages() if {p.stem, p.stem[:2]} & set(options.names) or not options.names]
    if not paths:
        parser.error(f"no chapter numbered {' or '.join(options.names)} in {BOOK}")
    options.to.mkdir(parents=True, exist_ok=True)
    (options.to / "nbgrader_config.py").write_text(CONFIG, "utf-8")
    for path in paths:
        folder = options.to / "source" / path.stem
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(assignment(path), folder / path.name)
    for path in paths:
        release(path.stem, options.to)
    print(f"{len(paths)} assignments in {options.to}")


def release(name, course):
    """Let nbgrader check the instructor's version and make the students' version from it."""
    nbgrader(course, "generate_assignment", name, "--create", "--force")


def nbgrader(course, *arguments):
    """Run one of nbgrader's commands; it calls other programs of its environment by name."""
    here = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "nbgrader", *arguments, "--log-level=WARN"]
    subprocess.run(command, cwd=course, env={**os.environ, **here}, check=True)


def assignment(path):
    """The instructor's version of one chapter's questions and exercises."""
    chapter = read(path)
    cells = chapter["cells"]
    sources = [source(cell) for cell in cells]
    first = next(k for k, text in enumerate(sources) if "## Exercises" in text)
    install = next(s for s, c in zip(sources, cells, strict=True) if "remove-cell" in tags(c))
    before = code(cells[:first])
    asked, questions = exercises(cells[first:], sources[first:]), asked_in(chapter)

    given = needed(before[1:], [part for exercise in asked for part in exercise.code])
    number, name = sources[1].splitlines()[0].removeprefix("# ").split(" · ")
    total = POINTS * len(asked) + QUESTION_POINTS * len(questions)
    counts = {"asked": len(questions), "count": len(asked), "points": total}
    welcome = WELCOME.format(number=number, name=name, **counts)
    notebook = nbformat.v4.new_notebook(
        cells=[
            text_cell("welcome", welcome),
            *(fixed_cell(f"given-{k}", s) for k, s in enumerate([install, *given])),
        ]
    )
    for k, question in enumerate(questions, start=1):
        answer = f"### BEGIN SOLUTION\nanswer_{k} = {question.answer!r}\n### END SOLUTION"
        notebook.cells += [
            text_cell(f"question-{k}", question.text(k)),
            code_cell(f"answer-{k}", answer, solution=True),
            code_cell(
                f"test-question-{k}",
                question.test(k),
                grade=True,
                locked=True,
                points=QUESTION_POINTS,
            ),
        ]
    for k, exercise in enumerate(asked, start=1):
        answer = f"### BEGIN SOLUTION\n{exercise.solution}\n### END SOLUTION"
        tested = test(exercise.solution, exercise.check)
        notebook.cells += [
            text_cell(f"exercise-{k}", exercise.question),
            *(fixed_cell(f"exercise-{k}-given-{j}", s) for j, s in enumerate(exercise.given)),
            code_cell(f"solution-{k}", answer, solution=True),
            code_cell(f"test-{k}", tested, grade=True, locked=True, points=POINTS),
        ]
    notebook.metadata.kernelspec = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    return notebook


class Question:
    """A question of a chapter, from the state that its widget has in the notebook."""

    def __init__(self, state, shown):
        self.state, self.shown = state, shown
        self.name = state["_anywidget_id"].rpartition(".")[2]

    @property
    def answer(self):
        """The right one: a letter or a number."""
        if self.name == "Choice":
            return ascii_lowercase[self.state["notes"].index("")]
        return self.state["value"]

    def text(self, k):
        """What is asked, with its options as a list."""
        asked, *options = self.shown.splitlines()
        kind = "letter" if self.name == "Choice" else "number"
        listed = "\n".join(f"- {option.strip()}" for option in options if kind == "letter")
        return ASKED.format(k=k, text=f"{asked}\n\n{listed}".strip(), kind=kind)

    def test(self, k):
        """A hidden test that gives the feedback of the page, and needs nothing from the chapter."""
        state, again = self.state, self.state["again"]
        given = {"because": state["because"]}
        if self.name == "Choice":
            given["options"] = dict(zip(state["options"], state["notes"], strict=True))
            given["right"] = state["options"][state["notes"].index("")]
        else:
            given |= {key: state[key] for key in ("value", "rtol", "atol")}
            given["wrong"] = {says: value for value, says in state["wrong"]}
        arguments = "".join(f"    {key}={value!r},\n" for key, value in given.items())
        question = f"{self.name}(\n    {state['asked']!r},\n{arguments})"
        section = f" + {f' Look again at {again}.'!r}" if again else ""
        return HIDDEN.format(k=k, name=self.name, question=question, again=section)


def asked_in(chapter):
    """Every question of a chapter, in order; the tally asks nothing."""
    models, found = widgets(chapter), []
    for cell in chapter["cells"]:
        for output in cell.get("outputs", []) if "question" in tags(cell) else []:
            data = output["data"]
            state = models[data[VIEW]["model_id"]]["state"]
            if "asked" in state:
                found.append(Question(state, "".join(data["text/plain"])))
    return found


class Exercise:
    """One exercise of a chapter: its question, what it gives, the solution and the check."""

    def __init__(self, question):
        self.question, self.given, self.solution, self.check = question, [], "", ""

    @property
    def code(self):
        """All its code, in order."""
        return [*self.given, self.solution, self.check]


def exercises(cells, sources):
    """Every exercise, in order."""
    found = []
    for cell, part in zip(cells, sources, strict=True):
        if cell["cell_type"] == "markdown":
            if "**Exercise" in part:
                found.append(Exercise(part[part.index("**Exercise") :]))
        elif "solution" in tags(cell):
            found[-1].solution = part
        elif "check" in tags(cell):
            found[-1].check = part
        elif not found[-1].check:  # what follows a check belongs to the chapter again
            found[-1].given.append(part)
    return found


def test(solution, check):
    """A test cell: students see which names are asked for; the chapter's check is hidden."""
    answers = sorted(Names(solution).stored & Names(check).loaded)
    shown = [f'assert "{a}" in globals(), "store your answer as {a}"' for a in answers]
    return "\n".join([*shown, "### BEGIN HIDDEN TESTS", check, "### END HIDDEN TESTS"])


# --- cells of nbgrader ----------------------------------------------------------------------------


def marks(grade_id, **more):
    return {"nbgrader": dict(schema_version=3, grade_id=grade_id, **more)}


def text_cell(grade_id, source):
    metadata = marks(grade_id, grade=False, solution=False, locked=True, task=False)
    return nbformat.v4.new_markdown_cell(source, id=grade_id, metadata=metadata)


def code_cell(grade_id, source, *, grade=False, solution=False, locked=False, **points):
    metadata = marks(grade_id, grade=grade, solution=solution, locked=locked, task=False, **points)
    return nbformat.v4.new_code_cell(source, id=grade_id, metadata=metadata)


def fixed_cell(grade_id, source):
    return code_cell(grade_id, source, locked=True)


if __name__ == "__main__":
    main()
