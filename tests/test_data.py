"""Data: which examples, which labels, and never a file that is not what it should be."""

import gzip
import hashlib
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from origins import dead_end, loaded, serving

from minfluence.book import data, download, files

IMAGES, LABELS = "mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz"
TEST_IMAGES, TEST_LABELS = "mnist/t10k-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz"
NAMES = [IMAGES, LABELS, TEST_IMAGES, TEST_LABELS]


# A small MNIST of our own ------------------------------------------------------------------------


def idx(array):
    """IDX file of an array of bytes."""
    lengths = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()


def put(folder, name, content):
    """Write a file of a data folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def list_file(monkeypatch, name, content, *urls):
    """Make a content the one that the table of files expects."""
    row = files.DataFile(len(content) + 1_000, hashlib.sha256(content).hexdigest(), urls)
    monkeypatch.setitem(data.FILES, name, row)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The reader's own folder and the cache, both empty; no origin, no proxy."""
    monkeypatch.setenv("MINFLUENCE_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("MINFLUENCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name, row in data.FILES.items():
        monkeypatch.setitem(data.FILES, name, replace(row, urls=()))
    return tmp_path / "own", tmp_path / "cache"


@pytest.fixture
def small(folders, monkeypatch):
    """Arrays of 300 and 100 random images of 28 x 28, whose files lie in the own folder."""
    rng = np.random.default_rng(0)
    arrays = {
        IMAGES: rng.integers(0, 256, (300, 28, 28), np.uint8),
        LABELS: rng.integers(0, 10, 300, np.uint8),
        TEST_IMAGES: rng.integers(0, 256, (100, 28, 28), np.uint8),
        TEST_LABELS: rng.integers(0, 10, 100, np.uint8),
    }
    for name, array in arrays.items():
        list_file(monkeypatch, name, idx(array))
        put(folders[0], name, gzip.compress(idx(array)))
    return arrays


def one_sentence(caught):
    """Message of an error, which has one full stop, at its end."""
    message = str(caught.value)
    assert message.endswith(".") and ". " not in message and "\n" not in message, message
    return message


# Which examples, which labels --------------------------------------------------------------------


def test_mnist_leaves_out_the_first_training_images(small):
    X, y, X_test, y_test = data.mnist(validation=50)
    assert_array_equal(X, small[IMAGES][50:].reshape(250, 784) / 255)
    assert_array_equal(y, small[LABELS][50:])
    assert_array_equal(X_test, small[TEST_IMAGES].reshape(100, 784) / 255)
    assert_array_equal(y_test, small[TEST_LABELS])
    assert X.dtype == X_test.dtype == np.float64 and y.dtype == y_test.dtype == np.int_


def test_no_validation_keeps_all_training_images(small):
    assert len(data.mnist(validation=0)[0]) == 300


def test_two_classes_are_minus_one_and_plus_one_in_the_order_given(small):
    X, y, _, y_test = data.mnist((7, 1), validation=0)
    digit = small[LABELS]
    kept = (digit == 1) | (digit == 7)
    assert_array_equal(X, small[IMAGES][kept].reshape(-1, 784) / 255)
    assert_array_equal(y, np.where(digit[kept] == 7, -1.0, 1.0))
    assert y.dtype == y_test.dtype == np.float64
    assert_array_equal(data.mnist((1, 7), validation=0)[1], -y)


def test_three_classes_are_numbered_in_the_order_given(small):
    _, y, _, y_test = data.mnist((9, 0, 4), validation=0)
    for labels, name in [(y, LABELS), (y_test, TEST_LABELS)]:
        digit = small[name]
        assert_array_equal(np.array([9, 0, 4])[labels], digit[np.isin(digit, [9, 0, 4])])
        assert labels.dtype == np.int_


def test_classes_may_be_any_sequence(small):
    expected = data.mnist((3, 5), validation=0)
    for classes in ([3, 5], np.array([3, 5]), iter([3, 5])):
        for part, expected_part in zip(data.mnist(classes, validation=0), expected, strict=True):
            assert_array_equal(part, expected_part)


@pytest.mark.parametrize("load", [data.mnist, data.digits])
@pytest.mark.parametrize(
    "classes", [(1, 10), (1, -1), (1, 1), (1, 7, 1), (1,), (), 7, "17", (1, 2.5), (1, [2])]
)
def test_unknown_or_repeated_classes_are_refused_before_anything_is_loaded(folders, load, classes):
    with pytest.raises(ValueError, match="two or more different digits out of 0 .. 9, got"):
        load(classes)


@pytest.mark.parametrize("validation", [-1, 60_000, 0.1])
def test_an_impossible_validation_set_is_refused(folders, validation):
    with pytest.raises(ValueError, match=f"a whole number in 0 .. 59999, got {validation}"):
        data.mnist(validation=validation)


def test_digits_are_split_in_the_order_of_the_file():
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = datasets.load_digits(return_X_y=True)
    X, y, X_test, y_test = data.digits()
    assert X.shape == (1297, 64) and X_test.shape == (500, 64)
    assert_array_equal(16 * np.vstack([X, X_test]), images)
    assert_array_equal(np.concatenate([y, y_test]), labels)
    assert X.dtype == np.float64 and y.dtype == np.int_ and X.min() == 0 and X.max() == 1


def test_digits_follow_the_same_rule_for_classes():
    pytest.importorskip("sklearn")
    X, y, X_test, y_test = data.digits()
    X17, y17, X17_test, y17_test = data.digits((1, 7))
    for some, labels, every, digit in [(X17, y17, X, y), (X17_test, y17_test, X_test, y_test)]:
        assert_array_equal(some[labels == -1], every[digit == 1])
        assert_array_equal(some[labels == +1], every[digit == 7])
        assert len(some) == np.isin(digit, [1, 7]).sum()
    assert set(data.digits((8, 2, 5))[1]) == {0, 1, 2}


def test_digits_without_scikit_learn_say_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match="pip install scikit-learn") as caught:
        data.digits()
    one_sentence(caught)


def test_mnist_or_digits_is_mnist_where_it_can_be_had(small, recwarn):
    X, *_ = data.mnist_or_digits((1, 7))
    assert X.shape[1] == 784 and not recwarn.list


def test_mnist_or_digits_is_the_digits_elsewhere_and_says_why(folders):
    pytest.importorskip("sklearn")
    with pytest.warns(UserWarning, match=f"8 x 8 digits in place of MNIST: {IMAGES}") as warned:
        X, *_ = data.mnist_or_digits((1, 7))
    assert X.shape[1] == 64
    assert warned[0].filename == __file__  # the reader's line, not ours


def test_two_clouds_have_as_many_of_each_class():
    X, y = data.two_clouds(10, rng=1)
    assert X.shape == (10, 3) and y.sum() == 0 and (X[:, 2] == 1).all()
    assert_array_equal(X, data.two_clouds(10, rng=1)[0])
    with pytest.raises(ValueError, match="even number of at least 2, got 7"):
        data.two_clouds(7)


def test_mnist_makes_one_float_copy_only(small):
    data.mnist(validation=0)
    tracemalloc.start()
    arrays = data.mnist(validation=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # beside it: the bytes, an eighth, and for a moment a packed file
    assert peak < 1.5 * sum(array.nbytes for array in arrays)


# The files of MNIST ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real():
    """MNIST with all training images, where it is on this machine; nothing is fetched."""
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.setitem(data.FILES, name, replace(data.FILES[name], urls=()))
        return loaded(data.mnist, None, 0)


def test_mnist_has_the_published_counts(real):
    X, y, X_test, y_test = real
    assert X.shape == (60_000, 784) and X_test.shape == (10_000, 784)
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y).tolist() == counts
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(y_test).tolist() == counts
    assert X.min() == 0 and X.max() == 1
    assert X.mean() == pytest.approx(0.1307, abs=5e-5)  # the mean that is often subtracted


def test_mnist_has_the_split_of_the_paper(real):
    X, y, X_test, y_test = data.mnist((1, 7))
    kept = np.isin(real[1], [1, 7])
    kept[:5_000] = False
    assert_array_equal(X, real[0][kept])
    assert_array_equal(y, np.where(real[1][kept] == 7, 1.0, -1.0))
    assert len(data.mnist()[0]) == 55_000 and len(X_test) == len(y_test) == 1135 + 1028


def test_every_file_has_a_size_a_checksum_and_secure_origins():
    for row in data.FILES.values():
        assert row.size > 0 and len(row.sha256) == 64 and int(row.sha256, 16)
        assert all(url.startswith("https://") for url in row.urls)
    assert set(NAMES) <= set(data.FILES)
    for name in NAMES:
        assert len(data.FILES[name].urls) == 2
        assert all(url.endswith(name.removeprefix("mnist/")) for url in data.FILES[name].urls)


# Files that are there ----------------------------------------------------------------------------


def test_the_own_folder_comes_first_and_then_the_cache(small, folders):
    own, cache = folders
    put(cache, LABELS, (own / LABELS).read_bytes())
    assert data.find(LABELS) == own / LABELS
    (own / LABELS).unlink()
    assert data.find(LABELS) == cache / LABELS


def test_an_empty_variable_names_no_folder(small, folders, monkeypatch):
    own, cache = folders
    put(cache, LABELS, (own / LABELS).read_bytes())
    monkeypatch.setenv("MINFLUENCE_DATA", "")
    assert data.find(LABELS) == cache / LABELS


def test_the_cache_is_the_users_unless_it_is_moved(monkeypatch):
    platformdirs = pytest.importorskip("platformdirs")
    monkeypatch.delenv("MINFLUENCE_CACHE", raising=False)
    assert str(files._cache()) == platformdirs.user_cache_dir("minfluence")
    monkeypatch.setenv("MINFLUENCE_CACHE", "/somewhere")
    assert str(files._cache()) == "/somewhere"


@pytest.mark.parametrize("pack", [bytes, partial(gzip.compress, compresslevel=1, mtime=5)])
def test_a_copy_that_is_packed_otherwise_is_as_good(small, folders, pack):
    put(folders[0], LABELS, pack(idx(small[LABELS])))
    assert data.read(LABELS) == idx(small[LABELS])
    assert len(data.mnist(validation=0)[1]) == 300


def test_a_file_that_is_not_packed_is_read_as_it_is(folders, monkeypatch):
    list_file(monkeypatch, "table.csv", b"a,b\n")
    put(folders[0], "table.csv", b"a,b\n")
    assert data.read("table.csv") == b"a,b\n"


def test_an_unknown_name_is_refused_with_the_known_ones(folders):
    with pytest.raises(ValueError, match=f"Unknown data file 'mnits': expected one of .*{LABELS}"):
        data.find("mnits")


def flip_a_pixel(packed):
    """Another content, packed without fault."""
    content = bytearray(gzip.decompress(packed))
    content[-1] ^= 1
    return gzip.compress(bytes(content))


DAMAGES = {
    "another content": flip_a_pixel,
    "cut off": lambda packed: packed[: len(packed) // 2],
    "a wrong byte": lambda packed: packed[:200] + bytes([packed[200] ^ 255]) + packed[201:],
    "cut off after the magic": lambda packed: packed[:3],
    "empty": lambda packed: b"",
    "a web page": lambda packed: b"<html>Please log in</html>",
}
each_damage = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


@each_damage
def test_a_damaged_file_of_the_reader_is_named_and_left_alone(small, folders, damage):
    path = folders[0] / IMAGES
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    for load in (data.mnist, lambda: data.find(IMAGES), lambda: data.find(IMAGES, refetch=True)):
        with pytest.raises(data.DataUnavailable, match="replace it by a good copy") as caught:
            load()
        assert str(path) in one_sentence(caught)
        assert data.FILES[IMAGES].sha256[:12] in str(caught.value)
    assert path.read_bytes() == before


def test_a_damaged_file_is_left_alone_even_where_the_cache_is_the_same_folder(
    small, folders, monkeypatch
):
    own, _ = folders
    with serving(
        put(own.parent / "origin", "labels.gz", (own / LABELS).read_bytes()).parent
    ) as url:
        list_file(monkeypatch, LABELS, idx(small[LABELS]), f"{url}/labels.gz")
        monkeypatch.setenv("MINFLUENCE_CACHE", str(own))
        (own / LABELS).write_bytes(b"mine")
        with pytest.raises(data.DataUnavailable, match=f"published at {url}/labels.gz"):
            data.find(LABELS, refetch=True)
    assert (own / LABELS).read_bytes() == b"mine"


def test_a_checksum_that_differs_is_said_beside_the_expected_one(small, folders):
    other = idx(np.zeros(3, np.uint8))
    put(folders[0], LABELS, gzip.compress(other))
    expected, got = data.FILES[LABELS].sha256[:12], hashlib.sha256(other).hexdigest()[:12]
    with pytest.raises(data.DataUnavailable, match=f"{expected}..., got 11 bytes with {got}"):
        data.find(LABELS)


# Files that are fetched --------------------------------------------------------------------------


@pytest.fixture
def origin(folders, monkeypatch, tmp_path):
    """Labels published by a server on this machine: their content and the file it sends."""
    content = idx(np.arange(10, dtype=np.uint8))
    path = put(tmp_path / "origin", "labels.gz", gzip.compress(content))
    with serving(path.parent) as url:
        list_file(monkeypatch, LABELS, content, f"{url}/labels.gz")
        yield content, path


def test_a_missing_file_is_fetched_into_the_cache_once(origin, folders):
    content, published = origin
    own, cache = folders
    assert data.find(LABELS) == cache / LABELS
    published.unlink()
    assert data.read(LABELS) == content
    assert [path for path in cache.rglob("*") if path.is_file()] == [cache / LABELS]
    assert not own.exists()


@each_damage
def test_a_damaged_file_in_the_cache_is_named_and_replaced_on_request(origin, folders, damage):
    content, published = origin
    path = put(folders[1], LABELS, damage(gzip.compress(idx(np.arange(5000) % 251))))
    with pytest.raises(data.DataUnavailable, match="is damaged") as caught:
        data.read(LABELS)
    assert str(path) in one_sentence(caught)
    assert f'minfluence.book.data.find("{LABELS}", refetch=True)' in str(caught.value)
    assert data.find(LABELS, refetch=True) == path
    assert data.read(LABELS) == content


@each_damage
def test_a_damaged_download_gets_no_name(origin, folders, damage):
    _, published = origin
    published.write_bytes(damage(gzip.compress(bytes(5000) + np.random.default_rng(0).bytes(500))))
    with pytest.raises(data.DataUnavailable, match="labels.gz .expected content with sha256"):
        data.find(LABELS)
    assert list((folders[1] / "mnist").iterdir()) == []


def test_a_failed_refetch_leaves_the_cached_file(origin, folders):
    content, published = origin
    data.find(LABELS)
    published.unlink()
    with pytest.raises(data.DataUnavailable, match="answered 404"):
        data.find(LABELS, refetch=True)
    assert data.read(LABELS) == content


def test_an_interrupted_download_leaves_nothing_behind(origin, folders, monkeypatch):
    def interrupted(url, size):
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "download", interrupted)
    with pytest.raises(KeyboardInterrupt):
        data.find(LABELS)
    assert list((folders[1] / "mnist").iterdir()) == []


def test_a_server_may_unpack_what_it_sends(origin, monkeypatch):
    content, published = origin
    with serving(published.parent, Content_Encoding="gzip") as url:
        list_file(monkeypatch, LABELS, content, f"{url}/labels.gz")
        assert data.read(LABELS) == content
    assert data.read(LABELS) == content  # now from the cache


def test_the_second_origin_is_asked_when_the_first_fails(origin, monkeypatch):
    content, _ = origin
    with dead_end(listening=False) as dead:
        list_file(monkeypatch, LABELS, content, f"{dead}/labels.gz", *data.FILES[LABELS].urls)
        assert data.read(LABELS) == content


@pytest.mark.parametrize("listening", [False, True], ids=["refuses", "is silent"])
def test_without_network_one_sentence_comes_soon(folders, monkeypatch, listening):
    monkeypatch.setattr(download, "PATIENCE", 0.3)
    with dead_end(listening) as url:
        urls = [f"{url}/{k}/labels.gz" for k in (1, 2)]
        list_file(monkeypatch, LABELS, bytes(27_881), *urls)
        start = time.perf_counter()
        with pytest.raises(data.DataUnavailable) as caught:
            data.find(LABELS)
        assert time.perf_counter() - start < 3
    message = one_sentence(caught)
    for part in (LABELS, "28,881 bytes", *urls, "set MINFLUENCE_DATA", str(folders[1])):
        assert part in message


def test_a_hanging_name_server_does_not_keep_the_reader_waiting(folders, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 0.3)
    awake = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: awake.wait(20) and [])
    list_file(monkeypatch, LABELS, b"", "http://labels.invalid/labels.gz")
    start = time.perf_counter()
    with pytest.raises(data.DataUnavailable, match="gave no answer in 0.3 s"):
        data.find(LABELS)
    awake.set()
    assert time.perf_counter() - start < 3


def test_a_file_without_origin_says_so(folders):
    with pytest.raises(data.DataUnavailable, match="it has no public origin") as caught:
        data.find(LABELS)
    one_sentence(caught)


def test_a_cache_that_cannot_be_written_is_named(origin, folders):
    put(folders[1].parent, "cache", b"a file where the folder should be")
    with pytest.raises(data.DataUnavailable, match=f"to {folders[1]}/mnist .*Error") as caught:
        data.find(LABELS)
    one_sentence(caught)


# The format --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes([0, 0, 8]),
        bytes([0, 0, 8, 1]),
        bytes([0, 0, 13, 1]) + idx(np.arange(5, dtype=np.uint8))[4:],
        idx(np.zeros((5, 1, 1), np.uint8)),
        idx(np.arange(5, dtype=np.uint8))[:-1],
        idx(np.arange(5, dtype=np.uint8)) + b"\0",
    ],
    ids=["empty", "magic cut", "no length", "of floats", "three axes", "one less", "one more"],
)
def test_a_wrong_header_or_length_is_refused(content):
    with pytest.raises(ValueError, match="labels is not a whole IDX file of bytes with 1 axes"):
        data._idx(content, "labels", n_axes=1)


def test_an_image_without_its_label_is_refused(small, folders, monkeypatch):
    fewer = idx(small[LABELS][:-1])
    list_file(monkeypatch, LABELS, fewer)
    put(folders[0], LABELS, fewer)
    with pytest.raises(ValueError, match=f"{IMAGES} holds 300 images, but {LABELS} holds 299"):
        data.mnist(validation=0)


def test_importing_the_data_loads_nothing_that_is_needed_later():
    late = ["sklearn", "matplotlib", "requests", "platformdirs"]
    code = f"import sys, minfluence.book.data; print([m for m in {late} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# The Adult census --------------------------------------------------------------------------------


def test_records_of_the_census_become_numbers_and_columns_of_zeros_and_ones(folders, monkeypatch):
    rows = [
        "39, State-gov, 77516, Bachelors, 13, Never-married, Sales, Husband, White, Male, "
        "2174, 0, 40, Cuba, <=50K",
        "50, ?, 83311, HS-grad, 9, Divorced, Tech, Wife, Black, Female, 0, 7, 13, Peru, >50K",
    ]
    parts = {"data": "\n".join(rows) + "\n\n", "test": f"|1x3 Cross validator\n{rows[1]}.\n"}
    for part, text in parts.items():
        list_file(monkeypatch, f"adult/adult.{part}.gz", text.encode())
        put(folders[0], f"adult/adult.{part}.gz", gzip.compress(text.encode()))
    X, y, X_test, y_test, names = data.adult()
    assert_array_equal(y, [-1, 1])
    assert_array_equal(y_test, [1])
    assert_array_equal(X_test, X[1:])
    assert_array_equal(X[:, :5], [[39, 13, 2174, 0, 40], [50, 9, 0, 7, 13]])
    # of two kinds one column says all: the second in the order of the alphabet
    assert list(names[5:]) == [
        "workclass_State-gov",
        "marital-status_Never-married",
        "occupation_Tech",
        "relationship_Wife",
        "race_White",
        "sex_Male",
        "native-country_Peru",
    ]
    assert_array_equal(X[:, 5:], [[1, 1, 0, 0, 1, 1, 0], [0, 0, 1, 1, 0, 0, 1]])


def test_the_census_has_the_published_counts():
    X, y, X_test, y_test, names = loaded(data.adult)
    assert X.shape == (32_561, 90) and X_test.shape == (16_281, 90) and names.shape == (90,)
    assert [(y == 1).sum(), (y_test == 1).sum()] == [7_841, 3_846]
    assert np.isfinite(X).all() and set(np.unique(X[:, 5:])) == {0, 1}
    column = dict(zip(names, X.T, strict=True))
    assert column["age"].min() == 17 and column["capital-gain"].max() == 99_999
    assert column["sex_Male"].sum() == 21_790
    assert column["native-country_Holand-Netherlands"].sum() == 1
    assert sum(column[f"race_{k}"].sum() for k in ("White", "Black", "Other")) < len(X)


def test_rt_polarity_is_split_into_praise_and_blame(monkeypatch):
    for name in ("rt_polarity/rt-polarity.pos.gz", "rt_polarity/rt-polarity.neg.gz"):
        monkeypatch.setitem(data.FILES, name, replace(data.FILES[name], urls=()))
    texts, y, texts_test, y_test = loaded(data.rt_polarity)
    assert (len(texts), len(texts_test)) == (9_662, 1_000)
    assert (y == 1).sum() + (y_test == 1).sum() == 5_331  # as many as the data card says
    assert set(y) == {-1.0, 1.0} and all(text == text.strip() != "" for text in texts)
    first = texts.index("effective but too-tepid biopic")
    assert y[first] == 1
    again = data.rt_polarity(rng=0)
    assert again[0] == texts and data.rt_polarity(rng=1)[0] != texts
