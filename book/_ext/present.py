"""The button that presents a page to a room; what it does is in ``_static/present.js``."""

BUTTON = {
    "type": "javascript",
    "javascript": "present()",
    "tooltip": "Present this page (key P)",
    "icon": "fas fa-chalkboard",
    "label": "present-button",
    "classes": "pst-navbar-icon",
}


def add_button(app, pagename, templatename, context, doctree):
    if doctree is not None:
        context["header_buttons"].append(BUTTON)


def setup(app):
    app.connect("html-page-context", add_button, priority=502)  # the theme's own come at 501
    return {"parallel_read_safe": True, "parallel_write_safe": True}
