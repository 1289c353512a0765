"""Mend three things in the scripts that Jupyter Book's extensions put on every page.

sphinx-thebe adds its inline script twice, and the second copy is a SyntaxError in the browser; its
launch button is not used here at all, so both go. FontAwesome replaces the icons that ipywidgets
puts into its buttons unless it is told beforehand to nest them. And ipywidgets typesets its labels
with ``MathJax.Hub.Queue`` of MathJax 2, which MathJax 3 no longer has.
"""

BEFORE_ALL_OTHERS = """
window.FontAwesomeConfig = {autoReplaceSvg: "nest"};
let mathJax;
Object.defineProperty(window, "MathJax", {
  get: () => mathJax,
  set(value) {
    mathJax = value;
    mathJax.Hub ??= {Queue: ([, , element]) => mathJax.typesetPromise?.([element])};
  },
});
"""


def tidy_scripts(app, pagename, templatename, context, doctree):
    """Drop thebe's scripts and styles, and any inline script that is already on the page."""
    kept, seen = [], set()
    for script in context.get("script_files", []):
        body = getattr(script, "attributes", {}).get("body")
        if "thebe" in str(getattr(script, "filename", script)) + (body or "") or body in seen:
            continue
        if body:
            seen.add(body)
        kept.append(script)
    context["script_files"] = kept
    context["css_files"] = [
        css
        for css in context.get("css_files", [])
        if "thebe" not in str(getattr(css, "filename", css))
    ]


def setup(app):
    app.add_js_file(None, body=BEFORE_ALL_OTHERS, priority=100)
    app.connect("html-page-context", tidy_scripts, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
