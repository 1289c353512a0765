"""What losses, an objective and a solver must have: the seam along which all parts meet.

Solvers, influence and refits are written once against these protocols, and whatever has their
members will do: nothing has to be registered or inherited.  `Losses`, `Objective`, `Operator` and
`Solver` are required.  The others are optional: losses with scores also have a Gauss-Newton matrix,
an objective whose examples can be replaced can be attacked, and so on.

Throughout, n is the number of training examples, p of parameters, d of features, c of scores, k of
columns or of chosen examples, m of test points.  One conformance test, ``tests/test_seam.py``,
holds every objective against this file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy import ndarray

# Losses: the model --------------------------------------------------------------------------------


@runtime_checkable
class Losses(Protocol):
    """The loss of every example; row i depends on example i alone."""

    def __call__(self, theta: ndarray, X: ndarray, y: ndarray) -> ndarray:
        """(p,), (n, ...), (n,) -> (n,)."""


@runtime_checkable
class SizedLosses(Losses, Protocol):
    """Losses that know the length of theta."""

    def n_parameters(self, n_features: int) -> int:
        """p, for inputs of so many features; inputs that do not fit are refused."""


@runtime_checkable
class CheckedLosses(Losses, Protocol):
    """Losses that look at labels before they compute with them."""

    def check_labels(self, y: ndarray, training: bool) -> None:
        """Raise a ValueError with one sentence for labels (n,) that will not do."""


@runtime_checkable
class ScoredLosses(Losses, Protocol):
    """Losses that say where the scores end and the loss begins: for Gauss-Newton."""

    def scores(self, theta: ndarray, X: ndarray) -> ndarray:
        """(p,), (n, ...) -> (n, c)."""

    def value(self, S: ndarray, y: ndarray) -> ndarray:
        """Losses, given the scores.  (n, c), (n,) -> (n,)."""


@runtime_checkable
class LinearLosses(ScoredLosses, SizedLosses, CheckedLosses, Protocol):
    """Losses of the scores ``X @ Theta`` that know their derivatives in them."""

    @property
    def n_outputs(self) -> int:
        """Scores per example, c."""

    @property
    def shift_invariant(self) -> bool:
        """Whether a constant added to all scores of an example changes nothing."""

    def slope(self, S: ndarray, y: ndarray) -> ndarray:
        """Gradient in the scores.  (n, c, ...), (n,) -> (n, c, ...)."""

    def curvature(self, S: ndarray, y: ndarray) -> ndarray:
        """What the Hessian D_i in the scores depends on.  (n, c), (n,) -> (n, c)."""

    def times(self, Q: ndarray, T: ndarray) -> ndarray:
        """D_i T_i for every i, given the curvature.  (n, c), (n, c, k) -> (n, c, k)."""


@runtime_checkable
class LayeredLosses(ScoredLosses, Protocol):
    """Losses of a network that shows what its layers see: for K-FAC and representer points."""

    def inputs(self, theta: ndarray, X: ndarray) -> list[ndarray]:
        """What each layer sees, a 1 for the intercept at the end.  -> list of (n, in + 1)."""

    def by_label(self, theta: ndarray, X: ndarray) -> list[tuple[ndarray, ndarray]]:
        """Inputs and output gradients by layer, for each label.  -> (n, in + 1), (c, n, out)."""


# Objective: the risk of a training set, and its derivatives ---------------------------------------


class Objective(Protocol):
    """R(theta) = sum_i weights[i] (loss_i(theta) + penalty), KL section 2, and what follows."""

    @property
    def losses(self) -> Any:
        """The model."""

    @property
    def p(self) -> int | None:
        """Number of parameters; None where only theta tells."""

    @property
    def l2(self) -> Any:
        """Strength of the penalty ``l2/2 theta @ theta``, a number or one for each parameter."""

    @property
    def fold_l2(self) -> bool:
        """Whether each example's loss carries its share of the penalty."""

    @property
    def weights(self) -> ndarray:
        """Weight of each example in the risk, (n,): 1/n unless changed."""

    @property
    def n(self) -> int:
        """Number of training examples."""

    @property
    def dtype(self) -> np.dtype:
        """float64 or float32, of theta and of every result."""

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Shape of one input."""

    def examples(self, indices: ndarray) -> tuple[ndarray, ndarray]:
        """Inputs (k, ...) and labels (k,) of some examples, which may be named more than once."""

    def inputs(self, X: Any) -> Any:
        """Inputs of one example (...) or of several (m, ...) as one array, or a ValueError."""

    def check_examples(self, X: Any, y: Any) -> tuple[ndarray, ndarray]:
        """More examples as arrays that fit these, or a ValueError with one sentence."""

    # Other weights, other examples: each a new objective; this one stays as it is

    def reweighted(self, weights: ndarray) -> "Objective":
        """The same examples with other weights (n,)."""

    def upweighted(self, i: Any, eps: float) -> "Objective":
        """Add `eps` to the weight of one example, or of each of several."""

    def without(self, indices: Any) -> "Objective":
        """Leave out some examples; the others keep their weight."""

    def subset(self, indices: Any) -> "Objective":
        """Only these examples, with weights that keep the risk a mean."""

    def on(self, X: Any, y: Any) -> "Objective":
        """The same model and penalty on other examples, with equal weights."""

    # Derivatives of the risk

    def risk(self, theta: ndarray) -> float:
        """R(theta), penalty included.  (p,) -> scalar."""

    def grad(self, theta: ndarray) -> ndarray:
        """Gradient of the risk.  (p,) -> (p,)."""

    def grads(self, thetas: ndarray, weights: ndarray) -> ndarray:
        """Gradients at many thetas, each for its own weights.  (p, k), (n, k) -> (p, k)."""

    def hvp_at(self, theta: ndarray) -> Callable[[ndarray], ndarray]:
        """The map V -> H V at theta; V is (p,) or (p, k).  What theta alone decides, done once."""

    def hvp(self, theta: ndarray, V: ndarray) -> ndarray:
        """``hvp_at(theta)(V)``."""

    def hessian(self, theta: ndarray) -> ndarray:
        """H itself.  (p,) -> (p, p)."""

    def gnvp_at(self, theta: ndarray) -> Callable[[ndarray], ndarray]:
        """As `hvp_at`, with the Gauss-Newton matrix, which is never indefinite."""

    def gnvp(self, theta: ndarray, V: ndarray) -> ndarray:
        """``gnvp_at(theta)(V)``."""

    def gauss_newton(self, theta: ndarray) -> ndarray:
        """The Gauss-Newton matrix itself.  (p,) -> (p, p)."""

    # Derivatives of one example's loss

    def example_dots(self, theta: ndarray, V: ndarray) -> ndarray:
        """grad L(z_i) . v for every i at once.  (p,), (p,) or (p, k) -> (n,) or (n, k)."""

    def example_grads(self, theta: ndarray, indices: Any) -> ndarray:
        """Gradients of some training examples' losses, penalty included.  -> (k, p)."""

    def input_grads(self, theta: ndarray, v: ndarray, indices: Any) -> ndarray:
        """d/dx of grad L(z_i) . v.  (p,), (p,), (k,) -> (k, ...)."""

    def test_losses(self, theta: ndarray, X_test: Any, y_test: Any) -> ndarray:
        """Losses of test points, without penalty.  -> (m,)."""

    def test_grads(self, theta: ndarray, X_test: Any, y_test: Any) -> ndarray:
        """Their gradients.  -> (m, p)."""

    # How best to solve with H

    @property
    def hvp_flops(self) -> float:
        """Operations of one product with H; 0 where they are not counted."""

    @property
    def hessian_flops(self) -> float:
        """Operations of the whole H; inf where they are not counted."""

    @property
    def gauss_newton_flops(self) -> float:
        """The same for the Gauss-Newton matrix."""

    @property
    def rank(self) -> float:
        """How many eigenvalues of H can differ from the penalty; inf where that is not known."""

    def preconditioner(
        self, theta: ndarray, damping: float = 0.0, budget: float = np.inf
    ) -> "Operator | None":
        """Something close to the inverse of ``H + damping I``, for so many operations, or None."""

    def to_native(self, V: ndarray) -> Any:
        """An array in the form in which this objective computes, such as a tensor on a device."""

    def to_numpy(self, V: Any) -> ndarray:
        """The way back from `to_native`."""


@runtime_checkable
class ChangeableObjective(Protocol):
    """An objective whose examples are in memory, and can be replaced."""

    @property
    def X(self) -> ndarray:
        """Inputs, (n, ...)."""

    @property
    def y(self) -> ndarray:
        """Labels, (n,)."""

    def replaced(self, indices: Any, X_new: Any, y_new: Any) -> Objective:
        """Other examples in the place of these, with their weights."""

    def perturbed(self, i: Any, x: Any, y: Any) -> Objective:
        """Another example in the place of one."""

    def extended(self, X_new: Any, y_new: Any) -> Objective:
        """The same risk, with new examples that wait at the end with weight zero."""


@runtime_checkable
class FactoredObjective(Protocol):
    """An objective whose Hessian is close to a Kronecker product."""

    def curvature_factors(self, theta: ndarray) -> tuple[ndarray, ndarray]:
        """Sums over examples, so those of parts may be added.  -> (d, d), (c, c)."""


# Solver: H⁻¹ --------------------------------------------------------------------------------------


class Operator(Protocol):
    """A symmetric matrix, known by its products: a `Hessian`, or an ndarray."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(p, p)."""

    def __matmul__(self, V: Any, /) -> Any:
        """(p,) or (p, k) -> like V."""


@runtime_checkable
class SampledOperator(Protocol):
    """A mean over n examples that can be seen through a few of them: for `lissa`."""

    @property
    def n(self) -> int:
        """Examples to choose from."""

    def sample(self, indices: ndarray) -> Operator:
        """Unbiased estimate from some examples.  (b,) -> an operator."""


@dataclass(frozen=True)
class Solution:
    """What a solver returns: a solution and its certificate.

    Attributes
    ----------
    x : array, shape (p,) or (p, k)
    converged : bool, or array of bool, shape (k,)
    steps : int, or array of int, shape (k,)
        Products with `A` that the solution of each right-hand side took.
    residual : float, or array, shape (k,)
        ``||b - A x|| / ||b||``, computed from the final `x`; NaN never, 0 for ``b = 0``.
    """

    x: Any
    converged: Any
    steps: Any
    residual: Any


class Solver(Protocol):
    """Solve ``A x = b`` for one right-hand side (p,) or a block (p, k), touching only ``A @ v``."""

    def __call__(self, A: Any, b: Any, /) -> Solution:
        """Compute `x` in the form of `b`, and its residual afresh from `x`."""
