"""Data sets as arrays: made here, bundled, found on disk, or fetched with a checksum.

A file is looked for in the folder named by the environment variable ``MINFLUENCE_DATA``, then in
the user's cache (``MINFLUENCE_CACHE`` moves it), and is then fetched from its public origin. It is
used only if its *content* has the checksum below; nothing is fetched on import.
"""

import gzip
import hashlib
import math
import os
import tempfile
import threading
import warnings
import zlib
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PATIENCE = 4  # seconds in which an origin must say something, before we say that it does not


class DataUnavailable(RuntimeError):
    """A data file is neither on this machine nor to be had from its origin, or it is damaged."""


@dataclass(frozen=True)
class DataFile:
    """A public file.

    Attributes
    ----------
    size : int
        Bytes to download.
    sha256 : str
        Checksum of the content, unpacked if it is gzipped: a copy packed anew is as good.
    urls : tuple of str
        Where it is published, tried in this order; empty if it has no public origin.
    """

    size: int
    sha256: str
    urls: tuple = ()


def _mnist_urls(name):
    hosts = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    return tuple(host + name for host in hosts)


FILES = {
    "mnist/train-images-idx3-ubyte.gz": DataFile(
        9_912_422,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        _mnist_urls("train-images-idx3-ubyte.gz"),
    ),
    "mnist/train-labels-idx1-ubyte.gz": DataFile(
        28_881,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        _mnist_urls("train-labels-idx1-ubyte.gz"),
    ),
    "mnist/t10k-images-idx3-ubyte.gz": DataFile(
        1_648_877,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        _mnist_urls("t10k-images-idx3-ubyte.gz"),
    ),
    "mnist/t10k-labels-idx1-ubyte.gz": DataFile(
        4_542,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        _mnist_urls("t10k-labels-idx1-ubyte.gz"),
    ),
}


# Data sets --------------------------------------------------------------------------------------


def two_clouds(n=40, rng=0):
    """Draw two overlapping Gaussian clouds in the plane, the book's toy data.

    Parameters
    ----------
    n : int
        Examples, half of them in each class; an even number.
    rng : int or numpy.random.Generator

    Returns
    -------
    X : array, shape (n, 3)
        Two features, and a column of ones for the intercept.
    y : array, shape (n,)
        Labels -1 and +1.
    """
    if n < 2 or n % 2:
        raise ValueError(f"n must be an even number of at least 2, got {n}.")
    rng = np.random.default_rng(rng)
    y = np.repeat([-1.0, 1.0], n // 2)
    points = rng.standard_normal((n, 2)) * [1.0, 0.8] + np.outer(y, [1.0, 0.4])
    return np.column_stack([points, np.ones(n)]), y


def digits(classes=None):
    """Load the 8 x 8 digits that come with scikit-learn: 1,297 to train on, 500 to test on.

    Parameters
    ----------
    classes : sequence of int, optional
        As in `mnist`.

    Returns
    -------
    X, y, X_test, y_test : arrays, shapes (1297, 64), (1297,), (500, 64), (500,)
        Pixels from 0 to 1.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    classes = _check_classes(classes)
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError(
            "The 8 x 8 digits come with scikit-learn, which is missing: pip install scikit-learn."
        ) from None
    X, y = load_digits(return_X_y=True)
    X, y, X_test, y_test = X[:-500], y[:-500], X[-500:], y[-500:]
    X, y = _choose(X, y, classes)
    X_test, y_test = _choose(X_test, y_test, classes)
    return X / 16.0, y, X_test / 16.0, y_test


def mnist(classes=None, validation=5_000):
    """Load MNIST with the split of Koh & Liang (2017).

    Parameters
    ----------
    classes : sequence of int, optional
        Only these digits. Two classes ``(a, b)`` are labelled -1 and +1 for the logistic loss:
        with ``(1, 7)`` ones are -1 and sevens +1. The other order only turns theta into -theta;
        no loss or influence changes. Three or more are labelled 0, 1, ... in the order given.
        Default: all ten, labelled by their digit.
    validation : int
        Training images held out, the first ones of the file; 0 keeps all 60,000.

    Returns
    -------
    X, y, X_test, y_test : arrays, shapes (55000, 784), (55000,), (10000, 784), (10000,)
        Pixels from 0 to 1. Labels are int, or float where they are -1 and +1.

    Raises
    ------
    DataUnavailable
        If the files cannot be had, or are damaged.
    """
    classes = _check_classes(classes)
    if validation not in range(60_000):
        raise ValueError(f"validation must be an integer in 0 .. 59,999, got {validation}.")
    X, y = _idx_pair("mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz")
    X_test, y_test = _idx_pair("mnist/t10k-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz")
    X, y = _choose(X[validation:], y[validation:], classes)
    X_test, y_test = _choose(X_test, y_test, classes)
    return X / 255.0, y, X_test / 255.0, y_test  # bytes until here: one float64 copy in all


def mnist_or_digits(classes=None):
    """Load MNIST or, with a warning where it cannot be had, the smaller digits of scikit-learn.

    Parameters and result as in `mnist`; ``X.shape[1]`` is 784 for MNIST and 64 for the digits.
    """
    try:
        return mnist(classes)
    except DataUnavailable as reason:
        warnings.warn(
            f"Using scikit-learn's 8 x 8 digits in place of MNIST: {reason}", stacklevel=2
        )
        return digits(classes)


def _check_classes(classes):
    """The classes as a list, or None for all; checked before anything is fetched."""
    if classes is None:
        return None
    chosen = list(classes) if np.iterable(classes) else [classes]
    if len(chosen) < 2 or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(10)):
        raise ValueError(
            f"classes must be two or more different digits out of 0 .. 9, got {classes}: "
            "leave it out for all ten."
        )
    return [int(digit) for digit in chosen]


def _choose(X, y, classes):
    """Keep only some classes, and label them as `mnist` tells."""
    y = y.astype(int)
    if classes is None:
        return X, y
    rank = np.full(10, -1)
    rank[classes] = np.arange(len(classes))
    kept = rank[y] >= 0
    X, y = X[kept], rank[y[kept]]
    return X, 2.0 * y - 1.0 if len(classes) == 2 else y


def _idx_pair(images, labels):
    """Images (n, pixels) and labels (n,) from a pair of IDX files, as bytes."""
    X, y = _idx(read(images), images, n_axes=3), _idx(read(labels), labels, n_axes=1)
    if len(X) != len(y):
        raise ValueError(f"{images} holds {len(X)} images, but {labels} holds {len(y)} labels.")
    return X.reshape(len(X), -1), y


def _idx(content, name, n_axes):
    """Array from an IDX file of bytes: the magic 0, 0, 8, n_axes; the lengths; the values."""
    magic, start = bytes([0, 0, 8, n_axes]), 4 + 4 * n_axes
    shape = [int.from_bytes(content[k : k + 4], "big") for k in range(4, start, 4)]
    size = start + math.prod(shape)
    if content[:4] != magic or len(content) != size:
        raise ValueError(
            f"{name} is not a whole IDX file of bytes with {n_axes} axes: expected {size:,} bytes "
            f"that begin with {magic.hex()}, got {len(content):,} that begin with "
            f"{content[:4].hex() or 'nothing'}."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


# Files ------------------------------------------------------------------------------------------


def find(name, *, refetch=False):
    """Path of a data file whose content is what it should be.

    Parameters
    ----------
    name : str
        A key of ``minfluence.data.FILES``, such as ``"mnist/t10k-labels-idx1-ubyte.gz"``.
    refetch : bool
        Replace the file in the cache by a new download. A file in the folder ``MINFLUENCE_DATA``
        is yours: it is used if it is there and is never written to.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    DataUnavailable
        Naming the file, its size, its origin and what to do.
    """
    return _locate(name, refetch)[0]


def read(name):
    """Content of a data file, checked and unpacked if it is gzipped.  str -> bytes."""
    return _locate(name)[1]


def _locate(name, refetch=False):
    """Path and content of a data file: the reader's own, the cached one, or a new download."""
    if name not in FILES:
        raise ValueError(f"Unknown data file {name!r}: expected one of {', '.join(sorted(FILES))}.")
    own = _folder("MINFLUENCE_DATA")
    if own and (own / name).is_file():
        origin = "".join(f" (published at {url})" for url in FILES[name].urls[:1])
        remedy = f"replace it by a good copy{origin}, or unset MINFLUENCE_DATA"
        return own / name, _check(own / name, name, remedy)
    cached = _cache() / name
    if cached.is_file() and not refetch:
        remedy = f'fetch it anew with minfluence.data.find("{name}", refetch=True)'
        return cached, _check(cached, name, remedy)
    return _fetch(name, cached)


def _folder(variable):
    """Folder named by an environment variable, or None."""
    value = os.environ.get(variable)
    return Path(value).expanduser() if value else None


def _cache():
    """Folder where downloads are kept."""
    import pooch

    return _folder("MINFLUENCE_CACHE") or Path(pooch.os_cache("minfluence"))


def _check(path, name, remedy):
    """Content of a file, or an error that names it and the remedy."""
    try:
        return _content(path, FILES[name].sha256)
    except ValueError as fault:
        raise DataUnavailable(f"{path} is damaged or another version: {fault}; {remedy}.") from None


def _content(path, sha256):
    """Bytes of a file, unpacked if it is gzipped, provided that they have this checksum."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":  # not by its name: servers may unpack what they send
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"expected content with sha256 {sha256[:12]}..., got none that can be read ({error})"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"expected content with sha256 {sha256[:12]}..., "
            f"got {len(content):,} bytes with {found[:12]}..."
        )
    return content


def _fetch(name, target):
    """Download beside the target, check, and only then give the file its name."""
    file, failures = FILES[name], []
    for url in file.urls:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as folder:
                partial = Path(folder) / target.name
                _download(url, partial)
                content = _content(partial, file.sha256)
                os.replace(partial, target)
            return target, content
        except (OSError, ValueError) as error:  # the errors of requests are OSErrors
            reason = error if isinstance(error, ValueError) else type(error).__name__
            failures.append(f"{url} ({reason})")
    raise DataUnavailable(
        f"{name} ({file.size:,} bytes) could not be fetched to {target.parent} from "
        f"{' or '.join(failures) or 'anywhere: it has no public origin'}; connect to a network, or "
        f"set MINFLUENCE_DATA to a folder that holds {name}."
    )


def _download(url, path):
    """Fetch a URL, unless its host stays silent."""
    import pooch

    # In a thread, because a hanging name server heeds no timeout, and a host with eight addresses
    # heeds it eight times.
    answer = Future()

    def ask():
        try:
            head = pooch.HTTPDownloader(timeout=PATIENCE)
            answer.set_result(head(url, None, None, check_only=True))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    answer.result(timeout=PATIENCE)
    pooch.HTTPDownloader(progressbar=True, timeout=10)(url, str(path), None)
