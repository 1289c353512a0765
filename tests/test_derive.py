"""The derived data files come out of their sources again, and every difference is noticed."""

import io
import re
import zipfile
from dataclasses import replace

import address
import derive
import numpy as np
import pytest
import weights
from numpy.testing import assert_array_equal
from origins import loaded, serving

from minfluence.book import data, files


def made_up():
    """A file with an array of weights and one of features."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((3, 2)).astype(np.float16)
    features = rng.uniform(0.1, 3, (4, 5)).astype(np.float16)
    return {"w": weights, "features": features}


def compared(listed, **changes):
    return derive.compare(derive.Derived(made_up() | changes, ("features",)), listed)


def moved(array, ulps):
    """The first number, that many units in the last place further up."""
    array = array.copy()
    array.flat[0] = (array.flat[:1].view(np.int16) + np.int16(ulps)).view(np.float16)[0]
    return array


# Comparison -------------------------------------------------------------------------------------


def test_equal_arrays_are_counted():
    assert compared(made_up()) == derive.Comparison(2, (), ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"w": moved(made_up()["w"], 1)}, "w: 1 of 6 values differ"),  # weights are exact
        ({"w": made_up()["w"].astype(np.float32)}, r"w: expected float16 \(3, 2\), got float32"),
        ({"w": made_up()["w"].T}, r"w: expected float16 \(3, 2\), got float16 \(2, 3\)"),
        ({"features": moved(made_up()["features"], 2)}, "1 of 20 .* by 2 units.*apart"),
        ({"features": np.full((4, 5), np.nan, np.float16)}, "features: 20 of 20 values differ"),
        ({"more": np.zeros(1)}, "expected 2 arrays as listed, got other ones: more"),
    ],
)
def test_a_difference_is_a_fault(change, words):
    found = compared(made_up(), **change)
    assert found.equal == 2 - ("more" not in change) and not found.close
    assert len(found.faults) == 1 and re.search(words, found.faults[0])


def test_arrays_come_in_the_order_of_the_listed_file():
    found = compared(dict(reversed(made_up().items())))
    assert found.equal == 2 and "in another order" in found.faults[0]


def test_features_may_differ_by_the_rounding_of_float16():
    found = compared(made_up(), features=moved(made_up()["features"], 1))
    assert found.equal == 1 and not found.faults
    assert found.close == ("features: 1 of 20 values differ, at most by 1 units in the last place",)


def test_near_zero_float16_is_finer_than_the_sums_are_exact():
    listed = made_up()
    listed["features"][0, 0] = 1e-4
    near, far = listed["features"].copy(), listed["features"].copy()
    near[0, 0], far[0, 0] = 1.5e-4, 1.7e-4  # the floor is 6.1e-5
    assert "where by more than 1" in compared(listed, features=near).close[0]
    assert compared(listed, features=far).faults


def test_classes_change_places_only_if_they_are_tied():
    logits = np.array([[0, 1, 2, 3, 4, 5 + 1e-6, 5]])
    ours, tied, wrong = np.array([[5, 6, 4, 3, 2]]), [[6, 5, 4, 3, 2]], [[5, 6, 3, 4, 2]]
    derived = derive.Derived({"imagenet_top5": ours}, (), logits)
    found = derive.compare(derived, {"imagenet_top5": np.array(tied)})
    assert "1 of 1 rows differ" in found.close[0] and not found.faults
    assert derive.compare(derived, {"imagenet_top5": np.array(wrong)}).faults


# What is handed out -----------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    """One derived file, listed in FILES and lying in the reader's folder."""
    content = derive.pack(made_up())
    row = files.DataFile(len(content), files.digest(content))
    monkeypatch.setitem(files.FILES, "small.npz", row)
    monkeypatch.setenv("MINFLUENCE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MINFLUENCE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "small.npz").write_bytes(content)

    def run(*options, **changes):
        made = derive.Derived(made_up() | changes, ("features",))
        monkeypatch.setattr(derive, "DERIVED", {"small.npz": lambda binaries: made})
        return derive.main(["--to", str(tmp_path / "v1"), *options])

    run.folder, run.listed = tmp_path, content
    return run


def test_an_equal_file_is_handed_out_as_it_was_made(project, capsys):
    (project.folder / "data" / "small.npz").unlink()  # the checksum is enough
    assert project() == 0
    assert (project.folder / "v1" / "small.npz").read_bytes() == project.listed
    assert "Apache License 2.0" in (project.folder / "v1" / "LICENSES.txt").read_text("utf-8")
    licence = (project.folder / "v1" / "LICENSE-APACHE.txt").read_text("utf-8")
    assert licence.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    first, last = capsys.readouterr().out.splitlines()
    assert first == "small.npz: all 2 arrays equal, checksum as listed"
    assert last.startswith("To publish: gh release create data-v1 ") and last.endswith("v1/*")


def test_of_a_file_equal_up_to_rounding_the_listed_one_is_handed_out(project, capsys):
    close = moved(made_up()["features"], 1)
    assert project(features=close) == 0
    assert (project.folder / "v1" / "small.npz").read_bytes() == project.listed
    with np.load(project.folder / "v1-rebuilt" / "small.npz") as rebuilt:
        assert_array_equal(rebuilt["features"], close)
    assert "1 of 2 arrays equal, the others up to rounding" in capsys.readouterr().out


def test_a_different_file_is_not_handed_out(project, capsys):
    assert project(w=np.zeros((3, 2), np.float16)) == 1
    handed_out = sorted(path.name for path in (project.folder / "v1").iterdir())
    assert handed_out == ["LICENSE-APACHE.txt", "LICENSES.txt"]
    out = capsys.readouterr().out
    assert "DIFFERS" in out and "w: 6 of 6 values differ" in out and "To publish" not in out


def test_without_the_listed_file_a_rounded_one_is_not_handed_out(project, capsys):
    (project.folder / "data" / "small.npz").unlink()
    assert project(features=moved(made_up()["features"], 1)) == 1
    assert not (project.folder / "v1" / "small.npz").exists()
    assert "another checksum than the listed file, so do not publish" in capsys.readouterr().out


def test_with_all_binaries_the_last_features_are_made_too(project, capsys, monkeypatch):
    names = ["train/dog/a.JPEG", "test/fish/b.JPEG"]
    last = np.linspace(0, 1, 2 * 2048).reshape(2, 2048)
    monkeypatch.setattr(derive, "photographs", lambda: names)
    monkeypatch.setattr(derive, "inception_means", lambda names, folder: {"mixed_10": last})
    assert project("--binaries", "folder") == 0
    content = (project.folder / "v1" / derive.POOLED).read_bytes()
    assert files.digest(content) in capsys.readouterr().out
    with np.load(io.BytesIO(content)) as arrays:
        assert_array_equal(arrays["pooled"], last.astype(np.float16))
        assert_array_equal(arrays["y"], [0, 1])
        assert_array_equal(arrays["is_test"], [False, True])
        assert_array_equal(arrays["files"], names)


def test_a_missing_source_is_named(project, capsys, monkeypatch):
    def without_source(binaries):
        raise files.DataUnavailable("photographs.zip could not be fetched")

    monkeypatch.setattr(derive, "DERIVED", {"small.npz": without_source})
    assert derive.main(["small.npz", "--to", str(project.folder / "v1")]) == 1
    assert "small.npz: not made: photographs.zip could not be" in capsys.readouterr().out


def test_an_unknown_name_is_refused(capsys):
    with pytest.raises(SystemExit):
        derive.main(["vgg.npz"])
    assert "expected names out of mobilenet_v2_imagenet.npz, " in capsys.readouterr().err


def test_packing_does_not_depend_on_the_time():
    with zipfile.ZipFile(io.BytesIO(derive.pack(made_up()))) as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.compress_type for entry in packed.infolist()} == {zipfile.ZIP_DEFLATED}


# Inception v3 -----------------------------------------------------------------------------------


def made_up_binaries():
    """Two files for each layer of Inception v3, with one channel and numbers that count up."""
    content = {}
    for name, (height, width) in weights.kernel_sizes().items():
        content[f"weights_{name}.dat"] = np.arange(height * width, dtype="<f4").tobytes()
        content[f"bias_{name}.dat"] = np.ones(1, "<f4").tobytes()
    return content | {"weights_softmax.dat": b"", "bias_softmax.dat": b""}


def test_the_layers_of_the_trunk_are_taken_out_of_the_sample_code(monkeypatch):
    root, sent = "AppleInceptionV3-ba0b1ca/", io.BytesIO()
    folder = root + "MetalImageRecognition/network_params/batch_normalized_binaries/"
    content = made_up_binaries()
    assert len(content) == 190
    with zipfile.ZipFile(sent, "w") as archive:
        archive.writestr(root + "LICENSE.txt", "-")
        for name, values in content.items():
            archive.writestr(folder + name, values)
    repack = files.FILES["inception_v3_binaries.zip"].repack
    kept = files.members(repack(sent.getvalue(), 10**6))
    assert len(kept) == 162 and all(kept[name] == content[name] for name in kept)

    monkeypatch.setattr(files, "read_members", lambda name: kept)
    weights.inception_layers.cache_clear()
    few = weights.inception_v3_trunk()
    monkeypatch.setattr(weights, "inception_layers", lambda binaries: weights.layers(content))
    assert list(weights.inception_v3_trunk()) == list(few)  # of all, the same are chosen
    assert len(few) == 162 and [*few][-1] == "b/mixed_9_tower_2_conv"
    assert few["w/mixed_4_tower_conv_1"].shape == (1, 1, 1, 7)
    assert few["w/conv"].dtype == np.float16 and few["b/conv"].dtype == np.float32


def test_kernels_lie_in_the_order_out_height_width_in():
    raw = np.arange(4 * 3 * 3 * 2, dtype="<f4")
    content = {"weights_conv_1.dat": raw.tobytes(), "bias_conv_1.dat": raw[:4].tobytes()}
    kernel = weights.layers(content)["w/conv_1"]
    assert kernel.shape == (4, 2, 3, 3)
    assert kernel[3, 1, 2, 0] == ((3 * 3 + 2) * 3 + 0) * 2 + 1


def test_a_folder_is_known_by_its_tree_in_git(tmp_path):
    content = {"a_1.dat": b"one", "a.dat": b"two"}
    assert weights.tree_id(content) == "84f4519a326c044d27e1d5b40219d1ee391d309b"  # git write-tree
    (tmp_path / "bias_conv.dat").write_bytes(b"cut o")
    with pytest.raises(files.DataUnavailable, match="expected 190 .dat files.*got 1 with .*leave"):
        weights.inception_layers(tmp_path)


def last_blocks(width=2):
    """Inception v3 with very few channels, to its end."""
    from test_networks import trunk_arrays

    rng, arrays = np.random.default_rng(1), trunk_arrays(width)
    for name, size in weights.kernel_sizes().items():
        if name.startswith(("mixed_9", "mixed_10")):
            first = re.fullmatch("mixed_[0-9]+(_tower(_[12])?)?_conv", name)
            c_in = 6 * width if first else width  # both blocks get 12 channels and give 12
            arrays[f"w/{name}"] = rng.standard_normal((width, c_in, *size)).astype(np.float32)
            arrays[f"b/{name}"] = rng.uniform(0, 1, width).astype(np.float32)
    return arrays


def test_the_last_blocks_end_in_kernels_side_by_side():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from minfluence.book import networks

    network = networks.InceptionV3(last_blocks())
    x = torch.rand(1, 12, 4, 4)
    out, block = network.mixed_10(x), network.mixed_10
    assert out.shape == (1, 12, 4, 4)
    middle = block.tower_1[1](block.tower_1[0](x))
    wide, tall = block.tower_1[2].mixed_conv, block.tower_1[2].mixed_conv_1
    assert (tuple(wide.weight.shape[2:]), tuple(tall.weight.shape[2:])) == ((1, 3), (3, 1))
    assert torch.equal(out[:, 6:10], torch.cat([wide(middle), tall(middle)], dim=1))
    pooled = torch.nn.functional.max_pool2d(x, 3, 1, 1)
    assert torch.equal(out[:, 10:], block.tower_2[1](pooled))
    averaged = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    assert torch.equal(network.mixed_9(x)[:, 10:], network.mixed_9.tower_2[1](averaged))


def test_without_all_weights_the_network_ends_earlier():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from minfluence.book import networks

    arrays = last_blocks()
    x = torch.rand(1, 3, 107, 107) * 2 - 1
    whole = networks.InceptionV3(arrays)
    assert whole.features(x).shape == (1, 12) and len(whole.stages(x)) == 3
    del arrays["w/mixed_9_tower_1_conv_1"]
    part = networks.InceptionV3(arrays).stages(x)
    assert list(part) == ["mixed_8", "mixed_9"]
    full = whole.stages(x)["mixed_9"]
    assert torch.equal(part["mixed_9"], torch.cat([full[:, :6], full[:, 10:]], dim=1))


def test_the_partial_features_are_those_of_three_branches():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    channels = torch.arange(2048.0)[None, :, None, None].expand(1, 2048, 2, 2)
    known = torch.cat([channels[:, : 320 + 768], channels[:, 320 + 768 + 768 :]], dim=1)
    from_whole = derive.means_of({"mixed_9": channels})["mixed_9_partial"]
    assert torch.equal(from_whole, derive.means_of({"mixed_9": known})["mixed_9_partial"])
    assert torch.equal(from_whole, known[:, :, 0, 0])


def test_all_files_but_the_sources_are_fetched_for_the_chapters(tmp_path, monkeypatch, capsys):
    import fetch

    monkeypatch.setenv("MINFLUENCE_CACHE", str(tmp_path))
    monkeypatch.setenv("MINFLUENCE_DATA", str(tmp_path))
    for name, row in files.FILES.items():
        monkeypatch.setitem(files.FILES, name, replace(row, urls=()))
    fetch.main()
    out = capsys.readouterr().out
    wanted = files.FILES.keys() - weights.SOURCES
    assert f"0 of {len(wanted)} data files are here" in out
    assert all(name in out for name in wanted) and not any(s in out for s in weights.SOURCES)

    labels = "mnist/t10k-labels-idx1-ubyte.gz"
    row = replace(files.FILES[labels], sha256=files.digest(b"labels"))
    monkeypatch.setitem(files.FILES, labels, row)
    (tmp_path / labels).parent.mkdir(exist_ok=True)
    (tmp_path / labels).write_bytes(b"labels")
    fetch.main()
    assert f"1 of {len(wanted)} data files are here" in capsys.readouterr().out


# The release ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", derive.DERIVED)
def test_a_published_file_is_found_through_the_public_address(tmp_path, monkeypatch, name):
    home = address.address((derive.ROOT / "_config.yml").read_text("utf-8"))
    (url,) = files.FILES[name].urls
    assert url == f"https://github.com/{home}/releases/download/data-v1/{name}"

    released = derive.pack(made_up())  # in its place a small file: the real one may not be here
    row = replace(files.FILES[name], sha256=files.digest(released))
    folder = tmp_path / home / "releases" / "download" / "data-v1"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(released)
    monkeypatch.delenv("MINFLUENCE_DATA", raising=False)
    monkeypatch.setenv("MINFLUENCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(tmp_path) as server:
        there = (url.replace("https://github.com", server),)
        monkeypatch.setitem(files.FILES, name, replace(row, urls=there))
        assert_array_equal(data.read_arrays(name)["w"], made_up()["w"])
    assert files.find(name) == tmp_path / "cache" / name


# The real files, where they can be had ----------------------------------------------------------

CHOSEN = [0, 1799, 2399]  # a springer, two tenches


def stored(name):
    """Some rows of the listed file, and their photographs."""
    arrays = {key: array[CHOSEN] for key, array in loaded(data.read_arrays, name).items()}
    names = [str(path) for path in arrays["files"]]
    assert_array_equal(np.array(loaded(derive.photographs))[CHOSEN], names)
    return arrays | {"files": np.array(names)}, names


def test_mobilenet_is_equal_in_every_bit():
    pytest.importorskip("tflite", reason="tflite is not installed")
    made = derive.Derived(loaded(weights.mobilenet_v2))
    listed = loaded(data.read_arrays, "mobilenet_v2_imagenet.npz")
    assert derive.compare(made, listed) == derive.Comparison(161, (), ())


def test_mobilenet_gives_the_listed_features():
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("tflite", reason="tflite is not installed")
    listed, names = stored("dogfish_mobilenetv2_features.npz")
    loaded(weights.mobilenet_v2)
    assert not derive.compare(derive.mobilenet_features(names), listed).faults


@pytest.fixture
def kernels(monkeypatch):
    """Parameters of the trunk in float32, where they are on this machine: they are 150 MB."""
    row = files.FILES["inception_v3_binaries.zip"]
    monkeypatch.setitem(files.FILES, "inception_v3_binaries.zip", replace(row, urls=()))
    weights.inception_layers.cache_clear()
    return loaded(weights.inception_layers)


def test_the_trunk_is_equal_in_every_bit(kernels):
    listed = loaded(data.read_arrays, "inception_v3_trunk.npz")
    assert derive.compare(
        derive.Derived(weights.inception_v3_trunk()), listed
    ) == derive.Comparison(162, (), ())


def test_inception_gives_the_listed_features(kernels, monkeypatch):
    pytest.importorskip("torch", reason="torch is not installed")
    listed, names = stored("dogfish_inceptionv3_features.npz")
    assert not derive.compare(derive.inception_features(names), listed).faults
    rounded = weights.inception_v3_trunk()  # float16: not what the features were made with
    monkeypatch.setattr(derive, "inception_layers", lambda binaries: rounded)
    derive.inception_means.cache_clear()
    first = {key: array[:1] for key, array in listed.items()}
    faults = derive.compare(derive.inception_features(names[:1]), first).faults
    assert [fault.split(":")[0] for fault in faults] == ["mixed_8", "mixed_9_partial"]
