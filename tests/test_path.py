"""The path through the book: short chapters, honest minutes, questions, one case, one notation."""

import html
import re
from collections import Counter

import pytest
from chapter import BOOK, chapters, goes_deeper, outputs, pages, read, source, tags, words
from chapter_map import TIMES, first_lines

PART_ONE = [path for path in pages() if path.name < "10"]
CORES = [path for path in chapters() if path.name < "10"]
FAST = {"00_a_mean_and_a_line", "01_leave_one_out", "02_upweighting", "04_anatomy_of_influence"}
MOST_WORDS, MOST_CELLS = 2_000, 35
FOLDED = {"hide-input", "hide-cell", "remove-cell"}
each_core = pytest.mark.parametrize("path", CORES, ids=lambda path: path.stem)
each_page = pytest.mark.parametrize("path", PART_ONE, ids=lambda path: path.stem)


def text(path):
    """All text of a page, without its code."""
    cells = read(path)["cells"]
    return "\n\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")


def tagged(path, tag):
    return [cell for cell in read(path)["cells"] if tag in tags(cell)]


def minutes(path):
    return int(TIMES.search(text(path))[1])


# --- how long it is -------------------------------------------------------------------------------


@each_core
def test_a_chapter_of_part_one_is_one_sitting(path):
    cells = read(path)["cells"]
    assert words(cells) <= MOST_WORDS
    assert len(cells) <= MOST_CELLS


@each_page
def test_a_page_promises_the_minutes_that_it_takes(path):
    cells = read(path)["cells"]
    asked = next(k for k, cell in enumerate(cells) if "## Exercises" in source(cell))
    seen = [c for c in cells[:asked] if c["cell_type"] == "code" and not FOLDED & set(tags(c))]
    assert minutes(path) >= words(cells[:asked]) / 110 + len(seen) / 2


def test_the_fast_path_takes_ninety_minutes_and_the_front_page_leads_along_it():
    steps = [BOOK / f"{name}.ipynb" for name in sorted(FAST)] + [BOOK / "trust.ipynb"]
    assert sum(map(minutes, steps)) <= 90
    (shown,) = re.findall(
        r"\*\*The fast path, ninety minutes:\*\* (.*)", text(BOOK / "index.ipynb")
    )
    assert re.findall(r"\]\((\w+\.ipynb)\)", shown) == [path.name for path in steps]


def test_the_front_page_says_how_long_all_of_part_one_takes_a_student():
    (hours,) = re.findall(r"90 minutes, then about (\d+) hours", text(BOOK / "index.ipynb"))
    said = [first_lines(path) for path in CORES]
    rest = sum(c.minutes for c in said if c.stem not in FAST) + sum(c.exercises for c in said)
    assert round(rest / 60) == int(hours)


def test_who_is_on_the_fast_path_is_sent_nowhere_else_first():
    for path in CORES:
        if path.stem in FAST:
            needed = {
                name for n in first_lines(path).needs for name in FAST if name[:2] == f"{n:02}"
            }
            assert len(needed) == len(first_lines(path).needs), path.stem


@pytest.mark.parametrize("path", list(filter(goes_deeper, pages())), ids=lambda path: path.stem)
def test_what_goes_deeper_is_reached_from_its_chapter_and_from_the_front_page(path):
    (core,) = chapters(path.name[:2])
    for page in (core, BOOK / "index.ipynb"):
        assert f"]({path.name})" in text(page), page.name
    assert f"]({core.name})" in text(path)
    assert text(path).startswith(f"# {int(path.name[:2])} · Going deeper: ")


# --- what a reader does and collects --------------------------------------------------------------


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_each_chapter_asks_three_questions_and_counts_the_answers(path):
    asked = [source(cell) for cell in tagged(path, "question")]
    assert sum(bool(re.search(r"^(Choice|Number)\(", code, re.M)) for code in asked) >= 3
    assert asked[-1] == "Tally()"


def test_the_refresher_asks_twelve():
    asked = tagged(BOOK / "refresher.ipynb", "question")
    assert [re.search(r'"(\d+)\. ', source(cell))[1] for cell in asked[:-1]] == [
        str(k) for k in range(1, 13)
    ]


@pytest.mark.parametrize("path", CORES[1:], ids=lambda path: path.stem)
def test_each_chapter_adds_a_line_to_the_file_on_example_24_which_the_summary_shows(path):
    (cell,) = tagged(path, "dossier")
    said = "".join(outputs([cell])[0]["text"]).splitlines()
    assert said[0].startswith("example 24: ") and len(said) <= 2
    assert all(line.startswith("the 5 read as 6: ") for line in said[1:])
    shown = "".join(
        "".join(o["data"]["text/html"]) for o in outputs(tagged(BOOK / "part_one.ipynb", "dossier"))
    )
    for line in said:
        assert line.partition(": ")[2] in html.unescape(shown)


@each_core
def test_a_chapter_leaves_the_review_to_the_errata(path):
    assert text(path).count("](errata.ipynb") <= 1
    assert not re.search(r"\b[Tt]he review\b|\bR \(\d", text(path))


# --- one letter, one thing ------------------------------------------------------------------------

MATH = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$", re.S)
WORDS = re.compile(r"\\(?:text|texttt|operatorname|mathrm|begin|end|color|label|tag)\s*\{[^{}]*\}")
GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi chi "
    "psi omega Delta Theta Lambda Sigma Phi Pi Omega"
).split()


def letters(formula):
    """Letters of a formula, Greek ones by their names, without those inside words."""
    bare = WORDS.sub(" ", formula)
    greek = [name for name in re.findall(r"\\([A-Za-z]+)", bare) if name in GREEK]
    latin = re.findall(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", " ", bare))
    return Counter(greek + latin)


def formulas(markdown):
    return [a or b for a, b in MATH.findall(markdown)]


def tables():
    """Of the notation page, the cells of each row with formulas: whole book, chapters, one page."""
    parts = (BOOK / "notation.md").read_text("utf-8").split("\n## ")[1:4]
    rows = [re.findall(r"^\| (.*\$.*) \|$", part, re.M) for part in parts]
    return [[row.split(" | ") for row in part] for part in rows]


def explained(cells):
    """Letters that a row explains."""
    return set(letters(" ".join(formulas(cells[0]))))


def known(chapter):
    """Letters that a chapter may use without more words: those of the book, and of its own rows."""
    everywhere, some, own = tables()
    rows = [*everywhere, *some, *(row for row in own if row[-1] == str(chapter))]
    return set("ijkabd").union(*map(explained, rows))


def test_letters_are_read_from_formulas():
    found = letters(
        r"\hat\theta_{-z} = \arg\min_\theta \tfrac1n \sum_i L(z_i, \theta) \text{ if } h"
    )
    assert set(found) == {"theta", "z", "n", "i", "L", "h"}
    assert formulas("a $x$ and\n$$\ny\n$$") == ["x", "\ny\n"]


@each_page
def test_every_letter_of_part_one_is_in_the_notation(path):
    used = Counter()
    for formula in formulas(text(path)):
        used += letters(formula)
    unknown = set(used) - known(int(path.name[:2]))
    assert not unknown, {letter: used[letter] for letter in unknown}


def test_a_letter_of_one_page_stands_for_nothing_else_in_the_book():
    everywhere, some, own = tables()
    taken = set().union(*map(explained, [*everywhere, *some])) - set("ijkabd")
    for row in own:
        assert not explained(row) & taken - {"m"}, row  # `m` counts test points there too
        assert row[-1].isdigit(), row


# What a letter may not stand for, since it means something else: the notation page says what.
TAKEN = {
    "eigenvalues are mu": r"\\sigma_|\\lambda_(?:j|\\min|\\max|\{\\m)",
    "damping is gamma": r"(?:H|A)(?:_\{?\\hat\\theta\}?)? *\+ *\\(?:lambda|delta) *I",
    "the sigmoid is sigma of something": r"\\sigma(?!'?\(|\s*'?\(|'|\\bigl|\\left)",
    "a margin is s": r"\bm_i\b|\bm *= *y",
    "h is a leverage": r"(?<![A-Za-z\\])h(?![_\w])",
}


@pytest.mark.parametrize("taken", TAKEN)
@each_page
def test_a_letter_of_part_one_means_one_thing(path, taken):
    for formula in formulas(text(path)):
        assert not re.search(TAKEN[taken], formula), formula
