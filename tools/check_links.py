"""Check every local link, picture, script and anchor of a built site.

::

    python tools/check_links.py _build/html
    python tools/check_links.py _build/html --self-contained

Links to other hosts are left alone: whether they answer says nothing about the book. But scripts,
styles, fonts and pictures that a browser would fetch from other hosts by itself are listed, and
with `--self-contained` there may be none.
"""

import argparse
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ALWAYS_THERE = {"", "top"}  # browsers go to the top of the page
ONLY_NAMED = {"canonical", "alternate", "author", "license", "next", "prev", "search", "index"}
ELSEWHERE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s;]+)", re.IGNORECASE)


class Page(HTMLParser):
    """The anchors of one page, what it links to, and what a browser loads with it."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loaded = set(), set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Collect ids, links, sources and redirections."""
        attrs = {key: value for key, value in attrs if value is not None}
        if "id" in attrs:
            self.anchors.add(attrs["id"])
        if tag == "a" and "name" in attrs:
            self.anchors.add(attrs["name"])
        if tag != "base":  # says where the site is, on a page that is shown anywhere
            self.links.update(attrs[key] for key in ("href", "src", "poster") if key in attrs)
        if tag == "meta" and attrs.get("http-equiv", "").lower() == "refresh":
            self.links.update(re.findall(r"url=(\S+)", attrs.get("content", ""), re.IGNORECASE))
        self.loaded.update(loads(tag, attrs))

    def handle_data(self, data):
        """Collect what a style on the page loads."""
        if self.lasttag == "style":
            self.loaded.update(IN_STYLES.findall(data))


def loads(tag, attrs):
    """Addresses that a browser fetches by itself when it meets this tag."""
    for key in ("src", "poster", "data"):
        yield attrs.get(key, "")
    yield from re.findall(r"[^\s,]+", attrs.get("srcset", ""))
    yield from IN_STYLES.findall(attrs.get("style", ""))
    if tag == "link" and not set(attrs.get("rel", "").lower().split()) <= ONLY_NAMED:
        yield attrs.get("href", "")


def html_of(site):
    """All pages of a site; html files in _static are the theme's templates."""
    return [p for p in sorted(site.rglob("*.html")) if p.relative_to(site).parts[0] != "_static"]


def broken_links(site):
    """Pages of the site, and (page, link, why) of every local link that leads nowhere."""
    site = Path(site).resolve()
    pages = {path: Page(path) for path in html_of(site)}
    broken = []
    for path, page in pages.items():
        for link in sorted(page.links):
            why = what_is_wrong(link, path, pages, site)
            if why:
                broken.append((path.relative_to(site), link, why))
    return list(pages), broken


def loaded_from_elsewhere(site):
    """(file, address) of all that a browser would fetch from other hosts by itself."""
    site = Path(site).resolve()
    found = {path: Page(path).loaded for path in html_of(site)}
    for path in site.rglob("*.css"):
        found[path] = IN_STYLES.findall(path.read_text("utf-8"))
    return [
        (path.relative_to(site), address)
        for path, loaded in sorted(found.items())
        for address in sorted(loaded)
        if ELSEWHERE.match(address)
    ]


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


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("--self-contained", action="store_true", help="nothing from other hosts")
    options = parser.parse_args(arguments)
    pages, broken = broken_links(options.site)
    if not pages:
        print(f"no html page in {options.site}: build the book first", file=sys.stderr)
        return 2
    for page, link, why in broken:
        print(f"{page}: {link}: {why}")
    elsewhere = loaded_from_elsewhere(options.site)
    for page, address in elsewhere:
        print(f"{page}: loads {address}")
    print(
        f"{len(pages)} pages, {len(broken)} broken links, {len(elsewhere)} loads from other hosts"
    )
    return 1 if broken or (elsewhere and options.self_contained) else 0


if __name__ == "__main__":
    sys.exit(main())
