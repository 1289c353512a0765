"""Run the chapters under nbval as readers run them, but for cells whose data cannot be had.

A cell that asks for a data set which ``mi.data`` cannot deliver is skipped, and so are the
cells that depend on it; all others run and are compared. Nothing has to be declared: which cell
needs which is read from their code (``tools/depends.py``).
"""

import pytest
from chapter import code
from depends import blocked


def pytest_configure(config):
    """Let a semicolon at the end of a cell hide its value, as in Jupyter."""
    if not config.pluginmanager.hasplugin("nbval"):
        return
    from nbval.kernel import RunningKernel

    def execute_cell_input(self, cell_input, allow_stdin=None):
        # nbval's own says store_history=False, and IPython looks for the semicolon in the history
        return self.kc.execute(cell_input, allow_stdin=allow_stdin, stop_on_error=False)

    RunningKernel.execute_cell_input = execute_cell_input


def pytest_collection_modifyitems(items):
    """Mark the cells without their data before any kernel is started."""
    reasons = {}
    for item in items:
        # nbval's collector of one notebook holds it as `nb`; its items are the code cells
        notebook = getattr(item.parent, "nb", None)
        if notebook is None:
            continue
        if item.parent not in reasons:
            # a figure's numbers are compared where they are printed, not where they are drawn
            item.parent.skip_compare = (*item.parent.skip_compare, "image/svg+xml")
            reasons[item.parent] = blocked(code(notebook.cells))
        reason = reasons[item.parent].get(item.cell_num)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
