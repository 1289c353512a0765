"""The same derivatives by torch: any model that it can differentiate twice, on the CPU or a GPU.

Arrays are NumPy outside and tensors inside: a verb that gets tensors gives tensors, so a solver
that is handed tensors (see `TorchObjective.to_native`) never leaves the device.

Examples pass in batches.  If all fit in one batch, what depends on theta alone is traced once and
shared by all products; otherwise each product traces every batch afresh, and memory is bounded by
`batch_size`, not by n.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torch.func import jacrev, vmap
from torch.utils.flop_counter import FlopCounterMode

from minfluence import seam, validate
from minfluence.memory import blocks
from minfluence.objectives import datasets
from minfluence.objectives.base import ArrayObjective, symmetric
from minfluence.objectives.layout import Layout
from minfluence.objectives.modules import ModuleLosses
from minfluence.objectives.rules import Singly, Trial
from minfluence.objectives.tensors import device_for, plain, tensor, to_numpy
from minfluence.objectives.tried import check, computed


class TorchObjective(ArrayObjective):
    """Penalised, weighted mean loss of a torch model, with its derivatives by torch.

    Parameters
    ----------
    losses : callable ``(theta, X, y) -> (n,)``
        The loss of every example, in torch; `theta` is one flat tensor. With the methods
        ``scores(theta, X)`` and ``value(scores, y)`` it also has a Gauss-Newton matrix.
    X : array or tensor, shape (n, ...)
    y : array or tensor, shape (n,)
        Whole numbers stay whole, as class labels must be.
    l2, fold_l2
        As in `AutogradObjective`: one strength for each parameter leaves biases free, for example.
    p : int, optional
        Number of parameters; known without being told if `losses` has ``n_parameters(d)``.
    device : str or torch.device
        Where to compute.
    dtype : dtype
        float64, or float32 for half the memory and more speed at seven digits.
    batch_size : int
        Examples that pass through the model together.

    Raises
    ------
    ValueError
        Also when torch cannot compute the losses or their gradients, when they are not the same at
        a second evaluation, or when an example's loss depends on the other examples: what
        influence means is then undefined.

    References
    ----------
    Koh & Liang (2017), sections 2 and 3.
    """

    p: int

    def __init__(
        self,
        losses: seam.Losses,
        X: Any,
        y: Any,
        l2: Any = 0.0,
        *,
        fold_l2: bool = True,
        p: int | None = None,
        device: Any = "cpu",
        dtype: Any = np.float64,
        batch_size: int = 256,
    ) -> None:
        self.batch_size = validate.count("batch_size", batch_size)
        X, y, l2 = map(plain, (X, y, l2))
        self.losses = losses  # which say what examples must be
        super().__init__(losses, X, y, l2, fold_l2=fold_l2, p=p, dtype=dtype)
        if self.p is None:
            raise ValueError("TorchObjective cannot tell the number of parameters: pass p=....")
        self.device = device_for(device, self.dtype)
        self._place()
        check(self.losses, self._points()[0], self._X[:4], self._y[:4])
        self._try(self.X, self.y)
        self._rule = self._trial().find(self._lacking)

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        loss: Callable,
        X: Any,
        y: Any = None,
        l2: Any = 0.0,
        *,
        fold_l2: bool = True,
        device: Any = "cpu",
        dtype: Any = np.float64,
        batch_size: int = 256,
    ) -> Self:
        """Make the objective of a torch module; the module itself is never touched.

        Parameters
        ----------
        module : torch.nn.Module
            In eval mode. A copy is kept, on `device` and in `dtype`; theta holds its parameters
            that require a gradient, in the order of ``named_parameters()`` (shared ones once).
            All other parameters, and buffers, stay as they are.
        loss : callable ``(outputs, y) -> (n,)``
            Loss of every example, such as ``partial(cross_entropy, reduction="none")``.
        X : array or tensor, dict or tuple of them, torch Dataset or DataLoader
            Several inputs go to the module by name, or by position, each with a row for each
            example. Whole numbers stay whole where the module takes no floats, as words do. A data
            set is read once, in its own order, as `minfluence.objectives.datasets.read` says.
        y : array or tensor, shape (n,), or (n, t) for several targets; or str
            Left out for a data set. A str names the labels among the inputs of a dict.
        l2, fold_l2, device, dtype, batch_size
            As for the class.

        Returns
        -------
        TorchObjective
            `flatten` turns a module into theta, `unflatten` theta into a state dict. Test points
            are given as X is; `examples` has them in one array, several inputs side by side.

        Raises
        ------
        ValueError
            Also for a module that torch cannot differentiate twice, or gets wrong, with the name
            of the layer; see `rule`.
        """
        X, y = datasets.read(X, y)
        dtype = validate.precision(dtype)
        device, layout = device_for(device, dtype), Layout.of(X)
        X = layout.pack(X)
        few = np.atleast_1d(validate.inputs("X", X))[:4].astype(dtype)
        losses = ModuleLosses.of(module, loss, layout, device, dtype).suited(few)
        p = len(losses.flat(module))
        options: dict[str, Any] = {"device": device, "dtype": dtype, "batch_size": batch_size}
        return cls(losses, X, y, l2, fold_l2=fold_l2, p=p, **options)

    @property
    def rule(self) -> str:
        """How derivatives are taken: "forward" where torch has all rules, else "reverse".

        With ", examples one by one", or "one by one" for all, where it cannot take many together.
        """
        return self._rule.name

    # Theta and modules -------------------------------------------------------------------------

    def flatten(self, module: nn.Module) -> np.ndarray:
        """Theta of a module like the one this objective was made from.  -> (p,)."""
        ours, theirs = (self._of_module.parameters(m) for m in (self._of_module.module, module))
        if [t.shape for t in ours.values()] != [t.shape for t in theirs.values()]:
            raise ValueError(
                f"Expected a module with {self.p} trainable parameters, got "
                f"{sum(t.numel() for t in theirs.values())}, or tensors of other shapes: theta is "
                "that of a module like the one this objective was made from."
            )
        return to_numpy(self._of_module.flat(module)).astype(self.dtype)

    def unflatten(self, theta: Any) -> dict[str, torch.Tensor]:
        """Parameters by name, for ``module.load_state_dict(..., strict=False)``.  (p,) -> dict."""
        named = self._of_module.named(self._native(theta))
        return {name: t.clone() for name, t in named.items()}

    @property
    def _of_module(self) -> ModuleLosses:
        if not isinstance(self.losses, ModuleLosses):
            raise ValueError(
                "This objective was not made from a module, so its theta has no names: use "
                "TorchObjective.from_module."
            )
        return self.losses

    # Examples ----------------------------------------------------------------------------------

    def check_examples(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """More examples as arrays that fit these, or one clear sentence."""
        X, y = super().check_examples(X, plain(y))
        self._try(X, y)
        return X, y

    def _taken(self, X: Any, y: Any, dtype: Any, *shapes: Any) -> tuple[np.ndarray, np.ndarray]:
        """Examples as arrays, of the kind of numbers that the module takes."""
        X, y = super()._taken(X, y, dtype, *shapes)
        if isinstance(self.losses, ModuleLosses):
            self.losses.layout.check(X)
        return X, y

    def inputs(self, X: Any) -> Any:
        """Inputs of one example or of several as one array, whatever the module takes."""
        losses = self.losses
        packed = losses.layout.pack(X) if isinstance(losses, ModuleLosses) else plain(X)
        return super().inputs(packed)

    def perturbed(self, i: Any, x: Any, y: Any) -> Self:
        """Replace example `i` by ``(x, y)``."""
        return super().perturbed(i, x, plain(y))

    # The verbs ---------------------------------------------------------------------------------

    def risk(self, theta: Any) -> float:
        """R(theta) = sum_i w_i L(z_i, theta), penalty included.  (p,) -> scalar."""
        theta = self._native(theta)
        with torch.no_grad(), self._rule.calmly():
            total = sum(self._weighted(X, y, w)(theta) for X, y, w in self._batches())
            return float(total + 0.5 * (self._ridge * theta) @ theta)

    def grad(self, theta: Any) -> Any:
        """Gradient of the risk.  (p,) -> (p,)."""
        theta, like, gradient = self._native(theta), theta, self._rule.gradient
        with self._rule.calmly():
            total = sum(gradient(self._weighted(X, y, w))(theta) for X, y, w in self._batches())
        return _like(like, total + self._ridge * theta)

    def hvp_at(self, theta: Any) -> Callable[[Any], Any]:
        """The map V -> Hessian of the risk at theta times V; V is (p,) or a block (p, k).

        The gradient is differentiated once more in reverse, because the Hessian is symmetric.
        """
        theta, rule = self._native(theta), self._rule

        def of_batch(X: Any, y: Any, w: Any) -> Callable:
            return rule.transposed(rule.gradient(self._weighted(X, y, w)), theta)[1]

        return self._product(of_batch)

    def hessian(self, theta: Any) -> np.ndarray:
        """The Hessian itself, a block of columns at a time.  (p,) -> (p, p)."""
        return super().hessian(self._theta(theta))

    def gnvp_at(self, theta: Any) -> Callable[[Any], Any]:
        """The map V -> Gauss-Newton matrix at theta times V; V is (p,) or a block (p, k).

        ``sum_i w_i J_iᵀ D_i J_i`` plus the penalty: J_i differentiates the scores of example i in
        theta, D_i is the Hessian of its loss in the scores. It is what remains of the Hessian when
        the curvature of the network is dropped, and positive semi-definite for a convex loss.
        """
        losses, theta, rule = self._scored(), self._native(theta), self._rule

        def of_batch(X: Any, y: Any, w: Any) -> Callable:
            scores = partial(losses.scores, X=X)
            S, J_transposed = rule.transposed(scores, theta)
            _, D = rule.transposed(rule.gradient(lambda S: w @ losses.value(S, y)), S)
            J = rule.along(scores, theta)
            return lambda v: J_transposed(D(J(v)))

        return self._product(of_batch)

    def gauss_newton(self, theta: Any) -> np.ndarray:
        """The Gauss-Newton matrix itself, from the Jacobian of every example.  (p,) -> (p, p).

        A Jacobian costs one product for each score, the whole Hessian one for each parameter.
        """
        if isinstance(self._rule, Singly):
            return super().gauss_newton(self._theta(theta))
        losses, theta = self._scored(), self._native(theta)

        def scores_of_one(theta: Any, x: Any) -> Any:
            return losses.scores(theta, x[None])[0].ravel()

        def value_of_one(s: Any, y: Any, like: Any) -> Any:
            return losses.value(s.reshape(1, *like.shape[1:]), y[None])[0]

        G = torch.diag(self._ridge.expand(self.p))
        with self._rule.calmly():
            for X, y, w in self._batches():
                S = losses.scores(theta, X).detach()
                of_one = partial(value_of_one, like=S)
                J = vmap(jacrev(scores_of_one), (None, 0))(theta, X)  # (b, c, p)
                D = vmap(jacrev(jacrev(of_one)))(S.flatten(1), y)  # (b, c, c)
                G += J.flatten(0, 1).T @ (w[:, None, None] * D @ J).flatten(0, 1)
        return symmetric(to_numpy(G))

    @property
    def hvp_flops(self) -> float:
        """Floating-point operations of one product: about six passes forward."""
        return 6.0 * self._forward_flops()

    @property
    def hessian_flops(self) -> float:
        """Floating-point operations of the Hessian: one product for each parameter."""
        return self.p * self.hvp_flops

    @property
    def gauss_newton_flops(self) -> float:
        """Floating-point operations of the Gauss-Newton matrix: the Jacobians, then J^T D J."""
        scores = self._scored().scores(self._native(np.zeros(self.p)), self._X[:1]).numel()
        return scores * (3.0 * self._forward_flops() + 2.0 * self.n * self.p**2)

    def example_dots(self, theta: Any, V: Any) -> Any:
        """grad L(z_i, theta) . v for every i at once.  (p,), (p,) or (p, k) -> (n,) or (n, k)."""
        theta, block, rule = self._native(theta), self._block(V), self._rule
        with rule.calmly():
            along = (
                rule.along(partial(self.losses, X=X, y=y), theta) for X, y, _ in self._batches()
            )
            dots = torch.cat([rule.columns(J, block) for J in along])
        share = self._tensor(np.asarray(self.example_l2, self.dtype)) * theta
        return _like(V, (dots + share @ block).reshape(self.n, *np.shape(V)[1:]))

    def to_native(self, V: Any) -> torch.Tensor:
        """An array as a tensor on the device: solvers that get tensors stay there."""
        return self._tensor(np.asarray(plain(V), dtype=self.dtype))

    def to_numpy(self, V: Any) -> np.ndarray:
        """What `to_native` gave, or a solver made of it, as a NumPy array."""
        return plain(V)

    # Inside ------------------------------------------------------------------------------------

    @property
    def _ridge(self) -> torch.Tensor:
        """The penalty in the risk, as a tensor () or (p,)."""
        return self._tensor(self.penalty)

    def _scored(self) -> Any:
        """Losses whose scores are one tensor, as the Gauss-Newton matrix needs them."""
        losses = validate.scored(self.losses)
        with torch.no_grad(), self._rule.calmly():
            scores = losses.scores(self._native(np.zeros(self.p)), self._X[:1])
        if not isinstance(scores, torch.Tensor):
            raise ValueError(
                'curvature="gauss-newton" needs a module that returns one tensor, got '
                f"{type(scores).__name__}: wrap it in a module that returns the scores alone."
            )
        return losses

    def _loss_values(self, theta: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        t = self._tensor(theta)
        with torch.no_grad(), self._rule.calmly():
            return to_numpy(torch.cat([self.losses(t, *pair) for pair in self._pairs(X, y)]))

    def _loss_grads(self, theta: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        t = self._tensor(theta)

        def of_one(theta: Any, x: Any, y: Any) -> Any:
            return self.losses(theta, x[None], y[None])[0]

        with self._rule.calmly():
            of_all = [self._rule.each(of_one, t, *pair) for pair in self._pairs(X, y)]
        return to_numpy(torch.cat(of_all))

    def _input_grads(
        self, theta: np.ndarray, v: np.ndarray, X: np.ndarray, y: np.ndarray
    ) -> np.ndarray:
        if isinstance(self.losses, ModuleLosses):
            self.losses.layout.check_smooth()
        t, u, gradient = self._tensor(theta), self._tensor(v), self._rule.gradient

        def dot(X: Any, y: Any) -> Any:
            return gradient(lambda t: self.losses(t, X, y).sum())(t) @ u

        with self._rule.calmly():
            pairs = self._pairs(X, y)
            return to_numpy(torch.cat([gradient(partial(dot, y=y))(X) for X, y in pairs]))

    def _forward_flops(self) -> float:
        """Floating-point operations of all losses, counted by torch on one example."""
        theta = self._native(np.zeros(self.p))
        with FlopCounterMode(display=False) as counter, torch.no_grad(), self._rule.calmly():
            self.losses(theta, self._X[:1], self._y[:1])
        return self.n * counter.get_total_flops()

    def _trial(self) -> Trial:
        """Two examples on which to try derivatives: of a module in double precision, if it can."""
        few = [*self._points(), self._X[:2], self._y[:2]]
        losses: Any = self.losses
        if isinstance(losses, ModuleLosses) and self.dtype == np.float32:
            with suppress(TypeError):  # not every device has it
                few = [a.double() if a.is_floating_point() else a for a in few]
                losses = losses.double()
        return Trial(losses, few[:-2], *few[-2:])

    def _lacking(self) -> str:
        """The layer that has no second derivative, where the losses are those of a module."""
        return self.losses.lacking(self._X[:2]) if isinstance(self.losses, ModuleLosses) else ""

    def _points(self) -> list[torch.Tensor]:
        """Where to try the losses: near the parameters of a module first, then at random."""
        random, near = np.random.default_rng(0).standard_normal((2, self.p))
        points = [scale * random for scale in (0.1, 1e-3)]
        if isinstance(self.losses, ModuleLosses):
            points.insert(0, to_numpy(self.losses.flat(self.losses.module)) + 0.02 * near)
        return [self._native(point) for point in points]

    def _changed(self, **attributes: Any) -> Self:
        new = super()._changed(**attributes)
        new._place("X" in attributes)
        return new

    def _place(self, examples: bool = True) -> None:
        """Keep the weights, and the examples if they are new, on the device."""
        if examples:
            self._X, self._y = self._tensor(self.X), self._tensor(self.y)
        self._w = self._tensor(self.weights)

    def _tensor(self, a: np.ndarray) -> torch.Tensor:
        return tensor(a, self.device)

    def _theta(self, theta: Any) -> np.ndarray:
        return super()._theta(plain(theta))

    def _native(self, theta: Any) -> torch.Tensor:
        """Theta as a tensor on the device."""
        return self._tensor(self._theta(theta))

    def _block(self, V: Any) -> torch.Tensor:
        """One vector or a block of columns, always as a tensor (p, k)."""
        if not isinstance(V, torch.Tensor):
            V = self._tensor(validate.columns(V, self.p, self.dtype))
        if V.ndim not in (1, 2) or len(V) != self.p or V.is_complex():
            raise ValueError(
                f"Expected a vector of shape ({self.p},) or ({self.p}, k) for k columns, of real "
                f"numbers, got shape {tuple(V.shape)} and {V.dtype}."
            )
        V = V.detach().to(self.device, self._w.dtype)
        if not V.isfinite().all():
            raise ValueError("The vector holds NaN or infinity where finite numbers are expected.")
        return V.reshape(self.p, -1)

    def _batches(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """Examples and weights, `batch_size` at a time."""
        for part in blocks(self.n, self.batch_size):
            yield self._X[part], self._y[part], self._w[part]

    def _pairs(self, X: np.ndarray, y: np.ndarray) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Other examples, `batch_size` at a time, as tensors."""
        for part in blocks(len(X), self.batch_size):
            yield self._tensor(X[part]), self._tensor(y[part])

    def _weighted(self, X: Any, y: Any, w: Any) -> Callable[[Any], Any]:
        """The share of some examples in the risk, as a function of theta."""
        return lambda theta: w @ self.losses(theta, X, y)

    def _product(self, of_batch: Callable) -> Callable[[Any], Any]:
        """The sum over batches of the linear maps that `of_batch` makes, plus the penalty."""
        rule, kept = self._rule, None
        if self.n <= self.batch_size:
            with rule.calmly():
                kept = [of_batch(*b) for b in self._batches()]

        def product(V: Any) -> Any:
            block = self._block(V)
            with rule.calmly():
                maps = kept or (of_batch(*b) for b in self._batches())
                total = sum(rule.columns(m, block) for m in maps)
            return _like(V, (total + self._ridge.reshape(-1, 1) * block).reshape(np.shape(V)))

        return product

    def _try(self, X: np.ndarray, y: np.ndarray) -> None:
        """Evaluate the losses of the examples with the largest and the smallest numbers.

        A label, or a word of a vocabulary, that is out of range is among these.
        """
        arrays = [y, X]
        if isinstance(self.losses, ModuleLosses):
            arrays[1:] = [rows for _, rows in self.losses.layout.split(X)]
        extremes = [k // a[0].size for a in arrays for k in (a.argmin(), a.argmax())]
        X, y = (self._tensor(a[np.unique(extremes)]) for a in (X, y))
        computed(self.losses, self._points()[0], X, y)


def _like(given: Any, result: torch.Tensor) -> Any:
    """A tensor, as NumPy if what was given was NumPy."""
    return result.detach() if isinstance(given, torch.Tensor) else to_numpy(result)
