"""Archives: read in memory, refused when they would lead out of their folder."""

import gzip
import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from origins import loaded

from minfluence.book import data, files


def make_tar(entries, mode="w:gz"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def make_zip(entries, compression=zipfile.ZIP_DEFLATED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return packed.getvalue()


SMALL = {"b/two.txt": b"two", "a/one.txt": b"one"}


@pytest.mark.parametrize("make", [lambda e: make_tar(e, "w"), make_zip])
def test_members_come_in_the_order_of_their_names(make):
    assert list(files.members(make(SMALL)).items()) == sorted(SMALL.items())


@pytest.mark.parametrize("make", [lambda e: make_tar(e, "w"), make_zip])
@pytest.mark.parametrize(
    "name", ["../evil.txt", "/etc/evil.txt", "a/../../evil.txt", "a\\..\\evil"]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(make, name):
    with pytest.raises(ValueError, match="names a file outside its folder"):
        files.members(make({"a/one.txt": b"one", name: b"evil"}))


def test_links_are_refused():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        link = tarfile.TarInfo("a/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(ValueError, match="holds links or devices"):
        files.members(packed.getvalue())


def test_an_archive_packed_anew_has_the_same_digest():
    unpacked = [make_tar(SMALL, "w"), make_zip(SMALL), make_zip(SMALL, zipfile.ZIP_STORED)]
    assert len({files.digest(archive) for archive in unpacked}) == 1
    other = {**SMALL, "a/one.txt": b"other"}
    assert files.digest(make_zip(other)) != files.digest(make_zip(SMALL))
    renamed = {"b/two.txt": b"two", "a/1.txt": b"one"}
    assert files.digest(make_zip(renamed)) != files.digest(make_zip(SMALL))


def test_a_truncated_archive_is_named_and_never_half_loaded(tmp_path, monkeypatch):
    whole = make_zip({"a/x": bytes(2000), "a/y": b"y" * 100}, zipfile.ZIP_STORED)
    monkeypatch.setitem(files.FILES, "some.zip", files.DataFile(len(whole), files.digest(whole)))
    monkeypatch.setenv("MINFLUENCE_DATA", str(tmp_path))
    (tmp_path / "some.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(files.DataUnavailable, match="some.zip is damaged.*cannot be read"):
        files.read_members("some.zip")
    (tmp_path / "some.zip").write_bytes(whole)
    assert len(files.read_members("some.zip")) == 2


def test_the_diabetes_table_is_taken_out_of_the_repositorys_archive():
    sent = make_zip(
        {"dataset_diabetes/IDs_mapping.csv": b"1", "dataset_diabetes/diabetic_data.csv": b"a"}
    )
    assert gzip.decompress(files.FILES["diabetic_data.csv.gz"].repack(sent, 10)) == b"a"


def test_the_first_dogs_and_fish_are_taken_out_of_imagenette():
    root = "imagenette-b850f03/"
    sent = {f"{root}README.md": b"-", f"{root}train/n03000684/saw_1.JPEG": b"saw"}
    for part, many in (("train", 905), ("val", 302)):
        for name in ("n02102040", "n01440764"):
            for k in range(many):
                sent[f"{root}{part}/{name}/{name}_{k:04d}.JPEG"] = f"{name} {k}".encode()
    chosen = files.members(files.FILES["dogfish224.zip"].repack(make_zip(sent), 10**6))
    assert len(chosen) == 2400
    assert chosen["dogfish224/train/dog/n02102040_0899.JPEG"] == b"n02102040 899"
    assert "dogfish224/train/dog/n02102040_0900.JPEG" not in chosen
    assert sum(name.startswith("dogfish224/test/fish/") for name in chosen) == 300


# Small files of our own, so that every loader runs without the real ones --------------------------


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Write a data file of the reader's own, and make its content the expected one."""
    monkeypatch.setenv("MINFLUENCE_DATA", str(tmp_path))

    def write(name, packed):
        content = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
        row = files.DataFile(len(packed), files.digest(content), unpacked=10**6)
        monkeypatch.setitem(files.FILES, name, row)
        (tmp_path / name).write_bytes(packed)

    return write


def test_mails_are_labelled_by_their_folder_and_shuffled_by_the_seed(put):
    mails = {f"enron1/ham/{k}.txt": f"ham {k}".encode() for k in range(7)}
    mails |= {f"enron1/spam/{k}.txt": b"caf\xe9" for k in range(3)}
    put("enron1.tar.gz", make_tar({**mails, "enron1/Summary.txt": b"not a mail"}))
    texts, y, texts_test, y_test = data.enron1()
    assert (len(texts), len(texts_test)) == (8, 2)
    labelled = dict(zip([*texts, *texts_test], [*y, *y_test], strict=True))
    assert labelled == {f"ham {k}": -1 for k in range(7)} | {"caf\xe9": 1}  # latin-1
    assert texts == data.enron1(rng=0)[0] != data.enron1(rng=1)[0]


def test_categories_become_columns_of_zeros_and_ones(put):
    columns = [*data.NUMBERS, *data.CATEGORIES, "readmitted"]
    row = {name: "1" for name in data.NUMBERS} | {name: "No" for name in data.CATEGORIES}
    first = row | {"readmitted": "<30", "age": "[0-10)", "gender": "Female"}
    second = row | {"readmitted": "NO", "age": "[10-20)", "gender": "Male"}
    second |= {"discharge_disposition_id": "11", "max_glu_serum": "None", "num_medications": "7"}
    third = second | {"readmitted": ">30", "age": "[90-100)", "discharge_disposition_id": "2"}
    first["discharge_disposition_id"] = "1"
    lines = [",".join(columns)] + [",".join(r[c] for c in columns) for r in (first, second, third)]
    put("diabetic_data.csv.gz", gzip.compress("\n".join(lines).encode()))
    X, y, X_test, y_test, names = data.diabetes130()
    assert X.shape == (3, len(names)) and X_test.shape == (0, len(names)) and y_test.size == 0
    assert sorted(y) == [-1, -1, 1]  # only "<30" counts as readmitted
    young = X[:, names == "age_[0-10)"][:, 0]
    assert_array_equal(young, y == 1)
    assert [n for n in names if n.startswith("discharge")] == [
        f"discharge_disposition_id_{k}"
        for k in (1, 2, 11)  # numbers in the order of numbers
    ]
    # of two kinds one column says all, and the word None is a kind like any other
    assert [n for n in names if n.startswith("gender")] == ["gender_Male"]
    assert [n for n in names if n.startswith("max_glu")] == ["max_glu_serum_None"]
    assert_array_equal(np.sort(X[:, names == "num_medications"][:, 0]), [1, 7, 7])


def test_photographs_come_as_bytes_dogs_first(put):
    from PIL import Image

    def jpeg(grey, mode):
        packed = io.BytesIO()
        Image.new(mode, (224, 224), grey if mode == "L" else (grey,) * 3).save(packed, "JPEG")
        return packed.getvalue()

    images = {
        f"dogfish224/{part}/{label}/{k}.JPEG": jpeg(grey, mode)
        for part in ("train", "test")
        for label, grey in (("dog", 200), ("fish", 50))
        for k, mode in enumerate(("RGB", "L"))  # a few of the real ones are grey
    }
    put("dogfish224.zip", make_zip(images))
    X, y, X_test, y_test = data.dogfish(8)
    assert X.shape == X_test.shape == (4, 8, 8, 3) and X.dtype == np.uint8
    assert_array_equal(y, [-1, -1, 1, 1])
    assert_array_equal(y_test, y)
    assert abs(X[:2].astype(int) - 200).max() < 3 and abs(X[2:].astype(int) - 50).max() < 3
    with pytest.raises(ValueError, match="size must be a whole number in 1 .. 224, got 225"):
        data.dogfish(225)


def npz(**arrays):
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    return packed.getvalue()


def test_stored_features_are_split_as_the_images_are(put):
    arrays = {"features_224": np.arange(8.0).reshape(4, 2).astype(np.float16)}
    arrays |= {"y": np.array([0, 1, 0, 1]), "is_test": np.array([0, 0, 1, 1], dtype=bool)}
    put("dogfish_mobilenetv2_features.npz", npz(**arrays))
    X, y, X_test, y_test = data.dogfish_features()
    assert_array_equal(X, [[0, 1], [2, 3]])
    assert_array_equal(X_test, [[4, 5], [6, 7]])
    assert X.dtype == float
    assert_array_equal(y, [-1, 1])
    assert_array_equal(y_test, y)


def test_a_small_network_is_run_as_its_file_says_and_differentiated(put):
    torch = pytest.importorskip("torch")
    from minfluence.book import pretrained

    rng = np.random.default_rng(0)
    operations = [
        {"op": "identity", "inp": 0, "out": 1},
        {"op": "conv", "i": 0, "stride": 2, "k": 3, "relu6": True, "inp": 1, "out": 2},
        {"op": "dwconv", "i": 1, "stride": 1, "k": 3, "relu6": False, "inp": 2, "out": 3},
        {"op": "add", "inp": 2, "inp2": 3, "out": 4},
        {"op": "gap", "inp": 4, "out": 5},
    ]
    shapes = {0: (4, 3, 3, 3), 1: (4, 1, 3, 3)}
    arrays = {"arch_json": json.dumps({"input": 0, "output": 5, "ops": operations})}
    for i, shape in shapes.items():
        arrays[f"w{i:02d}"] = rng.integers(-100, 100, shape).astype(np.int8)
        arrays[f"s{i:02d}"] = rng.uniform(0.001, 0.01, shape[0]).astype(np.float32)
        arrays[f"b{i:02d}"] = rng.uniform(0, 1, shape[0]).astype(np.float32)
    put("mobilenet_v2_imagenet.npz", npz(**arrays))
    feature_map = pretrained.mobilenet_v2()
    images = rng.uniform(0, 255, (2, 7, 7, 3))
    features, vjp = feature_map(images)

    # by torch's own words: TensorFlow pads 7 pixels to 4 outputs by one on each side
    W = [
        torch.tensor(arrays[f"w{i:02d}"] * arrays[f"s{i:02d}"][:, None, None, None]) for i in shapes
    ]
    b = [torch.tensor(arrays[f"b{i:02d}"]) for i in shapes]
    A = torch.tensor((images / 127.5 - 1).astype(np.float32)).permute(0, 3, 1, 2)
    A = torch.nn.functional.conv2d(A, W[0], b[0], stride=2, padding=1).clamp(0, 6)
    A = A + torch.nn.functional.conv2d(A, W[1], b[1], padding=1, groups=4)
    np.testing.assert_allclose(features, A.mean(dim=(2, 3)).numpy(), atol=1e-5)

    v = rng.standard_normal(features.shape)
    d = np.sign(vjp(v))  # uphill, so that rounding to float32 hardly matters
    up, down = (feature_map(images + h * d)[0] for h in (0.5, -0.5))
    assert np.vdot(vjp(v), d) == pytest.approx(np.vdot(up - down, v), rel=0.02)


# The real files, where they can be had -----------------------------------------------------------


# Test child 1742 as printed in the authors' notebook: the columns that hold a one, and the numbers.
CHILD = {0: 1, 1: 55, 3: 10, 6: 1, 7: 3}
CHILD_ONES = [8, 14, 17, 27, 55, 59, 62, 66, 70, 74, 78, 83, 87, 92, 96, 100, 104, 108, 111, 112]
CHILD_ONES += [113, 118, 126]


def test_diabetes_comes_with_the_authors_own_split():
    X, y, X_test, y_test, names = loaded(data.diabetes130)
    assert X.shape == (20_000, 127) and X_test.shape == (81_766, 127) and names.shape == (127,)
    assert y.sum() == 0 and (y_test == 1).sum() == 1_357
    child = X[:, names == "age_[0-10)"][:, 0] == 1
    assert (child.sum(), (y[child] == 1).sum()) == (24, 3)
    test_child = np.flatnonzero(X_test[:, names == "age_[0-10)"][:, 0] == 1)
    assert len(test_child) == 137
    assert_array_equal(test_child[:6], [473, 647, 1037, 1599, 1611, 1742])
    printed = np.zeros(127)
    printed[list(CHILD)] = list(CHILD.values())
    printed[CHILD_ONES] = 1
    assert_array_equal(X_test[1742], printed)
    assert y_test[1742] == -1


def test_enron_has_as_many_mails_as_the_paper_says():
    texts, y, texts_test, y_test = loaded(data.enron1)
    assert (len(texts), len(texts_test)) == (len(y), len(y_test)) == (4137, 1035)
    assert ((y == 1).sum() + (y_test == 1).sum(), (y == -1).sum() + (y_test == -1).sum()) == (
        1500,
        3672,
    )
    assert not set(texts) == set(data.enron1(rng=1)[0])
    assert texts == data.enron1(rng=0)[0]


def test_dogs_and_fish_are_shaped_like_the_papers():
    X, y, X_test, y_test = loaded(data.dogfish, 32)
    assert X.shape == (1800, 32, 32, 3) and X_test.shape == (600, 32, 32, 3) and X.dtype == np.uint8
    assert y.sum() == y_test.sum() == 0 and y[0] == -1


@pytest.mark.parametrize("network", data.FEATURES)
def test_features_go_with_the_images(network):
    X, y, X_test, y_test = loaded(data.dogfish_features, network)
    assert X.shape == (1800, 1280) and X_test.shape == (600, 1280) and X.dtype == float
    assert y.sum() == y_test.sum() == 0 and y[0] == -1
    assert np.isfinite(X).all() and np.isfinite(X_test).all()


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match='network must be "mobilenetv2", .*got .vgg.'):
        data.dogfish_features("vgg")


def test_our_mobilenet_computes_the_stored_features():
    pytest.importorskip("torch")
    from minfluence.book import pretrained

    images, *_ = loaded(data.dogfish, 96)
    feature_map = loaded(pretrained.mobilenet_v2)
    features, vjp = feature_map(images[:3])
    # stored in float16: 3 digits of numbers up to 6
    assert_array_equal(
        np.abs(features - data.dogfish_features("mobilenetv2_96")[0][:3]) < 4e-3, True
    )
    v = np.random.default_rng(0).standard_normal(features.shape)
    d = np.sign(vjp(v))  # uphill in every pixel, so that rounding to float32 hardly matters
    up, down = (feature_map(images[:3] + h * d)[0] for h in (0.02, -0.02))
    assert np.vdot(vjp(v), d) == pytest.approx(np.vdot(up - down, v) / 0.04, rel=0.02)
