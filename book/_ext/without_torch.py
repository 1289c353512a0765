"""Let the reference read the torch classes without torch, through autodoc's stand-in for it.

SciPy asks whether arrays are torch's and must not meet the stand-in, so it is imported before.
"""

import scipy.stats  # noqa: F401


def choose(app, config):
    config.autodoc_mock_imports = ["torch"]


def setup(app):
    app.connect("config-inited", choose)
    return {"parallel_read_safe": True}
