"""Check every local link, picture, script and anchor of a built site.

Usage: python tools/check_links.py _build/html
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Sphinx's search page and index pages link to themselves in ways only its scripts understand.
UNCHECKED_ANCHORS = {"", "top"}


class Page(HTMLParser):
    """The anchors of one page, and what it links to."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Collect ids, names, hrefs and srcs."""
        attrs = dict(attrs)
        self.anchors.update(attrs[key] for key in ("id", "name") if attrs.get(key))
        if tag != "base":
            self.links.update(attrs[key] for key in ("href", "src") if attrs.get(key))


def broken_links(site):
    """Every local link of the site that leads nowhere.  -> list of (page, link, why)."""
    site = Path(site).resolve()
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    broken = []
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue  # another site, mail, or data
            target = path
            if parts.path.startswith("/"):
                target = site / unquote(parts.path).lstrip("/")
            elif parts.path:
                target = (path.parent / unquote(parts.path)).resolve()
            if target.is_dir():
                target = target / "index.html"
            anchor = unquote(parts.fragment)
            if not target.exists():
                broken.append((path.relative_to(site), link, "no such file"))
            elif target in pages and anchor not in UNCHECKED_ANCHORS | pages[target].anchors:
                broken.append((path.relative_to(site), link, "no such anchor"))
    return broken, len(pages)


def main(site):
    broken, n_pages = broken_links(site)
    for page, link, why in broken:
        print(f"{page}: {link}: {why}")
    print(f"{n_pages} pages, {len(broken)} broken links")
    return 1 if broken or not n_pages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
