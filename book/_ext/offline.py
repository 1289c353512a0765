"""Make the built book work without a network, where `npm ci` has brought the scripts it needs.

Formulas need MathJax, widgets need require.js, the widget manager and, where they compute in the
page, anywidget. By default pages load them from public networks. When `node_modules` is there, they
are copied into the built book instead.
"""

import shutil
from pathlib import Path

import anywidget

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "node_modules"
VENDOR = {  # in node_modules -> in the built book's _static/vendor
    "requirejs/require.js": "require.js",
    "@jupyter-widgets/html-manager/dist/embed-amd.js": "embed-amd.js",
    "mathjax/es5/tex-mml-chtml.js": "mathjax/tex-mml-chtml.js",
    "mathjax/es5/output/chtml/fonts": "mathjax/output/chtml/fonts",
}


def use_local_scripts(app, config):
    config.mathjax_path = "vendor/mathjax/tex-mml-chtml.js"
    scripts = ("vendor/require.js", "widget_paths.js", "vendor/embed-amd.js")
    config.nb_ipywidgets_js = {script: {} for script in scripts}


def copy_local_scripts(app, error):
    if error or app.builder.format != "html":
        return
    for source, target in VENDOR.items():
        path = Path(app.outdir) / "_static" / "vendor" / target
        path.parent.mkdir(parents=True, exist_ok=True)
        if (MODULES / source).is_dir():
            shutil.copytree(MODULES / source, path, dirs_exist_ok=True)
        else:
            shutil.copy2(MODULES / source, path)
    module = Path(anywidget.__file__).parent / "nbextension" / "index.js"
    shutil.copy2(module, Path(app.outdir) / "_static" / "vendor" / "anywidget.js")


def setup(app):
    if all((MODULES / source).exists() for source in VENDOR):
        app.connect("config-inited", use_local_scripts, priority=1)
        app.connect("build-finished", copy_local_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
