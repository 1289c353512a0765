"""What the build of the book does to its pages (book/_ext), tried on small ones."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from chapter import ROOT

sys.path.append(str(ROOT / "book" / "_ext"))

import formulas  # noqa: E402
import icons  # noqa: E402
import sheets  # noqa: E402
import tidy_scripts  # noqa: E402
import typefaces  # noqa: E402
import widget_files  # noqa: E402

HAS_KATEX = formulas.KATEX.exists() and shutil.which("node")
STATE = '<script type="application/vnd.jupyter.widget-state+json">'
VIEW = '<script type="application/vnd.jupyter.widget-view+json">'


@pytest.fixture
def site(tmp_path):
    """A folder for pages, and what Sphinx says of it."""
    (tmp_path / "book").mkdir()
    return SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=str(tmp_path))


def page(site, body, head=""):
    path = f"{site.outdir}/book/page.html"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"<html><head>{head}</head><body>{body}</body></html>")
    return path


def text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


# --- formulas -----------------------------------------------------------------------------------


@pytest.mark.skipif(not HAS_KATEX, reason="npm has not brought KaTeX")
def test_formulas_are_typeset_with_words_for_those_who_listen(site):
    inline = r'<span class="math notranslate nohighlight">\(a &lt; \hat\theta\)</span>'
    block = r'<div class="math notranslate nohighlight">' + "\n" + r"\[\frac{1}{n}\]</div>"
    path = page(site, inline + block)
    formulas.typeset(site, None)
    made = text(path)
    assert r"\(" not in made and r"\[" not in made
    assert made.count("<math") == 2 and made.count("katex-display") == 1
    style = text(f"{site.outdir}/_static/katex/katex.css")
    assert ".woff2" in style and ".ttf" not in style and ".woff)" not in style


@pytest.mark.skipif(not HAS_KATEX, reason="npm has not brought KaTeX")
def test_a_formula_that_katex_does_not_know_is_a_warning_and_a_colour_holds_for_its_term():
    wrong, coloured = formulas.run_katex([[r"\nonsense", False], [r"\color{#B34700}{a} b", False]])
    assert "nonsense" in wrong["error"]
    assert coloured.count("color:#B34700") == 1


# --- style sheets -------------------------------------------------------------------------------


def test_the_books_own_style_sheets_become_one(site):
    static = Path(site.outdir) / "_static"
    static.mkdir()
    for name in ("a.css", "b.css"):
        (static / name).write_text(f"/* {name} */", "utf-8")
    site.config = SimpleNamespace(html_css_files=[("a.css", {}), ("b.css", {})])
    head = "".join(
        f'<link rel="stylesheet" type="text/css" href="../_static/{name}?v=1" />\n'
        for name in ("theme.css", "a.css", "b.css", "later.css")
    )
    path = page(site, "", head)
    sheets.join(site, None)
    made = re.findall(r'href="\.\./_static/([\w.]+)', text(path))
    assert made == ["theme.css", "pages.css", "later.css"]
    assert text(static / "pages.css") == "/* a.css */\n/* b.css */"


# --- scripts ------------------------------------------------------------------------------------


def lean(body, *scripts, is_search=False):
    head = "".join(f'<script src="../_static/{name}"></script>\n' for name in scripts)
    whole = f"<html><head>{head}</head><body>{body}</body></html>"
    made = tidy_scripts.lean(whole, is_search, "const SETTINGS = 1;")
    return re.findall(r'<script[^>]*src="../_static/([^"]*)"', made), made


def test_a_page_has_the_scripts_that_it_uses_and_widgets_come_first():
    scripts = ["doctools.js", "searchtools.js", "widgets.js", "derivations.js"]
    assert lean("<p>text</p>", *scripts)[0] == ["doctools.js"]
    named, made = lean(f'{VIEW}{{}}</script><div class="derivation">', *scripts)
    assert named == ["widgets.js", "doctools.js", "derivations.js"]
    assert made.count("<script defer src") == 3 and 'classList.add("stepwise")' in made


def test_only_the_search_page_searches_and_no_page_marks_parts_of_words():
    scripts = ["documentation_options.js", "sphinx_highlight.js", "searchtools.js"]
    named, made = lean("", *scripts, is_search=True)
    assert named == ["searchtools.js", "search.js"]
    assert "const SETTINGS = 1;" in made and "SPHINX_HIGHLIGHT_ENABLED = false" in made
    assert lean("", *scripts)[0] == []


def test_a_change_of_the_theme_is_noticed(tmp_path):
    (tmp_path / "theme.js").write_text("something else")
    with pytest.raises(ValueError, match="has changed"):
        tidy_scripts.measure_less(tmp_path / "theme.js")


# --- widgets ------------------------------------------------------------------------------------


def model(name, **state):
    return {"model_name": name, "state": state}


def test_scripts_of_widgets_are_files_and_frames_that_nobody_sees_yet(site):
    frame = "<svg>" + "x" * widget_files.SHORT + "</svg>"
    models = {
        "a": model("AnyModel", _esm="export default 1;"),
        "b": model("AnyModel", _esm="export default 1;"),
        "box": model("VBoxModel", children=["IPY_MODEL_stack"]),
        "stack": model("StackModel", children=["IPY_MODEL_1", "IPY_MODEL_2"], selected_index=1),
        "1": model("HTMLModel", value=frame + "1"),
        "2": model("HTMLModel", value=frame + "2"),
    }
    view = VIEW + json.dumps({"model_id": "box"}) + "</script>"
    path = page(site, view, STATE + json.dumps({"state": models}) + "</script>")
    widget_files.take_out(site, None)
    made = text(path)
    widget_files.take_out(site, None)  # a second build finds pages of the first
    assert text(path) == made
    state = json.loads(widget_files.STATE.search(made)[2])["state"]
    assert state["a"]["state"] == state["b"]["state"]
    script = state["a"]["state"]["module"]
    assert text(f"{site.outdir}/book/{script}") == "export default 1;"
    assert made.count(f'<link rel="modulepreload" href="{script}" />') == 1
    assert state["2"]["state"]["value"] == frame + "2"
    assert "value" not in state["1"]["state"]
    assert text(f"{site.outdir}/book/{state['1']['state']['frame']}") == frame + "1"


# --- icons and typefaces ------------------------------------------------------------------------


def test_the_theme_has_the_outlines_of_icons_by_name_and_by_sign():
    pytest.importorskip("pydata_sphinx_theme")
    by_name, by_code = icons.outlines()
    assert by_code["f002"] == by_name["magnifying-glass"]
    style = (
        '@font-face{font-family:Font Awesome\\ 6 Free;src:url(a)}:root{--pst-icon-bell:"\uf0f3"}'
        '.fa-moon:before{content:"\uf186"}.fa-sun:before{content:"\uf185"}'
        "a:before{content:var(--pst-icon-bell);font:var(--fa-font-solid)}.fa-solid{}"
    )
    made = icons.without_fonts(style, by_name, by_code, {"moon"})
    assert "@font-face" not in made and "--fa-font" not in made and "fa-sun" not in made
    assert ".fa-moon{--icon:url('data:image/svg+xml," in made
    assert 'a:before{content:"";--icon:var(--pst-icon-bell);' in made


@pytest.mark.skipif(not typefaces.PACKAGES.exists(), reason="npm has not brought the typefaces")
def test_the_typefaces_are_served_and_no_file_is_missing(site):
    typefaces.copy(site, None)
    style = text(f"{site.outdir}/_static/typefaces/typefaces.css")
    files = re.findall(r"url\(([^)]*)\)", style)
    assert {*typefaces.FIRST} <= {*files} and not any("cyrillic" in name for name in files)
    for name in files:
        assert (Path(site.outdir) / "_static" / "typefaces" / name).stat().st_size > 5000


def test_the_search_page_parses():
    if not shutil.which("node"):
        pytest.skip("no node")
    script = ROOT / "book" / "_static" / "search.js"
    assert subprocess.run(["node", "--check", script], check=False).returncode == 0
