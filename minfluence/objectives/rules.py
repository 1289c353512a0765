"""How losses in torch can be differentiated twice: found once for each model, by trial.

Not every operation of torch has every rule.  Where the forward rule of one is missing, ``J v`` is
the transpose of the linear map ``u -> Jᵀ u``: reverse mode twice.  Where one does not know how to
run on many examples or directions together, they go one by one.  And as some rules are wrong, the
one that is chosen must agree with finite differences of plain gradients.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch.func import grad, jvp, vjp, vmap

COLUMNS = 32  # vectors that pass through a batch together
Map = Callable[[Any], Any]


class Rule(ABC):
    """Derivatives by `torch.func`, of many directions or examples at once."""

    name: ClassVar[str]

    @abstractmethod
    def along(self, f: Map, theta: torch.Tensor) -> Map:
        """The map v -> J v."""

    def gradient(self, f: Map) -> Map:
        """The gradient of a scalar function."""
        return grad(f)

    def transposed(self, f: Map, theta: torch.Tensor) -> tuple[torch.Tensor, Map]:
        """f(theta), and the map u -> Jᵀ u."""
        value, J_transposed = vjp(f, theta)
        return value, lambda u: J_transposed(u)[0]

    def columns(self, product: Map, block: torch.Tensor) -> torch.Tensor:
        """Apply a linear map to each column of a block.  (p, k) -> (q, k)."""
        if block.shape[1] == 0:  # of which vmap cannot make anything
            return product(block.new_zeros(len(block)))[:, None][:, :0]
        if block.shape[1] == 1:  # vmap costs something
            return product(block[:, 0])[:, None]
        # with other out_dims torch gets a product wrong that does not depend on its column
        return vmap(product, in_dims=1, out_dims=0, chunk_size=COLUMNS)(block).T

    def each(self, f: Callable, theta: torch.Tensor, X: Any, y: Any) -> torch.Tensor:
        """Gradient of every example's ``f(theta, x, y)``.  -> (n, p)."""
        return vmap(grad(f), in_dims=(None, 0, 0), chunk_size=COLUMNS)(theta, X, y)

    def calmly(self) -> AbstractContextManager[None]:
        """Where to compute: see `calm`."""
        return calm()


class Forward(Rule):
    """Forward mode where it is cheaper."""

    name: ClassVar[str] = "forward"

    def along(self, f: Map, theta: torch.Tensor) -> Map:
        """The map v -> J v."""
        return lambda v: jvp(f, (theta,), (v,))[1]


class Reverse(Rule):
    """Reverse mode only."""

    name: ClassVar[str] = "reverse"

    def along(self, f: Map, theta: torch.Tensor) -> Map:
        """The map v -> J v: the transpose of u -> Jᵀ u."""
        zero = torch.zeros_like(f(theta))
        return lambda v: vjp(lambda u: vjp(f, theta)[1](u)[0], zero)[1](v)[0]


class Singly(Rule):
    """One example after another, where vmap does not know how."""

    def each(self, f: Callable, theta: torch.Tensor, X: Any, y: Any) -> torch.Tensor:
        """Gradient of every example's ``f(theta, x, y)``.  -> (n, p)."""
        of_one = (self.gradient(_at(f, x, label)) for x, label in zip(X, y, strict=True))
        return torch.stack([gradient(theta).detach() for gradient in of_one])


class ForwardSingly(Singly, Forward):
    """Forward mode, and the gradients of examples one by one."""

    name: ClassVar[str] = "forward, examples one by one"


class ReverseSingly(Singly, Reverse):
    """Reverse mode only, and the gradients of examples one by one."""

    name: ClassVar[str] = "reverse, examples one by one"


class OneByOne(Singly, Reverse):
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
        """Apply a linear map to each column of a block.  (p, k) -> (q, k)."""
        columns = [product(v) for v in block.T] or [product(block.new_zeros(len(block)))]
        return torch.stack(columns, dim=1)[:, : block.shape[1]]

    def calmly(self) -> AbstractContextManager[None]:
        """Where to compute: without cuDNN, whose recurrent layers have no second derivative."""
        return calm(cudnn=False)


def _at(f: Callable, x: Any, y: Any) -> Map:
    """The function of theta alone, at one example."""
    return lambda theta: f(theta, x, y)


def _leaf(a: torch.Tensor) -> torch.Tensor:
    """The same numbers, from which a derivative is taken."""
    return a.detach().clone().requires_grad_()


def _pulled(
    value: torch.Tensor, theta: torch.Tensor, u: Any = None, **options: bool
) -> torch.Tensor:
    """Jᵀ u, and 0 for what does not depend on theta."""
    if not value.requires_grad:
        return torch.zeros_like(theta)
    (pulled,) = torch.autograd.grad(value, theta, u, allow_unused=True, **options)
    return torch.zeros_like(theta) if pulled is None else pulled


RULES = Forward(), ForwardSingly(), Reverse(), ReverseSingly(), OneByOne()  # the fastest first


# Finding it ---------------------------------------------------------------------------------------

STEPS = {torch.float64: (1e-6, 1e-7), torch.float32: (1e-2, 2e-3)}  # of finite differences
CLOSE = {torch.float64: 1e-4, torch.float32: 5e-2}  # a wrong rule is off by more
PLAIN = OneByOne()  # its gradients are those of a training loop


@dataclass(frozen=True)
class Trial:
    """Losses of one or two examples, and points at which to differentiate them.

    Attributes
    ----------
    losses : callable ``(theta, X, y) -> (n,)``
    points : list of tensors (p,)
        Tried in turn, until one shows a second derivative.
    X, y : tensors
    """

    losses: Callable
    points: list[torch.Tensor]
    X: torch.Tensor
    y: torch.Tensor

    def find(self, where: Callable[[], str] = str) -> Rule:
        """The first rule that can do all that is asked of it, and agrees with plain gradients.

        Parameters
        ----------
        where : callable ``() -> str``
            Names what is to blame if there is none.

        Raises
        ------
        ValueError
            If torch has no second derivative of the losses, or a wrong one.
        """
        trouble = ""
        for rule in RULES:
            try:
                with rule.calmly():
                    trouble = self.trouble(rule)
            except Exception as error:
                trouble = f"torch has none for them ({first_line(error)})"
            if not trouble:
                return rule
        blamed = where() or "the layer, or the loss, that lacks it"
        raise ValueError(
            f"Influence needs the second derivative of the losses, and {trouble}: put "
            f"something else in the place of {blamed}."
        )

    def trouble(self, rule: Rule) -> str:
        """What is wrong with a rule; nothing if it can be used."""
        rounding = max((_rounding(G) for _, G in self._plain), default=0.0)
        for theta, G in self._plain:
            V = _directions(theta)
            grads = rule.each(self._of_one, theta, self.X, self.y)
            dots = rule.columns(rule.along(self._losses, theta), V)
            products = rule.columns(rule.transposed(rule.gradient(self._total), theta)[1], V)
            if not (_close(grads, G, rounding) and _close(dots, G @ V, rounding * V.norm())):
                return f"even the first one has two values ({rule.name} or one by one)"
            noise = _rounding(G) / STEPS[theta.dtype][1]
            moved = self._differences(theta, V[:, 0], noise)
            if moved is None or max(moved.norm(), products[:, 0].norm()) <= rounding:
                continue  # a kink, or nothing to see
            if _close(products[:, 0], moved, noise):
                return ""
            off = (products[:, 0] - moved).norm() / moved.norm()
            return f"that of torch differs from finite differences of gradients by {off:.0%}"
        return ""

    @cached_property
    def _plain(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Where gradients are finite, and what they are there by a training loop."""
        pairs = [(theta, PLAIN.each(self._of_one, theta, self.X, self.y)) for theta in self.points]
        return [(theta, G) for theta, G in pairs if G.isfinite().all()]

    def _losses(self, theta: torch.Tensor) -> torch.Tensor:
        return self.losses(theta, self.X, self.y)

    def _total(self, theta: torch.Tensor) -> torch.Tensor:
        return self._losses(theta).sum()

    def _of_one(self, theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.losses(theta, x[None], y[None])[0]

    def _differences(self, theta: Any, v: Any, noise: float) -> Any:
        """H v by finite differences of gradients; None where two steps do not agree."""
        gradient = PLAIN.gradient(self._total)
        wide, narrow = (
            ((gradient(theta + h * v) - gradient(theta - h * v)) / (2 * h)).detach()
            for h in STEPS[theta.dtype]
        )
        return narrow if _close(wide, narrow, noise) else None


def _directions(theta: torch.Tensor) -> torch.Tensor:
    """Two random vectors, always the same.  (p,) -> (p, 2)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(len(theta), 2, generator=generator, dtype=torch.float64).to(theta)


def _rounding(gradients: torch.Tensor) -> float:
    """What may be wrong with gradients, or results of their size."""
    return 100 * torch.finfo(gradients.dtype).eps * float(gradients.norm())


def _close(a: torch.Tensor, b: torch.Tensor, noise: float = 0.0) -> bool:
    """Whether two results are the same but for rounding, and finite."""
    return bool((a - b).norm() <= CLOSE[b.dtype] * b.norm() + noise + torch.finfo(b.dtype).tiny)


# Where to compute ---------------------------------------------------------------------------------


@contextmanager
def calm(cudnn: bool = True) -> Iterator[None]:
    """Attention by plain operations, which have all derivatives, and no warnings of torch's.

    The reader's settings come back afterwards.
    """
    mha, cuda, kernels = torch.backends.mha, torch.backends.cuda, torch.backends.cudnn
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.callback(mha.set_fastpath_enabled, mha.get_fastpath_enabled())
        mha.set_fastpath_enabled(False)
        for kind in ("flash", "mem_efficient", "cudnn", "math"):
            switch = getattr(cuda, f"enable_{kind}_sdp", None)
            if switch:  # not every version of torch has all
                stack.callback(switch, getattr(cuda, f"{kind}_sdp_enabled")())
                switch(kind == "math")
        stack.callback(setattr, kernels, "enabled", kernels.enabled)
        kernels.enabled = kernels.enabled and cudnn
        yield


def first_line(error: Exception) -> str:
    """What torch says first, for a sentence."""
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
