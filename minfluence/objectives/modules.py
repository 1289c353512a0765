"""The losses of a torch module: its trainable parameters as one theta, its inputs as one array."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from minfluence.objectives.layout import PLAIN, Layout
from minfluence.objectives.rules import Trial, calm
from minfluence.objectives.tensors import PRECISIONS, tensor

REMEMBER = nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd


@dataclass(frozen=True)
class ModuleLosses:
    """Per-example losses of a module whose trainable parameters come as one flat theta.

    Attributes
    ----------
    module : torch.nn.Module
    loss : callable ``(outputs, y) -> (n,)``
    layout : Layout
        What the module is called with, out of a row of X.
    """

    module: nn.Module
    loss: Callable
    layout: Layout = PLAIN

    @classmethod
    def of(
        cls, module: nn.Module, loss: Callable, layout: Layout, device: Any, dtype: np.dtype
    ) -> Self:
        """Losses of a copy of the module; what no theta can be made of is refused."""
        if isinstance(module, torch.jit.ScriptModule):
            raise ValueError(
                "A module of torch.jit keeps its parameters to itself: pass the module from which "
                "it was made."
            )
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
        losses = cls(_copied(module).to(device, PRECISIONS[dtype]), loss, layout)
        if not losses.parameters(module):
            raise ValueError(
                "No parameter of the module requires a gradient: leave requires_grad on for those "
                "that theta shall hold."
            )
        return losses

    def __call__(self, theta: Any, X: Any, y: Any) -> Any:
        """Loss of every example.  (p,), (n, ...), (n,) -> (n,)."""
        return self.value(self.scores(theta, X), y)

    def scores(self, theta: Any, X: Any) -> Any:
        """Outputs of the module.  (p,), (n, ...) -> (n, ...), or whatever it returns."""
        return functional_call(self.module, self.named(theta), *self.layout.unpack(X))

    def value(self, scores: Any, y: Any) -> Any:
        """Loss of every example, given the outputs.  (n, ...), (n,) -> (n,)."""
        return self.loss(scores, y)

    def parameters(self, module: nn.Module) -> dict[str, nn.Parameter]:
        """The parameters that theta holds, by name."""
        return {name: t for name, t in module.named_parameters() if t.requires_grad}

    def flat(self, module: nn.Module) -> torch.Tensor:
        """Theta of a module, in double precision.  -> (p,)."""
        parts = [t.detach().cpu().double().ravel() for t in self.parameters(module).values()]
        return torch.cat(parts)

    def named(self, theta: torch.Tensor) -> dict[str, torch.Tensor]:
        """Theta cut into parameters.  (p,) -> dict of tensors."""
        shapes = {name: t.shape for name, t in self.parameters(self.module).items()}
        pieces = theta.split([shape.numel() for shape in shapes.values()])
        return {
            name: piece.reshape(shapes[name]) for name, piece in zip(shapes, pieces, strict=True)
        }

    def double(self) -> Self:
        """The same in double precision."""
        return replace(self, module=copy.deepcopy(self.module).double())

    def lacking(self, X: torch.Tensor) -> str:
        """The first layer without second derivatives, by its kind and name; "" if none is."""
        parts: list[Part] = []
        args, named = self.layout.unpack(X)

        def seen(name: str) -> Callable:
            def keep(layer: nn.Module, args: tuple[Any, ...], out: Any) -> None:
                if _is_float(out):
                    parts.append(Part(name, layer, args))

            return keep

        leaves = [(n, part) for n, part in self.module.named_modules() if not list(part.children())]
        hooks = [part.register_forward_hook(seen(name)) for name, part in leaves]
        try:
            with torch.no_grad(), calm():
                self.module(*args, **named)
        finally:
            for hook in hooks:
                hook.remove()
        found = (part for part in parts if part.lacks_derivatives())
        return next((f"the {type(p.layer).__name__} {p.name!r}" for p in found), "")

    def suited(self, X: np.ndarray) -> Self:
        """These losses, with whole numbers given as such where the module does not take floats.

        Decided on a few examples.  (n, ...) -> losses.
        """
        choices = [type(self)(self.module, self.loss, layout) for layout in self.layout.others()]
        best, one = choices[0], next(iter(self.parameters(self.module).values()))
        for losses in choices if len(choices) > 1 else ():
            try:
                with torch.no_grad(), calm():
                    losses.scores(self.flat(self.module).to(one), tensor(X, one.device))
                return losses
            except IndexError:  # the right kind, but out of range
                best = losses
            except Exception:
                continue
        return best


@dataclass(frozen=True)
class Part:
    """One layer of a module, and what it was called with."""

    name: str
    layer: nn.Module
    args: tuple[Any, ...]

    def lacks_derivatives(self) -> bool:
        """Whether torch has no second derivative of what it returns, or a wrong one."""
        named = dict(self.layer.named_parameters())
        named |= {str(k): a for k, a in enumerate(self.args) if _is_float(a)}
        if not named:
            return False
        shapes = [a.shape for a in named.values()]
        theta = torch.cat([a.detach().ravel() for a in named.values()])

        def one_number(theta: torch.Tensor, X: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            pieces = theta.split([shape.numel() for shape in shapes])
            given = {k: a.reshape(s) for k, a, s in zip(named, pieces, shapes, strict=True)}
            args = tuple(given.pop(str(k), a) for k, a in enumerate(self.args))
            out = functional_call(self.layer, given, args)
            return (
                torch.sin(torch.arange(out.numel()).to(out)) @ out.ravel() * torch.ones(1).to(out)
            )

        try:
            Trial(one_number, [theta], theta.new_zeros(1, 1), theta.new_zeros(1)).find()
        except ValueError:
            return True
        return False


def _is_float(a: Any) -> bool:
    return isinstance(a, torch.Tensor) and a.is_floating_point()


def _copied(module: nn.Module) -> nn.Module:
    """A module of our own, which later changes of the reader's do not reach."""
    if any(isinstance(t, nn.parameter.UninitializedTensorMixin) for t in module.parameters()):
        raise ValueError(
            "The module has lazy layers without shapes: call it once, on a few examples, before it "
            "is passed here."
        )
    try:
        return copy.deepcopy(module)
    except Exception as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"The module cannot be copied ({said}): make it anew and load its state dict, and "
            "use torch.nn.utils.parametrizations in the place of the older weight_norm."
        ) from error
