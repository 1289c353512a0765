"""Bad input: one sentence that says what was expected, what came, and what to try."""

import warnings
from functools import partial

import autograd.numpy as anp
import numpy as np
import pytest
from problems import (
    OBJECTIVES,
    make_examples,
    make_objective,
    make_problem,
    network_examples,
    network_losses,
)

from minfluence import (
    AutogradObjective,
    Hessian,
    Influence,
    LinearObjective,
    actual_change,
    agreement,
    cg,
    direct,
    fit,
    lissa,
    models,
    refit_weighted,
    refit_without,
)

each = pytest.mark.parametrize("make_objective", OBJECTIVES)
both = pytest.mark.parametrize("kind", [AutogradObjective, LinearObjective])
X, y = make_examples("logistic")


def refused(words):
    """A ValueError whose message holds these words (a regular expression)."""
    return pytest.raises(ValueError, match=words)


def holding(array, value):
    """Copy an array and put a bad value into it."""
    bad = array.astype(float)
    bad.flat[3] = value
    return bad


# Examples ---------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        (X, y[:-1], r"one row and one label per example, got \(40, 4\) and \(39,\)"),
        (X[:, 0], y, r"got \(40,\) and \(40,\)"),
        (X[:0], y[:0], "at least one example, got none"),
        (holding(X, np.nan), y, "X holds NaN or infinity where finite .*: drop or fill"),
        (holding(X, np.inf), y, "X holds NaN or infinity"),
        (X, holding(y, np.nan), "y holds NaN or infinity"),
        (X.astype(str), y, "X must hold numbers, got dtype <U"),
        (np.where(X > 0, X.astype(object), "low"), y, "X must hold numbers.* such as 'low'"),
        (X, y.astype(str), "y must hold numbers, got dtype <U"),
        (X.astype(np.uint8), y, "8-bit integers: pass pixels as X / 255.0"),
    ],
)
def test_examples_that_are_no_examples_are_refused(kind, X, y, words):
    with refused(words):
        kind(models.logistic, X, y)


@both
def test_labels_in_a_column_are_refused_where_one_number_is_expected(kind):
    with refused(r"one label for each example.*\(40, 1\).*np.ravel"):
        kind(models.logistic, X, y[:, None])
    two = np.column_stack([y, y])
    with refused(r"one loss per example, shape \(4,\), got .* y of shape \(4, 2\)"):
        AutogradObjective(lambda t, X, y: (X @ t)[:, None] - y, X, two, p=4).risk(np.ones(4))


def test_a_loss_of_ones_own_may_have_several_targets():
    Y = np.random.default_rng(0).standard_normal((40, 2))
    o = AutogradObjective(
        lambda t, X, y: anp.sum((anp.dot(X, t.reshape(4, 2)) - y) ** 2, axis=1) / 2, X, Y, 0.1, p=8
    )
    ours, theirs = (
        Influence(o, fit(o).theta).up_loss(X[:3], Y[:3])
        for o in (o, LinearObjective(models.multi_target_squared(2), X, Y, 0.1))
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


@both
@pytest.mark.parametrize("l2", [-0.1, np.nan, np.inf, None, [0.1], "0.1"])
def test_an_l2_that_is_no_strength_is_refused(kind, l2):
    with refused("l2 must be a number of at least 0(, or a vector of 4)?, got"):
        kind(models.logistic, X, y, l2=l2)


@both
def test_0_1_labels_are_refused_by_the_logistic_loss(kind):
    with refused(r"expects labels -1 and \+1, got 0, 1: map 0/1 labels with y = 2 \* y - 1"):
        kind(models.logistic, X, (y + 1) // 2)


@both
def test_real_targets_are_refused_by_the_logistic_loss(kind):
    with refused(r"got .*, \.\.\.: map"):
        kind(models.logistic, X, X[:, 0])


@both
@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 1, 2, 3], r"expects labels 0 .. 2, got 0, 1, 2, 3: relabel"),
        ([1, 2, 3], "got 1, 2, 3"),
        ([-1, 0, 1], "got -1, 0, 1"),
        ([0, 0.5, 1, 2], "got 0, 0.5, 1, 2"),
        ([0, 2], r"\[1\] never occurs: relabel the classes 0 .. 1 .* use softmax\(2\)"),
        ([0, 1], r"\[2\] never occurs"),
    ],
)
def test_class_labels_that_skip_or_exceed_the_range_are_refused(kind, labels, words):
    with refused(words):
        kind(models.softmax(3), X, np.resize(labels, 40))


def test_one_class_is_refused():
    with refused("n_classes must be a whole number of at least 2, got 1"):
        models.softmax(1)


@both
def test_what_is_no_model_is_refused(kind):
    with refused(r"got the class Softmax: make one of it, as in softmax\(3\)"):
        kind(models.softmax, X, y)
    with refused(r"losses must be callable, losses\(theta, X, y\) -> \(n,\), got 'logistic'"):
        kind("logistic", X, y)


@pytest.mark.parametrize("rng", ["seed", -1, 0.5])
def test_what_is_neither_a_generator_nor_a_seed_is_refused(logistic, rng):
    with refused("rng must be a numpy.random.Generator or a seed, a whole number, got"):
        lissa(Hessian(logistic.objective, logistic.theta_hat), np.ones(4), rng=rng)


def test_a_seed_will_do_for_a_generator(logistic):
    H = Hessian(logistic.objective, logistic.theta_hat)
    by_seed, by_generator = (
        lissa(H, np.ones(4), rng=rng).x for rng in (3, np.random.default_rng(3))
    )
    assert (by_seed == by_generator).all()


def test_a_linear_objective_refuses_a_loss_without_derivatives():
    with refused("use AutogradObjective for a loss of your own"):
        LinearObjective(network_losses, X, y)


def test_a_linear_objective_refuses_images_that_are_not_flat():
    with refused(r"got \(40, 2, 2\): flatten each example with X.reshape\(len\(X\), -1\)"):
        LinearObjective(models.logistic, X.reshape(40, 2, 2), y)


@pytest.mark.parametrize("dtype", [int, np.float16, complex])
def test_a_linear_objective_refuses_other_precisions(dtype):
    with refused("dtype must be float64 or float32"):
        LinearObjective(models.logistic, X, y, dtype=dtype)


@pytest.mark.parametrize(
    ("losses", "came"),
    [
        (lambda theta, X, y: 0.5 * (X @ theta[:, None] - y[:, None]) ** 2, r"\(4, 1\)"),
        (lambda theta, X, y: 0.5 * ((X @ theta - y) ** 2).mean(), r"\(\)"),
        (lambda theta, X, y: 0.5 * (X[:-1] @ theta - y[:-1]) ** 2, r"\(3,\)"),
    ],
)
def test_losses_of_the_wrong_shape_are_refused(losses, came):
    o = AutogradObjective(losses, X, y, p=4)
    for verb in (o.risk, o.grad, o.hessian, partial(fit, o), partial(Influence, o)):
        with refused(rf"one loss per example, shape \(4,\), got {came}"):
            verb(np.ones(4))


# Test points ------------------------------------------------------------------------------------


@each
def test_test_points_of_another_shape_are_refused(make_objective):
    o = make_objective()
    theta, label = np.zeros(o.p), o.y[:2]
    for verb in (o.test_losses, o.test_grads):
        with refused(r"examples of shape \(4,\) as in training, got \(3,\)"):
            verb(theta, np.ones((2, 3)), label)
        with refused("one row and one label per example"):
            verb(theta, np.ones((3, 4)), label)
        with refused("X holds NaN"):
            verb(theta, np.full((2, 4), np.nan), label)


def test_test_labels_outside_the_set_are_refused(logistic):
    influence = Influence(logistic.objective, logistic.theta_hat)
    for ask in (influence.up_loss, influence.predicted_change, influence.s_test, influence.top):
        with refused(r"labels -1 and \+1, got 0"):
            ask(logistic.X_test[0], 0)
    softmax = make_problem("AutogradObjective-softmax")
    with refused("labels 0 .. 2, got 3"):
        softmax.objective.test_losses(softmax.theta, softmax.X_test[:1], [3])


def test_test_labels_need_not_cover_every_class():
    p = make_problem("LinearObjective-softmax")
    assert p.objective.test_losses(p.theta, p.X_test[:1], [2]).shape == (1,)


def test_top_of_several_test_points_is_refused(logistic):
    influence = Influence(logistic.objective, logistic.theta_hat)
    with refused(r"one test point, got 3: pass X_test\[0\]"):
        influence.top(logistic.X_test, logistic.y_test)


@pytest.mark.parametrize("k", [0, -1])
def test_a_top_of_nothing_is_refused(logistic, k):
    with refused("k must"):
        Influence(logistic.objective, logistic.theta_hat).top(logistic.X_test[0], 1, k=k)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batches_of_nothing_are_refused_at_once(logistic, batch_size):
    influence = Influence(logistic.objective, logistic.theta_hat)
    with refused("batch_size must"):
        influence.up_loss(logistic.X_test, logistic.y_test, batch_size=batch_size)


def test_bad_test_points_are_refused_before_the_first_batch(logistic):
    influence = Influence(logistic.objective, logistic.theta_hat)
    with refused("as in training"):
        influence.up_loss(np.ones((2, 3)), [1, 1], batch_size=1)


# Indices and weights ----------------------------------------------------------------------------

BAD_INDICES = [
    (40, r"must lie in 0 .. 39, got 40 .. 40"),
    (-1, r"must lie in 0 .. 39, got -1 .. -1"),
    ([3, 5, 3], r"Each index may occur once, got \[3, 5, 3\]"),
    (2.0, "whole numbers"),
    ([1.5, 2], "whole numbers"),
    ([], "one index or a list of indices"),
    ([[1, 2]], "one index or a list of indices"),
    (np.arange(40) < 3, "whole numbers"),
    ("3", "whole numbers"),
]


@each
@pytest.mark.parametrize(("indices", "words"), BAD_INDICES)
def test_indices_that_name_no_examples_are_refused(make_objective, indices, words):
    o = make_objective()
    theta = np.zeros(o.p)
    verbs = [
        o.without,
        o.subset,
        lambda i: o.upweighted(i, 0.1),
        lambda i: o.perturbed(i, o.X[0], o.y[0]),
        lambda i: o.example_grads(theta, i),
        lambda i: o.input_grads(theta, theta, i),
        lambda i: refit_without(o, theta, [i], progress=False),
    ]
    for verb in verbs:
        with refused(words):
            verb(indices)


@each
def test_leaving_out_everybody_is_refused(make_objective):
    with refused("leave no example: keep at least one"):
        make_objective().without(np.arange(40))


@each
def test_weights_that_are_no_weights_are_refused(make_objective):
    o = make_objective()
    with refused(r"weights must have shape \(40,\), got \(39,\)"):
        o.reweighted(np.ones(39))
    for bad in (np.nan, np.inf):
        with refused("finite|infinity"):
            o.reweighted(holding(np.ones(40), bad))
        with refused("finite|infinity"):
            o.upweighted(3, bad)


@each
def test_a_new_example_is_checked_like_the_old_ones(make_objective):
    o = make_objective()
    with refused(r"shape \(4,\).* got \(3,\)"):
        o.perturbed(0, np.ones(3), o.y[0])
    with refused("X holds NaN"):
        o.perturbed(0, np.full(4, np.nan), o.y[0])
    with refused("8-bit"):
        o.perturbed(0, np.ones(4, np.uint8), o.y[0])


@pytest.mark.parametrize(("name", "label"), [("logistic", 0), ("softmax", 3)])
@both
def test_the_label_of_a_new_example_is_checked_too(kind, name, label):
    o = make_objective(kind.__name__, name)
    with refused("expects labels"):
        o.perturbed(0, o.X[0], label)


def test_perturbing_two_examples_at_once_is_refused():
    o = make_objective("LinearObjective", "logistic")
    with refused("one index|one example"):
        o.perturbed([0, 1], o.X[0], 1)


# Parameters -------------------------------------------------------------------------------------


@each
def test_parameters_of_the_wrong_shape_are_refused(make_objective):
    o = make_objective()
    for theta in (np.zeros(o.p + 1), np.zeros((o.p, 1)), np.float64(0.0)):
        v = np.zeros(o.p)
        verbs = [
            o.risk,
            o.grad,
            o.hvp_at,
            o.hessian,
            lambda t, v=v: o.example_dots(t, v),
            lambda t: o.example_grads(t, [0]),
            lambda t, v=v: o.input_grads(t, v, [0]),
            lambda t: o.test_losses(t, o.X[:1], o.y[:1]),
            lambda t: o.test_grads(t, o.X[:1], o.y[:1]),
            partial(fit, o),
            partial(Influence, o),
            lambda t: refit_without(o, t, [0], progress=False),
        ]
        for verb in verbs:
            with refused(rf"one flat vector of shape \({o.p},\), got .*flatten matrices"):
                verb(theta)


@each
def test_parameters_that_are_not_finite_are_refused(make_objective):
    o = make_objective()
    theta = holding(np.zeros(o.p), np.nan)
    for verb in (o.risk, o.grad, o.hessian, partial(fit, o), partial(Influence, o)):
        with refused("theta holds NaN or infinity: the fit that made it has diverged"):
            verb(theta)


@each
def test_vectors_of_the_wrong_length_are_refused(make_objective):
    o = make_objective()
    theta = np.zeros(o.p)
    for V in (np.ones(o.p + 1), np.ones(2 * o.p), np.ones(1), np.ones((3, o.p))):
        for verb in (o.hvp, o.example_dots, lambda t, V: o.input_grads(t, V, [0])):
            with refused(rf"shape \({o.p},\)"):
                verb(theta, V)


def test_a_gradient_of_the_wrong_shape_is_refused(logistic):
    influence = Influence(logistic.objective, logistic.theta_hat)
    for gradient in (np.ones(5), np.ones((4, 2)), 1.0, np.ones((1, 1, 4))):
        with refused(r"gradient must have shape \(4,\) or \(m, 4\), got"):
            influence.up(gradient)


def test_a_model_that_does_not_tell_its_size_needs_a_start():
    o = AutogradObjective(network_losses, *network_examples())
    with refused(r"needs a starting point for this model: fit\(objective, theta\)"):
        fit(o)
    with refused(r"one flat vector of shape \(p,\)"):
        fit(o, np.zeros((17, 1)))


# Solvers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("damping", [-0.1, np.nan, np.inf, None, "0.1", [0.1]])
def test_a_damping_that_is_no_damping_is_refused(logistic, damping):
    for make in (Hessian, Influence):
        with refused("damping must be a number of at least 0, got"):
            make(logistic.objective, logistic.theta_hat, damping=damping)


@pytest.mark.parametrize("solver", ["newton", None, 3, ["cg"]])
def test_an_unknown_solver_is_refused(logistic, solver):
    with refused('solver must be "auto", "direct", "cg", "lissa" or a callable .*got'):
        Influence(logistic.objective, logistic.theta_hat, solver=solver)


def test_a_solver_that_returns_no_solution_is_refused(logistic):
    def forgetful(A, B):
        return np.linalg.solve(np.asarray(A), B)

    influence = Influence(logistic.objective, logistic.theta_hat, solver=forgetful)
    with refused("Solution"):
        influence.up_loss(logistic.X_test, logistic.y_test)


@pytest.mark.parametrize("solve", [direct, cg])
def test_a_right_hand_side_of_nan_is_refused(solve):
    with refused("NaN|NaNs"):
        solve(np.eye(3), np.array([1.0, np.nan, 0.0]))


@pytest.mark.parametrize("solve", [direct, cg])
def test_a_right_hand_side_of_the_wrong_length_is_refused(solve):
    with refused("3"):
        solve(np.eye(3), np.ones(4))


# Refits -----------------------------------------------------------------------------------------


def test_no_groups_are_refused(logistic):
    with refused("groups is empty"):
        refit_without(logistic.objective, logistic.theta_hat, [])


def test_one_number_is_no_sequence_of_groups(logistic):
    with refused(r"groups"):
        refit_without(logistic.objective, logistic.theta_hat, 3, progress=False)


@pytest.mark.parametrize("weights", [np.ones(40), np.ones((39, 2)), np.full((40, 2), np.nan)])
def test_weights_of_refits_are_checked(logistic, weights):
    with refused("weights, one column for each refit, (must have|holds)"):
        refit_weighted(logistic.objective, logistic.theta_hat, weights)


def test_no_refits_are_refused(logistic):
    with refused("one column of 40|at least one"):
        refit_weighted(logistic.objective, logistic.theta_hat, np.zeros((40, 0)), progress=False)


def test_test_points_are_checked_before_the_long_work(logistic, capfd):
    with refused("as in training"):
        actual_change(logistic.objective, logistic.theta_hat, [0], np.ones((2, 3)), [1, 1])
    assert capfd.readouterr().err == ""  # no bar was begun


@pytest.mark.parametrize(
    ("predicted", "actual", "words"),
    [
        ([1, 2, 3], [1, 2], "as many predictions as actual changes.*got .*3.* and .*2"),
        ([1], [1], "at least two, got .*1.* and .*1"),
        ([], [], "at least two, got .*0.* and .*0"),
        ([1, 1, 1], [1, 2, 3], "equal: nothing to correlate"),
        ([1, 2, 3], [0, 0, 0], "equal: nothing to correlate"),
        ([1, 2, np.nan], [1, 2, 3], "finite|infinity"),
        ([1, 2, 3], [1, 2, np.inf], "finite|infinity"),
        (np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2), "shape|as many"),
    ],
)
def test_what_cannot_be_compared_is_refused(predicted, actual, words):
    with warnings.catch_warnings(), refused(words):
        warnings.simplefilter("ignore")
        agreement(predicted, actual)
