"""Run the chapters under nbval as readers run them, and skip those whose data cannot be had.

A chapter says in its notebook metadata what it needs::

    "minfluence": {"data": ["mnist"]}

and runs only if ``minfluence.data.mnist()`` delivers; otherwise its cells are skipped by name.
"""

import functools

import pytest


def pytest_configure(config):
    """Let a semicolon at the end of a cell hide its value, as in Jupyter."""
    if not config.pluginmanager.hasplugin("nbval"):
        return
    from nbval.kernel import RunningKernel

    def execute_cell_input(self, cell_input, allow_stdin=None):
        # nbval's own says store_history=False, and IPython looks for the semicolon in the history
        return self.kc.execute(cell_input, allow_stdin=allow_stdin, stop_on_error=False)

    RunningKernel.execute_cell_input = execute_cell_input


@functools.cache
def why_missing(name):
    """Sentence that says why ``minfluence.data.<name>()`` cannot deliver, or None if it can."""
    from minfluence import data

    try:
        getattr(data, name)()
    except data.DataUnavailable as error:
        return str(error)
    return None


def pytest_collection_modifyitems(items):
    """Mark the cells of a chapter without its data before any kernel is started."""
    for item in items:
        # nbval's collector of one notebook holds it as `nb`; its items are the code cells
        notebook = getattr(item.parent, "nb", None)
        if notebook is None:
            continue
        for name in notebook.metadata.get("minfluence", {}).get("data", []):
            reason = why_missing(name)
            if reason:
                item.add_marker(pytest.mark.skip(reason=f"no {name} data: {reason}"))
