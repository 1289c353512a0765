"""Influence through a pretrained network: its top layer, its last block, or all its parameters.

    python benchmarks/inception_scale.py           # about twenty minutes on two cores; needs torch
    python benchmarks/inception_scale.py --exact   # a minute: only the second table

Dog or fish, with a new top layer on a network trained on ImageNet. For three test images close to
the boundary, every training image gets a score

- with respect to the *top layer* alone (exact, logistic regression on the features);
- with respect to the parameters of the *last block* and the top layer;
- with respect to *all* parameters, 2.2 million of MobileNetV2,

the last two by conjugate gradients on the damped Gauss-Newton matrix. Below the top layer a network
is at no minimum of this small task, so damping says how far its parameters are trusted to move: 1 %
and 10 % of the matrix's largest eigenvalue.

MobileNetV2 at 96 pixels with 200 training images; the scores of all parameters are computed a
second time without CG: with one score for each of n images, the Gauss-Newton matrix has rank n,
and its damped inverse follows from the n x n matrix J Jᵀ. Inception v3 with 100 images, where the
last block is `mixed_8`.

In this first table two things change together: the scores go deeper, and the top layer, which has
only its penalty of 0.001 when alone, is damped with the rest. The second table takes them apart, by
J Jᵀ: the top layer more damped and nothing deeper; deeper at the same damping; and deeper with the
top layer left at its own penalty.

Writes ``book/results/mobilenet_scores.csv``, ``book/results/inception_scores.csv`` (scores only),
``book/results/inception_scale.csv`` (correlations) and ``benchmarks/results/inception_scale.md``.
"""

import argparse
import csv
import platform
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch
from foundation import processor
from PIL import Image
from torch import nn
from torch.nn.functional import softplus
from tqdm import tqdm

import minfluence as mi
from minfluence.book import pretrained
from minfluence.objectives.torch import TorchObjective

TABLES = Path(__file__).parent / "results" / "inception_scale.md"
RESULTS = Path(__file__).parent.parent / "book" / "results"
SCALE = RESULTS / "inception_scale.csv"
COLUMNS = ("damping of the top layer", "damping below", "damping of the top layer alone")
L2 = 0.001
SHARES = (0.01, 0.1)  # damping, in units of the largest eigenvalue
TESTS = 3
DAMPINGS = (0.001, 0.01, 0.1, 1, 10)  # of the second table
HEADING = "\n## Depth or damping?\n\n"


class Classifier(nn.Module):
    """The mean over space of a network's last maps, and one score."""

    def __init__(self, network, theta):
        super().__init__()
        self.network = network
        self.top = nn.Linear(len(theta), 1, bias=False)
        self.top.weight.data[0] = torch.tensor(theta, dtype=torch.float32)

    def forward(self, x):
        return self.top(self.network(x))


class MobileFeatures(nn.Module):
    """The features of MobileNetV2 alone."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        network.conv52.requires_grad_(False)  # makes the logits of ImageNet

    def forward(self, x):
        return self.network.features(x)


class BlockFeatures(nn.Module):
    """The last block of Inception, from the maps of the block before it."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, maps):
        return self.block(maps).mean(dim=(2, 3))


def logistic(scores, y):
    return softplus(-y * scores[:, 0])


def scaled(images):
    """RGB from -1 to 1, channels first."""
    return (images.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2).copy()


def in_batches(module, x, size=20):
    """A module's outputs, a few examples at a time."""
    with torch.no_grad():
        return np.concatenate([module(torch.tensor(part)).numpy() for part in batches(x, size)])


def batches(x, size):
    return [x[start : start + size] for start in range(0, len(x), size)]


def subset(n):
    """n training images, half dogs and half fish, in a fixed random choice."""
    rng = np.random.default_rng(0)
    dogs, fish = (rng.choice(900, n // 2, replace=False) + first for first in (0, 900))
    return np.sort(np.concatenate([dogs, fish]))


def top_layer(features, y, features_test, y_test):
    """Fit the top layer; choose test images close to the boundary; score, and train again."""
    objective = mi.LinearObjective(mi.models.logistic, features, y, l2=L2)
    theta = mi.fit(objective).theta
    tests = np.sort(np.argsort(abs(features_test @ theta))[:TESTS])
    near = features_test[tests], y_test[tests]
    influence = mi.Influence(objective, theta)
    predicted = influence.predicted_change(*near)
    actual = mi.actual_change(objective, theta, range(len(y)), *near)
    return theta, tests, influence.up_loss(*near), mi.agreement(predicted, actual)


def largest_eigenvalue(H, p):
    """Power iteration: from below, two digits are enough for a damping."""
    v = torch.tensor(np.random.default_rng(0).standard_normal(p), dtype=torch.float32)
    for _ in range(12):
        v = H @ (v / v.norm())
    return float(v.norm())


def deep_scores(module, x, y, x_test, y_test):
    """Scores with respect to all parameters that require a gradient, one damping after another."""
    objective = TorchObjective.from_module(module, logistic, x, y, dtype=np.float32, batch_size=20)
    theta = objective.flatten(module)
    undamped = mi.Hessian(objective, theta, curvature="gauss-newton")
    largest = largest_eigenvalue(undamped, objective.p)
    for share in SHARES:
        start = time.perf_counter()
        with warnings.catch_warnings():  # the network below the top layer is at no minimum
            warnings.simplefilter("ignore", mi.FarFromMinimum)
            influence = mi.Influence(
                objective,
                theta,
                solver=partial(mi.cg, rtol=1e-3),
                damping=share * largest,
                curvature="gauss-newton",
            )
        scores = influence.up_loss(x_test, y_test)
        cost = influence.report.steps, time.perf_counter() - start
        yield scores, share * largest, cost, objective, theta


def scores_by_kernel(objective, theta, x_test, y_test, damping):
    """The same scores without CG, by the identity of Woodbury on the n x n matrix G Gᵀ.

    The loss of example i has the gradient g_i = r_i j_i, with r_i its slope in the score and j_i
    the score's gradient; so ``Jᵀ D J = sum_i (d_i / r_i^2) g_i g_iᵀ``.
    """
    o = objective
    parts = list(zip(batches(o.X, 20), batches(o.y, 20), strict=True))
    G = np.concatenate([o.test_grads(theta, *part) for part in parts])
    losses = np.concatenate([o.test_losses(theta, *part) for part in parts]).astype(float)
    r = 1 - np.exp(-losses)  # the slope, up to its sign: the probability of the wrong class
    a = (r * (1 - r) / o.n) / r**2
    g = o.test_grads(theta, x_test, y_test).T
    K, Gg = (G @ G.T).astype(float), (G @ g).astype(float)
    inner = np.linalg.solve(np.diag(1 / a) + K / damping, Gg / damping)
    return -((Gg - K @ inner) / damping).T


def compare(a, b):
    """Pearson and Spearman of the scores, the mean over test images."""
    found = [mi.agreement(x, y) for x, y in zip(a, b, strict=True)]
    return np.mean([f.pearson for f in found]), np.mean([f.spearman for f in found])


def prepare_mobilenet(images, y, images_test, y_test):
    """200 training images of 96 x 96 pixels, test images, and a module with its top layer."""
    chosen, net = subset(200), pretrained.network("mobilenet_v2")
    features = MobileFeatures(net)
    x, labels = scaled(images[chosen]), y[chosen]
    theta, tests, top, truth = top_layer(
        in_batches(features, x), labels, in_batches(features, scaled(images_test)), y_test
    )
    near = scaled(images_test[tests]), y_test[tests]
    return chosen, tests, Classifier(features, theta), (x, labels), near, top, truth


def unfreeze(net, depth):
    """Let the parameters of MobileNetV2 down to some depth require a gradient."""
    for name, parameter in net.named_parameters():
        last = name[:6] in ("conv48", "conv49", "conv50", "conv51")
        parameter.requires_grad_(last or (depth == "all" and name[:6] != "conv52"))


def mobilenet(*data):
    """All three depths."""
    chosen, tests, module, (x, labels), near, top, truth = prepare_mobilenet(*data)
    p_top = module.top.weight.numel()
    columns, rows = {"top layer": top}, [("MobileNetV2", "top layer", p_top, 200, 0, None)]
    for depth in ("last block", "all"):
        unfreeze(module.network.network, depth)
        for scores, damping, cost, o, at in deep_scores(module, x, labels, *near):
            columns[f"{depth}, damping {damping:.2g}"] = scores
            rows.append(("MobileNetV2", depth, o.p, 200, damping, cost))
            print(rows[-1], compare(top, scores), flush=True)
            if depth == "all":
                exact = scores_by_kernel(o, at, *near, damping)
                error = np.linalg.norm(scores - exact) / np.linalg.norm(exact)
                print(f"error of CG's scores against J J^T: {error:.1e}", flush=True)
                rows[-1] += (error,)
    save("mobilenet_scores.csv", chosen, tests, columns)
    return rows, columns, truth


def prepare_inception(images, y, images_test, y_test):
    """The same for the last block of Inception v3, 100 training images of 299 x 299 pixels."""
    chosen, net = subset(100), pretrained.network("inception_v3_trunk")
    below = nn.Sequential(net.stem, *(net.get_submodule(b) for b in net.BLOCKS[:-1]))
    features, _, features_test, _ = mi.data.dogfish_features("inceptionv3")
    labels = y[chosen]
    theta, tests, top, truth = top_layer(features[chosen], labels, features_test, y_test)
    x, x_test = (
        in_batches(below, scaled(enlarged(pictures)))
        for pictures in (images[chosen], images_test[tests])
    )
    module = Classifier(BlockFeatures(net.mixed_8), theta)
    return chosen, tests, module, (x, labels), (x_test, y_test[tests]), top, truth


def inception(*data):
    """Top layer and last block."""
    chosen, tests, module, (x, labels), near, top, truth = prepare_inception(*data)
    p_top = module.top.weight.numel()
    columns, rows = {"top layer": top}, [("Inception v3", "top layer", p_top, 100, 0, None)]
    for scores, damping, cost, o, _ in deep_scores(module, x, labels, *near):
        columns[f"last block, damping {damping:.2g}"] = scores
        rows.append(("Inception v3", "last block", o.p, 100, damping, cost))
        print(rows[-1], compare(top, scores), flush=True)
    save("inception_scores.csv", chosen, tests, columns)
    return rows, columns, truth


def enlarged(images, side=299):
    return np.stack(
        [np.asarray(Image.fromarray(a).resize((side, side), Image.BILINEAR)) for a in images]
    )


def kernels(module, x):
    """Score of every image, and inner products of its gradients: top layer, and what is below.

    (k, ...) -> (k,), (k, k), (k, k)
    """
    below = [t for t in module.network.parameters() if t.requires_grad]
    scores, G_top, G = [], [], []
    for image in x:
        score = module(torch.tensor(image[None]))[0, 0]
        top, *rest = torch.autograd.grad(score, [module.top.weight, *below])
        scores.append(score.item())
        G_top.append(top.ravel())
        G.append(torch.cat([g.ravel() for g in rest]))
    G_top, G = torch.stack(G_top), torch.stack(G)
    return np.array(scores), *((A @ A.T).numpy().astype(float) for A in (G_top, G))


def damped_scores(K, scores, y):
    """Scores (m, n) of the first n images for the other m, by Woodbury's identity.

    ``-r_t j_tᵀ (Jᵀ D J / n + Λ)⁻¹ j_i r_i``, where K holds ``j_kᵀ Λ⁻¹ j_l``; with ``E = sqrt(D)``,
    ``(I + D K / n)⁻¹ = E (I + E K E / n)⁻¹ E⁻¹``.
    """
    n = len(K) - TESTS
    r = -y / (1 + np.exp(y * scores))  # slope of the loss in the score
    E = np.sqrt(abs(r) * (1 - abs(r)))[:n]  # D: curvature of the loss
    A = np.eye(n) + E[:, None] * K[:n, :n] * E / n
    return -r[n:, None] * np.linalg.solve(A, (K[n:, :n] * E).T).T / E * r[:n]


def depth_or_damping(network, depth, module, train, near):
    """Rows: network, depth, damping of the top layer and below, and of the top layer alone."""
    x, y = (np.concatenate(pair) for pair in zip(train, near, strict=True))
    scores, K_top, K = kernels(module, x)

    def top(damping):
        return damped_scores(K_top / damping, scores, y)

    def deep(damping_top, damping):
        return damped_scores(K_top / damping_top + K / damping, scores, y)

    for a in DAMPINGS:
        yield network, "top layer", a, "-", L2, *compare(top(L2), top(a))
    for a in DAMPINGS:
        yield network, depth, a, a, a, *compare(top(a), deep(a, a))
    for a in DAMPINGS:
        yield network, depth, L2, a, L2, *compare(top(L2), deep(L2, a))


def exact():
    """The second table as text; its rows are saved."""
    small, large, found = mi.data.dogfish(96), mi.data.dogfish(224), []
    with tqdm(total=3, desc="J Jᵀ") as bar:
        _, _, module, train, near, *_ = prepare_mobilenet(*small)
        for depth in ("last block", "all"):
            unfreeze(module.network.network, depth)
            found += depth_or_damping("MobileNetV2", depth, module, train, near)
            bar.update()
        _, _, module, train, near, *_ = prepare_inception(*large)
        found += depth_or_damping("Inception v3", "last block", module, train, near)
        bar.update()
    found = [(*row[:5], *(f"{r:.2f}" for r in row[5:])) for row in dict.fromkeys(found)]
    with open(SCALE, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["network", "parameters", *COLUMNS, "Pearson", "Spearman"])
        writer.writerows(found)
    *_, truth = top_layer(*mi.data.dogfish_features("inceptionv3"))
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in found]
    return (
        "Exact scores by J Jᵀ, no CG; correlations are means over the test images, of the scores "
        "at these dampings with those of the top layer alone at the damping in the fifth column. "
        "Written by `python benchmarks/inception_scale.py --exact`.\n\n"
        f"| network | parameters | {' | '.join(COLUMNS)} | Pearson | Spearman |\n"
        "|---|---|---|---|---|---|---|\n" + "\n".join(lines) + "\n\n"
        f"Top layer of Inception v3 on all 1,800 images, predictions and refits: {truth}.\n"
    )


def save(name, chosen, tests, columns):
    """One row for each test and training image, positions in `minfluence.book.data.dogfish`."""
    path = RESULTS / name
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["test image", "training image", *(f"up_loss, {c}" for c in columns)])
        for k, test in enumerate(tests):
            for i, image in enumerate(chosen):
                writer.writerow([test, image, *(f"{c[k, i]:.3g}" for c in columns.values())])


def by_cg():
    """The first table as text; all scores are saved."""
    results = []
    with tqdm(total=2, desc="networks") as bar:
        for run, side in ((mobilenet, 96), (inception, 224)):
            results.append(run(*mi.data.dogfish(side)[:4]))
            bar.update()
    lines = []
    for rows, columns, truth in results:
        top = columns["top layer"]
        for row, scores in zip(rows, columns.values(), strict=True):
            network, depth, p, n, damping, cost, *error = row
            pearson, spearman = compare(top, scores)
            work = f"{cost[0]} | {cost[1]:.0f}" if cost else "- | -"
            more = f"error of CG against J Jᵀ {error[0]:.0e}" if error else ""
            more = f"refits: {truth}" if depth == "top layer" else more
            lines.append(
                f"| {network} | {depth} | {p:,} | {n} | {damping:.2g} | {work} "
                f"| {pearson:.3f} | {spearman:.3f} | {more} |"
            )
    return (
        "# Influence through a pretrained network\n\n"
        f"Python {platform.python_version()}, torch {torch.__version__}, float32, {processor()}. "
        f"Dog or fish, {TESTS} test images close to the boundary; Gauss-Newton, CG to a relative "
        "residual of 1e-3, all test images together. Correlations: scores of all training images "
        "with those of the top layer, mean over the test images. "
        "Written by `python benchmarks/inception_scale.py`.\n\n"
        "| network | parameters | p | n | damping | steps | seconds | Pearson | Spearman | |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n" + "\n".join(lines) + "\n"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--exact", action="store_true", help="only the second table")
    only_exact = parser.parse_args().exact
    first = TABLES.read_text(encoding="utf-8").partition(HEADING)[0] if only_exact else by_cg()
    TABLES.write_text(first + HEADING + exact(), encoding="utf-8")


if __name__ == "__main__":
    main()
