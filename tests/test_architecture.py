"""One idea per file, arrows one way, nothing heavy on import."""

import ast
import importlib
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import minfluence

PACKAGE = Path(minfluence.__file__).parent

# What each file may import from the package: the table of ARCHITECTURE.md.
MAY_IMPORT = {
    "training_set": set(),
    "models": set(),
    "objective": {"training_set"},
    "linear": {"training_set"},
    "torch_objective": {"training_set"},
    "sharded": {"linear", "training_set"},
    "checkpoint": set(),
    "hessian": {"training_set"},
    "solvers": {"hessian"},
    "fit": {"hessian", "solvers", "training_set"},
    "from_sklearn": {"fit", "linear", "models"},
    "influence": {"hessian", "solvers", "training_set"},
    "retrain": {"fit", "hessian", "solvers", "training_set"},
    "attack": {"fit", "influence"},
    "audit": set(),
    "checks": set(),
    "download": set(),
    "files": {"download"},
    "data": {"files"},
    "networks": set(),
    "pretrained": {"data", "networks"},
    "plots": set(),
    "widgets": {"plots"},
    "explorables": set(),
    "lds": {"retrain"},
    "attribution/arnoldi": {"solvers"},
    "attribution/ekfac": {"solvers"},
    "attribution/mlp": set(),
    "attribution/relatif": {"influence", "solvers"},
    "attribution/representer": set(),
    "attribution/tracin": set(),
    "attribution/training": set(),
    "attribution/trak": set(),
}
HEAVY = ["torch", "matplotlib", "sklearn", "ipywidgets", "anywidget"]
FILES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix()
    for path in PACKAGE.rglob("*.py")
    if path.stem != "__init__"
)
each_file = pytest.mark.parametrize("name", FILES)


def tree_of(name):
    """Syntax tree of one file of the package."""
    return ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))


def imports(tree):
    """Every module of the package that a file imports, at the top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inside = node.level or node.module == "minfluence"
            module = ".".join(filter(None, ["minfluence" if node.level else "", node.module]))
            whole = inside and module == "minfluence"
            dotted = [f"{module}.{alias.name}" for alias in node.names] if whole else [module]
        else:
            continue
        for module in dotted:
            if module.split(".")[0] == "minfluence":
                yield module.split(".")[1] if "." in module else "the whole package"


def test_every_way_to_import_is_seen():
    code = (
        "import minfluence\nimport minfluence.fit as f\nfrom minfluence import models, data\n"
        "from minfluence.objectives.linear import X\nfrom . import plots\nfrom .checks import c\n"
        "import numpy\nfrom scipy import stats"
    )
    seen = {"the whole package", "fit", "models", "data", "linear", "plots", "checks"}
    assert set(imports(ast.parse(code))) == seen


@each_file
def test_arrows_point_one_way(name):
    assert name in MAY_IMPORT, f"{name}.py is new: say in the table what it may import"
    assert set(imports(tree_of(name))) <= MAY_IMPORT[name]


def test_the_table_has_no_cycles():
    done = set()
    while len(done) < len(MAY_IMPORT):
        ready = {name for name, needs in MAY_IMPORT.items() if needs <= done} - done
        assert ready, f"{sorted(set(MAY_IMPORT) - done)} import one another"
        done |= ready


def test_importing_the_package_loads_nothing_heavy():
    code = f"import sys, minfluence; print([m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "[]", "")


@each_file
def test_nothing_is_printed(name):
    calls = [node for node in ast.walk(tree_of(name)) if isinstance(node, ast.Call)]
    assert "print" not in {getattr(call.func, "id", None) for call in calls}


@pytest.mark.parametrize("name", ["__init__", *FILES])
def test_everything_public_has_a_docstring(name):
    without = []

    def visit(node, where):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef) and child.name[0] != "_":
                if not ast.get_docstring(child):
                    without.append(f"{where}.{child.name}")
                if isinstance(child, ast.ClassDef):
                    visit(child, f"{where}.{child.name}")

    tree = tree_of(name)
    assert ast.get_docstring(tree)
    visit(tree, name)
    assert without == []


def test_all_names_what_the_package_imports_for_its_readers():
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree_of("__init__"))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(minfluence.__all__) == sorted(imported)
    assert all(hasattr(minfluence, name) for name in minfluence.__all__)


def test_warnings_and_errors_can_be_named_by_readers():
    for name in ("solvers", "influence"):
        module = importlib.import_module(f"minfluence.{name}")
        for cls in vars(module).values():
            if inspect.isclass(cls) and issubclass(cls, Exception):
                assert cls.__name__ in minfluence.__all__ or cls.__module__ != module.__name__


def test_the_version_is_said_once():
    pyproject = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["version"] == minfluence.__version__
