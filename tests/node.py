"""JavaScript of the widgets in Node.js, so that its numbers can be compared with the package's."""

import base64
import json
import shutil
import subprocess

import pytest


def in_node(widget, code, problem):
    """Run JavaScript, with the module that the browser gets, on a problem in JSON; read JSON."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js")
    module = base64.b64encode(str(widget._esm).encode()).decode()
    code = (
        f'import * as js from "data:text/javascript;base64,{module}";\n'
        f"const problem = {json.dumps(problem)};\n"
        f"console.log(JSON.stringify({code}));"
    )
    run = subprocess.run(
        [node, "--input-type=module", "-"], input=code, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
