"""Skeleton of a data set: its file in ``minfluence/book/files.py``, its loader in ``data.py``."""

import numpy as np

from minfluence.book.files import DataFile, read

FILES = {
    "petals.csv": DataFile(  # size and checksum: what `digest` says of the file on your machine
        size=50,
        sha256="96b225547045e27219aca1a2e09350c7455fe9017c33f16d6c3b5c7c7fe0be0a",
        urls=("https://example.org/petals.csv",),
    ),
}


def petals():
    """Load the length and the width of petals, and which of two kinds they are of.

    Returns
    -------
    X, y : arrays, shapes (n, 2), (n,)
        In centimetres; labels are -1 and +1.
    """
    rows = [line.split(",") for line in read("petals.csv").decode().splitlines()[1:]]
    table = np.array(rows, dtype=float)
    return table[:, :2], table[:, 2]
