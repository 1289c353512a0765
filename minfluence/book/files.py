"""Files of data: found on disk or fetched, and used only if their content is what it should be.

A file is looked for in the folder named by the environment variable ``MINFLUENCE_DATA``, then in
the user's cache (``MINFLUENCE_CACHE`` moves it), and is then fetched from its public origin. Its
*content* must have the checksum below, however it was packed; nothing is fetched on import.

An origin is not trusted: it may be slow, endless, damaged or another page altogether. So what it
sends is received in memory within a bound of bytes and of time, is unpacked within a bound, and
gets a name on the disk only after its checksum.
"""

import contextlib
import gzip
import hashlib
import io
import itertools
import math
import os
import shutil
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from minfluence.book.download import ALLOWANCE, download


class DataUnavailable(RuntimeError):
    """A data file is neither on this machine nor to be had from its origin, or it is damaged."""


ABANDONED = 86_400  # seconds after which nobody can still be writing a temporary file


@dataclass(frozen=True)
class DataFile:
    """A public file.

    Attributes
    ----------
    size : int
        Bytes to download, from the largest of its origins.
    sha256 : str
        Checksum of the content, unpacked if it is packed: a copy packed anew is as good.
    urls : tuple of str
        Where it is published, tried in this order.
    repack : callable ``(bytes, limit) -> bytes``, optional
        Takes what the origin sends and returns this file, where the two differ, unpacking no more
        than `limit` bytes.
    unpacked : int, optional
        Bytes of the content when it is unpacked. Default: `size`, of what is not packed.
    """

    size: int
    sha256: str
    urls: tuple[str, ...] = ()
    repack: Callable[[bytes, int], bytes] | None = None
    unpacked: int | None = None

    @property
    def limit(self) -> int:
        """Bytes that are unpacked at most."""
        return math.floor(ALLOWANCE * (self.unpacked or self.size))


def _diabetes_from_zip(archive: bytes, limit: int) -> bytes:
    """The table out of the archive of the UCI repository."""

    def choose(names: list[str]) -> list[str]:
        return [name for name in names if name.endswith("diabetic_data.csv")]

    return gzip.compress(b"".join(members(archive, limit, choose).values()), mtime=0)


def _dogfish_from_imagenette(archive: bytes, limit: int) -> bytes:
    """The first springers and tenches of Imagenette, in the order of their names, as one zip."""
    classes = {"dog": "n02102040", "fish": "n01440764"}
    counts = {"train": 900, "test": 300}
    targets = {}

    def choose(names: list[str]) -> dict[str, str]:
        for part, label in itertools.product(counts, classes):
            folder = f"/{part.replace('test', 'val')}/{classes[label]}/"
            for name in [name for name in names if folder in f"/{name}"][: counts[part]]:
                targets[name] = f"dogfish224/{part}/{label}/{PurePosixPath(name).name}"
        return targets

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as chosen:
        for name, image in members(archive, limit, choose).items():
            chosen.writestr(targets[name], image)
    return packed.getvalue()


def _trunk_of_inception(archive: bytes, limit: int) -> bytes:
    """Parameters of the layers in ``inception_v3_trunk.npz``, out of Apple's sample code."""
    others = ("_mixed_9_tower_1_", "_mixed_10_", "_softmax.")  # what the trunk does without

    def choose(names: list[str]) -> list[str]:
        inside = [name for name in names if "/batch_normalized_binaries/" in name]
        return [name for name in inside if not any(other in name for other in others)]

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as trunk:
        for name, content in members(archive, limit, choose).items():
            trunk.writestr(zipfile.ZipInfo(PurePosixPath(name).name), content)  # of no time
    return packed.getvalue()


def _mnist_urls(name: str) -> tuple[str, ...]:
    hosts = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    return tuple(host + name for host in hosts)


# Files that `tools/derive.py` makes from public ones: assets of a release of this repository.
RELEASE = "https://github.com/_OWNER_/minfluence/releases/download/data-v1/"
_RT_POLARITY = (
    "https://raw.githubusercontent.com/dennybritz/cnn-text-classification-tf/"
    "18762b459e21d9c70e5c242f8d43fc4e6db37a0d/data/rt-polaritydata/"
)
_CORAL = (
    "https://raw.githubusercontent.com/google-coral/test_data/"
    "104342d2d3480b3e66203073dac24f4e2dbb4c41/"
)

FILES = {
    "mnist/train-images-idx3-ubyte.gz": DataFile(
        9_912_422,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        _mnist_urls("train-images-idx3-ubyte.gz"),
        unpacked=47_040_016,
    ),
    "mnist/train-labels-idx1-ubyte.gz": DataFile(
        28_881,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        _mnist_urls("train-labels-idx1-ubyte.gz"),
        unpacked=60_008,
    ),
    "mnist/t10k-images-idx3-ubyte.gz": DataFile(
        1_648_877,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        _mnist_urls("t10k-images-idx3-ubyte.gz"),
        unpacked=7_840_016,
    ),
    "mnist/t10k-labels-idx1-ubyte.gz": DataFile(
        4_542,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        _mnist_urls("t10k-labels-idx1-ubyte.gz"),
        unpacked=10_008,
    ),
    "enron1.tar.gz": DataFile(
        2_200_532,
        "7ed0578e47e75aed73fba11ebe7078114c1aafa3ffa18a8032d3e0b603daf9d9",
        (
            "https://www2.aueb.gr/users/ion/data/enron-spam/preprocessed/enron1.tar.gz",
            "https://raw.githubusercontent.com/ankancode/RNN-LSTM/"
            "462e6a8149f057ba7ebf17d4cb2f58db290dc3ea/enron1.tar.gz",
        ),
        unpacked=9_492_480,
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
        unpacked=19_159_383,
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
        142_000_000,
        "db3862e1a1d2485d8955bde04f3836552c0ca43681ad85984368b4a670adcffa",
        (
            "https://codeload.github.com/thunderInfy/imagenette/zip/"
            "b850f030ff0701c36a4adc8b928ea9483a46915b",
        ),
        _dogfish_from_imagenette,
        unpacked=27_231_967,
    ),
    "dogfish_mobilenetv2_features.npz": DataFile(
        8_885_748,
        "36551621b89e2dd081b7b6ed9d9cf896524ac84850d6bfde9d5bfb00285f0497",
        (RELEASE + "dogfish_mobilenetv2_features.npz",),
        unpacked=12_691_968,
    ),
    "dogfish_inceptionv3_features.npz": DataFile(
        10_680_430,
        "c85c210629d46609a73d5ca8b006aef29e800e6e71009b072f04fd2ab549de0f",
        (RELEASE + "dogfish_inceptionv3_features.npz",),
        unpacked=12_667_840,
    ),
    "inception_v3_trunk.npz": DataFile(
        23_572_096,
        "60c7a9ba7941c0f04e3a204d6df7a7aaeddc22724d420e7ef5e76b50a472eb9b",
        (RELEASE + "inception_v3_trunk.npz",),
        unpacked=25_418_944,
    ),
    "mobilenet_v2_imagenet.npz": DataFile(
        3_375_272,
        "73e4264e7c8fbf0b024dd4a1a409971315e1f729e166c266830347a46294ea48",
        (RELEASE + "mobilenet_v2_imagenet.npz",),
        unpacked=4_142_148,
    ),
    # What the four files above are made from, and nothing else needs.
    "tf2_mobilenet_v2_1.0_224_ptq.tflite": DataFile(
        4_070_174,
        "5d3137241276e79c86d14a74fe43581398ae0e815191d3dba45495b810840e8c",
        (_CORAL + "tf2_mobilenet_v2_1.0_224_ptq.tflite",),
    ),
    "imagenet_labels.txt": DataFile(
        21_686,
        "b8aaeb5630c62626a7d124a05c0e14230a7ffdd2136a31d0190a4fb71c1d82f1",
        (_CORAL + "imagenet_labels.txt",),
    ),
    "inception_v3_binaries.zip": DataFile(
        150_000_000,
        "bebb76a45fe0109d543a145cac2bb034b4558d65a2242a27429a7328374744d5",
        (
            "https://codeload.github.com/bdonkey/AppleInceptionV3/zip/"
            "ba0b1ca5695d50bb368e272f586d3c8accb1cd8a",
        ),
        _trunk_of_inception,
        unpacked=50_747_008,
    ),
}


def find(name: str, *, refetch: bool = False) -> Path:
    """Path of a data file whose content is what it should be.

    Parameters
    ----------
    name : str
        A key of ``minfluence.book.files.FILES``, such as ``"mnist/t10k-labels-idx1-ubyte.gz"``.
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


def read(name: str) -> bytes:
    """Content of a data file, checked and unpacked if it is gzipped.  str -> bytes."""
    return _locate(name)[1]


def read_members(name: str) -> dict[str, bytes]:
    """Files inside an archive that is a data file.  str -> dict of name -> bytes."""
    return members(read(name), FILES[name].limit)


def members(
    archive: bytes,
    limit: float = math.inf,
    choose: Callable[[list[str]], Iterable[str]] = sorted,
) -> dict[str, bytes]:
    """Files inside a zip or tar archive, which is never unpacked on the disk.

    Parameters
    ----------
    archive : bytes
    limit : float
        Bytes that they may have together: an archive of a few kilobytes can hold gigabytes.
    choose : callable, optional
        Takes the names in their order and returns those that are wanted. Default: all.

    Returns
    -------
    dict of str -> bytes
        In the order of their names.

    Raises
    ------
    ValueError
        For what is no archive or a damaged one, for links, for a name that stands twice or would
        lead out of a folder, and for more bytes than `limit`.
    """
    kind = _zip_members if zipfile.is_zipfile(io.BytesIO(archive)) else _tar_members
    try:
        with kind(archive) as (entries, read_one):
            chosen = {name: entries[name] for name in sorted(choose(_safe(sorted(entries))))}
            if sum(size for _, size in chosen.values()) > limit:
                raise ValueError(f"an archive of more than the {limit:,} bytes that were expected")
            return {name: read_one(entry) for name, (entry, _) in chosen.items()}
    except ValueError:
        raise
    except Exception as error:  # of a damaged archive: its readers have a dozen kinds
        raise ValueError(f"expected an archive, got one that cannot be read ({error})") from None


@contextlib.contextmanager
def _zip_members(archive: bytes) -> Iterator[tuple[dict[str, Any], Callable[[Any], bytes]]]:
    """Entries of a zip archive with their sizes, by name, and a function that reads one."""
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        files = [entry for entry in packed.infolist() if not entry.is_dir()]
        yield _by_name((entry.filename, (entry, entry.file_size)) for entry in files), packed.read


@contextlib.contextmanager
def _tar_members(archive: bytes) -> Iterator[tuple[dict[str, Any], Callable[[Any], bytes]]]:
    """The same of a tar archive, which is not packed a second time."""
    packed: Any = tarfile.open(fileobj=io.BytesIO(archive), mode="r:")  # of files alone, as checked
    with packed:
        files = [entry for entry in packed.getmembers() if not entry.isdir()]
        if not all(entry.isfile() for entry in files):
            raise ValueError("The archive holds links or devices: expected plain files only.")
        entries = _by_name((entry.name, (entry, entry.size)) for entry in files)
        yield entries, lambda entry: packed.extractfile(entry).read()


def _by_name(entries: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A dict of the entries, each of which must be there once only."""
    found: dict[str, Any] = {}
    for name, entry in entries:
        if name in found:
            raise ValueError(f"The archive holds the same name twice: {name!r}.")
        found[name] = entry
    return found


def _safe(names: list[str]) -> list[str]:
    """The names, none of which may lead out of a folder."""
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise ValueError(f"The archive names a file outside its folder: {name!r}.")
    return names


def _locate(name: str, refetch: bool = False) -> tuple[Path, bytes]:
    """Path and content of a data file: the reader's own, the cached one, or a new download."""
    if name not in FILES:
        raise ValueError(f"Unknown data file {name!r}: expected one of {', '.join(sorted(FILES))}.")
    own = _folder("MINFLUENCE_DATA")
    if own and os.path.isfile(own / name):
        origin = "".join(f" (published at {url})" for url in FILES[name].urls[:1])
        remedy = f"replace it by a good copy{origin}, or unset MINFLUENCE_DATA"
        return own / name, _check(own / name, name, remedy)
    cached = _cache() / name
    if os.path.isfile(cached) and not refetch:
        remedy = f'fetch it anew with minfluence.book.data.find("{name}", refetch=True)'
        return cached, _check(cached, name, remedy)
    return _fetch(name, cached)


def _folder(variable: str) -> Path | None:
    """Folder named by an environment variable, or None."""
    value = os.environ.get(variable)
    return Path(value).expanduser() if value else None


def _cache() -> Path:
    """Folder where downloads are kept."""
    import platformdirs

    return _folder("MINFLUENCE_CACHE") or Path(platformdirs.user_cache_dir("minfluence"))


def _check(path: Path, name: str, remedy: str) -> bytes:
    """Content of a file, or an error that names it and the remedy."""
    try:
        return _content(path.read_bytes(), FILES[name])
    except (OSError, ValueError) as fault:
        raise DataUnavailable(f"{path} is damaged or another version: {fault}; {remedy}.") from None


def _content(packed: bytes, file: DataFile) -> bytes:
    """Bytes of a data file, unpacked if they are gzipped, provided that they are the right ones."""
    expected = f"expected content with sha256 {file.sha256[:12]}..."
    try:
        content = _unzipped(packed, file.limit) if packed[:2] == b"\x1f\x8b" else packed
        found = digest(content, file.limit)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise ValueError(f"{expected}, got none that can be read ({error})") from None
    if found != file.sha256:
        page = " of a web page" if _is_web_page(content) else ""
        raise ValueError(f"{expected}, got {len(content):,} bytes{page} with {found[:12]}...")
    return content


def _unzipped(packed: bytes, limit: int) -> bytes:
    """Content of a gzip file, not by its name: servers may unpack what they send."""
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"more than the {limit:,} bytes that were expected")
    return content


def _is_web_page(content: bytes) -> bool:
    """Whether it begins like one, as the answer of a login page or a proxy does."""
    return content[:200].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def digest(content: bytes, limit: float = math.inf) -> str:
    """Checksum that does not depend on how a content is packed.  bytes -> str.

    Of an archive, the names and checksums of its members; of anything else, its bytes.
    """
    is_tar = content[257:262] == b"ustar"
    if not is_tar and not content.startswith(b"PK\x03\x04"):
        return hashlib.sha256(content).hexdigest()
    found = members(content, limit).items()
    lines = [f"{hashlib.sha256(member).hexdigest()}  {name}\n" for name, member in found]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _fetch(name: str, target: Path) -> tuple[Path, bytes]:
    """Receive, check, and only then give the file its name."""
    file, failures = FILES[name], []
    remedy = f"set MINFLUENCE_DATA to a folder that holds {name}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _beside(target):  # whether the folder takes files, before what takes long
            pass
        for url in file.urls:
            try:
                packed, content = _received(url, file)
            except ValueError as fault:
                failures.append(f"{url} ({fault})")
                continue
            with _beside(target) as partial:
                partial.write_bytes(packed)
                os.replace(partial, target)
            return target, content
    except OSError as error:
        raise DataUnavailable(
            f"{name} could not be fetched to {target.parent} ({type(error).__name__}: "
            f"{error.strerror}); set MINFLUENCE_CACHE to a folder that can be written to, or "
            f"{remedy}."
        ) from None
    raise DataUnavailable(
        f"{name} ({file.size:,} bytes) could not be fetched to {target.parent} from "
        f"{' or '.join(failures) or 'anywhere: it has no public origin'}; connect to a network, or "
        f"{remedy}."
    )


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A path to write a file to, until it is whole and moved; what is left there is deleted.

    What a process that was killed left is deleted by the next that fetches this file.
    """
    for left in target.parent.glob(f".{target.name}.*.part"):
        with contextlib.suppress(OSError):  # another process may do the same
            if time.time() - left.stat().st_mtime > ABANDONED:
                shutil.rmtree(left)
    prefix = f".{target.name}."
    with tempfile.TemporaryDirectory(".part", prefix, target.parent) as folder:
        yield Path(folder) / target.name


def _received(url: str, file: DataFile) -> tuple[bytes, bytes]:
    """A data file as one of its origins sends it: the bytes to keep, and their content."""
    packed = download(url, file.size)
    if file.repack:
        packed = file.repack(packed, file.limit)
    return packed, _content(packed, file)
