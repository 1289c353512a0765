"""Pretrained networks: the features that others stored, and small networks made for the tests."""

import json
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from origins import loaded

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch.nn import functional as F  # noqa: E402

from minfluence.book import data, networks, pretrained  # noqa: E402


def scaled(images):
    """Images as the modules expect them."""
    x = torch.tensor(images.astype(np.float32)) / 127.5 - 1
    return x.permute(0, 3, 1, 2)


# The real ones ----------------------------------------------------------------------------------


def test_mobilenet_names_the_fish_and_has_all_its_parameters():
    module = loaded(pretrained.network, "mobilenet_v2")
    images, labels, *_ = loaded(data.dogfish, 224)
    chosen = [0, 1, 2, 3, 900, 901, 902, 903]  # four springers, four tenches
    with torch.no_grad():
        logits = module(scaled(images[chosen]))
        features = module.features(scaled(images[chosen]))
    names = data.read_arrays("mobilenet_v2_imagenet.npz")["labels"]
    found = [names[k] for k in logits.argmax(dim=1)]
    right = sum("springer" in n for n in found[:4]) + sum("tench" in n for n in found[4:])
    assert right >= 6
    assert sum(p.numel() for p in module.parameters()) == 3_489_097 and not module.training
    stored = data.dogfish_features("mobilenetv2")[0][chosen]
    assert_allclose(features, stored, rtol=1e-2, atol=4e-3)  # stored in float16


def test_inception_computes_the_stored_features():
    module = loaded(pretrained.network, "inception_v3_trunk")
    from PIL import Image

    images, *_ = loaded(data.dogfish, 224)
    chosen = [0, 1000]
    resized = [
        np.asarray(Image.fromarray(images[i].astype(np.uint8)).resize((299, 299), Image.BILINEAR))
        for i in chosen
    ]
    with torch.no_grad():
        features = module.features(scaled(np.stack(resized))).numpy()
    stored = data.dogfish_features("inceptionv3")[0][chosen]
    assert features.shape == (2, 1280)
    assert sum(p.numel() for p in module.parameters()) == 10_653_472
    error = np.linalg.norm(features - stored, axis=1) / np.linalg.norm(stored, axis=1)
    assert (error < 1e-2).all()  # the weights are rounded to float16


# Small ones -------------------------------------------------------------------------------------


def test_padding_is_tensorflows():
    assert networks.same_padding((7, 7), (3, 3), 2) == [1, 1, 1, 1]
    assert networks.same_padding((8, 8), (3, 3), 2) == [0, 1, 0, 1]  # the smaller half first
    assert networks.same_padding((5, 9), (1, 7), 1) == [3, 3, 0, 0]  # left, right, top, bottom
    assert networks.same_padding((4, 4), (1, 1), 2) == [0, 0, 0, 0]


def trunk_arrays(width=2):
    """Inception v3 with very few channels: names and kernel sizes are the real ones."""
    rng = np.random.default_rng(0)
    sizes = {}
    for name in ("conv", "conv_1", "conv_2", "conv_4"):
        sizes[name] = (3, 3)
    sizes["conv_3"] = (1, 1)
    small, wide, tall = (1, 1), (1, 7), (7, 1)
    for block in ("mixed", "mixed_1", "mixed_2"):
        sizes |= {f"{block}_conv": small, f"{block}_tower_2_conv": small}
        sizes |= {f"{block}_tower_conv": small, f"{block}_tower_conv_1": (5, 5)}
        sizes |= {f"{block}_tower_1_conv": small, f"{block}_tower_1_conv_1": (3, 3)}
        sizes |= {f"{block}_tower_1_conv_2": (3, 3)}
    sizes |= {"mixed_3_conv": (3, 3), "mixed_3_tower_conv": small}
    sizes |= {"mixed_3_tower_conv_1": (3, 3), "mixed_3_tower_conv_2": (3, 3)}
    for block in ("mixed_4", "mixed_5", "mixed_6", "mixed_7"):
        sizes |= {f"{block}_conv": small, f"{block}_tower_2_conv": small}
        for branch, kernels in (("tower", (wide, tall)), ("tower_1", (tall, wide, tall, wide))):
            sizes |= {f"{block}_{branch}_conv": small}
            sizes |= {f"{block}_{branch}_conv_{k}": s for k, s in enumerate(kernels, 1)}
    sizes |= {"mixed_8_tower_conv": small, "mixed_8_tower_conv_1": (3, 3)}
    sizes |= {"mixed_8_tower_1_conv": small, "mixed_8_tower_1_conv_1": wide}
    sizes |= {"mixed_8_tower_1_conv_2": tall, "mixed_8_tower_1_conv_3": (3, 3)}
    arrays = {}
    block_in = {"mixed": width, "mixed_1": 4 * width, "mixed_2": 4 * width, "mixed_3": 4 * width}
    block_in |= {"mixed_4": 6 * width}  # two branches and what was pooled
    block_in |= {f"mixed_{k}": 4 * width for k in (5, 6, 7, 8)}
    for name, size in sizes.items():
        first = name.endswith("conv")
        block = "_".join(name.split("_conv")[0].split("_tower")[0].split("_")[:2])
        c_in = 3 if name == "conv" else (block_in[block] if first and "mixed" in name else width)
        arrays[f"w/{name}"] = rng.standard_normal((width, c_in, *size)).astype(np.float16)
        arrays[f"b/{name}"] = rng.uniform(0, 1, width).astype(np.float32)
    arrays["w/mixed_9_conv"] = arrays["w/conv"]  # of a block that is not complete: ignored
    return arrays


def test_the_trunk_is_put_together_from_the_names_of_its_layers():
    trunk = networks.InceptionV3Trunk(trunk_arrays())
    x = torch.rand(2, 3, 107, 107) * 2 - 1
    maps = trunk(x)
    # 107 -> 53, 51, 51, 25 | 23, 11 | 5 in mixed_3 | 2 in mixed_8; 2 branches of 2, and 8 pooled
    assert maps.shape == (2, 12, 2, 2)
    assert_allclose(trunk.features(x).detach(), maps.mean(dim=(2, 3)).detach(), rtol=1e-6)
    assert set(dict(trunk.mixed_8.named_children())) == {"tower", "tower_1", "pool"}
    assert len(trunk.mixed_4.tower_1) == 5 and not hasattr(trunk, "mixed_9")


def test_a_block_stacks_its_branches_in_order():
    trunk = networks.InceptionV3Trunk(trunk_arrays())
    A = torch.rand(1, 2, 9, 9)
    out = trunk.mixed(A)
    layer = trunk.mixed.conv[0]
    assert torch.equal(out[:, :2], F.relu(F.conv2d(A, layer.weight, layer.bias)))
    pooled = F.avg_pool2d(A, 3, 1, 1, count_include_pad=False)
    layer = trunk.mixed.tower_2[1]
    assert torch.equal(out[:, 6:], F.relu(F.conv2d(pooled, layer.weight, layer.bias)))


def mobilenet_arrays():
    """MobileNetV2 with three convolutions, in the form of its file."""
    operations = [
        {"op": "conv", "i": 0, "stride": 2, "k": 3, "relu6": True, "inp": 0, "out": 1},
        {"op": "dwconv", "i": 1, "stride": 1, "k": 3, "relu6": False, "inp": 1, "out": 2},
        {"op": "add", "inp": 1, "inp2": 2, "out": 3},
        {"op": "gap", "inp": 3, "out": 4},
        {"op": "conv", "i": 2, "stride": 1, "k": 1, "relu6": False, "inp": 4, "out": 5},
    ]
    rng = np.random.default_rng(0)
    arrays = {"arch_json": json.dumps({"input": 0, "output": 5, "ops": operations})}
    for i, shape in enumerate([(4, 3, 3, 3), (4, 1, 3, 3), (5, 4, 1, 1)]):
        arrays[f"w{i:02d}"] = rng.integers(-100, 100, shape).astype(np.int8)
        arrays[f"s{i:02d}"] = rng.uniform(0.001, 0.01, shape[0]).astype(np.float32)
        arrays[f"b{i:02d}"] = rng.uniform(0, 1, shape[0]).astype(np.float32)
    return arrays


def test_logits_are_made_from_the_features_and_move_with_every_weight():
    module = networks.MobileNetV2(mobilenet_arrays())
    x = torch.rand(2, 3, 9, 9) * 2 - 1
    logits, last = module(x), module.conv02
    expected = module.features(x) @ last.weight[:, :, 0, 0].T + last.bias
    assert_allclose(logits.detach(), expected.detach(), rtol=1e-5, atol=1e-6)  # in float32
    logits.square().sum().backward()
    gradients = {name: p.grad for name, p in module.named_parameters()}
    assert len(gradients) == 6 and all(g.abs().sum() > 0 for g in gradients.values())


def test_no_value_of_mobilenet_exceeds_six():
    module = networks.MobileNetV2(mobilenet_arrays())
    module.conv00.bias.data.fill_(100)
    for parameter in module.conv01.parameters():
        parameter.data.zero_()  # nothing is added
    assert (module.features(torch.rand(1, 3, 9, 9)) == 6).all()


@pytest.mark.parametrize(
    ("name", "make_arrays"),
    [("mobilenet_v2", mobilenet_arrays), ("inception_v3_trunk", trunk_arrays)],
)
def test_networks_come_in_eval_mode(name, make_arrays, monkeypatch):
    monkeypatch.setattr(pretrained, "read_arrays", lambda file: make_arrays())
    module = pretrained.network(name)
    assert not any(part.training for part in module.modules())
    assert all(p.requires_grad for p in module.parameters())  # influence is taken in them


def test_feature_maps_come_with_their_gradient(monkeypatch):
    monkeypatch.setattr(pretrained, "read_arrays", lambda name: trunk_arrays())
    feature_map = pretrained.inception_v3()
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (1, 107, 107, 3))
    features, vjp = feature_map(images)
    v = rng.standard_normal(features.shape)
    d = np.sign(vjp(v))  # uphill, so that rounding to float32 hardly matters
    up, down = (feature_map(images + h * d)[0] for h in (0.05, -0.05))
    assert np.vdot(vjp(v), d) == pytest.approx(np.vdot(up - down, v) / 0.1, rel=0.05)


# What is missing --------------------------------------------------------------------------------


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match='name must be "mobilenet_v2" or .*got .vgg.'):
        pretrained.network("vgg")


def test_without_torch_the_remedy_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "minfluence.book.networks", raising=False)
    monkeypatch.delattr("minfluence.book.networks", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="need torch, which is missing: pip install"):
        pretrained.network("mobilenet_v2")
