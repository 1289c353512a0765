"""Execute the chapters and save them so that two runs give the same bytes.

::

    python tools/execute.py                        every chapter, in order
    python tools/execute.py book/02_upweighting.ipynb
    python tools/execute.py --check                change nothing; exit 1 if a chapter would change

Nothing that differs between two runs is kept: no times, no versions, no random widget ids. A
chapter that fails is left as it was.
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path

import nbformat
from chapter import BOOK, VIEW, notebooks, outputs, widgets
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

TIMEOUT = 900  # seconds for one cell
MODEL_ID = re.compile(r"[0-9a-f]{32}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all in book/")
    parser.add_argument("--check", action="store_true", help="only say which would change")
    options = parser.parse_args(arguments)
    paths = options.notebooks or notebooks()
    if not paths:
        parser.error(f"no notebooks in {BOOK}")

    failed, changed = [], []
    for path in paths:
        print(f"{path} ...", flush=True)
        before = path.read_text(encoding="utf-8")
        try:
            after = executed(before, folder=path.resolve().parent)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            print(f"{error}\n{path}: failed, left as it was", file=sys.stderr)
            failed.append(path)
            continue
        for line in stderr_lines(after):
            print(f"{path}: {line}", file=sys.stderr)
        if after != before:
            changed.append(path)
            if options.check:
                print(f"{path}: would change in {', '.join(differences(before, after))}")
            else:
                write(path, after)
    count = f"{len(paths)} notebooks, {len(changed)} changed, {len(failed)} failed"
    print(count + (": " + ", ".join(map(str, failed)) if failed else ""))
    return 1 if failed or (options.check and changed) else 0


def executed(text, folder):
    """Run the notebook `text` in `folder`; return its text with fresh outputs."""
    notebook = nbformat.reads(json.dumps(with_cell_ids(json.loads(text))), as_version=4)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,  # how prints arrive in pieces depends on the machine's load
        extra_arguments=["--log-level=ERROR"],
    )
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}  # figures go inline
    client.execute(env=environment)
    return deterministic(notebook)


def deterministic(notebook):
    """Text of an executed notebook without anything that changes from run to run."""
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    notebook.metadata["language_info"] = {"name": "python"}
    for output in outputs(notebook.cells):
        if output.output_type == "error":  # an expected one: its sentence, not this machine's paths
            output.traceback = [f"{output.ename}: {output.evalue}"]
    names = {}
    if "widgets" in notebook.metadata:
        models = widgets(notebook)
        names = widget_names(views(notebook), models)
        for model in models.keys() - names.keys():
            del models[model]
        if not models:
            del notebook.metadata["widgets"]
    # keys are sorted when written, so rename first
    text = MODEL_ID.sub(lambda m: names.get(m[0], m[0]), json.dumps(notebook))
    return nbformat.writes(nbformat.from_dict(json.loads(text))).rstrip("\n") + "\n"


def with_cell_ids(notebook):
    """Give cells without an id, or with one seen before, an id that is the same in every run."""
    if notebook["nbformat"] != 4:
        raise ValueError(
            f"expected notebook format 4, got {notebook['nbformat']}: save it in Jupyter."
        )
    notebook["nbformat_minor"] = max(5, notebook["nbformat_minor"])
    seen = set()
    taken = {cell.get("id") for cell in notebook["cells"]}
    for position, cell in enumerate(notebook["cells"]):
        if "id" not in cell or cell["id"] in seen:
            new = f"cell-{position:02d}"
            while new in taken:
                new += "-b"
            cell["id"] = new
            taken.add(new)
        seen.add(cell["id"])
    return notebook


# --- widget models --------------------------------------------------------------------------------


def views(notebook):
    """Model ids of the widgets shown, in order."""
    return [o.data[VIEW]["model_id"] for o in outputs(notebook.cells) if VIEW in o.get("data", {})]


def widget_names(shown, models):
    """Old id -> new id of every model that can be reached from the widgets shown."""
    order = []
    waiting = list(reversed(shown))
    while waiting:
        model = waiting.pop()
        if model in models and model not in order:
            order.append(model)
            waiting.extend(reversed(references(models[model])))
    # nobody refers to a link: it is needed when both of its ends are
    place = {model: k for k, model in enumerate(order)}
    links = []
    for model, record in models.items():
        if model not in place and record["model_name"] in ("LinkModel", "DirectionalLinkModel"):
            ends = references(record)
            if all(end in place for end in ends):
                links.append(
                    ([place[end] for end in ends], json.dumps(record["state"]["source"]), model)
                )
    order += [link[-1] for link in sorted(links)]
    return {model: f"{k:032x}" for k, model in enumerate(order, start=1)}


def references(record):
    return re.findall(r"IPY_MODEL_([0-9a-f]{32})", json.dumps(record["state"], sort_keys=True))


# --- files and messages ---------------------------------------------------------------------------


def write(path, text):
    """Write beside the file and move: a reader or a crash never meets half a notebook."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def stderr_lines(text):
    for number, cell in enumerate(json.loads(text)["cells"]):
        for output in outputs([cell]):
            if output.get("name") == "stderr":
                yield f"cell {number} writes to stderr: {''.join(output['text']).strip()}"


def differences(before, after):
    """Cells, or the metadata, in which two notebooks differ."""
    before, after = json.loads(before), json.loads(after)
    pairs = zip(before["cells"], after["cells"], strict=True)
    found = [f"cell {k}" for k, (old, new) in enumerate(pairs) if old != new]
    if before["metadata"] != after["metadata"]:
        found.append("its metadata or widgets")
    return found or ["its layout as text"]


if __name__ == "__main__":
    sys.exit(main())
