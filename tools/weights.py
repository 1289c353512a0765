"""Weights of two pretrained networks, out of the files in which others publish them.

MobileNetV2 comes as a file of TensorFlow Lite, read by the package `tflite`; Inception v3 as raw
numbers, a file for each kernel and bias, beside Apple's sample code. `tools/derive.py` makes the
listed files from what these functions return.
"""

import functools
import hashlib
import json
import re
from pathlib import Path

import numpy as np

from minfluence.book import files

TFLITE, LABELS = "tf2_mobilenet_v2_1.0_224_ptq.tflite", "imagenet_labels.txt"
BINARIES = "inception_v3_binaries.zip"
SOURCES = {TFLITE, LABELS, BINARIES}  # data files that nothing else reads

# Height x width of every kernel, in the order of the graph: Inception3Net.swift of Apple's sample.
KERNELS = {
    "": "conv 3x3, conv_1 3x3, conv_2 3x3, conv_3 1x1, conv_4 3x3",
    "mixed mixed_1 mixed_2": "conv 1x1, tower_conv 1x1, tower_conv_1 5x5, tower_1_conv 1x1, "
    "tower_1_conv_1 3x3, tower_1_conv_2 3x3, tower_2_conv 1x1",
    "mixed_3": "conv 3x3, tower_conv 1x1, tower_conv_1 3x3, tower_conv_2 3x3",
    "mixed_4 mixed_5 mixed_6 mixed_7": "conv 1x1, tower_conv 1x1, tower_conv_1 1x7, "
    "tower_conv_2 7x1, tower_1_conv 1x1, tower_1_conv_1 7x1, tower_1_conv_2 1x7, "
    "tower_1_conv_3 7x1, tower_1_conv_4 1x7, tower_2_conv 1x1",
    "mixed_8": "tower_conv 1x1, tower_conv_1 3x3, tower_1_conv 1x1, tower_1_conv_1 1x7, "
    "tower_1_conv_2 7x1, tower_1_conv_3 3x3",
    "mixed_9 mixed_10": "conv 1x1, tower_conv 1x1, tower_mixed_conv 1x3, tower_mixed_conv_1 3x1, "
    "tower_1_conv 1x1, tower_1_conv_1 3x3, tower_1_mixed_conv 1x3, tower_1_mixed_conv_1 3x1, "
    "tower_2_conv 1x1",
}
TREE = "585077151adfc8d121c97ee4a461e6b816a0d4d0"  # git's id of the folder of all 190 files

# MobileNetV2, out of a file of TensorFlow Lite --------------------------------------------------

CONVOLUTIONS = {"CONV_2D": "conv", "DEPTHWISE_CONV_2D": "dwconv"}


def mobilenet_v2():
    """Kernels, scales, biases, the order of operations, and the names of the classes."""
    arrays = from_tflite(files.read(TFLITE))
    labels = files.read(LABELS).decode().splitlines()
    return arrays | {"labels": np.array(labels)}


def from_tflite(content):
    """Arrays of a network of convolutions in TensorFlow Lite, quantised to 8 bits."""
    import tflite

    model = tflite.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    names = {code: name for name, code in vars(tflite.BuiltinOperator).items() if name.isupper()}
    arrays, operations = {}, []
    for j in range(graph.OperatorsLength()):
        op = graph.Operators(j)
        name = names[model.OperatorCodes(op.OpcodeIndex()).BuiltinCode()]
        inputs, (out,) = op.InputsAsNumpy().tolist(), op.OutputsAsNumpy().tolist()
        ends = {"inp": inputs[0], "out": out}
        if name in CONVOLUTIONS:
            i, kind = len(arrays) // 3, CONVOLUTIONS[name]
            layer = _layer(model, graph, inputs, kind)
            arrays |= {f"{letter}{i:02d}": array for letter, array in layer.items()}
            ends = {**_options(op, kind), **ends, "k": layer["w"].shape[2]}
            operations.append({"op": kind, "i": i, **ends})
        elif name == "ADD":
            operations.append({"op": "add", "inp": inputs[0], "inp2": inputs[1], "out": out})
        elif name == "MEAN":
            operations.append({"op": "gap", **ends})
        else:
            assert name in ("QUANTIZE", "RESHAPE", "SOFTMAX"), name
            operations.append({"op": "identity", "was": name.lower(), **ends})
    architecture = {"input": graph.Inputs(0), "output": graph.Outputs(0), "ops": operations}
    return arrays | {"arch_json": np.array(json.dumps(architecture))}


def _layer(model, graph, inputs, kind):
    """Kernel (out, in, height, width), its scales, and the bias of a convolution."""
    (kernel, scales), (bias, units) = (_tensor(model, graph, k) for k in inputs[1:3])
    kernel = kernel.transpose((0, 3, 1, 2) if kind == "conv" else (3, 0, 1, 2))
    return {
        "w": np.ascontiguousarray(kernel),
        "s": scales.astype(np.float32),
        "b": (bias * units).astype(np.float32),
    }


def _tensor(model, graph, k):
    """Values of a tensor as they are stored, and their scales."""
    import tflite

    tensor = graph.Tensors(k)
    dtype = {tflite.TensorType.INT8: "<i1", tflite.TensorType.INT32: "<i4"}[tensor.Type()]
    stored = model.Buffers(tensor.Buffer()).DataAsNumpy().view(dtype)
    quantization = tensor.Quantization()
    assert not quantization.ZeroPointAsNumpy().any()
    return stored.reshape(tensor.ShapeAsNumpy()), quantization.ScaleAsNumpy()


def _options(op, kind):
    """Stride of a convolution, and whether min(max(x, 0), 6) follows."""
    import tflite

    options = tflite.Conv2DOptions() if kind == "conv" else tflite.DepthwiseConv2DOptions()
    table = op.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    activation, known = options.FusedActivationFunction(), tflite.ActivationFunctionType
    assert options.Padding() == tflite.Padding.SAME and options.StrideH() == options.StrideW()
    assert activation in (known.NONE, known.RELU6)
    return {"stride": options.StrideH(), "relu6": activation == known.RELU6}


# Inception v3, out of raw numbers ---------------------------------------------------------------


def inception_v3_trunk(binaries=None):
    """All layers to `mixed_8` and three branches of `mixed_9`, kernels rounded to float16."""
    arrays = {}
    for name, array in inception_layers(binaries).items():
        if not re.match("./mixed_(9_tower_1|10)_", name):
            arrays[name] = array.astype(np.float16) if name.startswith("w/") else array
    return arrays


@functools.cache
def inception_layers(binaries=None):
    """All kernels and biases that can be had, in float32."""
    if binaries is None:
        return layers(files.read_members(BINARIES))
    content = {path.name: path.read_bytes() for path in sorted(Path(binaries).glob("*.dat"))}
    if tree_id(content) != TREE:
        (url,) = files.FILES[BINARIES].urls
        raise files.DataUnavailable(
            f"{binaries}: expected 190 .dat files, as git tree {TREE[:12]}..., got {len(content)} "
            f"with {tree_id(content)[:12]}...; take them from {url}, or leave out --binaries."
        )
    return layers(content)


def tree_id(content):
    """Git's id of a folder with these files.  dict of name -> bytes -> str."""
    entries = [
        b"100644 %b\0%b" % (name.encode(), git_id("blob", content[name]))
        for name in sorted(content)
    ]
    return git_id("tree", b"".join(entries)).hex()


def git_id(kind, content):
    """Git's id of an object.  str, bytes -> 20 bytes."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).digest()


def layers(content):
    """Kernels (out, in, height, width) and biases of the layers whose files are there."""
    arrays = {}
    for name, (height, width) in kernel_sizes().items():
        if f"weights_{name}.dat" in content:
            bias = np.frombuffer(content[f"bias_{name}.dat"], "<f4")
            kernel = np.frombuffer(content[f"weights_{name}.dat"], "<f4")
            kernel = kernel.reshape(len(bias), height, width, -1)  # the order of Apple's Metal
            arrays[f"w/{name}"] = np.ascontiguousarray(kernel.transpose(0, 3, 1, 2))
            arrays[f"b/{name}"] = bias
    return arrays


def kernel_sizes():
    """Height and width of every kernel of Inception v3.  -> dict of layer -> (int, int)."""
    sizes = {}
    for blocks, listed in KERNELS.items():
        for block in blocks.split() or [""]:
            for layer, height, width in re.findall(r"(\w+) (\d)x(\d)", listed):
                sizes[f"{block}_{layer}".lstrip("_")] = int(height), int(width)
    return sizes
