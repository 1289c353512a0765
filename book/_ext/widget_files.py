"""Take out of each page what its widgets need only later, or share with other pages.

A notebook keeps with every widget its JavaScript, and every frame that a slider may show. Here each
distinct script becomes one file, which a browser keeps; frames that are not seen at first become
files that are fetched when a reader comes near; and so do large pictures that are written inside a
page. `widgets.js` knows where they are.
"""

import base64
import json
import os
import re
from hashlib import sha256
from pathlib import Path

from finished import change_pages, of_html

STATE = re.compile(
    r'(<script type="application/vnd.jupyter.widget-state\+json">)(.*?)(</script>)', re.DOTALL
)
VIEW = re.compile(
    r'<script type="application/vnd.jupyter.widget-view\+json">(.*?)</script>', re.DOTALL
)
PICTURE = re.compile(r"data:image/(png|webp|jpeg);base64,([A-Za-z0-9+/=\s]{6000,})")
SHORT = 2000  # characters of a frame that stays in its page
FOLDER = Path("_static") / "widgets"


@of_html
def take_out(app):
    change_pages(app, lambda page, path: lighter(page, Page(path, Path(app.outdir))))


def lighter(page, lean):
    """The page without what it gives to files, and with links to its scripts."""
    page = STATE.sub(lambda found: lean.state(found, page), page, count=1)
    page = PICTURE.sub(lean.picture, page)
    links = "".join(f'<link rel="modulepreload" href="{module}" />\n' for module in lean.modules)
    return page.replace("</head>", links + "</head>", 1)


class Page:
    """One page, and the files that it gives parts of itself to."""

    def __init__(self, path, site):
        self.site, self.modules = site, {}
        self.root = os.path.relpath(site, path.parent).replace(os.sep, "/")

    def file(self, folder, ending, data):
        """Write data to a file named after them. Returns its address, seen from the page."""
        name = folder / f"{sha256(data).hexdigest()[:12]}.{ending}"
        (self.site / folder).mkdir(parents=True, exist_ok=True)
        (self.site / name).write_bytes(data)
        return f"{self.root}/{name.as_posix()}"

    def state(self, found, page):
        """Replace scripts and frames in the state of the widgets by addresses of files."""
        content = json.loads(found[2])
        models = content["state"]
        seen = {
            key
            for view in VIEW.findall(page)
            for key in at_first(models, json.loads(view)["model_id"])
        }
        for key, model in models.items():
            state = model["state"]
            if "_esm" in state:
                state["module"] = self.file(FOLDER, "js", state.pop("_esm").encode())
                self.modules.setdefault(state["module"])
            elif model["model_name"] == "HTMLModel" and key not in seen:
                if len(state.get("value", "")) <= SHORT:  # or it is out since an earlier build
                    continue
                html = PICTURE.sub(self.picture, state.pop("value"))
                state["frame"] = self.file(FOLDER, "html", html.encode())
        return found[1] + json.dumps(content).replace("</", "<\\/") + found[3]

    def picture(self, found):
        """Replace the bytes of a picture by the address of a file."""
        return self.file(Path("_images"), found[1], base64.b64decode(found[2]))


def at_first(models, key):
    """Yield what is seen of a widget before anybody has touched it."""
    yield key
    state = models[key]["state"]
    children = state.get("children", [])
    if "selected_index" in state:
        children = [children[state["selected_index"]]]
    for child in children:
        yield from at_first(models, child.removeprefix("IPY_MODEL_"))


def setup(app):
    app.connect("build-finished", take_out, priority=600)  # once the pages have their figures
    return {"parallel_read_safe": True, "parallel_write_safe": True}
