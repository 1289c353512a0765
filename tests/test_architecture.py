"""One idea per file, arrows one way, nothing heavy on import: what ARCHITECTURE.md says."""

import ast
import importlib
import inspect
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

import minfluence

PACKAGE = Path(minfluence.__file__).parent

ROOT = PACKAGE.parent
ROW = re.compile(r"^\| `([a-z_]+)(?:\.py|/)` \| [^|]+ \| (.+) \|$", re.M)
# What each file or folder may import from the package: the table of ARCHITECTURE.md itself.
MAY_IMPORT = {
    name: set(re.findall("`([a-z_]+)`", allowed))
    for name, allowed in ROW.findall((ROOT / "ARCHITECTURE.md").read_text("utf-8"))
}
CORE = (
    "seam memory objectives/base objectives/autograd objectives/linear hessian solvers stochastic "
    "inverse fit influence refits"
).split()
HEAVY = ["torch", "matplotlib", "sklearn", "ipywidgets", "anywidget"]
FILES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix()
    for path in PACKAGE.rglob("*.py")
    if path.stem != "__init__"
)
FOLDERS = sorted({name.split("/")[0] for name in FILES if "/" in name})
each_file = pytest.mark.parametrize("name", FILES)


def tree_of(name):
    """Syntax tree of one file of the package."""
    return ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))


def imports(tree):
    """Every file of the package that a file imports, at the top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            dotted = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for words in (name.split(".") for name in dotted if name.split(".")[0] == "minfluence"):
            path = "/".join(words[1:])
            while path and path not in FILES and path not in FOLDERS:
                path = path.rpartition("/")[0]
            yield path or "the whole package"


def test_every_way_to_import_is_seen():
    code = (
        "import minfluence\nimport minfluence.fit as f\nfrom minfluence import models, seam\n"
        "from minfluence.objectives.linear import X\nfrom minfluence.book import plots\n"
        "from minfluence.models import softmax\nimport numpy\nfrom scipy import stats"
    )
    seen = {"the whole package", "fit", "models", "seam", "objectives/linear", "book/plots"}
    assert set(imports(ast.parse(code))) == seen


def test_the_table_names_every_file_and_folder_once():
    rows = ROW.findall((ROOT / "ARCHITECTURE.md").read_text("utf-8"))
    assert len(rows) == len(MAY_IMPORT)
    assert set(MAY_IMPORT) == {name.split("/")[0] for name in FILES}


@each_file
def test_arrows_point_one_way(name):
    own = name.split("/")[0]
    allowed = MAY_IMPORT[own] | ({own} if "/" in name else set())
    assert {path.split("/")[0] for path in imports(tree_of(name))} <= allowed


def test_no_arrows_run_in_a_circle():
    arrows = {name: set(imports(tree_of(name))) for name in FILES}
    arrows |= {folder: {f for f in FILES if f.startswith(f"{folder}/")} for folder in FOLDERS}
    done = set()
    while len(done) < len(arrows):
        ready = {name for name, needs in arrows.items() if needs <= done} - done
        assert ready, f"{sorted(set(arrows) - done)} import one another"
        done |= ready


def test_architecture_is_one_page():
    assert len((ROOT / "ARCHITECTURE.md").read_text("utf-8").split()) <= 750


def lines_of_code(name):
    """Lines that hold code: no docstrings, comments or blank lines."""
    source = (PACKAGE / f"{name}.py").read_text("utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    layout |= {tokenize.ENDMARKER}
    code = {k for t in tokens if t.type not in layout for k in range(t.start[0], t.end[0] + 1)}
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
            code -= set(range(first.lineno, first.end_lineno + 1))
    return len(code)


def test_the_core_can_be_read_in_an_evening():
    assert sum(map(lines_of_code, CORE)) <= 1_200


def test_importing_the_package_loads_nothing_heavy():
    code = f"import sys, minfluence; print([m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "[]", "")


@each_file
def test_nothing_is_printed(name):
    if name == "book/ticks":  # what a chapter says of a check
        return
    calls = [node for node in ast.walk(tree_of(name)) if isinstance(node, ast.Call)]
    assert "print" not in {getattr(call.func, "id", None) for call in calls}


def public(name):
    """What a file defines for others, with the methods of its classes.  -> (dotted name, thing)."""
    module = importlib.import_module(f"minfluence.{name.replace('/', '.')}")
    for key, thing in vars(module).items():
        if key[0] != "_" and getattr(thing, "__module__", None) == module.__name__:
            yield f"{name}.{key}", thing
            if inspect.isclass(thing):
                for method, f in vars(thing).items():
                    f = f.fget if isinstance(f, property) else f
                    f = getattr(f, "__func__", f)
                    if method[0] != "_" and inspect.isfunction(f):
                        yield f"{name}.{key}.{method}", getattr(thing, method)


@each_file
def test_everything_public_has_a_docstring(name):
    assert ast.get_docstring(tree_of(name))
    # a method that a parent documents need not say it again
    assert [where for where, thing in public(name) if not inspect.getdoc(thing)] == []


@each_file
def test_every_signature_says_its_types(name):
    without = []
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("__"):
            args = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            bare = [a.arg for a in args if not a.annotation and a.arg not in ("self", "cls")]
            without += [f"{node.name}({', '.join(bare)})"] * bool(bare or not node.returns)
    assert without == []


def test_nothing_is_silenced_for_the_type_checker():
    assert [name for name in FILES if "type: ignore" in (PACKAGE / f"{name}.py").read_text()] == []


def test_every_public_name_is_there_and_the_late_ones_are_known_to_type_checkers():
    assert sorted(minfluence.__all__) == sorted(set(minfluence.__all__))
    assert all(hasattr(minfluence, name) for name in minfluence.__all__)
    (late,) = [n for n in tree_of("__init__").body if isinstance(n, ast.If)]
    told = {alias.name for node in late.body for alias in node.names}
    assert told == set(minfluence._LATER) <= set(minfluence.__all__)
    early = {
        alias.name
        for node in tree_of("__init__").body
        if isinstance(node, ast.ImportFrom) and node.module.startswith("minfluence")
        for alias in node.names
    }
    assert early | told == set(minfluence.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        minfluence.nothing  # noqa: B018


def test_no_function_hides_a_module_with_more_in_it():
    for name in FILES:
        thing = getattr(minfluence, name, None)
        if "/" not in name and thing is not None and not inspect.ismodule(thing):
            hidden = {where.split(".")[1] for where, _ in public(name)} - set(minfluence.__all__)
            assert hidden <= {"default_gtol"}, f"{hidden} cannot be reached as mi.{name}...."


def test_warnings_and_errors_can_be_named_by_readers():
    for name in ("solvers", "influence", "objectives.sharded"):
        module = importlib.import_module(f"minfluence.{name}")
        for cls in vars(module).values():
            if inspect.isclass(cls) and issubclass(cls, Exception):
                assert cls.__name__ in minfluence.__all__ or cls.__module__ != module.__name__


def test_the_version_is_said_once():
    pyproject = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["version"] == minfluence.__version__
