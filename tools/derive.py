"""Rebuild the four derived data files from their public sources, and compare them.

::

    python tools/derive.py                       all four, into _build/data-v1
    python tools/derive.py NAME ... --to FOLDER  some of them, into another folder
    python tools/derive.py --binaries FOLDER     with all parameters of Inception v3

Weights must be equal to the listed file in every bit, features up to their rounding to float16.
FOLDER is what a release of the repository hands out: it gets only files with the checksum listed
in ``minfluence/book/files.py``. A rebuilt file with another one goes to FOLDER-rebuilt. Exits with
1 if anything is off. Needs what `make test` installs.
"""

import argparse
import functools
import importlib.metadata
import io
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm
from weights import inception_layers, inception_v3_trunk, mobilenet_v2

from minfluence.book import data, files

ROOT = Path(__file__).resolve().parents[1]
BATCH = 32  # images at a time

# "Equal up to rounding": features are sums in float32, added up in an order that differs between
# machines, and then rounded to float16. Numbers this close become the same or neighbours; only near
# 0 is float16 finer than the sums are exact. (Two ways of torch to convolve: 1.5e-5 apart there.)
ULPS = 1  # units in the last place of float16, or:
FLOOR = 2.0**-14  # the smallest number that float16 holds with all its digits, 6e-5
LOGITS = 1e-4  # logits closer than this may change places


@dataclass(frozen=True)
class Derived:
    """Arrays of one file, made anew.

    Attributes
    ----------
    arrays : dict of str -> array
        What the file holds, in this order.
    computed : tuple of str
        Those that may differ by the rounding of float16.
    logits : array, optional
        (n, classes), of which `imagenet_top5` names the largest.
    """

    arrays: dict
    computed: tuple = ()
    logits: np.ndarray | None = None


# Features ---------------------------------------------------------------------------------------


def photographs():
    """Paths inside the folder of ``dogfish224.zip``, in the order of the features."""
    names = [name.removeprefix("dogfish224/") for name in files.read_members("dogfish224.zip")]
    folders = ("train/dog/", "train/fish/", "test/dog/", "test/fish/")
    return [name for folder in folders for name in names if name.startswith(folder)]


def mobilenet_features(names):
    """Features of photographs at two sizes, and the five likeliest classes."""
    from minfluence.book.networks import MobileNetV2

    network = MobileNetV2(mobilenet_v2())
    *_, classes = network.children()

    def large(x):
        features = network.features(x)
        return {"features_224": features, "logits": classes(features[:, :, None, None]).flatten(1)}

    found = through(large, names, 224)
    found |= through(lambda x: {"features_96": network.features(x)}, names, 96)
    logits = found.pop("logits")
    computed = {name: features.astype(np.float16) for name, features in found.items()}
    likeliest = np.argsort(-logits, axis=1, kind="stable")[:, :5].astype(np.int16)
    arrays = computed | about(names) | {"imagenet_top5": likeliest}
    return Derived(arrays, tuple(computed), logits)


def inception_features(names, binaries=None):
    """Features of photographs in `mixed_8`, and in `mixed_9` without its third branch."""
    means = inception_means(tuple(names), binaries)
    computed = {name: means[name].astype(np.float16) for name in ("mixed_8", "mixed_9_partial")}
    return Derived(computed | about(names), tuple(computed))


def inception_pooled(names, binaries):
    """Features of photographs in the last layer, which the paper used; all weights are needed."""
    computed = {"pooled": inception_means(tuple(names), binaries)["mixed_10"].astype(np.float16)}
    return Derived(computed | about(names), tuple(computed))


@functools.cache
def inception_means(names, binaries=None):
    """Mean over space of the last blocks, as far as there are weights."""
    from minfluence.book.networks import InceptionV3

    network = InceptionV3(inception_layers(binaries))
    return through(lambda x: means_of(network.stages(x)), names, 299)


def means_of(stages):
    """Mean over space of feature maps; that of `mixed_9` also without its branch `tower_1`."""
    import torch

    means = {name: maps.mean(dim=(2, 3)) for name, maps in stages.items()}
    # conv 320, tower 768; tower_1 768, if it is there; tower_2 192
    partial = torch.cat([means["mixed_9"][:, :1088], means["mixed_9"][:, -192:]], dim=1)
    return means | {"mixed_9_partial": partial}


def about(names):
    """Label (0 dog, 1 fish), part, and path of photographs."""
    return {
        "y": np.array(["/fish/" in name for name in names], dtype=np.uint8),
        "is_test": np.array([name.startswith("test/") for name in names]),
        "files": np.array(names),
    }


def through(function, names, side):
    """Run photographs through a function, in batches.

    Parameters
    ----------
    function : callable ``x -> dict of name -> tensor (k, ...)``
        `x` (k, 3, side, side), RGB from -1 to 1.
    names : sequence of str
        Paths as in `photographs`.
    side : int
        Pixels; other images are resized, bilinearly.

    Returns
    -------
    dict of name -> array (n, ...)
    """
    import torch

    content, results = files.read_members("dogfish224.zip"), []
    with torch.inference_mode():
        for start in tqdm(range(0, len(names), BATCH), desc=f"{side} x {side}"):
            batch = [content[f"dogfish224/{name}"] for name in names[start : start + BATCH]]
            x = torch.tensor(np.stack([pixels(packed, side) for packed in batch]))
            results.append(function(x.permute(0, 3, 1, 2) / 127.5 - 1))
    return {name: torch.cat([r[name] for r in results]).numpy() for name in results[0]}


def pixels(packed, side):
    """A photograph as (side, side, 3) grey levels from 0 to 255, float32."""
    from PIL import Image

    image = Image.open(io.BytesIO(packed)).convert("RGB")
    resized = image.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)


# Comparison -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """What a rebuilt file and the listed one have in common.

    Attributes
    ----------
    equal : int
        Arrays that are the same in every bit.
    close : tuple of str
        Arrays that are the same up to rounding, and how far.
    faults : tuple of str
        Everything else.
    """

    equal: int
    close: tuple
    faults: tuple


def compare(derived, listed):
    """Compare rebuilt arrays with those of the listed file, one by one.

    Parameters
    ----------
    derived : Derived
    listed : dict of str -> array

    Returns
    -------
    Comparison
    """
    equal, close, faults = 0, [], []
    if list(derived.arrays) != list(listed):
        odd = sorted(set(derived.arrays) ^ set(listed)) or ["the same in another order"]
        faults.append(f"expected {len(listed)} arrays as listed, got other ones: {', '.join(odd)}")
    for name in (name for name in listed if name in derived.arrays):
        ours, theirs = derived.arrays[name], listed[name]
        if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
            expected, got = (f"{a.dtype} {a.shape}" for a in (theirs, ours))
            faults.append(f"{name}: expected {expected}, got {got}")
        elif ours.tobytes() == theirs.tobytes():
            equal += 1
        else:
            is_close, how_far = _difference(name, derived, theirs)
            (close if is_close else faults).append(f"{name}: {how_far}")
    return Comparison(equal, tuple(close), tuple(faults))


def _difference(name, derived, listed):
    """Whether an array is the same up to rounding, and a few words that say how far."""
    rebuilt = derived.arrays[name]
    if name == "imagenet_top5" and derived.logits is not None:
        rows = (rebuilt != listed).any(axis=1)
        ours, theirs = (np.take_along_axis(derived.logits, k, 1) for k in (rebuilt, listed))
        apart = np.abs(ours - theirs).max()
        words = f"{rows.sum():,} of {len(rows):,} rows differ, by classes at most {apart:.1g} apart"
        return apart <= LOGITS, words
    words = f"{(rebuilt != listed).sum():,} of {listed.size:,} values differ"
    if name not in derived.computed:
        return False, words
    ulps, apart = deviation(rebuilt, listed)
    words += f", at most by {ulps.max():.2g} units in the last place"
    beyond = ~(ulps <= ULPS)  # also where a number is missing
    if beyond.any():
        words += f" (where by more than {ULPS}, numbers are {apart[beyond].max():.1e} apart)"
    return bool((apart[beyond] <= FLOOR).all()), words


def deviation(a, b):
    """How far float16 arrays are apart: in units in the last place, and as numbers."""
    apart = np.abs(a.astype(float) - b.astype(float))
    with np.errstate(invalid="ignore"):  # of numbers that are not finite
        unit = np.spacing(np.maximum(np.abs(a), np.abs(b))).astype(float)
    return apart / unit, apart


# The folder -------------------------------------------------------------------------------------

DERIVED = {  # file -> function of the folder of binaries, or None
    "mobilenet_v2_imagenet.npz": lambda _: Derived(mobilenet_v2()),
    "dogfish_mobilenetv2_features.npz": lambda _: mobilenet_features(photographs()),
    "inception_v3_trunk.npz": lambda folder: Derived(inception_v3_trunk(folder)),
    "dogfish_inceptionv3_features.npz": lambda folder: inception_features(photographs(), folder),
}
POOLED = "dogfish_inceptionv3_pooled.npz"  # can be made with --binaries only; not listed yet

LICENSES = """\
Licences of the files beside this one
=====================================

mobilenet_v2_imagenet.npz
    Weights of Google Coral's tf2_mobilenet_v2_1.0_224_ptq.tflite and its labels,
    https://github.com/google-coral/test_data, Apache License 2.0. Converted, values unchanged.

inception_v3_trunk.npz
    Weights of Inception v3 as TensorFlow published them (inception-2015-12-05), Apache License 2.0,
    taken from Apple's sample code MetalImageRecognition (2016), whose licence allows redistribution
    but not the use of Apple's name to endorse what is made of it. Converted, kernels rounded to
    float16, some layers left out.

dogfish_*.npz
    Features of photographs: this project's own results, Creative Commons Attribution 4.0 (CC BY
    4.0), as are the conversions above; see LICENSE-text of the repository. The photographs are
    ImageNet's and are not included.

Apache License 2.0: LICENSE-APACHE.txt beside this file
CC BY 4.0: https://creativecommons.org/licenses/by/4.0/
tools/derive.py of this repository makes all files anew from their sources.
"""


def apache_licence():
    """The licence in full, of which it asks for a copy: the one that comes with `requests`."""
    files_of = importlib.metadata.files("requests")
    (path,) = (path for path in files_of if path.name == "LICENSE")
    return path.read_text("utf-8")


def pack(arrays):
    """Content of an npz file, the same whenever it is made.  dict of name -> array -> bytes."""
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # NumPy gives every member the time 1980-01-01
    return packed.getvalue()


def rebuild(name, folder, binaries=None):
    """Make one file, and put it into a folder if it may be published.

    Returns
    -------
    sentence : str
        What is equal, and how far.
    good : bool
        Whether the folder now holds the file as it is listed.
    """
    derived = DERIVED[name](binaries)
    content = pack(derived.arrays)
    total, target = len(derived.arrays), folder / name
    if files.digest(content) == files.FILES[name].sha256:
        target.write_bytes(content)
        return f"all {total} arrays equal, checksum as listed", True
    aside = folder.with_name(f"{folder.name}-rebuilt") / name
    aside.parent.mkdir(parents=True, exist_ok=True)
    aside.write_bytes(content)
    try:
        found = compare(derived, data.read_arrays(name))
    except files.DataUnavailable as reason:
        other = f"{seen(aside)} has another checksum than the listed file, so do not publish it"
        return f"{other}; nothing to compare it with: {reason}", False
    equal = f"{found.equal} of {total} arrays equal"
    if found.faults:
        return f"DIFFERS, see {seen(aside)}: {equal}; {'; '.join(found.faults[:5])}", False
    shutil.copyfile(files.find(name), target)
    close = "; ".join(found.close)
    return f"{equal}, the others up to rounding, so the listed file is handed out; {close}", True


def seen(path):
    """A path as the reader would type it."""
    return os.path.relpath(path)


def pooled(folder, binaries):
    """Make the file that is not listed yet, and say which row it would have."""
    content = pack(inception_pooled(photographs(), binaries).arrays)
    (folder / POOLED).write_bytes(content)
    return f"made; not listed yet, its row would be {len(content):_}, {files.digest(content)!r}"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: {', '.join(DERIVED)}")
    parser.add_argument("--to", type=Path, default=ROOT / "_build" / "data-v1", metavar="FOLDER")
    parser.add_argument("--binaries", type=Path, help="all 190 parameter files of Inception v3")
    options = parser.parse_args(arguments)
    names, folder = options.names or [*DERIVED], options.to
    if unknown := set(names) - set(DERIVED):
        parser.error(f"expected names out of {', '.join(DERIVED)}, got {', '.join(unknown)}")

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "LICENSES.txt").write_text(LICENSES, "utf-8")
    (folder / "LICENSE-APACHE.txt").write_text(apache_licence(), "utf-8")
    right = []
    for name in names:
        try:
            sentence, good = rebuild(name, folder, options.binaries)
        except files.DataUnavailable as reason:
            sentence, good = f"not made: {reason}", False
        print(f"{name}: {sentence}", flush=True)
        right.append(good)
    if options.binaries and all(right):
        print(f"{POOLED}: {pooled(folder, options.binaries)}")
    if all(right) and all((folder / name).is_file() for name in DERIVED):
        print(f"To publish: gh release create data-v1 {seen(folder)}/*")
    return 0 if all(right) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ModuleNotFoundError as missing:
        sys.exit(f"{missing.name} is missing: make derive installs it.")
