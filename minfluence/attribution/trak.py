"""TRAK: linearise the network, project its gradients at random, solve a logistic regression."""

from collections.abc import Sequence

import numpy as np

from minfluence import seam, validate


def trak(
    objective: seam.Objective,
    thetas: Sequence[np.ndarray],
    X_test: np.ndarray,
    y_test: np.ndarray,
    *,
    width: int,
    damping: float = 0.0,
    rng: np.random.Generator | int | None = None,
) -> np.ndarray:
    """Score by TRAK, averaged over several trained models.

    For a classifier, ``L = log(1 + exp(-f))`` with the log-odds f of the right class, so with
    ``q = 1 - exp(-L)``, the probability of all others, ``∇L = -q ∇f``. The model is replaced by
    logistic regression on the features ``φ = Pᵀ ∇f``, P random of shape (p, width), with influence

        up_loss  =  -q_test φ_testᵀ (1/n Σ φ_i φ_iᵀ + damping I)⁻¹ φ_i q_i

    except that TRAK leaves out the weights q (1 - q) of the Hessian of logistic regression.

    Parameters
    ----------
    objective : an objective
        Of a loss that is minus the log of a probability.
    thetas : sequence of arrays, shape (p,)
        Independently trained models.
    X_test : array, shape (m, ...)
    y_test : array, shape (m,)
    width : int
        Columns of P; unless damped, fewer than n and no more than the gradients have directions.
    damping : float
    rng : numpy.random.Generator or seed, optional
        Draws P, one for each model; a fixed seed by default.

    Returns
    -------
    array, shape (m, n)

    Notes
    -----
    Cost: n + m for each model, and its training. Gradients need only be stored as their `width`
    projections.

    References
    ----------
    Park, Georgiev, Ilyas, Leclerc & Madry (2023).
    """
    rng, damping = validate.generator(rng), validate.number("damping", damping)
    n, width = objective.n, validate.count("width", width)
    kernels, slopes, test_slopes = [], [], []
    if damping == 0 and width >= n:
        raise ValueError(f"width must be smaller than n = {n} without damping, got {width}.")
    X, y = objective.examples(np.arange(n))
    X_test, y_test = objective.check_examples(X_test, y_test)
    models = [validate.theta(theta, objective.p) for theta in thetas]
    validate.count("The number of trained models in thetas", len(models))
    for theta in models:
        _check_probability(objective, theta)
        P = rng.standard_normal((theta.size, width)) / np.sqrt(width)
        phi, q = _features(objective, theta, P, X, y)
        phi_test, q_test = _features(objective, theta, P, X_test, y_test)
        C = phi.T @ phi / n + damping * np.eye(width)
        _check_rank(C, np.finfo(objective.dtype).eps)
        kernels.append(phi_test @ np.linalg.solve(C, phi.T))
        slopes.append(q)
        test_slopes.append(q_test)
    q, q_test = np.mean(slopes, axis=0), np.mean(test_slopes, axis=0)
    return -q_test[:, None] * np.mean(kernels, axis=0) * q


def _features(
    objective: seam.Objective, theta: np.ndarray, P: np.ndarray, X: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Projected gradients of the log-odds, and the probability of all other classes."""
    q = -np.expm1(-objective.test_losses(theta, X, y))
    sure = q < np.sqrt(np.finfo(q.dtype).eps)  # there q is lost to rounding, or 0
    gradients = -objective.test_grads(theta, X, y) / np.where(sure, 1.0, q)[:, None]
    if sure.any():
        gradients[sure], q[sure] = _log_odds(objective, theta, X[sure], y[sure])
    return gradients @ P, q


def _log_odds(
    objective: seam.Objective, theta: np.ndarray, X: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``∇f = Σ π_c ∇L_c - ∇L`` and ``q = Σ exp(-L_c)``, over all other labels c.

    Their losses L_c are large where q is small, so nothing cancels; the shares π_c are exp(-L_c)/q.
    """
    labels = _labels(objective)
    given = [(X, np.full(np.shape(X)[0], label)) for label in labels]
    log_p = -np.stack([objective.test_losses(theta, *examples) for examples in given])
    log_p[labels[:, None] == y] = -np.inf
    log_q = np.logaddexp.reduce(log_p, axis=0)
    gradients = -objective.test_grads(theta, X, y)
    for share, examples in zip(np.exp(log_p - log_q), given, strict=True):
        gradients += share[:, None] * objective.test_grads(theta, *examples)
    return gradients, np.exp(log_q)


def _labels(objective: seam.Objective) -> np.ndarray:
    return np.unique(objective.examples(np.arange(objective.n))[1])


def _check_probability(objective: seam.Objective, theta: np.ndarray) -> None:
    """Refuse a loss that is not minus the log of a probability: ten examples tell."""
    X, _ = objective.examples(np.arange(min(10, objective.n)))
    losses = [
        objective.test_losses(theta, X, np.full(np.shape(X)[0], label))
        for label in _labels(objective)
    ]
    totals = np.exp(-np.stack(losses)).sum(axis=0)
    worst = totals[np.argmax(abs(totals - 1))]
    if not abs(worst - 1) <= 100 * np.sqrt(np.finfo(objective.dtype).eps):
        raise ValueError(
            "TRAK needs losses that are minus the log of a probability, so that exp(-loss) adds up "
            f"to 1 over the labels that occur in training, got {worst:.3g}: use a logistic or "
            "softmax loss, with every class among the training labels."
        )


def _check_rank(C: np.ndarray, eps: float) -> None:
    values = np.linalg.eigvalsh(C)
    if values[0] <= len(C) * eps * values[-1]:
        raise ValueError(
            f"The projected gradients span fewer than width = {len(C)} directions: choose a "
            "smaller width, at most the number of parameters, or damping greater than 0."
        )
