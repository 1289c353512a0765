"""What the scripts of all libraries share: the inputs of a task, and how a run is reported.

Each script is called with a folder, a task and, for `lissa`, a scale. It prints one line of JSON:
seconds, peak memory, and the name of the file with its scores, shape (m, n).
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

L2 = 0.01  # of the linear models, folded into each example's loss
L2_CNN, DAMPING = 0.001, 0.01


class Inputs:
    """Arrays of one task, read from the folder that `compare.py` prepared."""

    def __init__(self, folder, task):
        self.folder, self.task = Path(folder), task
        self.model = {"b": "b", "b64": "b", "cnn": "cnn"}.get(task, "a")

    def __getattr__(self, name):
        return np.load(self.folder / f"{self.model}_{name}.npy")

    @property
    def m(self):
        """Test points of the task."""
        return {"a1": 1, "a100": 100, "b": 2000, "b64": 2000, "lissa": 1, "cnn": 2}[self.task]

    @property
    def tests(self):
        """X_test, y_test."""
        return self.X_test[: self.m], self.y_test[: self.m]


def measured(methods):
    """Run one method, ``prepare(inputs) -> run() -> scores``; only `run` is timed."""
    folder, task, *options = sys.argv[1:]
    run = methods[task](Inputs(folder, task), *map(float, options))
    start = time.perf_counter()
    scores = run()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # kB on Linux -> GB
    if hasattr(scores, "detach"):
        scores = scores.detach().cpu().numpy()
    np.save(Path(folder) / "scores.npy", scores)
    print(json.dumps({"seconds": seconds, "peak": peak}))
