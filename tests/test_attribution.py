"""Methods after influence functions: what each is in theory, and independent implementations."""

from functools import partial

import autograd.numpy as anp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import make_examples, make_problem
from scipy.linalg import block_diag
from scipy.sparse.linalg import eigsh
from scipy.special import expit

import minfluence as mi
from minfluence.attribution import (
    MLP,
    arnoldi,
    ekfac,
    gradient_dot,
    kfac,
    loss_relatif,
    representer,
    representer_values,
    theta_relatif,
    tracin,
    train,
    trak,
)
from minfluence.objectives.sharded import ShardedObjective

L2, DAMPING = 0.02, 0.1


def make(widths, n=30, seed=0):
    """A small network at its minimum, and three test points.  -> objective, theta, X, y."""
    X, y = make_examples("softmax", n=n, seed=seed)
    objective = mi.AutogradObjective(MLP(widths), X, y, L2)
    theta = mi.fit(objective, MLP(widths).start(np.random.default_rng(seed)), gtol=1e-12).theta
    return objective, theta, *make_examples("softmax", 3, seed=1)


@pytest.fixture(scope="module")
def small():
    """One hidden layer."""
    return make((4, 5, 3))


@pytest.fixture(scope="module")
def convex():
    """No hidden layer: softmax regression with intercepts."""
    return make((4, 3))


def influence_by(solver, objective, theta, damping=0.0):
    return mi.Influence(objective, theta, solver=solver, damping=damping, curvature="gauss-newton")


# The network ------------------------------------------------------------------------------------


def test_what_layers_see_and_return_multiplies_to_each_examples_gradient(small):
    o, theta, *_ = small
    slope = np.exp(o.losses.scores(theta, o.X))
    slope = slope / slope.sum(axis=1, keepdims=True) - np.eye(3)[o.y]
    seen = o.losses.inputs(theta, o.X)
    grads = o.losses.output_grads(theta, seen, slope)
    pairs = zip(seen, grads, strict=True)
    by_layer = [np.einsum("ni,nj->nij", a, g).reshape(o.n, -1) for a, g in pairs]
    by_autograd = o.test_grads(theta, o.X, o.y)
    assert_allclose(np.concatenate(by_layer, axis=1), by_autograd, atol=1e-12)


def test_the_gradients_of_all_labels_make_the_gauss_newton_matrix(small):
    o, theta, *_ = small
    pairs = o.losses.by_label(theta, o.X)
    V = [np.einsum("ni,cnj->cnij", a, g).reshape(3 * o.n, -1) for a, g in pairs]
    V = np.concatenate(V, axis=1)
    assert_allclose(V.T @ V / o.n + L2 * np.eye(o.p), o.gauss_newton(theta), atol=1e-12)


def test_a_network_without_hidden_layers_is_softmax_regression_with_intercepts(convex):
    o, theta, *_ = convex
    X = np.hstack([o.X, np.ones((o.n, 1))])
    linear = mi.LinearObjective(mi.models.softmax(3), X, o.y, L2)
    assert_allclose(mi.fit(linear).theta, theta, atol=1e-9)


def test_stacked_networks_compute_what_each_does_alone(small):
    o, _, X, y = small
    thetas = np.random.default_rng(0).standard_normal((2, o.p))
    stacked = o.losses(thetas, np.stack([X, X]), np.stack([y, y]))
    assert_allclose(stacked, [o.losses(t, X, y) for t in thetas], rtol=1e-12)


def test_stacked_networks_train_as_each_does_alone():
    X, y = make_examples("softmax")
    net, rows = MLP((4, 5, 3)), np.array([range(20), range(20, 40)])
    starts = np.random.default_rng(0).standard_normal((2, 43))
    together, _ = train(net, starts, X[rows], y[rows], L2, steps=30)
    for k in range(2):
        alone, _ = train(net, starts[k], X[rows[k]], y[rows[k]], L2, steps=30)
        assert_allclose(together[0, k], alone[0], atol=1e-10)


def test_training_comes_close_to_a_minimum(convex):
    o, theta, *_ = convex
    thetas, step_sizes = train(o.losses, np.zeros(o.p), o.X, o.y, L2, steps=400, checkpoints=4)
    distance = np.linalg.norm(thetas - theta, axis=1)
    assert (np.diff(distance) < 0).all()
    assert np.linalg.norm(o.grad(thetas[-1])) < 1e-3
    assert_allclose(step_sizes.sum(), 0.02 * 400 * 2 / np.pi, rtol=1e-2)  # the cosine's integral


def test_inputs_of_another_width_are_refused():
    with pytest.raises(ValueError, match="Expected inputs of width 3, got 4"):
        mi.AutogradObjective(MLP((3, 2)), *make_examples("softmax"))


@pytest.mark.parametrize("wrong", [-1, 3, 0.7])
def test_labels_that_are_no_class_are_refused_by_every_door(wrong, small):
    o, theta, X, y = small
    bad = np.where(np.arange(o.n) == 4, wrong, o.y)
    bad_test = np.array([0, wrong, 1])
    for call in (
        lambda: mi.AutogradObjective(o.losses, o.X, bad, L2),
        lambda: o.test_losses(theta, X, bad_test),
        lambda: o.on(o.X, bad),
        lambda: representer(o, theta, X, bad_test),
        lambda: train(o.losses, theta, o.X, bad, L2, steps=1),
    ):
        with pytest.raises(ValueError, match=r"expects labels 0 \.\. 2, got .*: relabel them"):
            call()


def test_a_class_may_be_absent_from_the_examples_of_a_network(small):
    o, theta, *_ = small
    some = o.y < 2
    assert np.isfinite(mi.AutogradObjective(o.losses, o.X[some], o.y[some], L2).risk(theta))


@pytest.mark.parametrize("widths", [(3,), (3, 0, 2), (3, 2.5, 2), (3, 1)])
def test_a_network_without_layers_units_or_classes_is_refused(widths):
    with pytest.raises(ValueError, match="must be a whole number"):
        MLP(widths)


def test_parameters_of_another_network_are_refused(small):
    o, theta, X, y = small
    with pytest.raises(ValueError, match="must hold the 43 parameters .* got 44"):
        o.losses(np.append(theta, 0.0), X, y)


@pytest.mark.parametrize(
    "change",
    [
        {"X": lambda X: X[:5]},
        {"y": lambda y: y[:, None]},
        {"starts": lambda t: t[:-1]},
        {"X": lambda X: X[0]},
        {"starts": lambda t: np.stack([t, t]), "X": lambda X: np.stack([X, X, X])},
    ],
)
def test_training_on_what_does_not_fit_together_is_refused(change, small):
    o, theta, *_ = small
    given = {"starts": theta, "X": o.X, "y": o.y}
    given |= {name: f(given[name]) for name, f in change.items()}
    with pytest.raises(ValueError, match="one row and one label for each example"):
        train(o.losses, *given.values(), L2, steps=1)


def test_training_starts_from_whole_numbers_and_shares_examples_among_networks(small):
    o, *_ = small
    apart, _ = train(o.losses, np.zeros(o.p), o.X, o.y, L2, steps=3)
    together, _ = train(o.losses, np.zeros((2, o.p), int), o.X.tolist(), o.y, L2, steps=3)
    assert_allclose(together, np.stack([apart, apart], axis=1), atol=1e-12)


# Arnoldi ----------------------------------------------------------------------------------------


def test_arnoldi_with_all_directions_solves():
    rng = np.random.default_rng(0)
    root, B = rng.standard_normal((12, 12)), rng.standard_normal((12, 2))
    A = root @ root.T  # its eigenvalues are simple
    solution = arnoldi(A, B, rank=12)
    assert_allclose(A @ solution.x, B, atol=1e-8)
    assert solution.converged.all()


def test_arnoldi_agrees_with_scipy_on_the_strongest_directions(small):
    o, theta, *_ = small
    H = mi.dense(mi.Hessian(o, theta))
    values, U = eigsh(H, k=4, which="LM")  # ARPACK: an implicitly restarted iteration
    b = np.random.default_rng(0).standard_normal(o.p)
    expected = U @ ((U.T @ b) / values)
    assert_allclose(arnoldi(H, b, rank=4, steps=35).x, expected, rtol=1e-6, atol=1e-9)


def test_arnoldi_keeps_a_large_negative_eigenvalue():
    A = np.diag([-5.0, 3.0, 2.0, 0.1])
    assert_allclose(arnoldi(A, np.ones(4), rank=2, steps=4).x, [-0.2, 1 / 3, 0, 0], atol=1e-12)


def test_arnoldi_gets_better_with_rank(small):
    o, theta, *_ = small
    H, b = mi.Hessian(o, theta), np.random.default_rng(0).standard_normal(o.p)
    residuals = [arnoldi(H, b, rank=r, steps=40).residual for r in (2, 10, 20)]
    assert residuals == sorted(residuals, reverse=True)


def test_arnoldi_stops_where_the_space_is_exhausted():
    x = arnoldi(2 * np.eye(5), np.ones(5), rank=3, rng=np.random.default_rng(1)).x
    v = np.random.default_rng(1).standard_normal(5)
    assert_allclose(x, v * v.sum() / (2 * v @ v))  # one eigenvalue: v is all that can be seen


def test_a_rank_beyond_the_steps_is_refused():
    with pytest.raises(ValueError, match="rank must be a whole number in 1 .. 3, got 5"):
        arnoldi(np.eye(8), np.ones(8), rank=5, steps=3)


# K-FAC and EK-FAC -------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", [kfac, ekfac])
def test_for_one_example_and_one_layer_the_product_is_exact(solver):
    X, y = make_examples("softmax")
    o = mi.AutogradObjective(MLP((4, 3)), X[:1], y[:1], L2)
    theta = np.random.default_rng(0).standard_normal(o.p)
    G = mi.Hessian(o, theta, DAMPING, "gauss-newton")
    B = np.random.default_rng(1).standard_normal((o.p, 2))
    assert_allclose(G @ solver(G, B).x, B, atol=1e-12)


def parts(o, theta):
    """Eigenvectors of K-FAC and the matrix of each layer, written out by loops over examples."""
    P = np.exp(o.losses.scores(theta, o.X))
    P /= P.sum(axis=1, keepdims=True)
    seen = o.losses.inputs(theta, o.X)
    A = [sum(np.outer(a, a) for a in layer) / o.n for layer in seen]
    S = [0.0 for _ in seen]
    for c in range(P.shape[1]):  # the label c is drawn with probability P[i, c]
        grads = o.losses.output_grads(theta, seen, P - np.eye(P.shape[1])[c])
        for k, layer in enumerate(grads):
            S[k] = S[k] + sum(p * np.outer(g, g) for p, g in zip(P[:, c], layer, strict=True)) / o.n
    return A, S


def test_kfac_inverts_the_product_of_the_two_small_matrices(small):
    o, theta, *_ = small
    K = block_diag(*(np.kron(A, S) for A, S in zip(*parts(o, theta), strict=True)))
    b = np.random.default_rng(0).standard_normal(o.p)
    x = kfac(mi.Hessian(o, theta, DAMPING, "gauss-newton"), b).x
    assert_allclose(K @ x + (L2 + DAMPING) * x, b, atol=1e-10)


def test_ekfac_has_the_true_curvature_along_each_of_its_directions(small):
    o, theta, *_ = small
    G = mi.dense(mi.Hessian(o, theta, DAMPING, "gauss-newton"))
    Q = block_diag(
        *(
            np.kron(np.linalg.eigh(A)[1], np.linalg.eigh(S)[1])
            for A, S in zip(*parts(o, theta), strict=True)
        )
    )
    inverse = np.diag(Q.T @ ekfac(mi.Hessian(o, theta, DAMPING, "gauss-newton"), Q).x)
    assert_allclose(1 / inverse, np.diag(Q.T @ G @ Q), rtol=1e-8)


@pytest.mark.parametrize("solver", [kfac, ekfac])
@pytest.mark.parametrize("fold_l2", [True, False])
def test_an_example_of_weight_zero_is_not_there(solver, fold_l2, small):
    o, theta, *_ = small
    o = mi.AutogradObjective(o.losses, o.X, o.y, L2, fold_l2=fold_l2)
    share = 1 - 2 / o.n  # of the weight that is left; a penalty on its own keeps its own
    alone = mi.AutogradObjective(o.losses, o.X[2:], o.y[2:], L2 if fold_l2 else L2 / share)
    b = np.random.default_rng(0).standard_normal(o.p)
    x = solver(mi.Hessian(o.without([0, 1]), theta, DAMPING, "gauss-newton"), b).x
    expected = solver(mi.Hessian(alone, theta, DAMPING / share, "gauss-newton"), b).x
    assert_allclose(x, expected / share, rtol=1e-8)


def test_kfac_of_one_layer_is_the_preconditioner_of_a_linear_model(convex):
    o, theta, *_ = convex
    X = np.hstack([o.X, np.ones((o.n, 1))])
    M = mi.LinearObjective(mi.models.softmax(3), X, o.y, L2).preconditioner(theta, DAMPING)
    b = np.random.default_rng(0).standard_normal(o.p)
    assert_allclose(kfac(mi.Hessian(o, theta, DAMPING), b).x, M @ b, rtol=1e-8)


@pytest.mark.parametrize(("solver", "name"), [(kfac, "KFAC"), (ekfac, "EKFAC")])
def test_kfac_and_ekfac_agree_with_curvlinops(solver, name, small):
    torch = pytest.importorskip("torch")
    curvlinops = pytest.importorskip("curvlinops")
    o, theta, *_ = small
    net = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
    net = net.double()
    order = []  # where each entry of torch's flat vector stands in ours
    for k, (rows, columns) in enumerate(o.losses.shapes):
        place = np.arange(rows * columns).reshape(rows, columns) + sum(map(len, order))
        order += [place[:-1].T.ravel(), place[-1]]
        W = torch.tensor(o.losses.matrices(theta)[k])
        net[2 * k].weight.data, net[2 * k].bias.data = W[:-1].T.clone(), W[-1].clone()
    operator = getattr(curvlinops, f"{name}LinearOperator")(
        net,
        torch.nn.CrossEntropyLoss(),
        list(net.parameters()),
        [(torch.tensor(o.X), torch.tensor(o.y))],
        fisher_type="type-2",
        separate_weight_and_bias=False,
    )
    order = np.concatenate(order)
    K = np.zeros((o.p, o.p))
    K[np.ix_(order, order)] = (operator @ torch.eye(o.p, dtype=torch.float64)).numpy()
    b = np.random.default_rng(0).standard_normal(o.p)
    x = solver(mi.Hessian(o, theta, DAMPING, "gauss-newton"), b).x
    assert_allclose(K @ x + (L2 + DAMPING) * x, b, atol=1e-8)


@pytest.mark.parametrize("solver", [kfac, ekfac])
def test_what_does_not_show_its_layers_is_refused(solver):
    p, linear = make_problem("AutogradObjective-network"), make_problem("LinearObjective-logistic")
    for A in (
        mi.Hessian(p.objective, p.theta),
        mi.Hessian(linear.objective, linear.theta),
        np.eye(3),
    ):
        with pytest.raises(ValueError, match=r"losses are a minfluence.attribution.MLP"):
            solver(A, np.ones(A.shape[0]))


# Gradients alone --------------------------------------------------------------------------------


def test_gradient_dot_is_what_a_step_of_descent_does_to_the_test_loss(small):
    o, theta, X, y = small
    g, h = o.example_grads(theta, [7])[0], 1e-6
    change = (o.test_losses(theta - h * g, X, y) - o.test_losses(theta + h * g, X, y)) / (2 * h)
    assert_allclose(gradient_dot(o, theta, X, y)[:, 7], change, rtol=1e-6)


def test_tracin_is_the_derivative_of_training_by_the_weight_for_small_steps(small):
    o, _, X, y = small

    def descend(objective, step):
        thetas = [np.full(o.p, 0.1)]
        for _ in range(3):
            thetas.append(thetas[-1] - step * objective.grad(thetas[-1]))
        return thetas

    def error(step, eps=1e-4):
        ends = [descend(o.upweighted(7, e), step)[-1] for e in (eps, -eps)]
        plus, minus = (o.test_losses(theta, X, y) for theta in ends)
        scores = tracin(o, descend(o, step)[:3], [step] * 3, X, y)[:, 7]
        return abs(scores / ((plus - minus) / (2 * eps)) - 1).max()

    assert error(1e-2) < 0.1
    assert error(1e-3) < 0.2 * error(1e-2)  # first order in the step


def test_tracin_needs_a_step_size_for_each_checkpoint(small):
    o, theta, X, y = small
    with pytest.raises(ValueError, match="one step size for each checkpoint, .* got 2 for 1"):
        tracin(o, [theta], [0.1, 0.1], X, y)
    with pytest.raises(ValueError, match="at least one checkpoint"):
        tracin(o, [], [], X, y)


# TRAK -------------------------------------------------------------------------------------------


class Identity(np.random.Generator):
    """Stands for a random generator whose directions leave every vector as it is."""

    @staticmethod
    def standard_normal(shape):
        return np.eye(*shape) * np.sqrt(shape[1])


def test_trak_without_projection_is_influence_but_for_the_weights_it_leaves_out():
    logistic = make_problem("AutogradObjective-logistic")
    o, theta, X, y = logistic.objective, logistic.theta_hat, logistic.X_test, logistic.y_test
    scores = trak(o, [theta], X, y, width=o.p, damping=0.3, rng=Identity(np.random.PCG64()))
    H = o.X.T @ o.X / o.n + 0.3 * np.eye(o.p)  # influence has weights q (1 - q) here
    G, G_test = o.test_grads(theta, o.X, o.y), o.test_grads(theta, X, y)
    assert_allclose(scores, -G_test @ np.linalg.solve(H, G.T), rtol=1e-10)


def test_trak_averages_its_models(small):
    o, theta, X, y = small
    one = trak(o, [theta], X, y, width=5, rng=np.random.default_rng(0))
    rng = np.random.default_rng(0)
    two = trak(o, [theta, theta], X, y, width=5, rng=rng)
    second = 2 * two - one  # the same model under the second projection
    rng = np.random.default_rng(0)
    rng.standard_normal((o.p, 5))
    assert_allclose(second, trak(o, [theta], X, y, width=5, rng=rng), rtol=1e-8)


def test_a_width_without_an_inverse_is_refused(small):
    o, theta, X, y = small
    with pytest.raises(ValueError, match="width must be smaller than n = 30"):
        trak(o, [theta], X, y, width=30)


def trak_of_margins(X, y, X_test, y_test, theta, width):
    """TRAK of logistic regression, whose log-odds are the margins ``y X theta``."""
    P = np.random.default_rng(0).standard_normal((len(theta), width)) / np.sqrt(width)
    phi, phi_test = (labels[:, None] * Z @ P for Z, labels in ((X, y), (X_test, y_test)))
    q, q_test = (expit(-labels * (Z @ theta)) for Z, labels in ((X, y), (X_test, y_test)))
    kernel = phi_test @ np.linalg.solve(phi.T @ phi / len(X), phi.T)
    return -q_test[:, None] * kernel * q


@pytest.mark.parametrize("margin", [10, 30, 60, 800])
def test_an_example_beyond_doubt_has_the_gradient_of_its_log_odds_in_trak(margin):
    X, y = make_examples("logistic")
    theta = np.array([1.0, -1.0, 0.5, 0.2])
    X[3] = margin * y[3] * theta / (theta @ theta)  # its probability is 1 to the last digit
    X_test, y_test = make_examples("logistic", 5, seed=1)
    expected = trak_of_margins(X, y, X_test, y_test, theta, width=4)
    both = np.column_stack([np.zeros_like(theta), theta]).ravel()  # as a softmax of two classes
    linear = mi.LinearObjective(mi.models.logistic, X, y, L2)
    classes = mi.LinearObjective(mi.models.softmax(2), X, (y > 0).astype(int), L2)
    own = mi.AutogradObjective(lambda t, X, y: anp.logaddexp(0, -y * (X @ t)), X, y, L2, p=4)
    for objective in (linear, own):
        assert_allclose(trak(objective, [theta], X_test, y_test, width=4), expected, rtol=1e-6)
    scores = trak(classes, [both], X_test, (y_test > 0).astype(int), width=4)
    rng = np.random.default_rng(0)  # of a projection to P[1] - P[0] for the difference of scores
    P = rng.standard_normal((8, 4)) / 2
    phi, phi_test = (v[:, None] * Z @ (P[1::2] - P[::2]) for Z, v in ((X, y), (X_test, y_test)))
    q, q_test = (expit(-v * (Z @ theta)) for Z, v in ((X, y), (X_test, y_test)))
    kernel = phi_test @ np.linalg.solve(phi.T @ phi / len(X), phi.T)
    assert_allclose(scores, -q_test[:, None] * kernel * q, rtol=1e-6)


def test_trak_is_refused_where_it_has_no_meaning(small):
    o, theta, X, y = small
    linear = make_problem("LinearObjective-logistic")
    squared = make_problem("LinearObjective-squared")
    smooth = make_problem("LinearObjective-smooth_hinge")
    for problem in (squared, smooth):
        points = problem.X_test, problem.y_test
        with pytest.raises(ValueError, match="minus the log of a probability"):
            trak(problem.objective, [problem.theta_hat], *points, width=2)
    for objective, t, points, width in (
        (linear.objective, linear.theta_hat, (linear.X_test, linear.y_test), 6),  # p = 4
        (*make((4, 3))[:2], (X, y), 11),  # p = 15, but a class follows from the others: 10
    ):
        with pytest.raises(ValueError, match="span fewer than width"):
            trak(objective, [t], *points, width=width)
        assert np.isfinite(trak(objective, [t], *points, width=width, damping=0.1)).all()
    with pytest.raises(ValueError, match="number of trained models"):
        trak(o, [], X, y, width=2)


# Representer points -----------------------------------------------------------------------------


def test_representer_values_sum_to_the_scores(small):
    o, theta, X, _ = small
    assert_allclose(
        representer_values(o, theta, X).sum(axis=1), o.losses.scores(theta, X), atol=1e-8
    )


def test_representer_points_are_the_gradient_dot_of_the_last_layer_over_l2(small):
    o, theta, X, y = small
    last = slice(-6 * 3, None)
    G, G_test = (o.test_grads(theta, *z)[:, last] for z in ((o.X, o.y), (X, y)))
    assert_allclose(representer(o, theta, X, y), -G_test @ G.T / L2, atol=1e-10)


@pytest.mark.parametrize("fold_l2", [True, False])
def test_representer_values_know_the_weights(fold_l2):
    o = mi.AutogradObjective(MLP((4, 3)), *make_examples("softmax"), L2, fold_l2=fold_l2).without(
        [0, 5]
    )
    theta = mi.fit(o, gtol=1e-12).theta
    values = representer_values(o, theta, o.X[:3])
    assert_allclose(values.sum(axis=1), o.losses.scores(theta, o.X[:3]), atol=1e-8)
    assert not values[:, [0, 5]].any()


def test_an_example_left_out_keeps_what_its_weight_would_do(small):
    o, theta, X, y = small
    whole, without = (representer(objective, theta, X, y) for objective in (o, o.without(3)))
    assert_allclose(without, whole * o.n / (o.n - 1), rtol=1e-12)  # its penalty is gone with it


def test_representer_points_of_parts_are_those_of_the_whole(small):
    o, theta, X, y = small
    parts = ShardedObjective([o.on(o.X[:9], o.y[:9]), o.on(o.X[9:], o.y[9:])])
    assert_allclose(representer(parts, theta, X, y), representer(o, theta, X, y), rtol=1e-12)


def test_representer_points_need_a_penalty(small):
    o, theta, X, _ = small
    linear = make_problem("LinearObjective-softmax").objective
    for objective in (mi.AutogradObjective(o.losses, o.X, o.y, 0.0), linear):
        with pytest.raises(ValueError, match="one l2 > 0"):
            representer_values(objective, theta, X)


# RelatIF ----------------------------------------------------------------------------------------


def test_loss_relatif_is_a_cosine_in_the_metric_of_the_hessian(convex):
    o, theta, X, y = convex
    influence = mi.Influence(o, theta)
    H = o.hessian(theta)
    root = np.linalg.inv(np.linalg.cholesky(H))  # root.T @ root is the inverse of H
    a, b = root @ o.test_grads(theta, X, y).T, root @ o.example_grads(theta, range(o.n)).T
    cosine = (a / np.linalg.norm(a, axis=0)).T @ (b / np.linalg.norm(b, axis=0))
    length = np.linalg.norm(a, axis=0)[:, None]
    assert_allclose(loss_relatif(influence, X, y), -length * cosine, rtol=1e-7)


def test_theta_relatif_divides_by_how_far_the_parameters_move(convex):
    o, theta, X, y = convex
    influence = mi.Influence(o, theta)
    steps = np.linalg.solve(o.hessian(theta), o.example_grads(theta, range(o.n)).T)
    moved = np.linalg.norm(steps, axis=0)
    assert_allclose(theta_relatif(influence, X, y) * moved, influence.up_loss(X, y), rtol=1e-7)


@pytest.mark.parametrize("method", [theta_relatif, loss_relatif])
def test_an_example_without_a_gradient_is_relatively_nothing(method):
    problem = make_problem("LinearObjective-squared_hinge")
    X, y = np.vstack([problem.objective.X, 50 * problem.theta_hat]), problem.objective.y
    o = mi.LinearObjective(mi.models.squared_hinge, X, np.append(y, 1), 0.1, fold_l2=False)
    influence = mi.Influence(o, mi.fit(o).theta)
    scores = method(influence, problem.X_test, problem.y_test)
    still = ~influence.objective.example_grads(influence.theta, range(o.n)).any(axis=1)
    assert still[-1] and not scores[:, still].any() and scores[:, ~still].any(axis=0).all()


@pytest.mark.parametrize("solver", [kfac, ekfac, partial(arnoldi, rank=43)])
def test_whole_numbers_on_the_right_are_numbers(solver, small):
    o, theta, *_ = small
    H, b = mi.Hessian(o, theta, DAMPING, "gauss-newton"), np.arange(o.p)
    assert_allclose(solver(H, b).x, solver(H, b.astype(float)).x, rtol=1e-12)


@pytest.mark.parametrize("solver", [kfac, ekfac, partial(arnoldi, rank=3)])
@pytest.mark.parametrize(
    ("b", "words"),
    [(np.full(43, np.nan), "NaN or infinity"), (np.ones(42), r"vector of shape \(43,\)")],
)
def test_a_right_hand_side_that_will_not_do_is_refused(solver, b, words, small):
    o, theta, *_ = small
    with pytest.raises(ValueError, match=words):
        solver(mi.Hessian(o, theta, DAMPING, "gauss-newton"), b)


@pytest.mark.parametrize("solver", [kfac, ekfac])
def test_a_kronecker_product_without_an_inverse_is_said(solver, small):
    o, theta, *_ = small
    one = mi.AutogradObjective(o.losses, o.X[:1], o.y[:1], 0.0)
    with pytest.raises(mi.NotPositiveDefinite, match="raise l2, or damp it"):
        solver(mi.Hessian(one, theta, 0.0, "gauss-newton"), np.ones(o.p))


@pytest.mark.parametrize(("rank", "steps"), [(0, None), (2.5, None), (0, 2), (3, 2)])
def test_a_rank_out_of_range_is_said_by_its_name(rank, steps):
    with pytest.raises(ValueError, match="rank must be a whole number"):
        arnoldi(np.eye(4), np.ones(4), rank=rank, steps=steps)


@pytest.mark.parametrize("solver", [kfac, ekfac, partial(arnoldi, rank=3)])
def test_nothing_on_the_right_gives_nothing(solver, small):
    o, theta, *_ = small
    solution = solver(mi.Hessian(o, theta, DAMPING, "gauss-newton"), np.zeros(o.p))
    assert not solution.x.any()
    assert solution.residual == 0


# Together ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", [kfac, ekfac, partial(arnoldi, rank=20)])
def test_each_is_a_solver_of_influence_close_to_the_exact_one(solver, convex):
    o, theta, X, y = convex
    exact = mi.Influence(o, theta).up_loss(X, y)
    influence = influence_by(solver, o, theta)
    scores = influence.up_loss(X, y)
    pearson = np.corrcoef(scores.ravel(), exact.ravel())[0, 1]
    assert pearson > 0.85
    assert influence.report.residual > 0
    assert_allclose(influence.up_loss(X[0], y[0]), scores[0], rtol=1e-9)
