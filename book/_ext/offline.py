"""Make the built book work without a network, where `npm ci` has brought the script it needs.

Formulas need MathJax. When `node_modules` is there, it is copied into the built book. Without it
pages load it from a public network, and the build says so at its end. Nothing else is loaded from
anywhere: widgets are shown by our own ``_static/widgets.js``.
"""

import shutil
from pathlib import Path

from sphinx.util import logging

MATHJAX = Path(__file__).resolve().parents[2] / "node_modules" / "mathjax" / "es5"
PARTS = ("tex-mml-chtml.js", "input/tex/extensions/color.js", "output/chtml/fonts")


def use_local_script(app, config):
    config.mathjax_path = "vendor/mathjax/tex-mml-chtml.js"


def copy_local_script(app, error):
    if error or app.builder.format != "html":
        return
    for part in PARTS:
        target = Path(app.outdir) / "_static" / "vendor" / "mathjax" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (MATHJAX / part).is_dir():
            shutil.copytree(MATHJAX / part, target, dirs_exist_ok=True)
        else:
            shutil.copy2(MATHJAX / part, target)


def say_what_is_loaded(app, error):
    if not error and app.builder.format == "html":
        logging.getLogger(__name__).info(
            "These pages load MathJax from a public network when they are read, since node_modules "
            "has none: for pages that load nothing, install Node.js with npm and build again."
        )


def setup(app):
    if all((MATHJAX / part).exists() for part in PARTS):
        app.connect("config-inited", use_local_script, priority=1)
        app.connect("build-finished", copy_local_script)
    else:
        app.connect("build-finished", say_what_is_loaded)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
