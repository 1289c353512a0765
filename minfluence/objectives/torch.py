"""The same derivatives by `torch.func`: any differentiable torch model, on the CPU or a GPU.

Arrays are NumPy outside and tensors inside: a verb that gets tensors gives tensors, so a solver
that is handed tensors (see `TorchObjective.to_native`) never leaves the device.

Examples pass in batches.  If all fit in one batch, what depends on theta alone is traced once and
shared by all products; otherwise each product traces every batch afresh, and memory is bounded by
`batch_size`, not by n.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad, jacrev, jvp, vjp, vmap
from torch.func import hessian as torch_hessian
from torch.utils.flop_counter import FlopCounterMode

from minfluence.objectives.base import TrainingSet, check_columns, check_examples, check_theta

COLUMNS = 32  # vectors that pass through a batch together
REMEMBER = nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd


class TorchObjective(TrainingSet):
    """Penalised, weighted mean loss of a torch model, with its derivatives by `torch.func`.

    Parameters
    ----------
    losses : callable ``(theta, X, y) -> (n,)``
        The loss of every example, in torch; `theta` is one flat tensor. With the methods
        ``scores(theta, X)`` and ``value(scores, y)`` it also has a Gauss-Newton matrix.
    X : array, shape (n, ...)
    y : array, shape (n,)
    l2 : float
        Strength of the penalty ``l2/2 * theta @ theta``, folded into each example's loss.
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
        Also when the losses are not the same at a second evaluation, or when an example's loss
        depends on the other examples: what influence means is then undefined.

    References
    ----------
    Koh & Liang (2017), sections 2 and 3.
    """

    def __init__(
        self, losses, X, y, l2=0.0, *, p=None, device="cpu", dtype=np.float64, batch_size=256
    ):
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float64 or float32, got {dtype!r}.")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
        super().__init__(X, y, l2, np.dtype(dtype))
        self.losses, self.device, self.batch_size = losses, torch.device(device), batch_size
        self.p = losses.n_parameters(self.X.shape[1]) if hasattr(losses, "n_parameters") else p
        if self.p is None:
            raise ValueError("TorchObjective cannot tell the number of parameters: pass p=....")
        self._place()
        self._check_losses()

    @classmethod
    def from_module(cls, module, loss, X, y, l2=0.0, *, device="cpu", dtype=np.float64, **options):
        """Make the objective of a torch module; the module itself is never touched.

        Parameters
        ----------
        module : torch.nn.Module
            In eval mode. A copy is kept, on `device` and in `dtype`; theta holds its parameters
            that require a gradient, in the order of ``named_parameters()`` (shared ones once).
            All other parameters, and buffers, stay as they are.
        loss : callable ``(outputs, y) -> (n,)``
            Loss of every example, such as ``partial(cross_entropy, reduction="none")``.
        X, y, l2, device, dtype, batch_size
            As for the class.

        Returns
        -------
        TorchObjective
            `flatten` turns a module into theta, `unflatten` theta into a state dict.
        """
        for name, part in module.named_modules():
            if part.training and isinstance(part, REMEMBER):
                raise ValueError(
                    f"{type(part).__name__} {name!r} is in training mode, where losses are random "
                    "or depend on the other examples of a batch: call module.eval() first."
                )
        number = torch.float32 if np.dtype(dtype) == np.float32 else torch.float64
        losses = ModuleLosses(copy.deepcopy(module).to(device, number), loss)
        p = sum(t.numel() for t in losses.parameters(module).values())
        if p == 0:
            raise ValueError(
                "No parameter of the module requires a gradient: leave requires_grad on for those "
                "that theta shall hold."
            )
        return cls(losses, X, y, l2, p=p, device=device, dtype=dtype, **options)

    # Theta and modules -------------------------------------------------------------------------

    def flatten(self, module):
        """Theta of a module like the one this objective was made from.  -> (p,)."""
        parts = [t.detach().cpu().ravel() for t in self.losses.parameters(module).values()]
        theta = torch.cat(parts).numpy().astype(self.X.dtype)
        if theta.shape != (self.p,):
            raise ValueError(
                f"Expected a module with {self.p} trainable parameters, got {theta.size}."
            )
        return theta

    def unflatten(self, theta):
        """Parameters by name, for ``module.load_state_dict(..., strict=False)``.  (p,) -> dict."""
        theta = self._tensor(check_theta(theta, self.p))
        return {name: t.clone() for name, t in self.losses.named(theta).items()}

    # The verbs ---------------------------------------------------------------------------------

    def risk(self, theta):
        """R(theta) = sum_i w_i L(z_i, theta), penalty included.  (p,) -> scalar."""
        theta = self._theta(theta)
        with torch.no_grad():
            total = sum(self._weighted(X, y, w)(theta) for X, y, w in self._batches())
            return float(total + 0.5 * self._penalty * theta @ theta)

    def grad(self, theta):
        """Gradient of the risk.  (p,) -> (p,)."""
        theta, like = self._theta(theta), theta
        total = sum(grad(self._weighted(X, y, w))(theta) for X, y, w in self._batches())
        return _like(like, total + self._penalty * theta)

    def grads(self, thetas, weights):
        """Gradients at many parameter vectors, each for its own weights of the examples.

        (p, k), (n, k) -> (p, k)
        """
        pairs = zip(thetas.T, weights.T, strict=True)
        return np.stack([self.reweighted(w).grad(theta) for theta, w in pairs], axis=1)

    def hvp_at(self, theta):
        """The map V -> Hessian of the risk at theta times V; V is (p,) or a block (p, k).

        The gradient is differentiated once more in reverse, because the Hessian is symmetric.
        """
        theta = self._theta(theta)

        def of_batch(X, y, w):
            return vjp(grad(self._weighted(X, y, w)), theta)[1]

        return self._product(of_batch)

    def hvp(self, theta, V):
        """Hessian of the risk at theta times V.  (p,), (p,) or (p, k) -> like V."""
        return self.hvp_at(theta)(V)

    def gnvp_at(self, theta):
        """The map V -> Gauss-Newton matrix at theta times V; V is (p,) or a block (p, k).

        ``sum_i w_i J_iᵀ D_i J_i`` plus the penalty: J_i differentiates the scores of example i in
        theta, D_i is the Hessian of its loss in the scores. It is what remains of the Hessian when
        the curvature of the network is dropped, and positive semi-definite for a convex loss.
        """
        self._need_scores()
        theta = self._theta(theta)

        def of_batch(X, y, w):
            scores = partial(self.losses.scores, X=X)
            S, J_transposed = vjp(scores, theta)
            _, D = vjp(grad(lambda S: w @ self.losses.value(S, y)), S)
            return lambda v: J_transposed(*D(jvp(scores, (theta,), (v,))[1]))

        return self._product(of_batch)

    def gnvp(self, theta, V):
        """Gauss-Newton matrix at theta times V.  (p,), (p,) or (p, k) -> like V."""
        return self.gnvp_at(theta)(V)

    def hessian(self, theta):
        """The Hessian itself, column by column.  (p,) -> (p, p)."""
        H = self.hvp(theta, np.eye(self.p, dtype=self.X.dtype))
        return 0.5 * (H + H.T)  # symmetric to the last bit

    def gauss_newton(self, theta):
        """The Gauss-Newton matrix itself, from the Jacobian of every example.  (p,) -> (p, p).

        A Jacobian costs one product for each score, the whole Hessian one for each parameter.
        """
        self._need_scores()
        theta = self._theta(theta)

        def scores_of_one(theta, x):
            return self.losses.scores(theta, x[None])[0].ravel()

        def value_of_one(s, y, like):
            return self.losses.value(s.reshape(1, *like.shape[1:]), y[None])[0]

        G = self._penalty * torch.eye(self.p, dtype=theta.dtype, device=self.device)
        for X, y, w in self._batches():
            like = self.losses.scores(theta, X[:1]).detach()
            S = self.losses.scores(theta, X).detach().flatten(1)
            J = vmap(jacrev(scores_of_one), (None, 0))(theta, X)  # (b, c, p)
            D = vmap(torch_hessian(partial(value_of_one, like=like)))(S, y)  # (b, c, c)
            G += J.flatten(0, 1).T @ (w[:, None, None] * D @ J).flatten(0, 1)
        return _numpy(0.5 * (G + G.T))  # symmetric to the last bit

    @property
    def hvp_flops(self):
        """Floating-point operations of one product: about six passes forward."""
        return 6.0 * self._forward_flops()

    @property
    def hessian_flops(self):
        """Floating-point operations of the Hessian: one product for each parameter."""
        return self.p * self.hvp_flops

    @property
    def gauss_newton_flops(self):
        """Floating-point operations of the Gauss-Newton matrix: the Jacobians, then J^T D J."""
        scores = self.losses.scores(self._theta(np.zeros(self.p)), self._X[:1]).numel()
        return scores * (3.0 * self._forward_flops() + 2.0 * self.n * self.p**2)

    def example_dots(self, theta, V):
        """grad L(z_i, theta) . v for every i at once.  (p,), (p,) or (p, k) -> (n,) or (n, k)."""
        theta, block = self._theta(theta), self._block(V)
        dots = []
        for X, y, _ in self._batches():
            losses = partial(self.losses, X=X, y=y)
            dots.append(_by_column(lambda v, L=losses: jvp(L, (theta,), (v,))[1], block))
        dots = torch.cat(dots) + self.l2 * (theta @ block)
        return _like(V, dots.reshape(self.n, *V.shape[1:]))

    def example_grads(self, theta, indices):
        """Gradients of the penalised losses of some training examples.  -> (len(indices), p)."""
        indices, theta = self._indices(indices), self._theta(theta)
        return _numpy(self._bare_grads(theta, self.X[indices], self.y[indices]) + self.l2 * theta)

    def input_grads(self, theta, v, indices):
        """d/dx of grad L(z_i, theta) . v.  (p,), (p,), (k,) -> (k, ...), shaped like the inputs."""
        indices, theta, v = self._indices(indices), self._theta(theta), self._block(v)[:, 0]

        def dot(X, y):
            return jvp(lambda t: self.losses(t, X, y), (theta,), (v,))[1].sum()

        parts = [grad(dot)(X, y) for X, y in self._pairs(self.X[indices], self.y[indices])]
        return _numpy(torch.cat(parts))

    def test_losses(self, theta, X_test, y_test):
        """Bare losses, without penalty, of test points.  -> (m,)."""
        theta = self._theta(theta)
        with torch.no_grad():
            pairs = self._pairs(*self.check_test(X_test, y_test))
            return _numpy(torch.cat([self.losses(theta, X, y) for X, y in pairs]))

    def test_grads(self, theta, X_test, y_test):
        """Gradients of the bare losses of test points.  -> (m, p)."""
        return _numpy(self._bare_grads(self._theta(theta), *self.check_test(X_test, y_test)))

    def check_test(self, X_test, y_test):
        """Test points as arrays that fit this objective, or one clear sentence."""
        return check_examples(X_test, y_test, self.X.dtype, like=self.X)

    def to_native(self, V):
        """An array as a tensor on the device: solvers that get tensors stay there."""
        return self._tensor(V)

    def to_numpy(self, V):
        """What `to_native` gave, or a solver made of it, as a NumPy array."""
        return _numpy(V) if isinstance(V, torch.Tensor) else V

    # Inside ------------------------------------------------------------------------------------

    @property
    def _penalty(self):
        return float(self.weights.sum() * self.l2)

    def _need_scores(self):
        if not (hasattr(self.losses, "scores") and hasattr(self.losses, "value")):
            raise ValueError(
                'curvature="gauss-newton" needs losses with scores(theta, X) and value(scores, y): '
                "use TorchObjective.from_module, or give your losses these two methods."
            )

    def _forward_flops(self):
        """Floating-point operations of all losses, counted by torch on one example."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.losses(self._theta(np.zeros(self.p)), self._X[:1], self._y[:1])
        return self.n * counter.get_total_flops()

    def _changed(self, **attributes):
        new = super()._changed(**attributes)
        new._place("X" in attributes)
        return new

    def _place(self, examples=True):
        """Keep the weights, and the examples if they are new, on the device."""
        if examples:
            self._X, self._y = self._tensor(self.X), self._tensor(self.y)
        self._w = self._tensor(self.weights)

    def _tensor(self, a):
        if not isinstance(a, torch.Tensor):
            a = torch.from_numpy(np.require(a, requirements=["C", "W"]))
        return a.to(self.device)

    def _theta(self, theta):
        if isinstance(theta, torch.Tensor):
            return theta.detach()
        return self._tensor(check_theta(theta, self.p).astype(self.X.dtype, copy=False))

    def _block(self, V):
        """One vector or a block of columns, always as a tensor (p, k)."""
        if not isinstance(V, torch.Tensor):
            V = self._tensor(check_columns(V, self.p, self.X.dtype))
        return V.reshape(self.p, -1)

    def _batches(self):
        """Examples and weights, `batch_size` at a time."""
        for start in range(0, self.n, self.batch_size):
            part = slice(start, start + self.batch_size)
            yield self._X[part], self._y[part], self._w[part]

    def _pairs(self, X, y):
        """Other examples, `batch_size` at a time, as tensors."""
        for start in range(0, len(X), self.batch_size):
            part = slice(start, start + self.batch_size)
            yield self._tensor(X[part]), self._tensor(y[part])

    def _weighted(self, X, y, w):
        """The share of some examples in the risk, as a function of theta."""
        return lambda theta: w @ self.losses(theta, X, y)

    def _product(self, of_batch):
        """The sum over batches of the linear maps that `of_batch` makes, plus the penalty."""
        kept = [of_batch(*b) for b in self._batches()] if self.n <= self.batch_size else None

        def product(V):
            block = self._block(V)
            maps = kept or (of_batch(*b) for b in self._batches())
            total = sum(_by_column(m, block) for m in maps) + self._penalty * block
            return _like(V, total.reshape(V.shape))

        return product

    def _bare_grads(self, theta, X, y):
        def of_one(theta, x, y):
            return self.losses(theta, x[None], y[None])[0]

        of_all = vmap(grad(of_one), in_dims=(None, 0, 0), chunk_size=COLUMNS)
        return torch.cat([of_all(theta, *pair) for pair in self._pairs(X, y)])

    def _check_losses(self):
        """Evaluate a few losses twice, and once in other company."""
        theta = self._theta(0.1 * np.random.default_rng(0).standard_normal(self.p))
        X, y = self._X[:4].clone(), self._y[:4].clone()
        with torch.no_grad():
            first, again, fewer = (self.losses(theta, X[:k], y[:k]) for k in (4, 4, 2))
        if first.shape != y.shape:
            raise ValueError(
                f"losses(theta, X, y) must return one loss per example, shape ({len(y)},), "
                f"got {tuple(first.shape)}: switch the mean off, as in "
                'partial(torch.nn.functional.cross_entropy, reduction="none").'
            )
        if not torch.equal(X, self._X[:4]):
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

    def __call__(self, theta, X, y):
        """Loss of every example.  (p,), (n, ...), (n,) -> (n,)."""
        return self.value(self.scores(theta, X), y)

    def scores(self, theta, X):
        """Outputs of the module.  (p,), (n, ...) -> (n, ...)."""
        return functional_call(self.module, self.named(theta), (X,))

    def value(self, scores, y):
        """Loss of every example, given the outputs.  (n, ...), (n,) -> (n,)."""
        return self.loss(scores, y)

    def parameters(self, module):
        """The parameters that theta holds, by name."""
        return {name: t for name, t in module.named_parameters() if t.requires_grad}

    def named(self, theta):
        """Theta cut into parameters.  (p,) -> dict of tensors."""
        shapes = {name: t.shape for name, t in self.parameters(self.module).items()}
        pieces = theta.split([shape.numel() for shape in shapes.values()])
        return {
            name: piece.reshape(shapes[name]) for name, piece in zip(shapes, pieces, strict=True)
        }


def _by_column(product, block):
    """Apply a linear map to each column of a block.  (p, k) -> (..., k)."""

    def bare(v):
        out = product(v)
        return out[0] if isinstance(out, tuple) else out  # vjp answers with a tuple

    if block.shape[1] == 1:  # vmap costs something
        return bare(block[:, 0])[:, None]
    return vmap(bare, in_dims=1, out_dims=-1, chunk_size=COLUMNS)(block)


def _like(given, result):
    """A tensor, as NumPy if what was given was NumPy."""
    return result.detach() if isinstance(given, torch.Tensor) else _numpy(result)


def _numpy(a):
    return a.detach().cpu().numpy()
