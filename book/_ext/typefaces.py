"""Serve the typefaces of text and code with the book, from the packages that `npm ci` brings.

A browser fetches only the files whose signs a page has; the two that every page needs, upright and
italic, are asked for before the style that names them. Without node_modules pages have the typeface
of the reader's system.
"""

import re
from pathlib import Path

from finished import of_html

FAMILIES = {"source-sans-3": ("wght", "wght-italic"), "source-code-pro": ("wght",)}
ALPHABETS = ("latin", "latin-ext", "greek")
PACKAGES = Path(__file__).resolve().parents[2] / "node_modules" / "@fontsource-variable"
FACE = re.compile(r"/\* ([\w-]+?)-wght-\w+ \*/\s*@font-face \{[^}]*\./files/([\w.-]+)[^}]*\}")
FIRST = [f"source-sans-3-latin-wght-{slope}.woff2" for slope in ("normal", "italic")]
FOLDER = "_static/typefaces"


def link(app, pagename, templatename, context, doctree):
    place = context["pathto"](FOLDER, 1)
    asked = "".join(
        f'<link rel="preload" href="{place}/{font}" as="font" type="font/woff2" crossorigin />\n'
        for font in FIRST
    )
    style = f'<link rel="stylesheet" href="{place}/typefaces.css" />\n'
    context["metatags"] = context.get("metatags", "") + asked + style


@of_html
def copy(app):
    target = Path(app.outdir) / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    style = ""
    for family, files in FAMILIES.items():
        for file in files:
            for face in FACE.finditer((PACKAGES / family / f"{file}.css").read_text("utf-8")):
                if face[1].removeprefix(f"{family}-") in ALPHABETS:
                    style += face[0].replace("./files/", "") + "\n"
                    data = (PACKAGES / family / "files" / face[2]).read_bytes()
                    (target / face[2]).write_bytes(data)
    (target / "typefaces.css").write_text(style, "utf-8")


def setup(app):
    if all((PACKAGES / family).exists() for family in FAMILIES):
        app.connect("html-page-context", link)
        app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
