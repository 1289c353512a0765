"""Make the slides of one lecture out of chapters 2 to 4: ``_build/slides/lecture.slides.html``.

Usage: python tools/slides.py

The chapters' cells say in their metadata where a slide begins (``slideshow.slide_type``, as Jupyter
and nbconvert have it), and with the tag ``output-only`` that a slide shows no code. A derivation is
a slide of its own, on which its lines come one by one. Open the page in a browser; ``?print-pdf``
behind the address prints it. With reveal.js and KaTeX from npm it works without a network; without
npm the slides load reveal.js and MathJax from a public one, and the tool says so.
"""

import re
import shutil

import nbformat
from chapter import ROOT, pages
from nbconvert import SlidesExporter
from traitlets.config import Config

CHAPTERS = ["02", "03", "04"]
TARGET = ROOT / "_build" / "slides"
TITLE = "Influence functions: one lecture"
REVEAL = ["reveal.css", "reveal.js", "theme/white.css", "theme/fonts/source-sans-pro"]
KATEX = ["katex.min.css", "katex.min.js", "contrib/auto-render.min.js", "fonts"]
SCRIPTS = {
    "reveal.js": [*(f"dist/{name}" for name in REVEAL), "plugin/notes"],
    "katex": [f"dist/{name}" for name in KATEX],
    "requirejs": ["require.js"],
}
STYLE = """<style>
.reveal { --jp-content-font-family: "Source Sans Pro", sans-serif; }
.reveal .slides { text-align: left; font-size: 0.8em !important; }
.reveal .slides section { max-height: 700px; overflow-y: auto; }
.reveal h1, .reveal h2, .reveal h3 { text-transform: none !important; }
.reveal :is(img, .jp-RenderedSVG svg) { display: block; max-width: 100%; margin: 0 auto; }
.reveal :is(img, .jp-RenderedSVG svg) { max-height: 48vh !important; }
.reveal .jp-OutputArea { display: flex; flex-wrap: wrap; }
.reveal .jp-OutputArea-child { flex: 1 1 100%; min-width: 0; }
.reveal .jp-OutputArea-child:has(.jp-RenderedSVG) { flex: 1 1 40%; }
.reveal .jp-InputPrompt, .reveal .jp-OutputPrompt { display: none; }
.reveal pre { font-size: 0.8em; line-height: 1.3; box-shadow: none; width: 100%; }
.reveal table { font-size: 0.8em; }
</style>
"""
# Before the script that loads reveal.js: after it these would wait to be asked for.
FORMULAS = """<link rel="stylesheet" href="katex/dist/katex.min.css">
<script src="katex/dist/katex.min.js"></script>
<script src="katex/dist/contrib/auto-render.min.js"></script>
<script>
const delimiters = [["$$", true], ["$", false]].map(
  ([mark, display]) => ({ left: mark, right: mark, display }));
document.addEventListener("DOMContentLoaded", () =>
  renderMathInElement(document.body, { delimiters, throwOnError: false }));
</script>
"""
MATHJAX = re.compile(
    r"(?s)<!-- Load mathjax -->.*?<!-- End of mathjax configuration -->"
    r"|var update = function.*?Reveal\.addEventListener\('slidechanged', update\);"
)
UNUSED = re.compile(
    r"(?s)<script type=\"module\">(?:(?!</script>).)*?mermaid.*?</script>"
    r"|<script src=\"[^\"]*jquery[^\"]*\"></script>"
)


DERIVATION = re.compile(r"(?s)<div class=\"derivation\".*?>\n(.*?)</div>")
LINE = re.compile(r"(?ms)^\d+\. (.*?)(?=^\d+\. |\Z)")
ASIDE = re.compile(r"(?s)<details>.*?</details>|!\[[^\]]*\]\([^)]*\)")


def lecture():
    """One notebook of all slides, without the cells that no slide shows."""
    book = nbformat.v4.new_notebook()
    for path in (path for number in CHAPTERS for path in pages(number)):
        chapter = nbformat.read(path, as_version=4)
        for cell in chapter.cells:
            kind = cell.metadata.get("slideshow", {}).get("slide_type", "skip")
            if kind == "skip":
                continue
            shown = parts(cell.source, kind) if cell.cell_type == "markdown" else [(None, kind)]
            for source, kind in shown:
                part = nbformat.from_dict(cell)
                part.id = f"slide-{len(book.cells)}"
                part.source = cell.source if source is None else plain(source)
                part.metadata.slideshow = {"slide_type": kind}
                book.cells.append(part)
    return book


def parts(markdown, kind):
    """Text of a cell as (source, kind of slide): what stands around a derivation, and its lines."""
    for k, text in enumerate(DERIVATION.split(markdown)):
        if k % 2 == 0 and text.strip():
            yield text.strip(), kind if k == 0 else "slide"
        for number, line in enumerate(LINE.findall(text) if k % 2 else [], start=1):
            formula = re.sub(r"\s*\n\s*", " ", ASIDE.sub("", line)).strip()
            yield f"{number}. {formula}", "fragment" if number > 1 else "slide"


def plain(markdown):
    """Without what only the book's own pages understand: admonitions and links to other pages."""
    markdown = re.sub(r"(?m)^:::\{admonition\} (.*)\n(?::.*\n)*", r"## \1\n", markdown)
    markdown = re.sub(r"(?m)^:::\n?$", "", markdown)
    return re.sub(r"\[([^\]]+)\]\([\w#-]+\.(?:ipynb|md)[\w#-]*\)", r"\1", markdown)


def copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


def main():
    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_input_tags = {"hide-input", "output-only"}
    exporter = SlidesExporter(config=config, reveal_theme="white", exclude_anchor_links=True)
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    modules = ROOT / "node_modules"
    head = STYLE
    if all((modules / name).exists() for name in SCRIPTS):
        for name, parts in SCRIPTS.items():
            for part in parts:
                copy(modules / name / part, TARGET / name / part)
        exporter.reveal_url_prefix = "reveal.js"
        exporter.require_js_url = "requirejs/require.js"
        head += FORMULAS
    else:
        print("These slides load reveal.js and MathJax from a public network: no npm brought them.")
    page, _ = exporter.from_notebook_node(lecture())
    if FORMULAS in head:
        page = MATHJAX.sub("", page)
    page = UNUSED.sub("", page).replace("<head>", f"<head>{head}", 1)
    page = page.replace("<title>Notebook slides</title>", f"<title>{TITLE}</title>", 1)
    path = TARGET / "lecture.slides.html"
    path.write_text(page, "utf-8")
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
