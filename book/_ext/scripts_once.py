"""Mend two things in the scripts that Jupyter Book's extensions put on every page.

sphinx-thebe adds its inline script twice, and the second copy is a SyntaxError in the browser;
its launch button is not used here at all, so both go. FontAwesome's script replaces the icons that
ipywidgets puts into its buttons unless it is told beforehand to nest them.
"""

NEST_ICONS = 'window.FontAwesomeConfig = {autoReplaceSvg: "nest"};'


def tidy_scripts(app, pagename, templatename, context, doctree):
    """Drop thebe's scripts, and any inline script that is already on the page."""
    kept, seen = [], set()
    for script in context.get("script_files", []):
        body = getattr(script, "attributes", {}).get("body")
        name = str(getattr(script, "filename", "") or "")
        if "thebe" in name or "thebe" in (body or "") or (body and body in seen):
            continue
        seen.add(body)
        kept.append(script)
    context["script_files"] = kept
    context["css_files"] = [
        css for css in context.get("css_files", []) if "thebe" not in str(getattr(css, "filename", css))
    ]


def setup(app):
    app.add_js_file(None, body=NEST_ICONS, priority=100)
    app.connect("html-page-context", tidy_scripts, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
