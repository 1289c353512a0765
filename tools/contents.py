"""The pages of the book, as ``_toc.yml`` lists them."""

import yaml
from chapter import ROOT


def contents():
    """(part, page) of every page, in order; the front page belongs to no part."""
    listed = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    pages = [(None, listed["root"])]
    for part in listed["parts"]:
        for chapter in part["chapters"]:
            files = [chapter["file"], *(page["file"] for page in chapter.get("sections", []))]
            pages += [(part["caption"], file) for file in files]
    return pages
