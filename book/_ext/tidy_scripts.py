"""Leave on each page the scripts and styles that it needs, and let none of them keep it waiting.

Jupyter Book and its theme put all they have on every page. The search index weighs as much as the
page itself and is needed where one searches. What a page has no use for goes: widgets, derivations,
folding, tabs, copying of code. All others wait until the page is there, widgets first.
"""

import re
from pathlib import Path

from finished import change_pages, of_html

SCRIPT = re.compile(r"[ \t]*<script\b([^>]*)>(.*?)</script>\n?", re.DOTALL)
LINK = re.compile(r"[ \t]*<link\b([^>]*)/>\n?")
NEVER = re.compile(r'fontawesome\.js|thebe|as="script"|MathJax = |kernelName = |locales/')
SEARCH = re.compile(r"searchtools\.js|language_data\.js|searchindex\.js")
ONLY_WITH = [  # what a script or style is called, what its pages have
    (re.compile(r"/widgets\.js"), re.compile("jupyter.widget-view")),
    (re.compile(r"/derivations\.js"), re.compile('class="derivation')),
    (
        re.compile(r"toggle(Hint|Open|button)"),
        re.compile(r'class="(toggle|[^"]*admonition[^"]* dropdown)\b'),
    ),
    (re.compile(r"design-tabs|sphinx-design"), re.compile(r'class="[^"]*\bsd-')),
    (re.compile(r"copybutton|clipboard"), re.compile('class="highlight')),
]
# The theme learns late whether the system is dark, and then the whole page is laid out once more.
UNKNOWN = 'localStorage.getItem("theme") || "auto"'
KNOWN = """(localStorage.getItem("mode") || "auto") !== "auto" ? localStorage.getItem("mode")
      : matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light\""""
# It measures every block of code, so as to make those that scroll reachable by keyboard: here only
# what is laid out already, then what comes near, and formulas as well.
MEASURES = {
    '"pre",".nboutput': '"div.math","pre",".nboutput',
    ".forEach(e=>{e.tabIndex=e.scrollWidth": (
        ".forEach(e=>{if(e.checkVisibility({contentVisibilityAuto:true}))e.tabIndex=e.scrollWidth"
    ),
    'window.addEventListener("resize",t),new MutationObserver': (
        'window.addEventListener("resize",t),'
        'document.addEventListener("contentvisibilityautostatechange",t),new MutationObserver'
    ),
}
STEPWISE = '<script>document.documentElement.classList.add("stepwise");</script>\n'


@of_html
def tidy(app):
    static = Path(app.outdir) / "_static"
    measure_less(static / "scripts" / "pydata-sphinx-theme.js")
    settings = (static / "documentation_options.js").read_text("utf-8")

    def tidied(page, path):
        is_page = "<body" in page and static not in path.parents
        return lean(page, path.name == "search.html", settings) if is_page else page

    change_pages(app, tidied)


def measure_less(path):
    script = path.read_text("utf-8")
    for old, new in MEASURES.items():
        if new not in script and old not in script:
            raise ValueError(f"{path.name} of the theme has changed: {old} is not in it any more.")
        script = script if new in script else script.replace(old, new)
    path.write_text(script, "utf-8")


def lean(page, is_search, settings):
    """The page without what it does not need; the rest waits, and widgets wait least."""
    mathjax = "mathjax@" in page  # formulas are not typeset: see formulas.py
    body = page[page.index("<body") :]

    def needed(what):
        if NEVER.search(what) and not ("MathJax = " in what and mathjax):
            return False
        if SEARCH.search(what) and not is_search:
            return False
        return all(use.search(body) for name, use in ONLY_WITH if name.search(what))

    def script(match):
        attributes, text = match[1], match[2]
        if "application/" in attributes:
            return match[0]
        if not needed(attributes + text):
            return ""
        if "documentation_options.js" in attributes:  # short, and the scripts in the page use it
            return f"<script>{settings}</script>\n"
        if "sphinx_highlight.js" in attributes:  # it marks letters in the middle of words
            return "<script>const SPHINX_HIGHLIGHT_ENABLED = false;</script>\n" if is_search else ""
        if "searchtools.js" in attributes and "defer" not in attributes:
            return "".join(
                match[0].replace("<script", "<script defer", 1).replace("searchtools", name)
                for name in ("searchtools", "search")
            )
        if "src=" in attributes and not re.search(r"\b(defer|async)\b", attributes):
            return match[0].replace("<script", "<script defer", 1)
        return match[0]

    page = page.replace(UNKNOWN, KNOWN)
    page = LINK.sub(lambda match: match[0] if needed(match[1]) else "", page)
    page = SCRIPT.sub(script, page)
    widgets = re.search(r"<script defer[^>]*/widgets\.js[^>]*></script>\n?", page)
    if widgets:
        page = page.replace(widgets[0], "", 1).replace(
            "<script defer", f"{widgets[0]}<script defer", 1
        )
    if 'class="derivation' in body and STEPWISE not in page:
        page = page.replace("</head>", STEPWISE + "</head>", 1)
    return page


def setup(app):
    app.connect("build-finished", tidy, priority=700)  # when all else on the pages is settled
    return {"parallel_read_safe": True, "parallel_write_safe": True}
