"""Typeset the formulas when the book is built: pages bring HTML, and MathML for those who listen.

KaTeX, which `npm ci` brings, typesets all formulas in one go once the pages are written. A page
with a formula loads its style and fonts, a page without loads nothing. Without node_modules pages
load MathJax from a public network, and the build says so at its end.
"""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

from finished import of_html

KATEX = Path(__file__).resolve().parents[2] / "node_modules" / "katex" / "dist"
FORMULA = re.compile(
    r'(<(?:span|div) class="math notranslate nohighlight"[^>]*>\s*'
    r'(?:<span class="eqno">.*?</span>)?)'
    r"\s*\\([(\[])(.*?)\\[)\]]\s*(?=</)",
    re.DOTALL,
)
EARLY = ("KaTeX_Main-Regular", "KaTeX_Math-Italic")  # fonts that nearly every formula needs
FOLDER = "_static/katex"


def use_katex(app, config):
    config.html_math_renderer = "katex"


@of_html
def typeset(app):
    """Put what KaTeX makes in the place of each formula, on every page that has one."""
    pages = {path: path.read_text("utf-8") for path in Path(app.outdir).rglob("*.html")}
    pages = {path: page for path, page in pages.items() if FORMULA.search(page)}
    keys = dict.fromkeys(key(match) for page in pages.values() for match in FORMULA.finditer(page))
    made = dict(zip(keys, run_katex(list(keys)), strict=True))
    for path, page in pages.items():
        for failed in {k for k in map(key, FORMULA.finditer(page)) if isinstance(made[k], dict)}:
            log().warning("%s: %s", path.stem, made[failed]["error"])
        page = FORMULA.sub(lambda match: match[1] + str(made[key(match)]), page)
        path.write_text(page, "utf-8")
    copy_style(Path(app.outdir) / FOLDER)


def key(match):
    """TeX of a formula, and whether it stands on a line of its own."""
    return unescape(match[3]).strip(), match[2] == "["


def run_katex(formulas):
    script = Path(__file__).with_name("katex.mjs")
    done = subprocess.run(
        ["node", script], input=json.dumps(formulas), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def link_style(app, pagename, templatename, context, doctree):
    """What a page with formulas loads: the style, and early the fonts that every formula needs."""
    if not app.env.get_domain("math").has_equations(pagename):
        return
    names = [f"fonts/{font}.woff2" for font in EARLY]
    *fonts, style = (context["pathto"](f"{FOLDER}/{name}", 1) for name in [*names, "katex.css"])
    links = [
        f'<link rel="preload" href="{font}" as="font" type="font/woff2" crossorigin />'
        for font in fonts
    ]
    links.append(f'<link rel="stylesheet" href="{style}" />')
    context["metatags"] = context.get("metatags", "") + "\n".join(links)


def copy_style(target):
    """KaTeX's style, with the one kind of font files that every browser of today reads."""
    shutil.copytree(KATEX / "fonts", target / "fonts", dirs_exist_ok=True, ignore=not_woff2)
    style = (KATEX / "katex.min.css").read_text("utf-8")
    style = re.sub(r',url\([^)]*\.(?:woff|ttf)\) format\("[a-z]+"\)', "", style)
    (target / "katex.css").write_text(style, "utf-8")


def not_woff2(folder, names):
    return [name for name in names if not name.endswith(".woff2")]


def log():
    from sphinx.util import logging  # here, so that the tests need no Sphinx

    return logging.getLogger(__name__)


@of_html
def say_what_is_loaded(app):
    log().info(
        "These pages load MathJax from a public network when they are read, since node_modules "
        "has no KaTeX: for pages that load nothing, install Node.js with npm and build again."
    )


def setup(app):
    from sphinx.ext.mathjax import html_visit_displaymath, html_visit_math

    app.add_html_math_renderer("katex", (html_visit_math, None), (html_visit_displaymath, None))
    if KATEX.exists() and shutil.which("node"):
        app.connect("config-inited", use_katex, priority=1)
        app.connect("html-page-context", link_style)
        app.connect("build-finished", typeset)
    else:
        app.connect("build-finished", say_what_is_loaded)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
