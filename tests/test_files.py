"""Archives: read in memory, refused when they would lead out of their folder."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minfluence import data, files


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
    assert gzip.decompress(files.FILES["diabetic_data.csv.gz"].repack(sent)) == b"a"


def test_the_first_dogs_and_fish_are_taken_out_of_imagenette():
    root = "imagenette-b850f03/"
    sent = {f"{root}README.md": b"-", f"{root}train/n03000684/saw_1.JPEG": b"saw"}
    for part, many in (("train", 905), ("val", 302)):
        for name in ("n02102040", "n01440764"):
            for k in range(many):
                sent[f"{root}{part}/{name}/{name}_{k:04d}.JPEG"] = f"{name} {k}".encode()
    chosen = files.members(files.FILES["dogfish224.zip"].repack(make_zip(sent)))
    assert len(chosen) == 2400
    assert chosen["dogfish224/train/dog/n02102040_0899.JPEG"] == b"n02102040 899"
    assert "dogfish224/train/dog/n02102040_0900.JPEG" not in chosen
    assert sum(name.startswith("dogfish224/test/fish/") for name in chosen) == 300


# The real files, where they can be had -----------------------------------------------------------


def loaded(loader, *arguments):
    try:
        return loader(*arguments)
    except data.DataUnavailable as reason:
        pytest.skip(str(reason))


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
    with pytest.raises(ValueError, match="size must be an integer in 1 .. 224, got 225"):
        data.dogfish(225)


@pytest.mark.parametrize("network", data.FEATURES)
def test_features_go_with_the_images(network):
    X, y, X_test, y_test = loaded(data.dogfish_features, network)
    assert X.shape == (1800, 1280) and X_test.shape == (600, 1280) and X.dtype == float
    assert y.sum() == y_test.sum() == 0 and y[0] == -1
    assert np.isfinite(X).all() and np.isfinite(X_test).all()


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="network must be one of mobilenetv2, .*got 'vgg'"):
        data.dogfish_features("vgg")


def test_our_mobilenet_computes_the_stored_features():
    pytest.importorskip("torch")
    from minfluence import pretrained

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
