"""The pages of the book, as ``_toc.yml`` lists them."""

import yaml
from chapter import ROOT


def contents():
    """(part, page) of every page, in order; the front page belongs to no part."""
    listed = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    pages = [(None, listed["root"])]
    for part in listed["parts"]:
        pages += [(part["caption"], chapter["file"]) for chapter in part["chapters"]]
    return pages
