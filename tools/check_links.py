"""Check every local link, picture, script and anchor of a built site.

::

    python tools/check_links.py _build/html

Addresses of other hosts are left alone: whether they answer says nothing about the book.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ALWAYS_THERE = {"", "top"}  # browsers go to the top of the page


class Page(HTMLParser):
    """The anchors of one page, and what it links to."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Collect ids, links, sources and redirections."""
        attrs = {key: value for key, value in attrs if value is not None}
        if "id" in attrs:
            self.anchors.add(attrs["id"])
        if tag == "a" and "name" in attrs:
            self.anchors.add(attrs["name"])
        self.links.update(attrs[key] for key in ("href", "src", "poster") if key in attrs)
        if tag == "meta" and attrs.get("http-equiv", "").lower() == "refresh":
            self.links.update(re.findall(r"url=(\S+)", attrs.get("content", ""), re.IGNORECASE))


def broken_links(site):
    """Pages of the site, and (page, link, why) of every local link that leads nowhere."""
    site = Path(site).resolve()
    # html files in _static are the theme's templates
    paths = [p for p in sorted(site.rglob("*.html")) if p.relative_to(site).parts[0] != "_static"]
    pages = {path: Page(path) for path in paths}
    broken = []
    for path, page in pages.items():
        for link in sorted(page.links):
            why = what_is_wrong(link, path, pages, site)
            if why:
                broken.append((path.relative_to(site), link, why))
    return list(pages), broken


def what_is_wrong(link, path, pages, site):
    """Say why `link` on the page at `path` leads nowhere, or None if it leads somewhere."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    target = path
    if parts.path.startswith("/"):
        return "starts with /, so it works only at the root of a host"
    if parts.path:
        target = (path.parent / unquote(parts.path)).resolve()
    if not target.is_relative_to(site):
        return "leaves the site"
    if target.is_dir():
        target = target / "index.html"
    if not target.is_file():
        return "no such file"
    anchor = unquote(parts.fragment)
    if target in pages and anchor not in ALWAYS_THERE | pages[target].anchors:
        return "no such anchor"
    return None


def main(site):
    pages, broken = broken_links(site)
    if not pages:
        print(f"no html page in {site}: build the book first", file=sys.stderr)
        return 2
    for page, link, why in broken:
        print(f"{page}: {link}: {why}")
    print(f"{len(pages)} pages, {len(broken)} broken links")
    return 1 if broken else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/check_links.py SITE")
    sys.exit(main(sys.argv[1]))
