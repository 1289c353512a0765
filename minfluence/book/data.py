"""Data sets as arrays: made here, bundled, or read from the files of `minfluence.book.files`."""

import csv
import io
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minfluence import validate
from minfluence.book.files import FILES, DataUnavailable, find, read, read_members

__all__ = [
    "FILES",
    "DataUnavailable",
    "adult",
    "diabetes130",
    "digits",
    "dogfish",
    "dogfish_features",
    "enron1",
    "find",
    "mnist",
    "mnist_or_digits",
    "read",
    "rt_polarity",
    "two_clouds",
]

Texts = tuple[list[str], np.ndarray, list[str], np.ndarray]  # texts, y, texts_test, y_test

# Data sets --------------------------------------------------------------------------------------


def two_clouds(n: int = 40, rng: Any = 0) -> tuple[np.ndarray, np.ndarray]:
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
    if validate.count("n", n, least=2) % 2:
        raise ValueError(f"n must be an even number of at least 2, got {n}.")
    y = np.repeat([-1.0, 1.0], n // 2)
    points = validate.generator(rng).standard_normal((n, 2)) * [1.0, 0.8] + np.outer(y, [1.0, 0.4])
    return np.column_stack([points, np.ones(n)]), y


def digits(classes: Any = None) -> tuple[np.ndarray, ...]:
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


def mnist(classes: Any = None, validation: int = 5_000) -> tuple[np.ndarray, ...]:
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
    validation = validate.count("validation", validation, 0, 59_999)
    X, y = _idx_pair("mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz")
    X_test, y_test = _idx_pair("mnist/t10k-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz")
    X, y = _choose(X[validation:], y[validation:], classes)
    X_test, y_test = _choose(X_test, y_test, classes)
    return X / 255.0, y, X_test / 255.0, y_test  # bytes until here: one float64 copy in all


def mnist_or_digits(classes: Any = None) -> tuple[np.ndarray, ...]:
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


def enron1(rng: Any = 0) -> Texts:
    """Load the Enron1 e-mails, spam and not: 4,137 to train on, 1,035 to test on.

    Parameters
    ----------
    rng : int or numpy.random.Generator
        Shuffles the e-mails before they are split.

    Returns
    -------
    texts, y, texts_test, y_test : list of str, array, list of str, array
        Labels are +1 for spam and -1 for ham.

    References
    ----------
    Metsis, Androutsopoulos & Paliouras (2006).
    """
    mails = read_members("enron1.tar.gz")
    names = [name for name in mails if name.split("/")[-2] in ("ham", "spam")]
    texts = [mails[name].decode("latin-1") for name in names]
    y = np.array([1.0 if name.split("/")[-2] == "spam" else -1.0 for name in names])
    return _split(texts, y, int(0.8 * len(texts)), rng)


def rt_polarity(rng: Any = 0) -> Texts:
    """Load sentences of film reviews, kind and unkind: 9,662 to train on, 1,000 to test on.

    Parameters
    ----------
    rng : int or numpy.random.Generator
        Shuffles the sentences before they are split.

    Returns
    -------
    texts, y, texts_test, y_test : list of str, array, list of str, array
        Lower case, a space between all words and marks. Labels are +1 for praise, else -1.

    References
    ----------
    Pang & Lee (2005), sentence polarity data set 1.0.
    """
    kinds = [read(f"rt_polarity/rt-polarity.{kind}.gz").decode() for kind in ("pos", "neg")]
    lines = [text.rstrip("\n").split("\n") for text in kinds]
    texts = [line.strip() for part in lines for line in part]
    y = np.repeat([1.0, -1.0], [len(part) for part in lines])
    return _split(texts, y, len(texts) - 1_000, rng)


def _split(texts: list[str], y: np.ndarray, n: int, rng: Any) -> Texts:
    """Shuffle texts and labels; the first n are to train on, the others to test on."""
    order = validate.generator(rng).permutation(len(texts))
    train, test = order[:n], order[n:]
    return [texts[i] for i in train], y[train], [texts[i] for i in test], y[test]


NUMBERS = [
    "time_in_hospital",
    "num_lab_procedures",
    "num_procedures",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "number_diagnoses",
]
CATEGORIES = [
    "gender",
    "race",
    "age",
    "discharge_disposition_id",
    "max_glu_serum",
    "A1Cresult",
    "metformin",
    "repaglinide",
    "nateglinide",
    "chlorpropamide",
    "glimepiride",
    "acetohexamide",
    "glipizide",
    "glyburide",
    "tolbutamide",
    "pioglitazone",
    "rosiglitazone",
    "acarbose",
    "miglitol",
    "troglitazone",
    "tolazamide",
    "examide",
    "citoglipton",
    "insulin",
    "glyburide-metformin",
    "glipizide-metformin",
    "glimepiride-pioglitazone",
    "metformin-rosiglitazone",
    "metformin-pioglitazone",
    "change",
    "diabetesMed",
]


def diabetes130() -> tuple[np.ndarray, ...]:
    """Load hospital readmissions of diabetic patients with the split of Koh & Liang (2017).

    Returns
    -------
    X, y, X_test, y_test : arrays, shapes (20000, 127), (20000,), (81766, 127), (81766,)
        8 numbers and the categories as columns of 0 and 1. Labels are +1 for a patient who was
        readmitted within 30 days; the training set holds as many of these as of the others.
    names : array of str, shape (127,)
        What each column holds: "age_[0-10)" is 1 for children.

    References
    ----------
    Strack et al. (2014); Koh & Liang (2017), section 5.3, with the columns and the seed of their
    published notebook.
    """
    rows = list(csv.DictReader(io.StringIO(read("diabetic_data.csv.gz").decode())))
    used = (*NUMBERS, *CATEGORIES, "readmitted")
    table = {name: [row[name] for row in rows] for name in used}
    X, names = _columns(table, NUMBERS, CATEGORIES)
    y = np.where(np.array(table["readmitted"]) == "<30", 1.0, -1.0)
    train, test = _authors_split(y)
    return X[train], y[train], X[test], y[test], names


ADULT_COLUMNS = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
]
ADULT_NUMBERS = ("age", "education-num", "capital-gain", "capital-loss", "hours-per-week")
ADULT_CATEGORIES = [
    "workclass",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "native-country",
]


def adult() -> tuple[np.ndarray, ...]:
    """Load the Adult census, who earns more than 50,000 dollars: 32,561 records, 16,281 to test.

    Left out are `education`, of which `education-num` says the same as a number, and `fnlwgt`,
    which is not about the person: it says how many others a record stands for.

    Returns
    -------
    X, y, X_test, y_test : arrays, shapes (32561, 90), (32561,), (16281, 90), (16281,)
        5 numbers as they are (years, dollars, hours), and 7 categories as columns of 0 and 1, with
        "?" for what is missing. Labels are +1 for more than 50,000 dollars a year, else -1.
    names : array of str, shape (90,)
        What each column holds: "sex_Male" is 1 for men and 0 for women.

    References
    ----------
    Kohavi (1996); UCI Machine Learning Repository, data set 2. Census of the United States, 1994.
    """
    train, test = (_adult_rows(read(f"adult/adult.{part}.gz")) for part in ("data", "test"))
    table = dict(zip(ADULT_COLUMNS, zip(*train, *test, strict=True), strict=True))
    X, names = _columns(table, ADULT_NUMBERS, ADULT_CATEGORIES)
    y = np.where([income.startswith(">") for income in table["income"]], 1.0, -1.0)
    n = len(train)
    return X[:n], y[:n], X[n:], y[n:], names


def _adult_rows(content: bytes) -> list[list[str]]:
    """Rows of 15 values; the test file begins with a line that is none."""
    rows = csv.reader(io.StringIO(content.decode()), skipinitialspace=True)
    return [row for row in rows if len(row) == len(ADULT_COLUMNS)]


def _columns(
    table: Mapping[str, Sequence[str]], numbers: Sequence[str], categories: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers as they are and categories as columns of 0 and 1, with what each column holds."""
    columns = [np.array(table[name], dtype=float)[:, None] for name in numbers]
    names = list(numbers)
    for name in categories:
        kinds, of_kind = _one_hot(table[name])
        columns.append(of_kind)
        names += [f"{name}_{kind}" for kind in kinds]
    return np.hstack(columns), np.array(names)


def _one_hot(values: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Kinds among the values, numbers in the order of numbers, and a column of 0 and 1 for each."""
    kinds = sorted(set(values), key=lambda kind: (len(kind) if kind.isdigit() else 0, kind))
    if len(kinds) == 2:
        kinds = kinds[1:]  # the other column would say the same
    return kinds, (np.array(values)[:, None] == np.array(kinds)).astype(float)


def _authors_split(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on, 10,000 of each class, and to test on, drawn as the authors drew them."""
    shuffle = np.random.RandomState(2).shuffle
    positive, negative = np.flatnonzero(y == 1), np.flatnonzero(y == -1)
    shuffle(positive)
    shuffle(negative)
    train = np.concatenate([positive[:10_000], negative[:10_000]])
    test = np.concatenate([positive[10_000:], negative[10_000:]])
    shuffle(train)
    shuffle(test)
    return train, test


def dogfish(size: int = 96) -> tuple[np.ndarray, ...]:
    """Load photographs of dogs (springers) and fish (tenches): 900 + 900, and 300 + 300 to test.

    These are not the paper's images, which showed many breeds and species.

    Parameters
    ----------
    size : int
        Images come as size x size pixels, at most 224.

    Returns
    -------
    X, y, X_test, y_test : arrays, shapes (1800, size, size, 3), (1800,), (600, ...), (600,)
        Grey levels from 0 to 255 of red, green and blue, as bytes. Labels are -1 for dogs and +1
        for fish. The rows are those of `dogfish_features`.

    References
    ----------
    ImageNet, through fastai's Imagenette.
    """
    from PIL import Image

    size = validate.count("size", size, 1, 224)

    def pixels(content: bytes) -> np.ndarray:
        image = Image.open(io.BytesIO(content)).convert("RGB")
        return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))

    files = read_members("dogfish224.zip")
    parts = []
    for part in ("train", "test"):
        for label in ("dog", "fish"):
            folder = f"dogfish224/{part}/{label}/"
            parts.append(np.stack([pixels(c) for name, c in files.items() if folder in name]))
    X, X_test = np.concatenate(parts[:2]), np.concatenate(parts[2:])
    return X, _dog_fish_labels(parts[:2]), X_test, _dog_fish_labels(parts[2:])


def _dog_fish_labels(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.repeat([-1.0, 1.0], [len(images) for images in parts])


FEATURES = {  # network -> file, array
    "mobilenetv2": ("dogfish_mobilenetv2_features.npz", "features_224"),
    "mobilenetv2_96": ("dogfish_mobilenetv2_features.npz", "features_96"),
    "inceptionv3": ("dogfish_inceptionv3_features.npz", "mixed_8"),
}


def dogfish_features(network: str = "mobilenetv2") -> tuple[np.ndarray, ...]:
    """Load what a network trained on ImageNet sees in the images of `dogfish`.

    Parameters
    ----------
    network : {"mobilenetv2", "mobilenetv2_96", "inceptionv3"}
        MobileNetV2 on 224 x 224 or on 96 x 96 pixels, its last features; Inception v3 up to the
        layer ``mixed_8``, because the layers after it are missing in the file of weights.

    Returns
    -------
    X, y, X_test, y_test : arrays, shapes (1800, 1280), (1800,), (600, 1280), (600,)
        Labels are -1 for dogs and +1 for fish.
    """
    file, features = FEATURES[validate.one_of("network", network, tuple(FEATURES))]
    arrays = read_arrays(file)
    X, y = arrays[features].astype(float), 2.0 * arrays["y"] - 1.0
    test = arrays["is_test"].astype(bool)
    return X[~test], y[~test], X[test], y[test]


def read_arrays(name: str) -> dict[str, np.ndarray]:
    """Arrays of a file of NumPy.  str -> dict of name -> array."""
    with np.load(io.BytesIO(read(name)), allow_pickle=False) as arrays:
        return dict(arrays)


def _check_classes(classes: Any) -> list[int] | None:
    """The classes as a list, or None for all; checked before anything is fetched."""
    if classes is None:
        return None
    chosen = list(classes) if np.iterable(classes) else [classes]
    digits_only = all(digit in range(10) for digit in chosen)
    if not digits_only or len(chosen) < 2 or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"classes must be two or more different digits out of 0 .. 9, got {classes}: "
            "leave it out for all ten."
        )
    return [int(digit) for digit in chosen]


def _choose(
    X: np.ndarray, y: np.ndarray, classes: list[int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Keep only some classes, and label them as `mnist` tells."""
    y = y.astype(int)
    if classes is None:
        return X, y
    rank = np.full(10, -1)
    rank[classes] = np.arange(len(classes))
    kept = rank[y] >= 0
    X, y = X[kept], rank[y[kept]]
    return X, 2.0 * y - 1.0 if len(classes) == 2 else y


def _idx_pair(images: str, labels: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, pixels) and labels (n,) from a pair of IDX files, as bytes."""
    X, y = _idx(read(images), images, n_axes=3), _idx(read(labels), labels, n_axes=1)
    if len(X) != len(y):
        raise ValueError(f"{images} holds {len(X)} images, but {labels} holds {len(y)} labels.")
    return X.reshape(len(X), -1), y


def _idx(content: bytes, name: str, n_axes: int) -> np.ndarray:
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
