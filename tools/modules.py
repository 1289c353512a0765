"""Put the JavaScript of widgets, as it is now, into the notebooks that carry it.

::

    python tools/modules.py                        every notebook
    python tools/modules.py book/index.ipynb       these only

A notebook holds the whole module of each of its widgets, so that it works without a kernel. After a
change to a file in ``minfluence/book/js`` nothing has to be computed again: this replaces the text.
"""

import argparse
import importlib
import json
from pathlib import Path

from chapter import ROOT, notebooks, widgets

SKELETON = ROOT / "tests" / "templates" / "chapter.ipynb"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "notebooks", nargs="*", type=Path, help="default: all in book/, and the skeleton"
    )
    for path in parser.parse_args(arguments).notebooks or [*notebooks(), SKELETON]:
        text = path.read_text("utf-8")
        for old, new in outdated(text).items():
            text = text.replace(encoded(old), encoded(new))
            print(f"{path}: {new.splitlines()[0].removeprefix('// ')}")
        path.write_text(text, "utf-8")


def outdated(text):
    """Modules in the text of a notebook that are not what they are now: old -> new."""
    models = widgets(json.loads(text)).values()
    states = [model["state"] for model in models if "_esm" in model["state"]]
    now = {state["_esm"]: module_of(state["_anywidget_id"]) for state in states}
    return {old: new for old, new in now.items() if old != new}


def module_of(widget):
    """The JavaScript of a widget, named as in ``minfluence.book.questions.Number``."""
    file, _, name = widget.rpartition(".")
    return str(getattr(importlib.import_module(file), name)._esm)


def encoded(module):
    """A module as notebooks hold it."""
    return json.dumps(module, ensure_ascii=False)


if __name__ == "__main__":
    main()
