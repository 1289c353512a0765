"""Drop scripts that Jupyter Book and its theme put on every page and that this book does not need.

sphinx-thebe adds its inline script twice, and the second copy is a SyntaxError in the browser; its
launch button is not used here at all, so both go. The theme brings its icons twice, as fonts in its
style sheet and as 1.5 MB of JavaScript that turns them into pictures; the fonts are enough.
"""

from pathlib import Path


def drop_thebe(app, pagename, templatename, context, doctree):
    """Leave out thebe's scripts and styles, and any inline script that is already on the page."""
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


def empty_fontawesome(app, error):
    """Empty the script, since the theme's template asks for it by name."""
    script = Path(app.outdir) / "_static" / "scripts" / "fontawesome.js"
    if not error and script.exists():
        script.write_text("// the icons are fonts, in the style sheet\n", "utf-8")


def setup(app):
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("build-finished", empty_fontawesome)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
