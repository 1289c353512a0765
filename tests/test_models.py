"""The losses: by hand, at extreme margins, and their derivatives in the scores."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import LOSSES, central_difference, make_examples
from scipy import stats
from scipy.special import gammaln, log_softmax
from sklearn.linear_model import HuberRegressor, PoissonRegressor
from sklearn.metrics import mean_tweedie_deviance
from sklearn.svm import SVC

from minfluence import AutogradObjective, LinearObjective, checks, fit, models
from minfluence.models.convolutional import CONVOLUTIONS
from minfluence.models.layers import cut

RNG = np.random.default_rng(5)
MORE = {  # name -> loss, and labels for it
    "multi_target_squared": (models.multi_target_squared(3), RNG.standard_normal((6, 3))),
    "squared_epsilon_insensitive": (models.squared_epsilon_insensitive(0.3), np.arange(6.0) / 3),
    "gamma": (models.gamma, RNG.gamma(2.0, size=6)),
    "tweedie": (models.tweedie(1.4), np.array([0.0, 0.3, 2.0, 0.0, 1.0, 7.0])),
    "poisson_exposure": (
        models.poisson_exposure,
        np.column_stack([[0, 3, 1, 0, 2, 5], [0.1, 2.0, 1.0, 30.0, 1.5, 4.0]]),
    ),
}
LABELS = {name: make_examples(name, 6)[1] for name in LOSSES} | {k: y for k, (_, y) in MORE.items()}
LOSSES = LOSSES | {name: loss for name, (loss, _) in MORE.items()}
EXPONENTIAL = ("poisson", "poisson_exposure", "gamma", "tweedie")  # e^10,000 is no double


def scores(name, k=None):
    """Scores (n, c), or (n, c, k), and labels."""
    y, c = LABELS[name], LOSSES[name].n_outputs
    return np.random.default_rng(0).standard_normal((6, c) if k is None else (6, c, k)), y


def times(loss, S, y, T):
    """The Hessian of every example's loss in the scores, times T."""
    return loss.times(loss.curvature(S, y), T)


def test_squared_loss_is_half_the_squared_error():
    X, y = make_examples("squared", 6)
    theta = np.arange(4.0)
    assert_allclose(models.squared(theta, X, y), (X @ theta - y) ** 2 / 2, rtol=1e-14)


def test_logistic_loss_is_minus_the_log_probability_of_the_label():
    X, y = make_examples("logistic", 6)
    theta = np.arange(4.0)
    assert_allclose(
        models.logistic(theta, X, y), -np.log(1 / (1 + np.exp(-y * (X @ theta)))), rtol=1e-12
    )


def test_softmax_loss_is_minus_the_log_probability_of_the_class():
    X, y = make_examples("softmax", 6)
    theta = np.arange(12.0) / 10
    expected = -log_softmax(X @ theta.reshape(4, 3), axis=1)[np.arange(6), y]
    assert_allclose(models.softmax(3)(theta, X, y), expected, rtol=1e-12)


def test_softmax_of_two_classes_is_the_logistic_loss_of_their_difference():
    X, y = make_examples("logistic", 6)
    Theta = np.random.default_rng(0).standard_normal((4, 2))
    two = models.softmax(2)(Theta.ravel(), X, (y + 1) // 2)
    assert_allclose(two, models.logistic(Theta[:, 1] - Theta[:, 0], X, y), rtol=1e-12)


@pytest.mark.parametrize("name", [k for k in LOSSES if k not in EXPONENTIAL])
def test_huge_margins_neither_overflow_nor_turn_into_nan(name):
    S, y = scores(name)
    loss, T = LOSSES[name], np.ones((6, LOSSES[name].n_outputs, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for big in (1e4 * S, -1e4 * S):
            for result in (loss.value(big, y), loss.slope(big, y), times(loss, big, y, T)):
                assert np.isfinite(result).all()


@pytest.mark.parametrize("name", LOSSES)
def test_slope_is_the_derivative_of_the_loss_in_the_scores(name):
    S, y = scores(name)
    J = central_difference(lambda S: LOSSES[name].value(S, y), S)  # (n, n, c), diagonal
    expected = J[np.arange(6), np.arange(6)]
    assert_allclose(LOSSES[name].slope(S, y), expected, rtol=1e-7, atol=1e-9)
    assert np.abs(J).sum() == pytest.approx(np.abs(expected).sum())  # row i is example i's alone


@pytest.mark.parametrize("name", LOSSES)
def test_curvature_is_the_derivative_of_the_slope_in_the_scores(name):
    S, y = scores(name)
    c = LOSSES[name].n_outputs
    J = central_difference(lambda S: LOSSES[name].slope(S, y), S)  # (n, c, n, c)
    expected = J[np.arange(6), :, np.arange(6)]
    unit = np.eye(c)[None]
    assert_allclose(
        np.broadcast_to(times(LOSSES[name], S, y, unit), (6, c, c)),
        expected,
        rtol=1e-7,
        atol=1e-9,
    )


@pytest.mark.parametrize("name", LOSSES)
def test_scores_of_many_parameter_vectors_go_side_by_side(name):
    S, y = scores(name, k=3)
    loss = LOSSES[name]
    for f in (loss.value, loss.slope):
        one_by_one = np.stack([f(S[:, :, j], y) for j in range(3)], axis=-1)
        assert_allclose(f(S, y), one_by_one, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_leave_scores_and_labels_alone(name):
    S, y = scores(name)
    S_before, y_before = S.copy(), y.copy()
    T = np.ones((6, LOSSES[name].n_outputs, 2))
    LOSSES[name].value(S, y), LOSSES[name].slope(S, y), times(LOSSES[name], S, y, T)
    assert (S_before == S).all() and (y_before == y).all() and (T == 1).all()


@pytest.mark.parametrize("labels", [np.int64, np.int8, np.float64, np.float32])
def test_the_type_of_the_labels_does_not_matter(labels):
    for name in ("logistic", "softmax"):
        X, y = make_examples(name, 6)
        theta = np.arange(4.0 * LOSSES[name].n_outputs)
        assert_allclose(LOSSES[name](theta, X, y.astype(labels)), LOSSES[name](theta, X, y))


# Regression: Huber and Poisson ------------------------------------------------------------------


def test_the_huber_loss_is_squared_up_to_delta_and_then_a_line_that_touches_it():
    loss, y = models.huber(0.5), np.zeros(5)
    S = np.array([[-2.0], [-0.5], [0.2], [0.5], [1.5]])
    assert_allclose(loss.value(S, y), [0.875, 0.125, 0.02, 0.125, 0.625])
    assert_allclose(loss.slope(S, y)[:, 0], [-0.5, -0.5, 0.2, 0.5, 0.5])
    assert_allclose(loss.curvature(S, y)[:, 0], [0, 1, 1, 1, 0])


def test_a_huber_fit_is_scikit_learns_at_its_own_scale():
    X, y = make_examples("huber", 80)
    y[:8] += 10.0  # mistakes
    theirs = HuberRegressor(epsilon=1.5, alpha=0.1, fit_intercept=False, tol=1e-10).fit(X, y)
    # its objective is sum of sigma (1 + huber((y - s) / sigma)) + alpha |w|^2, with a fitted sigma
    l2 = theirs.alpha * theirs.scale_ / len(X)
    delta = theirs.epsilon * theirs.scale_
    ours = fit(LinearObjective(models.huber(delta), X, y, l2)).theta
    assert_allclose(ours, theirs.coef_, rtol=1e-5)


def test_the_poisson_loss_is_minus_the_log_likelihood_up_to_a_constant():
    X, y = make_examples("poisson", 6)
    theta = np.arange(4.0) / 5
    expected = -stats.poisson.logpmf(y, np.exp(X @ theta)) - gammaln(y + 1)
    assert_allclose(models.poisson(theta, X, y), expected, rtol=1e-12)


@pytest.mark.parametrize("delta", [0, -1.0, np.nan, np.inf])
def test_a_delta_that_is_not_positive_is_refused(delta):
    with pytest.raises(ValueError, match="delta must be greater than 0, got .*use squared"):
        models.huber(delta)


def test_negative_counts_are_refused():
    X, y = make_examples("poisson", 6)
    with pytest.raises(ValueError, match="expects counts or rates of at least 0, got -1"):
        LinearObjective(models.poisson, X, y - y.min() - 1)


def test_a_poisson_fit_survives_a_first_step_into_overflow():
    X = np.ones((4, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # exp of a step that is not taken
        theta = fit(LinearObjective(models.poisson, X, np.full(4, 5000.0))).theta
    assert_allclose(theta, np.log(5000), rtol=1e-8)


@pytest.mark.parametrize("name", MORE)
def test_a_new_loss_has_the_same_derivatives_in_closed_form_and_by_autograd(name):
    X, (loss, y) = np.random.default_rng(1).standard_normal((6, 4)), MORE[name]
    theta = 0.3 * np.random.default_rng(2).standard_normal(4 * loss.n_outputs)
    fast, slow = (kind(loss, X, y, 0.1) for kind in (LinearObjective, AutogradObjective))
    assert fast.risk(theta) == pytest.approx(slow.risk(theta), rel=1e-12)
    assert_allclose(fast.grad(theta), slow.grad(theta), rtol=1e-9, atol=1e-12)
    assert_allclose(fast.hessian(theta), slow.hessian(theta), rtol=1e-9, atol=1e-12)


def test_several_targets_are_as_many_fits_of_one():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    both = fit(LinearObjective(models.multi_target_squared(2), X, Y, 0.1)).theta.reshape(3, 2)
    for j in range(2):
        one = fit(LinearObjective(models.squared, X, Y[:, j], 0.1)).theta
        assert_allclose(both[:, j], one, rtol=1e-9)


def test_the_gamma_and_the_tweedie_loss_are_half_the_deviance_up_to_a_constant():
    X = np.random.default_rng(0).standard_normal((6, 4))
    theta = np.arange(4.0) / 5
    for name, power in (("gamma", 2), ("tweedie", 1.4), ("poisson", 1)):
        y = LABELS[name] + (name == "poisson")
        distances = [
            LOSSES[name](t, X, y)
            - [mean_tweedie_deviance([y[i]], [np.exp(X[i] @ t)], power=power) / 2 for i in range(6)]
            for t in (theta, 0 * theta)
        ]
        assert_allclose(*distances, rtol=1e-12, atol=1e-14)


def test_the_tweedie_loss_goes_over_into_poisson_and_gamma():
    S, y = np.linspace(-1, 1, 6)[:, None], np.arange(1.0, 7.0)
    for power, end in ((1 + 1e-7, models.poisson), (2 - 1e-7, models.gamma)):
        assert_allclose(models.tweedie(power).slope(S, y), end.slope(S, y), rtol=1e-5, atol=1e-5)


def test_an_exposure_is_an_offset_and_is_scikit_learns_weight_of_a_rate():
    rng = np.random.default_rng(0)
    X, E = rng.standard_normal((60, 3)), rng.uniform(0.1, 10, 60)
    counts = rng.poisson(E * np.exp(X @ [0.5, -0.3, 0.2]))
    o = LinearObjective(models.poisson_exposure, X, np.column_stack([counts, E]), fold_l2=False)
    theta = fit(o).theta
    rates = LinearObjective(models.poisson, X, counts / E).reweighted(E / 60)
    assert_allclose(rates.grads(np.eye(3), rates.weights[:, None] * np.ones(3)),
                    o.grads(np.eye(3), o.weights[:, None] * np.ones(3)), rtol=1e-9)  # fmt: skip
    assert_allclose(rates.hessian(theta), o.hessian(theta), rtol=1e-9)
    theirs = PoissonRegressor(alpha=0, fit_intercept=False, tol=1e-10, max_iter=1000)
    theirs.fit(X, counts / E, sample_weight=E)
    assert_allclose(theta, theirs.coef_, rtol=1e-6)
    # log E as an offset: one more feature whose coefficient is 1
    with_offset = LinearObjective(models.poisson, np.column_stack([X, np.log(E)]), counts)
    assert_allclose(with_offset.grad(np.append(theta, 1.0))[:3], 0, atol=1e-9)


def test_the_tube_of_the_squared_epsilon_insensitive_loss_neither_pushes_nor_resists():
    loss, y = models.squared_epsilon_insensitive(0.5), np.zeros(4)
    S = np.array([[-1.5], [-0.4], [0.2], [2.0]])
    assert_allclose(loss.value(S, y), [1.0, 0, 0, 2.25])
    assert_allclose(loss.slope(S, y)[:, 0], [-2, 0, 0, 3])
    assert_allclose(loss.curvature(S, y)[:, 0], [2, 0, 0, 2])
    thin = models.squared_epsilon_insensitive(0.0)  # without a tube: twice the squared loss
    assert_allclose(thin.curvature(y[:, None], y), 2 * models.squared.curvature(y[:, None], y))


@pytest.mark.parametrize(
    ("loss", "y", "words"),
    [
        (models.gamma, [1, 0], "amounts greater than 0, got 0: .*use poisson or tweedie"),
        (models.tweedie(1.5), [1, -1], "amounts of at least 0, got -1: use squared or huber"),
        (models.poisson_exposure, [1, 2], r"y of shape \(n, 2\), counts and .*got \(2,\)"),
        (models.poisson_exposure, [[1, 2], [1, 0]], "exposures greater than 0, got 0"),
        (models.poisson_exposure, [[-1, 2], [1, 1]], "counts of at least 0, got -1"),
        (models.multi_target_squared(3), [[1, 2], [1, 0]], r"shape \(n, 3\).*got \(2, 2\)"),
        (models.multi_target_squared(2), [1, 2], r"shape \(n, 2\).*use squared for y of shape"),
        *(
            (loss, [[1, 1], [1, 1]], r"y of shape \(n,\), got \(2, 2\): use multi_target_squared")
            for name, loss in LOSSES.items()
            if name not in ("multi_target_squared", "poisson_exposure")
        ),
    ],
)
def test_labels_that_a_loss_does_not_know_are_refused(loss, y, words):
    with pytest.raises(ValueError, match=words):
        loss.check_labels(np.array(y), True)


@pytest.mark.parametrize("power", [0, 1, 2, 3, np.nan])
def test_a_power_of_another_loss_is_refused(power):
    with pytest.raises(ValueError, match="power must lie between 1 and 2, got .*use poisson for 1"):
        models.tweedie(power)


@pytest.mark.parametrize("make", [models.softmax, models.centered_softmax])
def test_the_remedy_for_missing_classes_is_one_that_works(make):
    X = np.ones((2, 1))
    with pytest.raises(ValueError, match=r"\[1\] never occurs: relabel .*use softmax\(2\)"):
        LinearObjective(make(3), X, [0, 2])
    models.softmax(2).check_labels(np.array([0, 1]), True)
    with pytest.raises(ValueError, match=r"\[1, 2\] never occurs: one class alone needs no model"):
        LinearObjective(make(3), X, [0, 0])


# Softmax whose scores sum to zero ---------------------------------------------------------------


def test_contrasts_are_orthonormal_and_sum_to_zero():
    C = models.contrasts(5)
    assert C.shape == (5, 4)
    assert_allclose(C.T @ C, np.eye(4), atol=1e-15)
    assert_allclose(C.sum(axis=0), 0, atol=1e-15)


def test_the_centered_softmax_is_the_softmax_of_centered_coefficients():
    X, y = make_examples("softmax", 6)
    Phi = np.random.default_rng(0).standard_normal((4, 2))
    Theta = Phi @ models.contrasts(3).T
    expected = models.softmax(3)(Theta.ravel(), X, y)
    assert_allclose(models.centered_softmax(3)(Phi.ravel(), X, y), expected, rtol=1e-12)
    assert np.sum(Theta**2) == pytest.approx(np.sum(Phi**2))


def test_free_intercepts_leave_the_softmax_singular_and_the_centered_one_not():
    X, y = make_examples("softmax", 40)
    X[:, -1] = 1.0
    l2 = np.array([0.05, 0.05, 0.05, 0.0])
    for loss, smallest in ((models.softmax(3), 0.0), (models.centered_softmax(3), 0.01)):
        o = LinearObjective(loss, X, y, np.repeat(l2, loss.n_outputs))
        eigenvalues = np.linalg.eigvalsh(o.hessian(np.zeros(o.p)))
        assert abs(eigenvalues[0]) < 1e-12 if smallest == 0 else eigenvalues[0] > smallest


# The hinge, and its smooth version --------------------------------------------------------------


def test_the_hinge_has_a_kink_at_margin_one_and_no_curvature():
    y = np.ones(4)
    S = np.array([[-1.0], [0.5], [1.0], [2.0]])
    assert_allclose(models.hinge.value(S, y), [2, 0.5, 0, 0])
    assert_allclose(models.hinge.slope(S, y)[:, 0], [-1, -1, 0, 0])
    assert_allclose(models.hinge.curvature(S, y), 0)


def test_the_squared_hinge_has_a_continuous_slope_and_a_curvature_inside():
    y = np.ones(4)
    S = np.array([[-1.0], [0.5], [1.0], [2.0]])
    assert_allclose(models.squared_hinge.value(S, y), [4, 0.25, 0, 0])
    assert_allclose(models.squared_hinge.slope(S, y)[:, 0], [-4, -1, 0, 0])
    curvature = models.squared_hinge.curvature(S, y)
    assert_allclose(curvature[:, 0], [2, 2, 0, 0])


def test_the_smooth_hinge_lies_above_the_hinge_by_at_most_t_log_2():
    S = np.linspace(-3, 5, 200)[:, None]
    y = np.ones(200)
    for t in (1e-4, 1e-3, 0.1, 1.0):
        gap = models.smooth_hinge(t).value(S, y) - models.hinge.value(S, y)
        # rounding of the margin, 1e-16, may push it past either end
        assert gap.min() >= -1e-15 and gap.max() <= t * np.log(2) + 1e-15


def test_a_cold_smooth_hinge_neither_overflows_nor_loses_its_slope():
    loss, y = models.smooth_hinge(1e-4), np.array([1.0, 1.0, -1.0, -1.0])
    S = np.array([[-1e3], [1e3], [1e3], [-1e3]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_allclose(loss.value(S, y), [1001, 0, 1001, 0])
        assert_allclose(loss.slope(S, y)[:, 0], [-1, 0, 1, 0])
        assert_allclose(loss.curvature(S, y), 0)


def test_the_curvature_of_the_smooth_hinge_has_area_one_at_every_temperature():
    for t in (0.01, 0.1, 1.0):  # the slope climbs from -1 to 0, so its derivative integrates to 1
        s = np.linspace(1 - 40 * t, 1 + 40 * t, 20_001)
        c = models.smooth_hinge(t).curvature(s[:, None], np.ones(len(s)))
        assert np.trapezoid(c[:, 0], s) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("temperature", [0, -1.0, np.nan, np.inf])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be greater than 0, got .*use hinge"):
        models.smooth_hinge(temperature)


@pytest.mark.parametrize("loss", [models.hinge, models.squared_hinge, models.smooth_hinge(0.1)])
def test_a_hinge_refuses_labels_that_are_not_plus_or_minus_one(loss):
    X, y = make_examples("logistic", 6)
    with pytest.raises(ValueError, match=r"Hinge\(.*\) expects labels -1 and \+1, got 0, 1: map"):
        LinearObjective(loss, X, (y + 1) // 2)


# Kernel machines --------------------------------------------------------------------------------


def test_rbf_features_have_the_kernel_as_inner_product():
    X = np.random.default_rng(0).standard_normal((20, 3))
    F = models.rbf_features(X, gamma=0.5)(X)
    kernel = np.exp(-0.5 * ((X[:, None] - X[None]) ** 2).sum(axis=2))
    # directions below 1e-10 of the largest eigenvalue are dropped
    assert_allclose(F @ F.T, kernel, atol=1e-8)


def test_a_linear_model_on_rbf_features_is_scikit_learns_kernel_machine():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 2))
    y = np.where((X**2).sum(axis=1) + 0.5 * rng.standard_normal(40) > 1.5, 1, -1)
    l2, new = 0.05, rng.standard_normal((10, 2))
    features = models.rbf_features(X, gamma=1.0)
    theta = fit(LinearObjective(models.smooth_hinge(0.01), features(X), y, l2)).theta
    # SVC has an unpenalised intercept: centre nothing, compare the functions up to it
    svm = SVC(C=1 / (len(X) * l2), gamma=1.0, tol=1e-8).fit(X, y)
    ours = features(new) @ theta
    theirs = svm.decision_function(new) - svm.intercept_
    assert np.corrcoef(ours, theirs)[0, 1] > 0.97


def test_equal_centers_are_counted_once():
    X = np.repeat(np.random.default_rng(0).standard_normal((5, 2)), 2, axis=0)
    assert models.rbf_features(X, gamma=1.0)(X).shape == (10, 5)


@pytest.mark.parametrize(
    ("centers", "gamma", "words"),
    [
        (np.ones(3), 1.0, r"centers must have shape \(k, d\), got \(3,\)"),
        (np.full((2, 2), np.nan), 1.0, "centers holds NaN"),
        (np.ones((2, 2)), 0.0, "gamma must be greater than 0, got 0.0"),
    ],
)
def test_rbf_features_refuse_what_is_no_kernel(centers, gamma, words):
    with pytest.raises(ValueError, match=words):
        models.rbf_features(centers, gamma)


# The network of section 4.2 ---------------------------------------------------------------------


def small_images(n=4, side=21, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n, side * side)), np.arange(n) % 3


def test_the_papers_network_has_2616_parameters():
    net = models.conv_net()
    assert net.n_parameters(784) == 2616
    assert net.start(np.random.default_rng(0)).shape == (2616,)


def test_the_network_agrees_with_torch():
    torch = pytest.importorskip("torch")
    net = models.conv_net(side=23, filters=3, n_classes=4)
    rng = np.random.default_rng(0)
    theta, X = net.start(rng) + 0.1, rng.random((5, 529))
    A = torch.tensor(X).reshape(5, 1, 23, 23)
    *layers, W, b = cut(theta, net.shapes)
    for K, bias, (size, stride) in zip(layers[::2], layers[1::2], CONVOLUTIONS, strict=True):
        kernel = K.reshape(size, size, -1, K.shape[1]).transpose(3, 2, 0, 1)
        A = torch.nn.functional.conv2d(
            A, torch.tensor(kernel.copy()), torch.tensor(bias), stride=stride
        ).tanh()
    expected = A.mean(dim=(2, 3)).numpy() @ W + b
    assert_allclose(net.scores(theta, X), expected, rtol=1e-12)


def test_every_derivative_of_the_network_agrees_with_finite_differences():
    X, y = small_images()
    net = models.conv_net(side=21, filters=2, n_classes=3)
    o = AutogradObjective(net, X, y, l2=0.01)
    theta = net.start(np.random.default_rng(1))
    assert checks.check_gradient(o, theta) < 1e-7
    assert checks.check_hvp(o, theta) < 1e-6
    v = np.random.default_rng(2).standard_normal(o.p)
    dots, h = o.input_grads(theta, v, [1])[0], 1e-5
    moved = [o.perturbed(1, X[1] + e * dots, y[1]) for e in (h, -h)]
    up, down = (m.example_dots(theta, v)[1] for m in moved)
    assert (up - down) / (2 * h) == pytest.approx(dots @ dots, rel=1e-6)


def test_images_of_another_size_are_refused():
    X, y = small_images()
    with pytest.raises(ValueError, match="expects images of 28 x 28 = 784 pixels, got 441"):
        AutogradObjective(models.conv_net(n_classes=3), X, y)
    with pytest.raises(ValueError, match="side must be a whole number of at least 21, got 8"):
        models.conv_net(side=8)


@pytest.mark.parametrize("wrong", [-1, 3, 0.7])
def test_labels_that_are_no_class_of_the_convolutional_network_are_refused(wrong):
    net = models.conv_net(side=21, filters=2, n_classes=3)
    X, rng = np.zeros((4, 441)), np.random.default_rng(0)
    words = r"expects labels 0 \.\. 2, got .*: relabel them, or pass the right n_classes"
    with pytest.raises(ValueError, match=words):
        AutogradObjective(net, X, np.array([0, 1, 2, wrong]))
    o = AutogradObjective(net, X, np.array([0, 1, 1, 0]))  # a class may be absent
    assert np.isfinite(o.risk(net.start(rng)))
    with pytest.raises(ValueError, match=words):
        o.test_losses(net.start(rng), X[:1], [wrong])


def test_parameters_of_another_network_are_not_cut():
    net = models.conv_net(side=21, filters=2, n_classes=3)
    theta = net.start(np.random.default_rng(0))
    with pytest.raises(ValueError, match=f"must hold the {theta.size} parameters"):
        net(np.append(theta, 0.0), np.zeros((1, 441)), np.array([0]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: f(np.ones((2, 3))), r"X must have shape \(n, 2\), got \(2, 3\)"),
        (lambda f: f(np.ones(2)), r"X must have shape \(n, 2\), got \(2,\)"),
        (lambda f: f(np.full((1, 2), np.nan)), "X holds NaN"),
        (lambda f: models.rbf_features(np.ones((0, 2)), 1.0), "number of centers .* got 0"),
        (lambda f: models.rbf_features(np.ones((1, 2)), 1.0, rtol=1.0), "rtol must be below 1"),
    ],
)
def test_features_of_nothing_or_of_other_inputs_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(models.rbf_features(np.eye(2), 1.0))
