"""The same derivatives by `torch.func`: any differentiable torch model, on the CPU or a GPU.

Arrays are NumPy outside and tensors inside: a verb that gets tensors gives tensors, so a solver
that is handed tensors (see `TorchObjective.to_native`) never leaves the device.

Examples pass in batches.  If all fit in one batch, what depends on theta alone is traced once and
shared by all products; otherwise each product traces every batch afresh, and memory is bounded by
`batch_size`, not by n.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad, jacrev, jvp, vjp, vmap
from torch.func import hessian as torch_hessian
from torch.utils.flop_counter import FlopCounterMode

from minfluence import seam, validate
from minfluence.memory import blocks
from minfluence.objectives.base import ArrayObjective, symmetric

COLUMNS = 32  # vectors that pass through a batch together
REMEMBER = nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd


class TorchObjective(ArrayObjective):
    """Penalised, weighted mean loss of a torch model, with its derivatives by `torch.func`.

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
        X, y, l2 = map(_plain, (X, y, l2))
        super().__init__(losses, X, y, l2, fold_l2=fold_l2, p=p, dtype=dtype)
        if self.p is None:
            raise ValueError("TorchObjective cannot tell the number of parameters: pass p=....")
        self.device = _device(device, self.dtype)
        self._place()
        self._check_losses()

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        loss: Callable,
        X: Any,
        y: Any,
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
        X, y, l2, fold_l2, device, dtype, batch_size
            As for the class.

        Returns
        -------
        TorchObjective
            `flatten` turns a module into theta, `unflatten` theta into a state dict.
        """
        if not isinstance(module, nn.Module) or not callable(loss):
            raise ValueError(
                "from_module expects a torch.nn.Module and a loss(outputs, y) -> (n,), "
                f"got {type(module).__name__} and {type(loss).__name__}."
            )
        for name, part in module.named_modules():
            if part.training and isinstance(part, REMEMBER):
                raise ValueError(
                    f"{type(part).__name__} {name!r} is in training mode, where losses are random "
                    "or depend on the other examples of a batch: call module.eval() first."
                )
        dtype = validate.precision(dtype)
        device = _device(device, dtype)
        losses = ModuleLosses(copy.deepcopy(module).to(device, _PRECISIONS[dtype]), loss)
        p = sum(t.numel() for t in losses.parameters(module).values())
        if p == 0:
            raise ValueError(
                "No parameter of the module requires a gradient: leave requires_grad on for those "
                "that theta shall hold."
            )
        options: dict[str, Any] = {"device": device, "dtype": dtype, "batch_size": batch_size}
        return cls(losses, X, y, l2, fold_l2=fold_l2, p=p, **options)

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
        parts = [t.detach().cpu().double().ravel() for t in theirs.values()]
        return torch.cat(parts).numpy().astype(self.dtype)

    def unflatten(self, theta: Any) -> dict[str, torch.Tensor]:
        """Parameters by name, for ``module.load_state_dict(..., strict=False)``.  (p,) -> dict."""
        named = self._of_module.named(self._native(theta))
        return {name: t.clone() for name, t in named.items()}

    @property
    def _of_module(self) -> "ModuleLosses":
        if not isinstance(self.losses, ModuleLosses):
            raise ValueError(
                "This objective was not made from a module, so its theta has no names: use "
                "TorchObjective.from_module."
            )
        return self.losses

    # Examples ----------------------------------------------------------------------------------

    def check_examples(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """More examples as arrays that fit these, or one clear sentence."""
        X, y = super().check_examples(_plain(X), _plain(y))
        self._try(X, y)
        return X, y

    def perturbed(self, i: Any, x: Any, y: Any) -> Self:
        """Replace example `i` by ``(x, y)``."""
        return super().perturbed(i, _plain(x), _plain(y))

    # The verbs ---------------------------------------------------------------------------------

    def risk(self, theta: Any) -> float:
        """R(theta) = sum_i w_i L(z_i, theta), penalty included.  (p,) -> scalar."""
        theta = self._native(theta)
        with torch.no_grad():
            total = sum(self._weighted(X, y, w)(theta) for X, y, w in self._batches())
            return float(total + 0.5 * (self._ridge * theta) @ theta)

    def grad(self, theta: Any) -> Any:
        """Gradient of the risk.  (p,) -> (p,)."""
        theta, like = self._native(theta), theta
        total = sum(grad(self._weighted(X, y, w))(theta) for X, y, w in self._batches())
        return _like(like, total + self._ridge * theta)

    def hvp_at(self, theta: Any) -> Callable[[Any], Any]:
        """The map V -> Hessian of the risk at theta times V; V is (p,) or a block (p, k).

        The gradient is differentiated once more in reverse, because the Hessian is symmetric.
        """
        theta = self._native(theta)

        def of_batch(X: Any, y: Any, w: Any) -> Callable:
            return vjp(grad(self._weighted(X, y, w)), theta)[1]

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
        losses, theta = validate.scored(self.losses), self._native(theta)

        def of_batch(X: Any, y: Any, w: Any) -> Callable:
            scores = partial(losses.scores, X=X)
            S, J_transposed = vjp(scores, theta)
            _, D = vjp(grad(lambda S: w @ losses.value(S, y)), S)
            return lambda v: J_transposed(*D(jvp(scores, (theta,), (v,))[1]))

        return self._product(of_batch)

    def gauss_newton(self, theta: Any) -> np.ndarray:
        """The Gauss-Newton matrix itself, from the Jacobian of every example.  (p,) -> (p, p).

        A Jacobian costs one product for each score, the whole Hessian one for each parameter.
        """
        losses, theta = validate.scored(self.losses), self._native(theta)

        def scores_of_one(theta: Any, x: Any) -> Any:
            return losses.scores(theta, x[None])[0].ravel()

        def value_of_one(s: Any, y: Any, like: Any) -> Any:
            return losses.value(s.reshape(1, *like.shape[1:]), y[None])[0]

        G = torch.diag(self._ridge.expand(self.p))
        for X, y, w in self._batches():
            like = self.losses.scores(theta, X[:1]).detach()
            S = self.losses.scores(theta, X).detach().flatten(1)
            J = vmap(jacrev(scores_of_one), (None, 0))(theta, X)  # (b, c, p)
            D = vmap(torch_hessian(partial(value_of_one, like=like)))(S, y)  # (b, c, c)
            G += J.flatten(0, 1).T @ (w[:, None, None] * D @ J).flatten(0, 1)
        return symmetric(_numpy(G))

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
        scores = self.losses.scores(self._native(np.zeros(self.p)), self._X[:1]).numel()
        return scores * (3.0 * self._forward_flops() + 2.0 * self.n * self.p**2)

    def example_dots(self, theta: Any, V: Any) -> Any:
        """grad L(z_i, theta) . v for every i at once.  (p,), (p,) or (p, k) -> (n,) or (n, k)."""
        theta, block = self._native(theta), self._block(V)
        dots = []
        for X, y, _ in self._batches():
            losses = partial(self.losses, X=X, y=y)
            dots.append(_by_column(lambda v, L=losses: jvp(L, (theta,), (v,))[1], block))
        share = self._tensor(np.asarray(self.example_l2, self.dtype)) * theta
        return _like(V, (torch.cat(dots) + share @ block).reshape(self.n, *np.shape(V)[1:]))

    def to_native(self, V: Any) -> torch.Tensor:
        """An array as a tensor on the device: solvers that get tensors stay there."""
        return self._tensor(np.asarray(_plain(V), dtype=self.dtype))

    def to_numpy(self, V: Any) -> np.ndarray:
        """What `to_native` gave, or a solver made of it, as a NumPy array."""
        return _plain(V)

    # Inside ------------------------------------------------------------------------------------

    @property
    def _ridge(self) -> torch.Tensor:
        """The penalty in the risk, as a tensor () or (p,)."""
        return self._tensor(self.penalty)

    def _loss_values(self, theta: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        t = self._tensor(theta)
        with torch.no_grad():
            return _numpy(torch.cat([self.losses(t, *pair) for pair in self._pairs(X, y)]))

    def _loss_grads(self, theta: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        t = self._tensor(theta)

        def of_one(theta: Any, x: Any, y: Any) -> Any:
            return self.losses(theta, x[None], y[None])[0]

        of_all = vmap(grad(of_one), in_dims=(None, 0, 0), chunk_size=COLUMNS)
        return _numpy(torch.cat([of_all(t, *pair) for pair in self._pairs(X, y)]))

    def _input_grads(
        self, theta: np.ndarray, v: np.ndarray, X: np.ndarray, y: np.ndarray
    ) -> np.ndarray:
        t, u = self._tensor(theta), self._tensor(v)

        def dot(X: Any, y: Any) -> Any:
            return jvp(lambda t: self.losses(t, X, y), (t,), (u,))[1].sum()

        return _numpy(torch.cat([grad(dot)(*pair) for pair in self._pairs(X, y)]))

    def _forward_flops(self) -> float:
        """Floating-point operations of all losses, counted by torch on one example."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.losses(self._native(np.zeros(self.p)), self._X[:1], self._y[:1])
        return self.n * counter.get_total_flops()

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
        ready = a.flags.carray and min(a.strides, default=0) >= 0
        return torch.from_numpy(a if ready else np.array(a, order="C")).to(self.device)

    def _theta(self, theta: Any) -> np.ndarray:
        return super()._theta(_plain(theta))

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
        kept = [of_batch(*b) for b in self._batches()] if self.n <= self.batch_size else None

        def product(V: Any) -> Any:
            block = self._block(V)
            maps = kept or (of_batch(*b) for b in self._batches())
            total = sum(_by_column(m, block) for m in maps) + self._ridge.reshape(-1, 1) * block
            return _like(V, total.reshape(np.shape(V)))

        return product

    def _try(self, X: np.ndarray, y: np.ndarray) -> None:
        """Evaluate the losses of the examples with the largest and the smallest numbers.

        A label, or a word of a vocabulary, that is out of range is among these.
        """
        row = X[0].size
        extremes = [y.argmin(), y.argmax(), X.argmin() // row, X.argmax() // row]
        X, y = (self._tensor(a[np.unique(extremes)]) for a in (X, y))
        with torch.no_grad(), self._explained(y):
            self.losses(self._native(np.zeros(self.p)), X, y).cpu()

    @contextmanager
    def _explained(self, y: torch.Tensor) -> Iterator[None]:
        """What torch says of losses that it cannot compute, in a sentence with what to look at."""
        try:
            yield
        except Exception as error:
            said = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
            raise ValueError(
                f"Torch cannot compute the losses ({said}): they get theta ({self.p},) and X "
                f"(n, {', '.join(map(str, self.example_shape))}) in {self.dtype}, and labels "
                f"between {y.min():g} and {y.max():g} in {str(y.dtype).removeprefix('torch.')}. "
                "Class labels must be whole numbers 0 .. c - 1, as of y.astype(int), and all else "
                "of one dtype and on one device."
            ) from error

    def _check_losses(self) -> None:
        """Evaluate a few losses twice, once in other company, and the gradient of one."""
        probe = 0.1 * np.random.default_rng(0).standard_normal(self.p)
        theta, X, y = self._native(probe), self._X[:4].clone(), self._y[:4].clone()
        with torch.no_grad(), self._explained(y):
            first, again, fewer = (self.losses(theta, X[:k], y[:k]) for k in (4, 4, 2))
        if not isinstance(first, torch.Tensor) or first.shape != y.shape:
            got = getattr(first, "shape", type(first).__name__)
            raise ValueError(
                f"losses(theta, X, y) must return one loss per example, shape ({len(y)},), "
                f"got {tuple(got) if isinstance(got, torch.Size) else got}: switch the mean off, "
                'as in partial(torch.nn.functional.cross_entropy, reduction="none").'
            )
        if (first.dtype, first.device) != (theta.dtype, theta.device):
            raise ValueError(
                f"The losses come in {first.dtype} on {first.device}, and theta and X are in "
                f"{theta.dtype} on {theta.device}: make every constant of the model like X, as in "
                "c.to(X), or choose dtype and device."
            )
        if not (torch.equal(X, self._X[:4]) and torch.equal(y, self._y[:4])):
            raise ValueError("The losses change X in place: work on X.clone() in your model.")
        close = partial(torch.allclose, rtol=1e-3, atol=1e-5, equal_nan=True)
        if not close(first, again):
            raise ValueError(
                "The losses differ between two evaluations at the same theta: switch dropout and "
                "other randomness off, for a module with module.eval()."
            )
        if not close(first[:2], fewer):
            raise ValueError(
                "The loss of an example depends on the other examples of its batch: switch batch "
                "normalisation to eval mode, or use a normalisation within each example."
            )
        with self._explained(y):
            self._loss_grads(_numpy(theta), self.X[:1], self.y[:1])
        self._try(self.X, self.y)


@dataclass(frozen=True)
class ModuleLosses:
    """Per-example losses of a module whose trainable parameters come as one flat theta.

    Attributes
    ----------
    module : torch.nn.Module
    loss : callable ``(outputs, y) -> (n,)``
    """

    module: nn.Module
    loss: Callable

    def __call__(self, theta: Any, X: Any, y: Any) -> Any:
        """Loss of every example.  (p,), (n, ...), (n,) -> (n,)."""
        return self.value(self.scores(theta, X), y)

    def scores(self, theta: Any, X: Any) -> Any:
        """Outputs of the module.  (p,), (n, ...) -> (n, ...)."""
        return functional_call(self.module, self.named(theta), (X,))

    def value(self, scores: Any, y: Any) -> Any:
        """Loss of every example, given the outputs.  (n, ...), (n,) -> (n,)."""
        return self.loss(scores, y)

    def parameters(self, module: nn.Module) -> dict[str, nn.Parameter]:
        """The parameters that theta holds, by name."""
        return {name: t for name, t in module.named_parameters() if t.requires_grad}

    def named(self, theta: torch.Tensor) -> dict[str, torch.Tensor]:
        """Theta cut into parameters.  (p,) -> dict of tensors."""
        shapes = {name: t.shape for name, t in self.parameters(self.module).items()}
        pieces = theta.split([shape.numel() for shape in shapes.values()])
        return {
            name: piece.reshape(shapes[name]) for name, piece in zip(shapes, pieces, strict=True)
        }


_PRECISIONS = {np.dtype(np.float32): torch.float32, np.dtype(np.float64): torch.float64}


def _device(device: Any, dtype: np.dtype) -> torch.device:
    """A device on which numbers of this type can be made and read."""
    try:
        chosen = torch.device(device)
        torch.zeros(1, dtype=_PRECISIONS[dtype], device=chosen).item()
        return chosen
    except (AssertionError, NotImplementedError, RuntimeError, TypeError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f'The device {device!r} cannot compute here in {dtype} ({said}): use "cpu", or a '
            "torch that was built for it."
        ) from None


def _by_column(product: Callable, block: torch.Tensor) -> torch.Tensor:
    """Apply a linear map to each column of a block.  (p, k) -> (..., k)."""

    def bare(v: torch.Tensor) -> torch.Tensor:
        out = product(v)
        return out[0] if isinstance(out, tuple) else out  # vjp answers with a tuple

    if block.shape[1] == 0:  # of which vmap cannot make anything
        return bare(block.new_zeros(len(block)))[:, None][:, :0]
    if block.shape[1] == 1:  # vmap costs something
        return bare(block[:, 0])[:, None]
    return vmap(bare, in_dims=1, out_dims=-1, chunk_size=COLUMNS)(block)


def _like(given: Any, result: torch.Tensor) -> Any:
    """A tensor, as NumPy if what was given was NumPy."""
    return result.detach() if isinstance(given, torch.Tensor) else _numpy(result)


def _plain(value: Any) -> Any:
    """A tensor as a NumPy array; anything else as it is."""
    return _numpy(value) if isinstance(value, torch.Tensor) else value


def _numpy(a: torch.Tensor) -> np.ndarray:
    a = a.detach().to_dense().cpu()
    return (a.float() if a.dtype == torch.bfloat16 else a).numpy()
