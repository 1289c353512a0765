"""Files of data: found on disk or fetched, and used only if their content is what it should be.

A file is looked for in the folder named by the environment variable ``MINFLUENCE_DATA``, then in
the user's cache (``MINFLUENCE_CACHE`` moves it), and is then fetched from its public origin. Its
*content* must have the checksum below, however it was packed; nothing is fetched on import.
"""

import gzip
import hashlib
import io
import itertools
import os
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

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
        Checksum of the content, unpacked if it is packed: a copy packed anew is as good.
    urls : tuple of str
        Where it is published, tried in this order; empty if it has no public origin.
    repack : callable ``bytes -> bytes``, optional
        Takes what the origin sends and returns this file, where the two differ.
    """

    size: int
    sha256: str
    urls: tuple = ()
    repack: Callable | None = None


def _diabetes_from_zip(archive):
    """The table out of the archive of the UCI repository."""
    table = next(c for name, c in members(archive).items() if name.endswith("diabetic_data.csv"))
    return gzip.compress(table, mtime=0)


def _dogfish_from_imagenette(archive):
    """The first springers and tenches of Imagenette, in the order of their names, as one zip."""
    classes = {"dog": "n02102040", "fish": "n01440764"}
    counts = {"train": 900, "test": 300}
    images, packed = members(archive), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as chosen:
        for part, label in itertools.product(counts, classes):
            folder = f"/{part.replace('test', 'val')}/{classes[label]}/"
            names = [name for name in images if folder in f"/{name}"][: counts[part]]
            for name in names:
                target = f"dogfish224/{part}/{label}/{PurePosixPath(name).name}"
                chosen.writestr(target, images[name])
    return packed.getvalue()


def _mnist_urls(name):
    hosts = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    return tuple(host + name for host in hosts)


_RT_POLARITY = (
    "https://raw.githubusercontent.com/dennybritz/cnn-text-classification-tf/"
    "18762b459e21d9c70e5c242f8d43fc4e6db37a0d/data/rt-polaritydata/"
)

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
    "enron1.tar.gz": DataFile(
        1_793_798,
        "7ed0578e47e75aed73fba11ebe7078114c1aafa3ffa18a8032d3e0b603daf9d9",
        (
            "https://www2.aueb.gr/users/ion/data/enron-spam/preprocessed/enron1.tar.gz",
            "https://raw.githubusercontent.com/ankancode/RNN-LSTM/"
            "462e6a8149f057ba7ebf17d4cb2f58db290dc3ea/enron1.tar.gz",
        ),
    ),
    "diabetic_data.csv.gz": DataFile(
        3_347_213,
        "0689e7ec031237dc63031b938805c48377748761a3b26acab621567afa24df97",
        (
            "https://archive.ics.uci.edu/ml/machine-learning-databases/00296/dataset_diabetes.zip",
            "https://raw.githubusercontent.com/PranavSharma008/"
            "Re-Admission-of-Diabetic-Patients-after-Discharge/"
            "e04649c4fc3d9164abcf87c915811cca340a09b4/dataset_diabetes.zip",
        ),
        _diabetes_from_zip,
    ),
    "adult/adult.data.gz": DataFile(
        3_974_305,
        "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
        ("https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.data",),
    ),
    "adult/adult.test.gz": DataFile(
        2_003_153,
        "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
        ("https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.test",),
    ),
    "rt_polarity/rt-polarity.pos.gz": DataFile(
        626_395,
        "4134882974a28d0c7b5151256f0e33a6169984ee7372c279e673f1114f475d58",
        (_RT_POLARITY + "rt-polarity.pos",),
    ),
    "rt_polarity/rt-polarity.neg.gz": DataFile(
        612_506,
        "2d11cfbc790f1cd96d78339f41ce53ced1efa83cd22d37d6788fa3fe3d17e2fd",
        (_RT_POLARITY + "rt-polarity.neg",),
    ),
    "dogfish224.zip": DataFile(
        160_000_000,
        "db3862e1a1d2485d8955bde04f3836552c0ca43681ad85984368b4a670adcffa",
        (
            "https://codeload.github.com/thunderInfy/imagenette/zip/"
            "b850f030ff0701c36a4adc8b928ea9483a46915b",
        ),
        _dogfish_from_imagenette,
    ),
    "dogfish_mobilenetv2_features.npz": DataFile(
        8_885_748, "36551621b89e2dd081b7b6ed9d9cf896524ac84850d6bfde9d5bfb00285f0497"
    ),
    "dogfish_inceptionv3_features.npz": DataFile(
        10_680_430, "c85c210629d46609a73d5ca8b006aef29e800e6e71009b072f04fd2ab549de0f"
    ),
    "inception_v3_trunk.npz": DataFile(
        23_572_096, "60c7a9ba7941c0f04e3a204d6df7a7aaeddc22724d420e7ef5e76b50a472eb9b"
    ),
    "mobilenet_v2_imagenet.npz": DataFile(
        3_375_272, "73e4264e7c8fbf0b024dd4a1a409971315e1f729e166c266830347a46294ea48"
    ),
}


def find(name, *, refetch=False):
    """Path of a data file whose content is what it should be.

    Parameters
    ----------
    name : str
        A key of ``minfluence.files.FILES``, such as ``"mnist/t10k-labels-idx1-ubyte.gz"``.
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


def read_members(name):
    """Files inside an archive that is a data file.  str -> dict of name -> bytes."""
    return members(read(name))


def members(archive):
    """Files inside a zip or tar archive, which is never unpacked on the disk.

    Parameters
    ----------
    archive : bytes

    Returns
    -------
    dict of str -> bytes
        In the order of their names.

    Raises
    ------
    ValueError
        For links, and for names that would lead out of a folder.
    """
    if zipfile.is_zipfile(io.BytesIO(archive)):
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            found = {i.filename: packed.read(i) for i in packed.infolist() if not i.is_dir()}
    else:
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            entries = [m for m in packed.getmembers() if not m.isdir()]
            if not all(m.isfile() for m in entries):
                raise ValueError("The archive holds links or devices: expected plain files only.")
            found = {m.name: packed.extractfile(m).read() for m in entries}
    for name in found:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise ValueError(f"The archive names a file outside its folder: {name!r}.")
    return dict(sorted(found.items()))


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
    found = digest(content)
    if found != sha256:
        raise ValueError(
            f"expected content with sha256 {sha256[:12]}..., "
            f"got {len(content):,} bytes with {found[:12]}..."
        )
    return content


def digest(content):
    """Checksum that does not depend on how a content is packed.  bytes -> str.

    Of an archive, the names and checksums of its members; of anything else, its bytes.
    """
    is_tar = content[257:262] == b"ustar"
    if not is_tar and not content.startswith(b"PK\x03\x04"):
        return hashlib.sha256(content).hexdigest()
    try:
        lines = [
            f"{hashlib.sha256(c).hexdigest()}  {name}\n" for name, c in members(content).items()
        ]
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"expected an archive, got one that cannot be read ({error})") from None
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _fetch(name, target):
    """Download beside the target, check, and only then give the file its name."""
    file, failures = FILES[name], []
    for url in file.urls:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as folder:
                partial = Path(folder) / target.name
                _download(url, partial)
                if file.repack:
                    partial.write_bytes(file.repack(partial.read_bytes()))
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
