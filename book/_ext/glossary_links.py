"""Link the words of the glossary: the first time that a page uses a term in its running text.

Chapters are plain Markdown, so that they read the same in Jupyter and on Colab; the links are made
when the book is built. Each entry of the glossary in turn lists the pages that use it.
"""

import re

from docutils import nodes
from sphinx.util import logging

GLOSSARY = "book/glossary"
OTHERS = ("book/api", "book/bibliography", GLOSSARY)  # pages that begin so are not linked from
# words of everyday language, which a chapter also uses in their everyday sense
AMBIGUOUS = {"budget", "depth", "projection", "recall", "scale", "spread", "transfer"}
NOT_IN = (nodes.reference, nodes.literal, nodes.math, nodes.title, nodes.caption, nodes.term)


def find_terms(app, env):
    """After reading: every term's anchor, its pattern, and the pages that use it."""
    objects = env.get_domain("std").objects
    env.glossary_anchors = {
        name.lower(): anchor
        for (kind, name), (page, anchor) in objects.items()
        if kind == "term" and page == GLOSSARY and name.lower() not in AMBIGUOUS
    }
    if not env.glossary_anchors:
        logging.getLogger(__name__).warning("no terms found in %s", GLOSSARY)
        return
    longest_first = sorted(env.glossary_anchors, key=len, reverse=True)
    words = "|".join(re.escape(term).replace(r"\ ", r"\s+") for term in longest_first)
    env.glossary_pattern = re.compile(rf"(?<![\w-])({words})(?:s|es)?(?![\w-])", re.IGNORECASE)
    env.glossary_uses = {term: [] for term in env.glossary_anchors}
    for page in sorted(page for page in env.found_docs if not page.startswith(OTHERS)):
        for term in {term for term, _, _ in first_uses(env, env.get_doctree(page))}:
            env.glossary_uses[term].append(page)


def first_uses(env, doctree):
    """(term, text node, match) of the first use of each term on a page."""
    seen = set()
    for text in list(doctree.findall(nodes.Text)):
        if not in_running_text(text):
            continue
        for match in env.glossary_pattern.finditer(text):
            term = " ".join(match[1].lower().split())
            if term not in seen:
                seen.add(term)
                yield term, text, match


def in_running_text(text):
    ancestors = []
    node = text.parent
    while node is not None:
        ancestors.append(node)
        node = node.parent
    inside = any(isinstance(a, nodes.paragraph) for a in ancestors)
    return inside and not any(isinstance(a, NOT_IN) for a in ancestors)


def link(app, doctree, page):
    """Before writing: put the links in, or on the glossary's own page the pages that use a term."""
    env = app.env
    if not getattr(env, "glossary_anchors", None):
        return
    if page == GLOSSARY:
        list_uses(app, doctree)
    elif not page.startswith(OTHERS):
        glossary = app.builder.get_relative_uri(page, GLOSSARY)
        uses = {}
        for term, text, match in first_uses(env, doctree):
            uses.setdefault(text, []).append((match, f"{glossary}#{env.glossary_anchors[term]}"))
        for text, found in uses.items():
            text.parent.replace(text, with_links(text, found))


def with_links(text, found):
    """The nodes that take the place of one text."""
    parts, end = [], 0
    for match, target in found:
        parts.append(nodes.Text(text[end : match.start()]))
        word = nodes.reference(
            "", match[0], refuri=target, internal=True, classes=["glossary-link"]
        )
        parts.append(word)
        end = match.end()
    return [*parts, nodes.Text(text[end:])]


def list_uses(app, doctree):
    for item in doctree.findall(nodes.definition_list_item):
        pages = []
        for term in item.findall(nodes.term):
            pages += app.env.glossary_uses.get(term.astext().lower(), [])
        if not pages:
            continue
        line = nodes.paragraph("", "In: ", classes=["glossary-uses"])
        for k, page in enumerate(pages):
            title = app.env.titles[page].astext()
            target = app.builder.get_relative_uri(GLOSSARY, page)
            name = title.split(" · ")[0] if " · " in title else title.lower()
            line += nodes.Text(", " if k else "")
            line += nodes.reference("", name, refuri=target, internal=True, reftitle=title)
        next(item.findall(nodes.definition)).append(line)


def setup(app):
    app.connect("env-updated", find_terms)
    app.connect("doctree-resolved", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
