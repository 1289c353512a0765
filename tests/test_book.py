"""What must hold for the sources of the book, checked without building it."""

import ast
import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import chapter_map
import pytest
from address import address, tag
from chapter import BOOK, ROOT, STATE, VIEW, chapters, notebooks, read, source, tags, widgets
from contents import contents

MAX_LINES, MAX_WIDTH, MAX_BYTES = 25, 72, 1_500_000
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root|work|home|tmp|Users)/[\w./-]*")


def text_of(path):
    return (ROOT / path).read_text(encoding="utf-8")


def install_lines():
    """What installs the package on Colab, with all that a chapter imports."""
    name, version = address(text_of("_config.yml")), tag(text_of("pyproject.toml"))
    home = f'    home = "git+https://github.com/{name}@{version}"'
    return home + '\n    %pip install -q "minfluence[plots] @ {home}"'


def code_cells(notebook):
    """(where, source, cell) of every code cell."""
    for k, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            yield f"cell {k} ({cell['id']})", source(cell), cell


def outputs(notebook):
    """(where, cell, output, mime types) of every output."""
    for where, _, cell in code_cells(notebook):
        for output in cell["outputs"]:
            yield where, cell, output, output.get("data", {})


# --- rules for one chapter: each yields what is wrong -------------------------------------------


def is_executed_in_order(notebook, path):
    for expected, (where, _, cell) in enumerate(code_cells(notebook), start=1):
        if cell["execution_count"] != expected:
            yield f"{where} was run as number {cell['execution_count']}, not {expected}"


def has_no_errors(notebook, path):
    for where, cell, output, _ in outputs(notebook):
        is_error = output["output_type"] == "error" or output.get("name") == "stderr"
        if is_error and "raises-exception" not in tags(cell):
            yield f"{where} shows an error or a warning"


def has_short_cells(notebook, path):
    for where, code, _ in code_cells(notebook):
        lines = [line for line in code.splitlines() if line.strip()]
        if len(lines) > MAX_LINES:
            yield f"{where} has {len(lines)} lines of code, more than {MAX_LINES}"
        for line in lines:
            if len(line) > MAX_WIDTH:
                yield f"{where} has a line of {len(line)} characters: {line}"


def describes_its_pictures(notebook, path):
    for where, cell, _, data in outputs(notebook):
        is_picture = any(mime.startswith("image/") for mime in data) and VIEW not in data
        image = cell["metadata"].get("mystnb", {}).get("image", {})
        if is_picture and not image.get("alt", "").strip():
            yield f"{where} shows a picture without metadata.mystnb.image.alt"


def keeps_its_widgets(notebook, path):
    models = widgets(notebook)
    for where, _, _, data in outputs(notebook):
        if VIEW in data and data[VIEW]["model_id"] not in models:
            yield f"{where} shows a widget that is not in the notebook's metadata"


def installs_itself_on_colab(notebook, path):
    first = notebook["cells"][0]
    code = source(first)
    if "remove-cell" not in tags(first):
        yield "the first cell is not tagged remove-cell"
    if 'find_spec("minfluence") is None' not in code:
        yield "the first cell does not look whether minfluence is there"
    if install_lines() not in code:
        yield "the first cell does not install this version from the address in _config.yml"


def runs_outside_the_book(notebook, path):
    for where, code, _ in code_cells(notebook):
        if re.search(r"^\s*(from|import) (myst_nb|jupyterquiz|sphinx)", code, re.M):
            yield f"{where} imports what only the book's tools bring"


def has_exercises_with_solutions(notebook, path):
    if not re.match(r"\d\d_", path.name):
        return
    text = "\n".join(source(c) for c in notebook["cells"] if c["cell_type"] == "markdown")
    if not re.search(r"^## Exercises$", text, re.M):
        yield "there is no heading ## Exercises"
    asked = len(re.findall(r"^\*\*Exercise \d", text, re.M))
    solved = sum("solution" in tags(cell) for _, _, cell in code_cells(notebook))
    if not asked or asked != solved:
        yield f"there are {asked} exercises and {solved} cells tagged solution"
    for where, _, cell in code_cells(notebook):
        if "solution" in tags(cell) and "hide-cell" not in tags(cell):
            yield f"{where} shows its solution: tag it hide-cell"


def has_minimal_metadata(notebook, path):
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    if notebook["metadata"].get("kernelspec") != kernel:
        yield "kernelspec is not the plain one: save with make execute"
    if notebook["metadata"].get("language_info") != {"name": "python"}:
        yield "language_info says more than the name: save with make execute"


def names_no_machine(notebook, path):
    text = re.sub(r"[A-Za-z0-9+/=]{200,}", "", json.dumps(notebook))  # pictures in base64
    for found in sorted(set(MACHINE_PATH.findall(text))):
        yield f"names a folder of one machine: {found}"


# --- questions, checks and derivations ----------------------------------------------------------


def questions(notebook):
    """(where, cell, output, state of the widget) of every question."""
    models = widgets(notebook)
    for where, cell, output, data in outputs(notebook):
        if "question" in tags(cell) and VIEW in data:
            yield where, cell, output, models.get(data[VIEW]["model_id"], {}).get("state", {})


def folds_its_questions(notebook, path):
    asking = {where for where, *_ in questions(notebook)}
    for where, _, cell in code_cells(notebook):
        if "question" in tags(cell) and "hide-input" not in tags(cell):
            yield f"{where} shows the answer in its code: tag it hide-input"
        if "question" in tags(cell) and where not in asking:
            yield f"{where} shows no question"


def answers_no_question(notebook, path):
    for where, _, output, state in questions(notebook):
        text = "".join(output["data"].get("text/plain", ""))
        wrong = [says for _, says in state.get("wrong", [])]
        for says in [state.get("because"), *state.get("notes", []), *wrong]:
            if says and says in text:
                yield f"{where} answers its question: {says}"


def sends_readers_to_its_own_sections(notebook, path):
    text = "\n".join(source(c) for c in notebook["cells"] if c["cell_type"] == "markdown")
    headings = re.findall(r"^#+ +(.+?) *$", text, re.M)
    for where, _, _, state in questions(notebook):
        if state.get("again") and state["again"] not in headings:
            yield f"{where} names a section that is not there: {state['again']}"


def explains_in_its_checks(notebook, path):
    for where, code, cell in code_cells(notebook):
        for node in ast.walk(ast.parse(code)) if "check" in tags(cell) else ():
            if isinstance(node, ast.Assert) and node.msg is None:
                yield f"{where} fails without a message: {ast.unparse(node)}"


def gives_no_answer_in_its_checks(notebook, path):
    for where, cell, output, data in outputs(notebook):
        shown = "".join(output.get("text", "")) + "".join(data.get("text/plain", ""))
        if "check" in tags(cell) and re.search(r"\d", shown):
            yield f"{where} prints a number, which answers its exercise: {shown.strip()}"


def derives_line_by_line(notebook, path):
    for cell in notebook["cells"]:
        text = source(cell) if cell["cell_type"] == "markdown" else ""
        for start in [m.start() for m in re.finditer('<div class="derivation"', text)]:
            where, (block, *_) = f"derivation in {cell['id']}", text[start:].split("\n</div>")
            if not re.match(r'<div class="derivation" aria-label="\w[^"]*">\n\n1\. ', block):
                yield f"{where} needs an aria-label, an empty line, and a list that starts with 1."
            lines = re.split(r"^(\d+)\. +", block, flags=re.M)[1:]
            numbers, items = lines[::2], lines[1::2]
            if [int(k) for k in numbers] != [*range(1, len(numbers) + 1)] or len(numbers) < 2:
                yield f"{where} is not one list, but numbered {', '.join(numbers)}"
            for k, item in zip(numbers, items, strict=True):
                before = item.split("<details>")[0]
                formula = re.compile(r"\$\$.*?\$\$", re.S)
                _, *parts = re.split(r"\n\s*\n", formula.sub("$$", before))
                if not any(re.match(r"\s*[A-Za-z*“(\[]", part) for part in parts):
                    yield f"{where}, line {k} has no reason"
            if "<details><summary>" not in block:
                yield f"{where} asks nothing"


RULES = [
    is_executed_in_order,
    has_no_errors,
    has_short_cells,
    describes_its_pictures,
    keeps_its_widgets,
    installs_itself_on_colab,
    runs_outside_the_book,
    has_exercises_with_solutions,
    has_minimal_metadata,
    names_no_machine,
    folds_its_questions,
    answers_no_question,
    sends_readers_to_its_own_sections,
    derives_line_by_line,
    explains_in_its_checks,
    gives_no_answer_in_its_checks,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_chapter(path, rule):
    found = list(rule(read(path), path))
    assert not found, "\n".join([path.name, *found])


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_chapter_is_light_enough_for_a_phone(path):
    assert path.stat().st_size < MAX_BYTES


# --- the rules can fail -------------------------------------------------------------------------


def sound_notebook():
    """Smallest chapter that keeps every rule."""
    first = f'if importlib.util.find_spec("minfluence") is None:\n{install_lines()}'
    picture = {"output_type": "display_data", "data": {"image/png": ""}}
    widget = {"output_type": "display_data", "data": {"image/png": "", VIEW: {"model_id": "1"}}}

    def code(source, *outputs, **metadata):
        cell = {"cell_type": "code", "id": "x", "source": source, "metadata": metadata}
        return cell | {"outputs": list(outputs)}

    asked = {"text/plain": "How much?\n  (a) I", VIEW: {"model_id": "2"}}
    question = {"output_type": "display_data", "data": asked}
    right = {"output_type": "stream", "name": "stdout", "text": "Right."}
    cells = [
        code(first, tags=["remove-cell"]),
        {"cell_type": "markdown", "source": "## Exercises\n\n**Exercise 1.** Why?", "metadata": {}},
        code("picture", picture, mystnb={"image": {"alt": "A line."}}),
        code("widget", widget),
        code("answer", tags=["solution", "hide-cell"]),
        code("question", question, tags=["question", "hide-input"]),
        code('assert answer > 0, "the sign is reversed"', right, tags=["check"]),
        {"cell_type": "markdown", "id": "x", "source": DERIVATION, "metadata": {}},
    ]
    for count, cell in enumerate((c for c in cells if c["cell_type"] == "code"), start=1):
        cell["execution_count"] = count
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    state = {"because": "So.", "notes": ["", "No, since ..."], "again": "Exercises"}
    metadata["widgets"] = {STATE: {"state": {"1": {}, "2": {"state": state}}}}
    return {"cells": cells, "metadata": metadata}


DERIVATION = """
<div class="derivation" aria-label="From here to there">

1. $a = b$

   Given.

   ![A balance.](_static/steps/balance.svg)

2. $$a + c = b + c$$

   The same is added on both sides.

   <details><summary>Which letter is new?</summary>

   It is $c$.

   </details>

</div>"""
STDERR = {"output_type": "stream", "name": "stderr", "text": "careful"}
ERROR = {"output_type": "error", "ename": "KeyError"}
FLAWS = [
    (is_executed_in_order, lambda nb: nb["cells"][2].update(execution_count=None)),
    (has_no_errors, lambda nb: nb["cells"][2]["outputs"].append(STDERR)),
    (has_no_errors, lambda nb: nb["cells"][2]["outputs"].append(ERROR)),
    (has_short_cells, lambda nb: nb["cells"][2].update(source="a\n\n" * 26)),
    (has_short_cells, lambda nb: nb["cells"][2].update(source="a" * 73)),
    (describes_its_pictures, lambda nb: nb["cells"][2]["metadata"].clear()),
    (keeps_its_widgets, lambda nb: nb["metadata"].pop("widgets")),
    (installs_itself_on_colab, lambda nb: nb["cells"][0]["metadata"].clear()),
    (installs_itself_on_colab, lambda nb: nb["cells"][0].update(source="import numpy")),
    (runs_outside_the_book, lambda nb: nb["cells"][2].update(source="import myst_nb")),
    (has_exercises_with_solutions, lambda nb: nb["cells"].pop(4)),
    (has_exercises_with_solutions, lambda nb: nb["cells"][4]["metadata"]["tags"].pop()),
    (has_exercises_with_solutions, lambda nb: nb["cells"][1].update(source="# End")),
    (has_minimal_metadata, lambda nb: nb["metadata"]["language_info"].update(version="3.11")),
    (has_minimal_metadata, lambda nb: nb["metadata"].pop("kernelspec")),
    (names_no_machine, lambda nb: nb["cells"][2].update(source='open("/home/me/x")')),
]


def derivation_without(text):
    return lambda nb: nb["cells"][7].update(source=DERIVATION.replace(text, ""))


FLAWS += [
    (folds_its_questions, lambda nb: nb["cells"][5]["metadata"]["tags"].pop()),
    (folds_its_questions, lambda nb: nb["cells"][5]["outputs"].clear()),
    (answers_no_question, lambda nb: question_data(nb).update({"text/plain": ["(a)\n", "So."]})),
    (answers_no_question, lambda nb: question_data(nb).update({"text/plain": "No, since ..."})),
    (sends_readers_to_its_own_sections, lambda nb: nb["cells"][1].update(source="## Exercise")),
    (explains_in_its_checks, lambda nb: nb["cells"][6].update(source="if 1:\n    assert answer")),
    (gives_no_answer_in_its_checks, lambda nb: nb["cells"][6]["outputs"][0].update(text="3: yes")),
    (derives_line_by_line, derivation_without(' aria-label="From here to there"')),
    (derives_line_by_line, derivation_without("1. $a = b$\n")),
    (derives_line_by_line, derivation_without("   Given.\n\n")),
    (derives_line_by_line, derivation_without("   The same is added on both sides.\n\n")),
    (derives_line_by_line, derivation_without("<details><summary>Which letter is new?</summary>")),
]


def question_data(notebook):
    return notebook["cells"][5]["outputs"][0]["data"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_is_content_with_a_sound_chapter(rule):
    assert list(rule(sound_notebook(), Path("01_sound.ipynb"))) == []


@pytest.mark.parametrize(("rule", "spoil"), FLAWS, ids=[rule.__name__ for rule, _ in FLAWS])
def test_rule_finds_a_planted_flaw(rule, spoil):
    notebook = copy.deepcopy(sound_notebook())
    spoil(notebook)
    assert list(rule(notebook, Path("01_spoiled.ipynb")))


# --- the book as a whole ------------------------------------------------------------------------


def test_every_page_in_the_contents_exists_and_every_chapter_is_in_the_contents():
    listed = [page for _, page in contents()]
    assert len(listed) == len(set(listed))
    for page in listed:
        sources = [
            page + ending for ending in (".ipynb", ".md") if (ROOT / (page + ending)).exists()
        ]
        assert len(sources) == 1, f"{page} has the sources {sources}"
    pages = [*notebooks(), *BOOK.glob("*.md")]
    assert {f"book/{path.stem}" for path in pages} == set(listed)


def test_the_map_and_the_instructors_page_say_what_the_chapters_say():
    said = [chapter_map.first_lines(path) for path in chapters()]
    for path, shape in chapter_map.MAPS.items():
        assert path.read_text("utf-8") == chapter_map.svg(said, shape), "run the tool again"
    assert f"![{chapter_map.describe(said)}](" in text_of("book/index.ipynb")
    instructors = text_of("book/instructors.md")
    assert chapter_map.with_objectives(instructors, said) == instructors, "run the tool again"


def test_scripts_of_the_book_are_pinned_exactly_and_from_no_private_host():
    assert '"resolved"' not in text_of("package-lock.json")
    package = json.loads(text_of("package.json"))
    versions = [*package["dependencies"].values(), *package["devDependencies"].values()]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)


# --- tools/check_links.py -----------------------------------------------------------------------


def check_links(site, *options):
    tool = [sys.executable, str(ROOT / "tools" / "check_links.py"), str(site), *options]
    return subprocess.run(tool, capture_output=True, text=True, timeout=60)


def test_links_that_lead_somewhere_pass(tmp_path):
    (tmp_path / "part").mkdir()
    (tmp_path / "picture.png").touch()
    (tmp_path / "index.html").write_text('<meta http-equiv="Refresh" content="0; url=part/a.html">')
    (tmp_path / "part" / "a.html").write_text(
        '<h1 id="here">A</h1><a href="#here">1</a><a href="a.html#here">2</a><a href="..">3</a>'
        '<a href="https://example.org/x#y">4</a><img src="../picture.png?v=1"><img src="data:,">'
    )
    result = check_links(tmp_path)
    assert (result.returncode, result.stdout) == (
        0,
        "2 pages, 0 broken links, 0 loads from other hosts\n",
    ), result.stdout


@pytest.mark.parametrize(
    ("html", "complaint"),
    [
        ('<a href="gone.html">', "gone.html: no such file"),
        ('<img src="gone.png">', "gone.png: no such file"),
        ('<script src="gone.js"></script>', "gone.js: no such file"),
        ('<a href="#gone">', "#gone: no such anchor"),
        ('<meta name="gone"><a href="index.html#gone">', "index.html#gone: no such anchor"),
        ('<a href="/index.html">', "/index.html: starts with /"),
        ('<a href="../index.html">', "../index.html: leaves the site"),
        ('<meta http-equiv="refresh" content="0; url=gone.html">', "gone.html: no such file"),
    ],
)
def test_a_planted_broken_link_is_found(tmp_path, html, complaint):
    (tmp_path / "index.html").write_text(html)
    result = check_links(tmp_path)
    assert result.returncode == 1
    assert f"index.html: {complaint}" in result.stdout
    assert "1 pages, 1 broken links" in result.stdout


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/mathjax.js"></script>',
        '<script src="//cdn.example/mathjax.js"></script>',
        '<link rel="stylesheet" href="https://cdn.example/a.css">',
        '<link rel="modulepreload" href="https://cdn.example/a.js">',
        '<img src="a.png" srcset="data:, 1x, https://cdn.example/a.png 2x">',
        '<iframe src="HTTPS://cdn.example/"></iframe>',
        "<style>@import 'https://cdn.example/a.css';</style>",
        '<p style="background: url(https://cdn.example/a.png)">',
        '<link rel="stylesheet" href="far.css">',
    ],
)
def test_what_a_page_loads_from_another_host_is_found(tmp_path, html):
    (tmp_path / "a.png").touch()
    (tmp_path / "far.css").touch()
    if "far.css" in html:
        (tmp_path / "far.css").write_text("@font-face { src: url('//cdn.example/font.woff2') }")
    (tmp_path / "index.html").write_text(html)
    lenient, strict = check_links(tmp_path), check_links(tmp_path, "--self-contained")
    assert (lenient.returncode, strict.returncode) == (0, 1)
    assert "cdn.example" in strict.stdout and "1 loads from other hosts" in strict.stdout


def test_links_to_other_hosts_are_no_loads(tmp_path):
    (tmp_path / "index.html").write_text(
        '<a href="https://example.org">1</a><link rel="canonical" href="https://example.org">'
        "<p>url(https://example.org/a.png)</p>"
    )
    assert check_links(tmp_path, "--self-contained").returncode == 0


def test_a_site_without_pages_is_refused(tmp_path):
    result = check_links(tmp_path)
    assert result.returncode == 2
    assert "build the book first" in result.stderr
