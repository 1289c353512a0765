"""Data sets as arrays: made here, bundled, found on disk, or fetched with a checksum.

A file is looked for in the folder named by the environment variable ``MINFLUENCE_DATA``, then in
the user's cache, and is then fetched from its public origin. It is used only if its *content* has
the checksum below; nothing is fetched on import.
"""

import gzip
import hashlib
import os
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np


class DataUnavailable(RuntimeError):
    """A data file is neither on this machine nor to be had from its origin, or it is damaged."""


@dataclass(frozen=True)
class DataFile:
    """A public file: its size, the sha256 of its (unpacked) content, and where it is published."""

    size: int
    sha256: str
    urls: tuple


_MNIST_HOSTS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def _mnist_file(name, size, sha256):
    return f"mnist/{name}", DataFile(size, sha256, tuple(host + name for host in _MNIST_HOSTS))


FILES = dict(
    [
        _mnist_file(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        _mnist_file(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        _mnist_file(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        _mnist_file(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ]
)


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
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError(
            "The bundled digits come with scikit-learn: pip install scikit-learn."
        ) from None
    X, y = load_digits(return_X_y=True)
    return *_choose(X[:-500] / 16, y[:-500], classes), *_choose(X[-500:] / 16, y[-500:], classes)


def mnist(classes=None, validation=5_000):
    """Load MNIST with the split of Koh & Liang (2017).

    Parameters
    ----------
    classes : sequence of int, optional
        Only these digits. Two classes ``(a, b)`` are labelled -1 and +1 for the logistic loss,
        three or more 0, 1, ... in the order given. Default: all ten, labelled by their digit.
    validation : int
        Training images held out, the first ones of the file; 0 keeps all 60,000.

    Returns
    -------
    X, y, X_test, y_test : arrays, shapes (55000, 784), (55000,), (10000, 784), (10000,)
        Pixels from 0 to 1.

    Raises
    ------
    DataUnavailable
        If the files cannot be had, or are damaged.
    """
    if not 0 <= validation < 60_000:
        raise ValueError(f"validation must lie in 0 .. 59,999, got {validation}.")
    train = _idx_pair("mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz")
    test = _idx_pair("mnist/t10k-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz")
    (X, y), (X_test, y_test) = (part[validation:] for part in train), test
    X, y = _choose(X, y, classes)
    X_test, y_test = _choose(X_test, y_test, classes)
    return X / 255.0, y, X_test / 255.0, y_test


def mnist_or_digits(classes=None):
    """Load MNIST or, with a warning where it cannot be had, the smaller digits of scikit-learn.

    Parameters and result as in `mnist`.
    """
    try:
        return mnist(classes)
    except DataUnavailable as reason:
        warnings.warn(f"Using scikit-learn's 8 x 8 digits instead. {reason}", stacklevel=2)
        return digits(classes)


def _choose(X, y, classes):
    """Keep only some classes, and label them as `mnist` tells."""
    y = y.astype(int)
    if classes is None:
        return X, y
    classes = list(classes)
    known = set(np.unique(y).tolist())
    if len(classes) < 2 or len(set(classes)) < len(classes) or not set(classes) <= known:
        raise ValueError(
            f"classes must be two or more different digits out of {sorted(known)}, got {classes}."
        )
    kept = np.isin(y, classes)
    rank = np.argsort(classes)[np.searchsorted(np.sort(classes), y[kept])]
    return X[kept], 2.0 * rank - 1.0 if len(classes) == 2 else rank


# Files ------------------------------------------------------------------------------------------


def find(name, *, refetch=False):
    """Path of a data file whose content is what it should be.

    Parameters
    ----------
    name : str
        A key of ``minfluence.data.FILES``, such as ``"mnist/t10k-labels-idx1-ubyte.gz"``.
    refetch : bool
        Fetch it anew into the cache, even if it is there. A file in the folder
        ``MINFLUENCE_DATA`` is yours: it is never written to.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    DataUnavailable
        Naming the file, its size, its origin and what to do.
    """
    if name not in FILES:
        raise ValueError(f"Unknown data file {name!r}: expected one of {sorted(FILES)}.")
    own = os.environ.get("MINFLUENCE_DATA")
    places = [Path(own) / name] if own else []
    if not refetch:
        places.append(_cache() / name)
    for path in places:
        if path.is_file():
            _check_content(path, name, own)
            return path
    return _fetch(name)


def _cache():
    import pooch

    return Path(os.environ.get("MINFLUENCE_CACHE") or pooch.os_cache("minfluence"))


def _check_content(path, name, own):
    """Raise unless the content, unpacked if need be, has the published checksum."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        found = f"unreadable: {error}"
    if found != FILES[name].sha256:
        inside = own and path == Path(own) / name
        remedy = (
            "replace it, or unset MINFLUENCE_DATA"
            if inside
            else f'fetch it anew with minfluence.data.find("{name}", refetch=True)'
        )
        raise DataUnavailable(
            f"{path} is damaged or another version (sha256 of its content: expected "
            f"{FILES[name].sha256[:12]}..., got {found[:40]}): {remedy}."
        )


def _fetch(name):
    """Download under a temporary name, check, and only then give the file its own name."""
    import pooch

    file, target = FILES[name], _cache() / name
    pooch.get_logger().setLevel("WARNING")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.stem}.{os.getpid()}.partial{target.suffix}")
    failures = []
    for url in file.urls:
        try:
            pooch.retrieve(
                url,
                known_hash=None,
                fname=partial.name,
                path=partial.parent,
                downloader=pooch.HTTPDownloader(progressbar=True, timeout=10),
            )
            _check_content(partial, name, own=None)
            os.replace(partial, target)
            return target
        except (OSError, ValueError, DataUnavailable) as error:  # requests' errors are OSErrors
            failures.append(f"{url} ({type(error).__name__})")
        finally:
            partial.unlink(missing_ok=True)
    raise DataUnavailable(
        f"{name} ({file.size / 1e6:.1f} MB) is not on this machine and could not be fetched from "
        f"{', '.join(failures)}: connect to a network, or put it into a folder and name that "
        "folder in the environment variable MINFLUENCE_DATA."
    )


def _idx_pair(images, labels):
    """Images (n, pixels) and labels (n,) from a pair of IDX files, as bytes."""
    X, y = _idx(images), _idx(labels)
    if len(X) != len(y):
        raise DataUnavailable(f"{images} holds {len(X)} images, but {labels} {len(y)} labels.")
    return X.reshape(len(X), -1), y


def _idx(name):
    """One IDX file of bytes: a header with the number of axes and their lengths, then values."""
    with gzip.open(find(name)) as file:
        content = file.read()
    n_axes = content[3]
    shape = np.frombuffer(content, ">i4", count=n_axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_axes).reshape(shape)
