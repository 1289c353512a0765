"""How much memory a computation may take, and long arrays a block of rows at a time."""

from collections.abc import Iterator

CHUNK_BYTES = 2**23  # a chunk of examples, or of their scores: what two cores share in cache
SCRATCH_BYTES = 2**28  # working memory for refits, gradients or test points that go together
FACTOR_LIMIT = 10_000  # parameters up to which a Hessian may be written out: 0.8 GB


def rows_in(n_bytes: int, bytes_per_row: int) -> int:
    """Rows that fit into so many bytes, at least one."""
    return max(1, n_bytes // max(1, bytes_per_row))


def blocks(n: int, rows: int) -> Iterator[slice]:
    """Cut 0 .. n - 1 into slices of so many rows; the last may be shorter."""
    for start in range(0, n, rows):
        yield slice(start, min(start + rows, n))
