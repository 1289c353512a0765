"""What all steps share that change pages once Sphinx has written them."""

from functools import wraps
from pathlib import Path


def of_html(step):
    """Make of `step`, a function of the app, a listener to "build-finished".

    It has nothing to do after an error, or where something else than HTML was built.
    """

    @wraps(step)
    def listener(app, error):
        if not error and app.builder.format == "html":
            step(app)

    return listener


def change_pages(app, change):
    """Write those pages anew that ``change(page, path)``, of their text and place, changes."""
    for path in Path(app.outdir).rglob("*.html"):
        page = path.read_text("utf-8")
        changed = change(page, path)
        if changed != page:
            path.write_text(changed, "utf-8")
