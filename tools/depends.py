"""Which cell of a chapter depends on which, and on which data.

The names that cells share are read by Python's own symbol tables, so a chapter has nothing to
declare: an assignment takes along the cells that it needs, and where data cannot be had, the cells
that depend on them are found.
"""

import ast
import functools
import inspect
import re
import symtable

MAGIC = re.compile(r"(?m)^( *)[%!].*")
COMPREHENSIONS = {"listcomp", "setcomp", "dictcomp", "genexpr"}


class Names:
    """Names that a cell loads from other cells, stores for them, or changes in place.

    Attributes
    ----------
    loaded, stored, changed : set of str
    drawn_from : set of str
        Generators of random numbers that it makes.
    later : dict of str -> set of str
        Per function, the names that it loads when it is called.
    loaders : set of str
        Data sets that it asks for, such as ``"data.mnist"``.
    """

    def __init__(self, source):
        plain = MAGIC.sub(r"\1pass", source)
        table, nodes = symtable.symtable(plain, "cell", "exec"), list(ast.walk(ast.parse(plain)))
        symbols = table.get_symbols()
        self.stored = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
        self.loaded = {s.get_name() for s in symbols if s.is_referenced()}
        self.later = {}
        for inner in table.get_children():
            found = free(inner)
            self.loaded |= found
            if inner.get_name() not in COMPREHENSIONS:
                named = self.stored if inner.get_name() == "lambda" else {inner.get_name()}
                self.later |= {name: self.later.get(name, set()) | found for name in named}
        self.changed = {base for node in nodes if (base := changed_in_place(node))}
        added_to = (node.target for node in nodes if isinstance(node, ast.AugAssign))
        self.loaded |= {target.id for target in added_to if isinstance(target, ast.Name)}
        self.drawn_from = {name for node in nodes for name in generators(node)}
        self.loaders = {name for node in nodes for name in loaders(node)}


def free(table):
    """Names of other cells that a function or a comprehension loads, with all inside it."""
    found = {s.get_name() for s in table.get_symbols() if s.is_global()}
    return found.union(*(free(inner) for inner in table.get_children()))


def changed_in_place(node):
    """`x` of ``x[0] = 1``, ``x.a = 1`` and ``x.append(1)``."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        target = node.value.func
    elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
        target = node
    else:
        return None
    inside = isinstance(target, ast.Subscript | ast.Attribute)
    while isinstance(target, ast.Subscript | ast.Attribute):
        target = target.value
    return target.id if inside and isinstance(target, ast.Name) else None


def generators(node):
    """`rng` of ``rng = np.random.default_rng(0)``, whose next draw depends on all before."""
    if isinstance(node, ast.Assign) and "default_rng(" in ast.unparse(node.value):
        for target in node.targets:
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def loaders(node):
    """``data.mnist`` of ``mi.data.mnist`` and of ``from minfluence.book.data import mnist``."""
    if isinstance(node, ast.Attribute):
        dotted = [ast.unparse(node)]
    elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("minfluence"):
        dotted = [f"{node.module}.{alias.name}" for alias in node.names]
    else:  # torch.utils.data is no data
        dotted = []
    for words in (name.split(".") for name in dotted):
        if words[-2] in ("data", "pretrained"):
            yield ".".join(words[-2:])


def needed(before, after):
    """Those cells of `before` without which the cells of `after` would miss a name.

    Parameters
    ----------
    before, after : list of str
        Sources of cells, in their order.

    Returns
    -------
    list of str
    """
    missing, known = set(), set()
    for text in after:
        cell = Names(text)
        missing |= cell.loaded - known
        known |= cell.stored
    kept = []
    for text in reversed(before):
        cell = Names(text)
        if missing & (cell.stored | cell.changed):
            kept.append(text)
            missing = (missing - cell.stored) | cell.loaded
    return kept[::-1]


def blocked(sources, missing=None):
    """Cells that cannot run as they did where some data cannot be had, and why.

    Parameters
    ----------
    sources : list of str
        All code cells of a chapter, in their order.
    missing : callable ``str -> str or None``, optional
        Says of a loader such as ``"data.mnist"`` why it cannot deliver, or None if it can.
        Default: by trying.

    Returns
    -------
    dict of int -> str
        Position of each such cell, and the reason, from the cell that asks for the data.
    """
    missing = missing or why_missing
    lost, later, drawn_from, found = {}, {}, set(), {}
    for k, text in enumerate(sources):
        cell = Names(text)
        later |= cell.later
        drawn_from |= cell.drawn_from
        uses = reached(cell.loaded, later)
        reasons = [missing(name) for name in sorted(cell.loaders)]
        reasons += [lost[name] for name in sorted(uses & lost.keys())]
        reason = next(filter(None, reasons), None)
        if reason:
            found[k] = reason
            lost |= dict.fromkeys(cell.stored | cell.changed | (uses & drawn_from), reason)
        else:
            for name in cell.stored - cell.changed:
                lost.pop(name, None)
    return found


def reached(names, later):
    """These names, and those that their functions load when they are called."""
    found, waiting = set(), set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= later.get(name, set()) - found
    return found


@functools.cache
def why_missing(loader):
    """Why ``data.mnist``, say, cannot deliver, or None if it can or is no loader."""
    from minfluence.book import data

    name = loader.split(".")[-1]
    files = {"mobilenet_v2": "mobilenet_v2_imagenet.npz", "inception_v3": "inception_v3_trunk.npz"}
    load = getattr(data, {"mnist_or_digits": "mnist"}.get(name, name), None)
    try:
        if loader.startswith("pretrained.") and name in files:
            data.find(files[name])
        elif name == "dogfish_features":
            list(map(load, data.FEATURES))
        elif inspect.isfunction(load):
            load()
    except data.DataUnavailable as error:
        return f"no {name} data: {error}"
    return None
