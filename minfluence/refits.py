"""The ground truth: change the training set, fit again, compare with the prediction.

Every change is a change of weights: leaving example i out sets its weight to zero. The refitted
parameters differ little from theta_hat, and so do their Hessians. So all refits advance together
as one block of parameter vectors by chord Newton steps,

    theta_k  <-  theta_k - H(theta_hat)⁻¹ ∇R_k(theta_k),

which share one factorised Hessian. (The first step alone is the prediction by influence!)
Each refit is finished only when its *own* gradient vanishes.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from numpy import ndarray
from tqdm.auto import tqdm

from minfluence import validate
from minfluence.fit import fit
from minfluence.hessian import Hessian
from minfluence.inverse import Inverse, can_be_written_out
from minfluence.memory import SCRATCH_BYTES, blocks, rows_in
from minfluence.minimum import in_natural_units, runs_away, tolerances
from minfluence.seam import Objective
from minfluence.solvers import NotConverged


@dataclass(frozen=True)
class Refits:
    """Refitted parameters, one row for each change of the training set, with certificates.

    Attributes
    ----------
    thetas : array, shape (k, p)
    grad_norm : array, shape (k,)
        Length of each refit's own gradient.
    steps : array of int, shape (k,)
    converged : array of bool, shape (k,)
    """

    thetas: ndarray
    grad_norm: ndarray
    steps: ndarray
    converged: ndarray


def refit_without(
    objective: Objective,
    theta_hat: ndarray,
    groups: Sequence,
    *,
    gtol: float | None = None,
    progress: bool = True,
) -> Refits:
    """Leave out each group of training examples in turn, and fit again.

    Parameters
    ----------
    objective : an objective
    theta_hat : array, shape (p,)
        Minimiser on all examples; every refit starts here.
    groups : sequence of ints, or of sequences of ints
        What to leave out: one example, or several together, for each refit.
    gtol : float, optional
        Each refit is done when its own gradient is shorter. By default it must be short beside
        one example's push, and beside what cancels in it: see `minfluence.fit`.
    progress : bool
        Show a tqdm bar.

    Returns
    -------
    Refits

    Warns
    -----
    NotConverged
        When some refit did not reach `gtol`.
    """
    if np.isscalar(groups):
        raise ValueError(
            f"groups must be a sequence, got {groups!r}: [3] leaves out example 3, [[3, 5]] leaves "
            "out examples 3 and 5 together."
        )
    groups = list(groups)
    if not groups:
        raise ValueError("groups is empty: name at least one example to leave out.")

    def weights(part: slice) -> ndarray:
        return np.stack([objective.without(group).weights for group in groups[part]], axis=1)

    return _refit(objective, theta_hat, weights, len(groups), gtol, progress)


def refit_weighted(
    objective: Objective,
    theta_hat: ndarray,
    weights: ndarray,
    *,
    gtol: float | None = None,
    progress: bool = True,
) -> Refits:
    """Fit again with other weights of the examples: the general form of `refit_without`.

    Parameters
    ----------
    objective, theta_hat, gtol, progress
        As in `refit_without`.
    weights : array, shape (n, k)
        One column of weights for each refit.

    Returns
    -------
    Refits
    """
    W = validate.weight_columns(weights, objective.n)
    return _refit(objective, theta_hat, lambda part: W[:, part], W.shape[1], gtol, progress)


def refit_perturbed(
    objective: Objective,
    theta_hat: ndarray,
    indices: Sequence[int],
    X_new: ndarray,
    y_new: ndarray,
    *,
    gtol: float | None = None,
    progress: bool = True,
) -> Refits:
    """Replace each example in turn by a changed one, and fit again.

    This too is a change of weights: the changed examples join with weight zero, and in each refit
    one of them takes over the weight of the example that it replaces.

    Parameters
    ----------
    objective, theta_hat, gtol, progress
        As in `refit_without`.
    indices : sequence of k ints
        Which example is replaced; one may be named several times, for several changes of it.
    X_new : array, shape (k, ...)
    y_new : array, shape (k,)
        What replaces it.

    Returns
    -------
    Refits
    """
    positions = validate.replacements(indices, objective.n, objective.inputs(X_new))
    both, n = validate.changeable(objective).extended(X_new, y_new), objective.n

    def weights(part: slice) -> ndarray:
        old, new = positions[part], n + np.arange(len(positions))[part]
        W = np.repeat(both.weights[:, None], len(old), axis=1)
        columns = np.arange(len(old))
        W[new, columns], W[old, columns] = objective.weights[old], 0.0
        return W

    return _refit(both, theta_hat, weights, len(positions), gtol, progress)


def _refit(
    objective: Objective,
    theta_hat: ndarray,
    weights: Callable[[slice], ndarray],
    k: int,
    gtol: float | None,
    progress: bool,
) -> Refits:
    """Take k refits, as many at a time as fit in memory; ``weights(part)`` makes their columns."""
    given = None if gtol is None else validate.positive("gtol", gtol)
    theta_hat = validate.theta(theta_hat, objective.p)
    objective, units = in_natural_units(objective, given)
    theta_hat = theta_hat / units
    aim, enough = tolerances(objective, theta_hat, given)
    solver = "direct" if can_be_written_out(objective, theta_hat.size) else "auto"
    inverse = Inverse(Hessian(objective, theta_hat), solver)
    columns = rows_in(SCRATCH_BYTES, 8 * (objective.n + theta_hat.size))
    parts = []
    with tqdm(total=k, desc="refits", disable=not progress) as bar:
        for part in blocks(k, columns):
            W = weights(part)
            thetas, grad_norm, steps = _chord_steps(objective, theta_hat, W, inverse, aim)
            done = grad_norm <= enough
            bar.update(int(done.sum()))
            for j in np.flatnonzero(~done):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", NotConverged)  # told once, for all together
                    changed = objective.reweighted(W[:, j])
                    finished = fit(changed, theta_hat, gtol=given)
                thetas[j], grad_norm[j] = finished.theta, finished.grad_norm
                steps[j] += finished.steps
                done[j] = finished.grad_norm <= enough and not runs_away(changed, thetas[j])
                bar.update(1)
            parts.append(Refits(thetas, grad_norm, steps, done))
    thetas, grad_norm, steps, converged = (
        np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Refits)
    )
    if not converged.all():
        warnings.warn(
            f"{np.sum(~converged)} of {k} refits stopped before their minimum, with a gradient "
            f"norm of up to {grad_norm[~converged].max():.1e} (asked: {enough:.0e}): raise l2, or "
            "compare without them.",
            NotConverged,
            stacklevel=3,
        )
    return Refits(thetas * units, grad_norm, steps, converged)


def _chord_steps(
    objective: Objective, theta_hat: ndarray, weights: ndarray, inverse: Inverse, aim: float
) -> tuple[ndarray, ndarray, ndarray]:
    """Chord Newton for a block; a column that does not shrink fast enough is left where it is.

    In double precision, whatever the examples have: in single precision one example of a hundred
    thousand is no more than rounding.  -> thetas (k, p), gradient norms (k,), steps (k,)
    """
    k = weights.shape[1]
    thetas = np.repeat(theta_hat[:, None].astype(float), k, axis=1)
    grad_norm, steps = np.full(k, np.inf), np.zeros(k, dtype=int)
    live, aims, base = np.arange(k), np.full(k, aim), np.linalg.norm(objective.grad(theta_hat))
    while live.size:
        G = objective.grads(thetas[:, live], weights[:, live])
        norm = np.linalg.norm(G, axis=0)
        if not steps.any():  # leaving out an example that hardly pushes has to be resolved too
            aims = np.minimum(aim, np.maximum(1e-2 * norm, 100 * base))
        going = (norm > aims[live]) & (norm < 0.5 * grad_norm[live])
        grad_norm[live] = norm
        live = live[going]
        if live.size:
            thetas[:, live] -= inverse(G[:, going]).x
            steps[live] += 1
    return thetas.T, grad_norm, steps


def actual_change(
    objective: Objective,
    theta_hat: ndarray,
    groups: Sequence,
    X_test: ndarray,
    y_test: ndarray,
    *,
    gtol: float | None = None,
    progress: bool = True,
) -> ndarray:
    """Retrained minus original: the change in test loss when training examples are left out.

    Parameters
    ----------
    objective : an objective
    theta_hat : array, shape (p,)
    groups : sequence of k ints, or of sequences of ints
        What to leave out for each of k refits.
    X_test : array, shape (m, ...)
    y_test : array, shape (m,)
    gtol : float, optional
        Tolerance on each refit's own gradient norm.
    progress : bool
        Show a tqdm bar.

    Returns
    -------
    array, shape (m, k)
        Test loss after the refit minus before: positive means that the examples were helpful.
    """
    refit = partial(refit_without, objective, theta_hat, groups, gtol=gtol, progress=progress)
    return _changes(objective, theta_hat, refit, X_test, y_test)


def actual_perturbed_change(
    objective: Objective,
    theta_hat: ndarray,
    indices: Sequence[int],
    X_new: ndarray,
    y_new: ndarray,
    X_test: ndarray,
    y_test: ndarray,
    *,
    gtol: float | None = None,
    progress: bool = True,
) -> ndarray:
    """Retrained minus original: the change in test loss when examples are replaced, one at a time.

    Parameters
    ----------
    objective, theta_hat, indices, X_new, y_new, gtol, progress
        As in `refit_perturbed`.
    X_test : array, shape (m, ...)
    y_test : array, shape (m,)

    Returns
    -------
    array, shape (m, k)
        Compare with `minfluence.Influence.predicted_perturbed_change`.
    """
    changes = indices, X_new, y_new
    refit = partial(refit_perturbed, objective, theta_hat, *changes, gtol=gtol, progress=progress)
    return _changes(objective, theta_hat, refit, X_test, y_test)


def _changes(
    objective: Objective,
    theta_hat: ndarray,
    refit: Callable[[], Refits],
    X_test: ndarray,
    y_test: ndarray,
) -> ndarray:
    """Test losses after each refit minus before, which also checks the test points.  -> (m, k)."""
    before = objective.test_losses(theta_hat, X_test, y_test)
    after = [objective.test_losses(theta, X_test, y_test) for theta in refit().thetas]
    return np.stack(after, axis=1) - before[:, None]
