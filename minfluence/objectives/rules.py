"""How losses in torch can be differentiated twice: found once for each model, by trial.

Not every operation of torch has every rule.  Where the forward rule of one is missing, ``J v`` is
the transpose of the linear map ``u -> Jᵀ u``: reverse mode twice.  Where one does not know how to
run on many examples or directions together, they go one by one.  And as some rules are wrong, the
one that is chosen must agree with finite differences of plain gradients.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import torch
from torch.func import grad, jvp, vjp, vmap

COLUMNS = 32  # vectors that pass through a batch together
Map = Callable[[Any], Any]


class Forward:
    """Forward mode where it is cheaper, and many directions or examples at once."""

    name: ClassVar[str] = "forward"

    def gradient(self, f: Map) -> Map:
        """The gradient of a scalar function."""
        return grad(f)

    def transposed(self, f: Map, theta: torch.Tensor) -> tuple[torch.Tensor, Map]:
        """f(theta), and the map u -> Jᵀ u."""
        value, J_transposed = vjp(f, theta)
        return value, lambda u: J_transposed(u)[0]

    def along(self, f: Map, theta: torch.Tensor) -> Map:
        """The map v -> J v."""
        return lambda v: jvp(f, (theta,), (v,))[1]

    def slope(self, f: Map, theta: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Derivative of a scalar function in one direction."""
        return self.along(f, theta)(v)

    def columns(self, product: Map, block: torch.Tensor) -> torch.Tensor:
        """Apply a linear map to each column of a block.  (p, k) -> (..., k)."""
        if block.shape[1] == 0:  # of which vmap cannot make anything
            return product(block.new_zeros(len(block)))[:, None][:, :0]
        if block.shape[1] == 1:  # vmap costs something
            return product(block[:, 0])[:, None]
        return vmap(product, in_dims=1, out_dims=-1, chunk_size=COLUMNS)(block)

    def each(self, f: Callable, theta: torch.Tensor, X: Any, y: Any) -> torch.Tensor:
        """Gradient of every example's ``f(theta, x, y)``.  -> (n, p)."""
        return vmap(grad(f), in_dims=(None, 0, 0), chunk_size=COLUMNS)(theta, X, y)


class Reverse(Forward):
    """Reverse mode only, and many directions or examples at once."""

    name: ClassVar[str] = "reverse"

    def along(self, f: Map, theta: torch.Tensor) -> Map:
        """The map v -> J v: the transpose of u -> Jᵀ u."""
        zero = torch.zeros_like(f(theta))
        return lambda v: vjp(lambda u: vjp(f, theta)[1](u)[0], zero)[1](v)[0]

    def slope(self, f: Map, theta: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Derivative of a scalar function in one direction."""
        return self.gradient(f)(theta) @ v


class OneByOne(Reverse):
    """Reverse mode of `torch.autograd`, one direction or example after another."""

    name: ClassVar[str] = "one by one"

    def gradient(self, f: Map) -> Map:
        """The gradient of a scalar function."""

        def of(theta: torch.Tensor) -> torch.Tensor:
            theta = theta if theta.requires_grad else _leaf(theta)
            with torch.enable_grad():
                return _pulled(f(theta), theta, create_graph=True)

        return of

    def transposed(self, f: Map, theta: torch.Tensor) -> tuple[torch.Tensor, Map]:
        """f(theta), and the map u -> Jᵀ u."""
        theta = _leaf(theta)
        with torch.enable_grad():
            value = f(theta)
        return value.detach(), lambda u: _pulled(value, theta, u, retain_graph=True)

    def along(self, f: Map, theta: torch.Tensor) -> Map:
        """The map v -> J v: the transpose of u -> Jᵀ u."""
        theta = _leaf(theta)
        with torch.enable_grad():
            value = f(theta)
            u = torch.zeros_like(value, requires_grad=True)
            pulled = _pulled(value, theta, u, create_graph=True)
        return lambda v: _pulled(pulled, u, v, retain_graph=True)

    def columns(self, product: Map, block: torch.Tensor) -> torch.Tensor:
        """Apply a linear map to each column of a block.  (p, k) -> (..., k)."""
        columns = [product(v) for v in block.T] or [product(block.new_zeros(len(block)))]
        return torch.stack(columns, dim=-1)[..., : block.shape[1]]

    def each(self, f: Callable, theta: torch.Tensor, X: Any, y: Any) -> torch.Tensor:
        """Gradient of every example's ``f(theta, x, y)``.  -> (n, p)."""
        of_one = [self.gradient(lambda t, i=i: f(t, X[i], y[i])) for i in range(len(y))]
        return torch.stack([gradient(theta).detach() for gradient in of_one])


def _leaf(a: torch.Tensor) -> torch.Tensor:
    """The same numbers, from which a derivative is taken."""
    return a.detach().clone().requires_grad_()


def _pulled(
    value: torch.Tensor, theta: torch.Tensor, u: torch.Tensor | None = None, **options: bool
) -> torch.Tensor:
    """Jᵀ u, and 0 for what does not depend on theta."""
    if not value.requires_grad:
        return torch.zeros_like(theta)
    (pulled,) = torch.autograd.grad(value, theta, u, allow_unused=True, **options)
    return torch.zeros_like(theta) if pulled is None else pulled
