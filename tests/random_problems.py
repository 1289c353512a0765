"""Random problems for hypothesis: an objective, and a `Reference` that knows all its numbers.

What has a shape or a name is drawn by hypothesis, which makes it smaller when a test fails; numbers
come from a generator whose seed is drawn.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import autograd.numpy as anp
import numpy as np
import reference as right
from hypothesis import assume
from hypothesis import strategies as st
from problems import HAS_TORCH
from reference import Linear, Reference, Tanh

import minfluence as mi
from minfluence import models
from minfluence.objectives.sharded import Chunks, ShardedObjective

KINDS = ["linear", "autograd", "linear parts", "linear chunks", "autograd parts"]
KINDS += ["torch", "torch parts"] if HAS_TORCH else []
REAL = ["squared", "huber", "poisson"]
SIGNS = ["logistic", "squared_hinge", "smooth_hinge", "hinge"]
CLASSES = ["softmax", "centered_softmax"]
NAMES = [*REAL, *SIGNS, *CLASSES, "tanh"]  # tanh: a network with the logistic loss
SMOOTH = [name for name in NAMES if name != "hinge"]  # a hinge has its minimum at a kink


# Models of a reader's own -------------------------------------------------------------------------


class TanhInAutograd:
    """`reference.Tanh` and the logistic loss, in autograd."""

    def scores(self, theta, X):
        d, h = X.shape[1], Tanh().h
        A = theta[: (d + 1) * h].reshape(d + 1, h)
        return (anp.dot(anp.tanh(anp.dot(X, A[:d]) + A[d]), theta[-h - 1 : -1]) + theta[-1])[
            :, None
        ]

    def value(self, S, y):
        return anp.logaddexp(0.0, -y * S[:, 0])

    def __call__(self, theta, X, y):
        return self.value(self.scores(theta, X), y)


def in_torch(name, c, parameter):
    """The same losses in torch."""
    import torch
    from torch.nn.functional import cross_entropy, huber_loss

    # beyond its threshold it is a straight line; logaddexp has no second derivative there
    softplus = partial(torch.nn.functional.softplus, threshold=50.0)

    values = {
        "squared": lambda S, y: (S[:, 0] - y) ** 2 / 2,
        "huber": lambda S, y: huber_loss(S[:, 0], y.to(S), reduction="none", delta=parameter),
        "poisson": lambda S, y: torch.exp(S[:, 0]) - y * S[:, 0],
        "logistic": lambda S, y: softplus(-y * S[:, 0]),
        "tanh": lambda S, y: softplus(-y * S[:, 0]),
        "hinge": lambda S, y: torch.relu(1 - y * S[:, 0]),
        "squared_hinge": lambda S, y: torch.relu(1 - y * S[:, 0]) ** 2,
        "smooth_hinge": lambda S, y: parameter * softplus((1 - y * S[:, 0]) / parameter),
        "softmax": lambda S, y: cross_entropy(S, y.long(), reduction="none"),
        "centered_softmax": lambda S, y: cross_entropy(
            S @ torch.tensor(models.contrasts(c).T).to(S), y.long(), reduction="none"
        ),
    }

    class Losses:
        value = staticmethod(values[name])

        def scores(self, theta, X):
            d, h = X.shape[1], Tanh().h
            if name != "tanh":
                return X @ theta.reshape(d, -1)
            A = theta[: (d + 1) * h].reshape(d + 1, h)
            return (torch.tanh(X @ A[:d] + A[d]) @ theta[-h - 1 : -1] + theta[-1])[:, None]

        def __call__(self, theta, X, y):
            return self.value(self.scores(theta, X), y)

    return Losses()


def in_numpy(name, c, parameter):
    """The losses of the package, and the network."""
    if name == "tanh":
        return TanhInAutograd()
    made_with = {"huber": parameter, "smooth_hinge": parameter}
    made_with |= dict.fromkeys(CLASSES, c)
    loss = getattr(models, name)
    return loss(made_with[name]) if name in made_with else loss


def by_hand(name, c, parameter):
    """Loss and model of a `Reference`."""
    loss = getattr(right, "logistic" if name == "tanh" else name)
    model = {"softmax": Linear(c), "centered_softmax": Linear(c - 1), "tanh": Tanh()}
    if name in ("huber", "smooth_hinge"):
        loss = loss(parameter)
    return loss, model.get(name, Linear(1))


# A problem ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """What was drawn; `objective` makes the objective, and `reference` knows what is right.

    All numbers of the reference are exact in `dtype`.
    """

    kind: str
    name: str
    c: int
    parameter: float
    dtype: type
    labels: str  # dtype of labels that are classes or counts
    reweighted: bool  # False for the weights that an objective has by itself
    scalar: bool  # l2 as one number
    cuts: tuple  # where a new part begins
    rows: int  # of a chunk
    batch_size: int  # of a TorchObjective
    indices: np.ndarray  # some examples; the first is not the last
    reference: Reference
    form: Callable = np.array  # in which arrays are handed over
    handed: list = field(default_factory=list, init=False, repr=False)

    def with_(self, **numbers):
        return replace(self, reference=replace(self.reference, **numbers))

    def given(self, a):
        """Numbers as a caller passes them."""
        return self._handed(a.astype(self.dtype))

    def label(self, y):
        return self._handed(y.astype(self.labels))

    def _handed(self, a):
        a = self.form(a)
        self.handed.append((a, copy.deepcopy(a)))
        return a

    def unchanged(self):
        """Assert that what was handed over is as it was."""
        for now, before in self.handed:
            assert np.array_equal(now, before)

    @cached_property
    def objective(self):
        r = self.reference
        X, y = self.given(r.X), self.label(r.y)
        whole, _, how = self.kind.partition(" ")
        options = {
            "l2": float(r.l2[0]) if self.scalar else np.asarray(self.given(r.l2)),
            "dtype": self.dtype,
        }
        if whole == "torch":
            make = partial(mi.TorchObjective, in_torch(self.name, self.c, self.parameter))
            options |= {"p": len(r.l2), "batch_size": self.batch_size}
        else:
            make = mi.LinearObjective if whole == "linear" else mi.AutogradObjective
            make = partial(make, in_numpy(self.name, self.c, self.parameter))
            options |= {"p": len(r.l2)} if self.name == "tanh" else {}
        if not r.fold:
            options["fold_l2"] = False
        o = make(X, y, **options)
        if how == "chunks":
            o = ShardedObjective(Chunks(o, X, y, self.rows, progress=False))
        elif how == "parts":
            ends = [0, *self.cuts, len(X)]
            parts = [slice(a, b) for a, b in zip(ends, ends[1:], strict=False)]
            o = ShardedObjective([o.on(X[part], y[part]) for part in parts])
        return o.reweighted(self.given(r.weights)) if self.reweighted else o

    @cached_property
    def moved(self):
        return self.reference.moved(np.finfo(self.dtype).eps)

    @property
    def theta(self):
        return self.given(self.reference.theta)

    @property
    def damping(self):
        return self.reference.damping

    @property
    def V(self):
        return self.given(self.reference.V)

    @property
    def tests(self):
        return self.given(self.reference.X_test), self.label(self.reference.y_test)

    @property
    def news(self):
        return self.given(self.reference.X_new), self.label(self.reference.y_new)

    def away_from_kinks(self):
        """Whether no example changes its side of a kink when the problem is moved."""
        return all(m.pieces == self.reference.pieces for m in self.moved)

    def allowed(self, expected, want):
        # Numbers much below the others may be lost to underflow.
        tiny = np.finfo(self.dtype).tiny / np.finfo(self.dtype).eps
        size = max(1.0, np.abs(self.reference.X).max(), np.abs(want).max(initial=0.0))
        rounding = 4 * np.finfo(self.dtype).eps * np.abs(want)  # of the answer itself
        return right.allowed(expected, self.moved, want) + rounding + tiny * size**2

    def agrees(self, what, got, expected, extra=0.0):
        """Assert that an answer is the reference's, as far as `dtype` can tell."""
        want = np.asarray(expected(self.reference))
        got = np.asarray(got)
        assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
        assert np.isfinite(got).all(), f"{what}: {got}"
        excess = np.abs(got - want) / (self.allowed(expected, want) + extra)
        worst = np.unravel_index(np.argmax(excess), excess.shape)
        assert excess[worst] <= 1, (
            f"{what}{list(map(int, worst))}: {got[worst]!r}, expected {want[worst]!r}: "
            f"{excess[worst]:.3g} times what is allowed"
        )


def rounded(a, dtype):
    return np.asarray(a).astype(dtype).astype(float)


@st.composite
def problems(draw, kinds=KINDS, names=NAMES, dtypes=(np.float64, np.float32), any_weights=False):
    """Draw a problem.

    Parameters
    ----------
    any_weights : bool
        Also negative ones, with which there need not be a minimum.
    """
    kind = draw(st.sampled_from(kinds), label="kind")
    if kind.startswith("linear"):
        names = [name for name in names if name != "tanh"]
    name = draw(st.sampled_from(names), label="name")
    dtype = draw(st.sampled_from(dtypes), label="dtype")
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    n, d = draw(st.integers(4, 12), label="n"), draw(st.integers(1, 4), label="d")
    c = draw(st.integers(2, 3), label="c")

    X, scale = inputs(draw, rng, name, n, d, dtype)
    unit = draw(st.sampled_from([1.0, 1e-6, 1e6, 1e-3, 1e3]), label="unit of labels")
    unit = unit if name in ("squared", "huber") else 1.0
    parameter = {"huber": unit * draw(st.sampled_from([0.3, 3.0]))} if name == "huber" else {}
    parameter |= {"smooth_hinge": draw(st.sampled_from([0.5, 0.05]))} if "smooth" in name else {}
    parameter = float(rounded(parameter.get(name, 0.0), dtype))
    loss, model = by_hand(name, c, parameter)
    p = model.p(d)

    few = {"poisson": [1.0, 0.0, 3.0], "tanh": [1.0, 0.3]}
    size = draw(st.sampled_from(few.get(name, [1.0, 0.0, 0.1, 10.0, 60.0])), label="size of scores")
    units = np.ones(p) if name == "tanh" else np.repeat(scale, p // d)  # of 1 / theta
    theta = unit * size * rng.standard_normal(p) / units / np.sqrt(d)
    truth = unit * 2 * rng.standard_normal(p) / units / np.sqrt(d)
    X_test, X_new = (scale * rng.standard_normal((k, d)) for k in (2, 3))
    X, X_test, X_new, theta = (rounded(a, dtype) for a in (X, X_test, X_new, theta))
    y, y_test, y_new = (
        labels(rng, name, c, unit, model, truth, a, dtype) for a in (X, X_test, X_new)
    )
    if name in CLASSES:
        y[:c] = range(c)  # every class occurs

    weights, reweighted = weights_of(draw, rng, n, any_weights)
    l2, scalar = l2_of(draw, rng, units)
    fold = " " in kind or draw(st.booleans(), label="fold_l2")
    ints = ["int64", "int32", "int8", "float64", "float32"]
    integral = name in CLASSES + SIGNS + ["tanh", "poisson"]
    label_dtype = draw(st.sampled_from(ints), label="labels") if integral else dtype
    if name == "poisson":
        label_dtype = draw(st.sampled_from(["int64", "float64"]), label="labels")
    numbers = Reference(
        loss=loss,
        model=model,
        fold=fold,
        X=X,
        y=y,
        weights=rounded(weights, dtype),
        l2=rounded(l2, dtype),
        damping=0.0,
        theta=theta,
        V=rounded(rng.standard_normal((p, 3)) / units[:, None], dtype),
        X_test=X_test,
        y_test=y_test,
        X_new=X_new,
        y_new=y_new,
        kinked=name in ("huber", "hinge", "squared_hinge"),
        autodiff=natural_size(kind, name, parameter),
    )
    cuts = st.sets(st.integers(1, n - 1), max_size=3).map(sorted).map(tuple)
    batch_sizes = st.sampled_from([256, 1, 2, 3, n - 1, n])
    problem = Problem(
        kind=kind,
        name=name,
        c=c,
        parameter=parameter,
        dtype=dtype,
        labels=label_dtype,
        reweighted=reweighted,
        scalar=scalar,
        cuts=draw(cuts, label="cuts") if "parts" in kind else (),
        rows=draw(st.integers(1, n + 1), label="rows") if "chunks" in kind else n,
        batch_size=draw(batch_sizes, label="batch_size") if "torch" in kind else n,
        indices=rng.permutation(n)[:3],
        reference=numbers,
    )
    assume(problem.away_from_kinks())
    return problem


def natural_size(kind, name, parameter):
    """How large slope and curvature of a saturating loss are where they are largest.

    Where that is not 0, small slopes may be differences of such numbers: under automatic
    differentiation, and in `centered_softmax`, which takes differences of probabilities.
    """
    closed_form = kind.startswith("linear") and name != "centered_softmax"
    if closed_form or name in (*REAL, "hinge", "squared_hinge"):
        return 0.0
    return 1 / parameter if name == "smooth_hinge" else 1.0


def inputs(draw, rng, name, n, d, dtype):
    """Features of one scale, or each of its own; some columns and rows are special."""
    largest = 0.0 if name == "tanh" else 3.0
    units = st.sampled_from([0.0, -largest, largest, -1.0])
    if draw(st.booleans(), label="a scale for each feature"):
        largest *= 1 if dtype == np.float64 else 1 / 3  # as far apart as H can be squared
        scale = 10.0 ** rng.choice([-largest, 0.0, largest, rng.uniform(-largest, largest)], d)
    else:
        scale = np.full(d, 10.0 ** draw(units, label="scale of features"))
    X = scale * rng.standard_normal((n, d))
    special = draw(st.sampled_from(["", "constant", "zero row", "equal rows"]), label="special")
    if special == "constant":
        X[:, 0] = scale[0]
    elif special == "zero row":
        X[1] = 0.0
    elif special == "equal rows":
        X[1] = X[0]
    return X, scale


def labels(rng, name, c, unit, model, truth, X, dtype):
    """Noisy labels of a model of the same kind."""
    S = np.stack([model.derivatives(truth, x)[0] for x in X])
    if name in ("squared", "huber"):
        return rounded(S[:, 0] + unit * rng.standard_normal(len(X)), dtype)
    if name == "poisson":
        return rng.poisson(np.exp(np.clip(S[:, 0], -3, 3))).astype(float)
    if name in CLASSES:
        return rng.integers(0, c, len(X))
    return np.where(S[:, 0] + rng.logistic(size=len(X)) > 0, 1, -1)


def weights_of(draw, rng, n, any_weights):
    """Weights of the examples, and whether they are not the usual 1/n."""
    choices = ["mean", "positive", "some zero", "another sum"] + ["negative"] * any_weights
    choice = draw(st.sampled_from(choices), label="weights")
    weights = np.full(n, 1.0 / n) if choice == "mean" else rng.uniform(0.2, 2.0, n) / n
    if choice == "some zero":
        weights[rng.permutation(n)[: n // 4]] = 0.0
    elif choice == "another sum":
        weights *= 10.0 ** rng.uniform(-3, 3)
    elif choice == "negative":
        weights[rng.permutation(n)[: n // 2]] *= -1.0
    return weights, choice != "mean"


def l2_of(draw, rng, units):
    """Strengths of the penalty (p,), and whether they are one number."""
    size = draw(st.sampled_from([0.1, 0.0, 1e-3, 1.0]), label="l2")
    if draw(st.booleans(), label="vector l2"):
        l2 = size * rng.uniform(0.5, 2.0, len(units)) * units**2
        l2[0] *= draw(st.booleans(), label="penalised intercept")
        return l2, False
    return np.full(len(units), size * np.median(units**2)), True


# Problems with an answer --------------------------------------------------------------------------


@st.composite
def definite_problems(draw, curvatures=("hessian", "gauss-newton"), damped=True, **options):
    """A problem whose H + damping I is positive definite, and a name for its curvature.

    Where it is not, more damping is added, or without damping more penalty.
    """
    problem = draw(problems(**options))
    curvature = draw(st.sampled_from(curvatures), label="curvature")
    r = problem.reference
    diagonal = np.abs(np.diag(r.hessian)).mean()
    if damped:
        size = draw(st.sampled_from([0.0, 1e-3, 1.0]), label="damping")
        problem = problem.with_(damping=size * diagonal)
    for _ in range(60):
        r = problem.reference
        if is_definite(problem, curvature):
            return problem, curvature
        more = 1e-3 * max(diagonal, 1e-12)
        if damped:
            problem = problem.with_(damping=more + 4 * r.damping)
        else:
            problem = problem.with_(l2=more_l2(problem, more))
    raise AssertionError("no damping was enough")


def more_l2(problem, more):
    """A multiple of the penalty, and as much more in the risk."""
    r = problem.reference
    total = r.weights.sum() if r.fold else 1.0
    return rounded(r.l2 + 3 * r.l2.max() + more / total, problem.dtype)


def is_definite(problem, curvature="hessian"):
    """Whether H + damping I is, by a hundred times more than it changes in a move.

    All is scaled to a diagonal of ones, on which the error of a factorisation depends.
    """
    H = problem.reference.matrix(curvature)
    root = np.sqrt(np.abs(np.diag(H)))
    if not (root > 1e-8 * root.max()).all():  # cg, which does not scale, takes less for zero
        return False
    scales = np.outer(root, root)
    smallest = np.linalg.eigvalsh(H / scales)[0]
    moves = [(m.matrix(curvature) - H) / scales for m in problem.moved]
    return smallest > 100 * max(np.linalg.norm(move, 2) for move in moves)


@st.composite
def fitted_problems(draw, names=SMOOTH, **options):
    """A problem with one minimum, at its minimum."""
    options |= {"names": names, "damped": False, "curvatures": ("hessian",)}
    problem = at_minimum(draw(definite_problems(**options))[0])
    if not has_minimum(problem):
        more = 0.1 * (problem.reference.X**2).mean()
        problem = at_minimum(problem.with_(l2=more_l2(problem, more)))
    assume(has_minimum(problem) and problem.away_from_kinks())
    return problem


def at_minimum(problem, **numbers):
    """The same problem where its gradient is zero; that of a network is looked for near theta."""
    problem = problem.with_(**numbers)
    start = problem.reference.theta if numbers or problem.name == "tanh" else None
    return problem.with_(theta=rounded(problem.reference.minimum(start=start), problem.dtype))


def has_minimum(problem):
    """Whether theta is one: pushes cancel there, and where there is none they only fade away."""
    r = problem.reference
    still = np.abs(r.grad) <= right.allowed(lambda r: r.grad, problem.moved, r.grad)
    return still.all() and is_definite(problem)
