"""What this repository installs has exact versions and checksums; make installs nothing else."""

import os
import re
import shutil
import subprocess
import tomllib

import lock
import pytest
from chapter import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CPU_LIST = "requirements-torch-cpu.txt"
LISTS = [*lock.LISTS, lock.GPU_LIST, CPU_LIST]


def pins(name):
    """Requirements of a list, without their checksums."""
    found = lock.PIN.findall((ROOT / name).read_text("utf-8"))
    return [Requirement(pin.split("\\")[0].strip()) for pin in found]


def versions(name):
    """(package, marker) -> version."""
    return {(pin.name, str(pin.marker)): str(pin.specifier) for pin in pins(name)}


@pytest.mark.parametrize("name", LISTS)
def test_every_requirement_has_an_exact_version_and_checksums(name):
    text = (ROOT / name).read_text("utf-8")
    body = "".join(line for line in text.splitlines(True) if not line.startswith("#"))
    assert "".join(lock.PIN.findall(body)) == body  # and nothing else: no options, no addresses
    for pin in lock.PIN.findall(body):
        first, *rest = pin.rstrip("\n").split(" \\\n")
        assert re.fullmatch(r"[a-z0-9.-]+==[\w.+]+( ; .*)?", first), first
        assert rest, f"{first} has no checksum"
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", line) for line in rest), first
    assert "://" not in text


def test_a_package_has_one_version_in_all_lists():
    seen = {}
    for name in LISTS[:-1]:
        for key, version in versions(name).items():
            assert seen.setdefault(key[0], {}).setdefault(key[1], version) == version, key
    # with other markers, only where the version depends on Python's
    split = {name for name, by in seen.items() if len(set(by.values())) > 1}
    assert split == {"numpy", "networkx"}


def needed(extra):
    """What pyproject.toml asks for, with what it asks for by way of other extras of ours."""
    project = PYPROJECT["project"]
    for text in project["optional-dependencies"][extra]:
        requirement = Requirement(text)
        if requirement.name == project["name"]:
            for other in requirement.extras:
                yield from needed(other)
        else:
            yield requirement
    yield from map(Requirement, project["dependencies"])


@pytest.mark.parametrize(("name", "extras"), lock.LISTS.items())
def test_lists_have_what_pyproject_asks_for_and_what_builds_the_package(name, extras):
    have = [*pins(name), *(pins(lock.GPU_LIST) if "torch" in extras else [])]
    build = map(Requirement, PYPROJECT["build-system"]["requires"])
    for wanted in [*build, *(need for extra in extras for need in needed(extra))]:
        found = [pin for pin in have if pin.name == canonicalize_name(wanted.name)]
        assert found, f"{name} lacks {wanted}: run python tools/lock.py"
        for pin in found:
            (version,) = (part.version for part in pin.specifier)
            assert wanted.specifier.contains(version), f"{pin}: run python tools/lock.py"


def test_both_builds_of_torch_are_of_one_version_and_in_no_other_list():
    (gpu,) = (pin for pin in pins(lock.GPU_LIST) if pin.name == "torch")
    (cpu,) = pins(CPU_LIST)
    assert str(cpu.specifier) == f"{gpu.specifier}+cpu"
    others = {pin.name for name in lock.LISTS for pin in pins(name)}
    assert not any(lock.GPU.match(f"{name}==") for name in others)


def test_a_lock_is_divided_where_torch_for_gpus_begins(tmp_path, capsys):
    plain, gpu = (
        "numpy==1.0 \\\n    --hash=sha256:0\n",
        "nvidia-cublas==13.1 ; x \\\n    --hash=1\n",
    )
    lock.write(tmp_path, "requirements.txt", [plain, gpu])
    assert (tmp_path / "requirements.txt").read_text().endswith(f"pyproject.toml.\n{plain}")
    assert (tmp_path / lock.GPU_LIST).read_text().endswith(f"pyproject.toml.\n{gpu}")
    assert lock.saved(tmp_path, "requirements.txt").count("==") == 2
    assert lock.saved(tmp_path, "book/requirements.txt") == ""


def test_binder_installs_the_package_alone_after_its_list():
    """With its dependencies it would fetch what no list names."""
    last = (ROOT / "binder" / "postBuild").read_text("utf-8").splitlines()[-1]
    assert last == "python -m pip install --no-deps --no-build-isolation -e ."
    assert os.access(ROOT / "binder" / "postBuild", os.X_OK)  # Binder runs it as a program


# --- what make does -------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path):
    """A folder with our Makefile, our lists, and environments that only write down their work."""
    for name in ("Makefile", "pyproject.toml", "package-lock.json", *LISTS):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for folder in (".venv", ".venv-book"):
        script(tmp_path / folder / "bin" / "python", 'echo "$*" >>calls\nexit 0')
        (tmp_path / folder / ".python").touch()
    return tmp_path


def script(path, body):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def make(house, *arguments, npm=None):
    """Run make there; `npm` is the body of the npm that it finds."""
    if npm is not None:
        script(house / "programs" / "npm", npm)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "NPM"))}
    seen = clean | {"PATH": f"{house / 'programs'}:/usr/bin:/bin"}
    command = ["make", *(f"--old-file={f}/.python" for f in (".venv", ".venv-book")), *arguments]
    return subprocess.run(command, cwd=house, env=seen, capture_output=True, text=True)


@pytest.mark.parametrize("target", [".venv/.ready", ".venv-book/.ready"])
def test_make_installs_only_what_has_a_checksum_and_then_this_package_alone(house, target):
    assert make(house, target).returncode == 0
    calls = [c for c in (house / "calls").read_text().splitlines() if " install " in c]
    *locked, ours = calls
    for call in locked:
        assert "--require-hashes" in call and "--only-binary :all:" in call
        assert re.fullmatch(r"-r [\w./-]+", call.split("--require-hashes ")[1])
    assert ours.endswith("--no-deps --no-build-isolation -e .")
    assert (house / target).exists()


@pytest.mark.parametrize("words", ["No matching distribution found", "ResolutionImpossible: help"])
def test_make_takes_pypis_torch_where_no_index_has_the_cpu_build(house, words):
    no_cpu = f'case "$*" in *torch-cpu*) echo "ERROR: {words}" >&2; exit 1;; esac'
    script(house / ".venv" / "bin" / "python", f'echo "$*" >>calls\n{no_cpu}')
    done = make(house, ".venv/.ready")
    assert done.returncode == 0 and "taking the build of PyPI" in done.stdout
    assert "--require-hashes -r requirements-torch.txt" in (house / "calls").read_text()


def test_a_torch_with_a_wrong_checksum_stops_make(house):
    wrong = 'case "$*" in *torch-cpu*) echo "DO NOT MATCH THE HASHES" >&2; exit 1;; esac'
    script(house / ".venv" / "bin" / "python", f'echo "$*" >>calls\n{wrong}')
    done = make(house, ".venv/.ready")
    assert done.returncode != 0 and "DO NOT MATCH THE HASHES" in done.stderr
    assert "requirements-torch.txt" not in (house / "calls").read_text()
    assert not (house / ".venv" / ".ready").exists()


@pytest.mark.parametrize("target", ["node_modules/katex/.ready", "node_modules/.ready"])
def test_make_stops_where_npm_fails(house, target):
    done = make(house, target, npm="echo broken >&2; exit 1")
    assert done.returncode != 0 and not (house / target).exists()
    assert (
        "npm ci failed, so pages would load their scripts from a public network: mend"
        in done.stdout
    )
    assert f"make {target} NPM=" in done.stdout


def test_the_book_waits_for_npm_and_does_without_only_when_told(house):
    fails, works = "exit 1", "mkdir -p node_modules/katex"
    assert make(house, "book", npm=fails).returncode != 0
    assert "jupyter-book" not in make(house, "--dry-run", "book", npm=fails).stdout.split("npm")[0]
    assert "npm" not in make(house, "--dry-run", "book", "NPM=").stdout
    assert make(house, "node_modules/katex/.ready", npm=works).returncode == 0


def test_pages_are_held_to_be_self_contained_where_there_is_npm(house):
    assert "--self-contained" in make(house, "--dry-run", "links", npm="").stdout
    assert "--self-contained" not in make(house, "--dry-run", "links", "NPM=").stdout
