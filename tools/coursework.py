"""Make assignments out of the chapters' exercises, in the format of nbgrader.

::

    python tools/coursework.py                 every chapter, into _build/coursework
    python tools/coursework.py 02 04           these only
    python tools/coursework.py 02 --to FOLDER

``source/`` is the instructor's version, with solutions and hidden tests; ``release/`` is what
students get. Both are made from the chapters' own cells: exercise, solution (tag ``solution``) and
check (tag ``check``), after as much of the chapter's code as these need. Nothing is written twice,
so the assignments follow the book. Grade with ``nbgrader autograde`` in the same folder, but know
that it runs students' code with your rights: book/instructors.md says how to contain it.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import nbformat
from chapter import BOOK, ROOT, chapters, code, read, source, tags
from depends import Names, needed

POINTS = 2  # for each exercise
CONFIG = """\
c = get_config()
c.CourseDirectory.course_id = "minfluence"
c.ExecutePreprocessor.timeout = 600
"""
WELCOME = """\
# Assignment {number}: {name}

From chapter {number} of *Influence Functions, Step by Step*. {count} exercises, {points} points.

The first cells set things up; run them and leave them as they are. Write each answer where it says
YOUR CODE HERE, under the names that the exercise asks for."""


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", help="two digits each; default: all chapters")
    parser.add_argument("--to", type=Path, default=ROOT / "_build" / "coursework")
    options = parser.parse_args(arguments)
    paths = [p for n in options.numbers for p in chapters(n)] if options.numbers else chapters()
    if not paths:
        parser.error(f"no chapter numbered {' or '.join(options.numbers)} in {BOOK}")
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
    """The instructor's version of one chapter's exercises."""
    cells = read(path)["cells"]
    sources = [source(cell) for cell in cells]
    first = next(k for k, text in enumerate(sources) if "## Exercises" in text)
    install = next(s for s, c in zip(sources, cells, strict=True) if "remove-cell" in tags(c))
    before = code(cells[:first])
    asked = exercises(cells[first:], sources[first:])

    given = needed(before[1:], [part for exercise in asked for part in exercise.code])
    number, name = sources[1].splitlines()[0].removeprefix("# ").split(" · ")
    total = POINTS * len(asked)
    welcome = WELCOME.format(number=number, name=name, count=len(asked), points=total)
    notebook = nbformat.v4.new_notebook(
        cells=[
            text_cell("welcome", welcome),
            *(fixed_cell(f"given-{k}", s) for k, s in enumerate([install, *given])),
        ]
    )
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
        else:
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
