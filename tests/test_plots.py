"""Pictures show the arrays that they were given, and nothing else."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.offsetbox import AnnotationBbox
from numpy.testing import assert_allclose

import minfluence as mi
from minfluence.book import plots

X = np.array([[0.0, 1.0, 1.0], [2.0, 3.0, 1.0], [4.0, 5.0, 1.0]])
y = np.array([-1.0, 1.0, 1.0])


@pytest.fixture(autouse=True)
def figure():
    with matplotlib.rc_context():
        plots.style()
        yield plt.figure()
        plt.close("all")


def test_points_are_drawn_by_class_and_the_test_point_on_top():
    ax = plots.points(X, y, x_test=np.array([9.0, 9.0, 1.0]))
    circles, squares, cross = ax.collections
    assert_allclose(circles.get_offsets(), X[:1, :2])
    assert_allclose(squares.get_offsets(), X[1:, :2])
    assert_allclose(cross.get_offsets(), [[9.0, 9.0]])
    assert [t.get_text() for t in ax.legend().get_texts()] == ["y = -1", "y = +1", "test point"]


def test_points_of_one_class_leave_the_other_empty():
    circles, squares = plots.points(X[:1], y[:1]).collections
    assert len(circles.get_offsets()) == 1 and len(squares.get_offsets()) == 0


def test_the_boundary_is_where_the_score_vanishes():
    theta = np.array([3.0, -2.0, 0.7])
    ax = plots.boundary(theta, ls="--")
    (line,) = ax.lines
    slope, (x1, x2) = line.get_slope(), line.get_xy1()
    direction = np.subtract(line.get_xy2(), (x1, x2)) if slope is None else np.array([1, slope])
    assert_allclose(theta @ [x1, x2, 1], 0, atol=1e-12)
    assert_allclose(theta[:2] @ direction, 0, atol=1e-12)
    assert line.get_linestyle() == "--"


def test_the_area_of_a_marker_grows_with_the_change_and_its_colour_tells_the_sign():
    ax = plots.change_map(X, y, np.array([1.0, -2.0, 0.5]), x_test=X[0])
    drawn = [c for c in ax.collections[:-1] if len(c.get_offsets())]
    colour = {tuple(c.get_offsets()[0]): c.get_facecolor()[0, :3] for c in drawn}
    area = {tuple(c.get_offsets()[0]): c.get_sizes()[0] for c in drawn}
    blue, orange = (matplotlib.colors.to_rgb(c) for c in (plots.HELPS, plots.HARMS))
    assert_allclose(colour[0.0, 1.0], blue)
    assert_allclose(colour[2.0, 3.0], orange)
    assert_allclose(area[2.0, 3.0] - 12, 2 * (area[0.0, 1.0] - 12))


def test_predictions_stand_against_the_truth():
    ax = plots.predicted_against_actual([1.0, 2.0], [3.0, 4.0], unit="score")
    assert_allclose(ax.collections[0].get_offsets(), [[1.0, 3.0], [2.0, 4.0]])
    assert ax.get_xlabel() == "predicted change in score"
    assert ax.get_ylabel() == "actual change in score"


def test_the_colour_of_a_prediction_is_the_sign_of_the_truth_and_some_have_names():
    ax = plots.predicted_against_actual([1.0, -2.0], [-3.0, 4.0], names={1: "24"})
    helpful, harmful, _ = ax.collections
    assert_allclose(helpful.get_offsets(), [[-2.0, 4.0]])
    assert_allclose(harmful.get_offsets(), [[1.0, -3.0]])
    assert_allclose(harmful.get_facecolor()[0, :3], matplotlib.colors.to_rgb(plots.HARMS))
    assert [(text.get_text(), text.xy) for text in ax.texts] == [("24", (-2.0, 4.0))]


def test_residuals_are_the_truth_minus_the_prediction_in_the_colour_of_the_truth():
    ax = plots.residuals([1.0, -2.0], [1.5, -3.0], unit="score", names={0: "24"})
    helpful, harmful, _ = ax.collections
    assert_allclose(helpful.get_offsets(), [[1.0, 0.5]])
    assert_allclose(harmful.get_offsets(), [[-2.0, -1.0]])
    assert [(text.get_text(), text.xy) for text in ax.texts] == [("24", (1.0, 0.5))]
    assert ax.get_xlabel() == "predicted change in score"


def test_thumbnails_show_their_pictures_at_their_places_and_lead_to_their_points():
    pictures = np.arange(2 * 16.0).reshape(2, 16)
    ax = plots.thumbnails(pictures, [(1.0, 2.0), (3.0, 4.0)], [(0.1, 0.9), (0.9, 0.1)])
    shown = [box for box in ax.artists if isinstance(box, AnnotationBbox)]
    assert_allclose([box.xy for box in shown], [(1.0, 2.0), (3.0, 4.0)])
    assert_allclose([box.xybox for box in shown], [(0.1, 0.9), (0.9, 0.1)])
    assert_allclose(shown[1].offsetbox.get_data(), pictures[1].reshape(4, 4))


def test_lines_are_named_at_their_ends_without_touching():
    ax = plt.gca()
    for label, end in (("truth", 1.0), ("tangent", 1.001), ("floor", 0.0), ("_unnamed", 0.5)):
        ax.plot([0, 1], [0, end], label=label)
    plots.name_lines(ax)
    assert [text.get_text() for text in ax.texts] == ["floor", "truth", "tangent"]
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert all(low.y1 <= high.y0 for low, high in zip(boxes, boxes[1:], strict=False))
    with pytest.raises(ValueError, match="label="):
        plots.name_lines(plt.figure().gca())


def test_names_keep_apart_in_the_panel_that_the_layout_makes():
    figure, axes = plt.subplots(3, 1, figsize=(5.4, 9.6))
    for ax in axes:
        for label, end in (("direct", 0.146), ("cg", 0.122)):
            ax.loglog([1e3, 1e6], [5e-4, end], label=label)
        ax.set(xlabel="examples", ylabel="seconds")
        plots.name_lines(ax)
    figure.canvas.draw()
    for ax in axes:
        low, high = sorted(text.get_window_extent().y0 for text in ax.texts)
        height = min(text.get_window_extent().height for text in ax.texts)
        assert high - low >= height


def test_images_fill_a_grid_in_order():
    pictures = np.arange(3 * 16.0).reshape(3, 16)
    axes = plots.images(pictures, ["a", "b", "c"], columns=2)
    assert axes.shape == (2, 2)
    assert [ax.get_title() for ax in axes.flat] == ["a", "b", "c", ""]
    assert_allclose(axes[1, 0].images[0].get_array(), pictures[2].reshape(4, 4))
    assert not axes[1, 1].images


def test_an_axes_that_is_given_is_used():
    fig, (left, right) = plt.subplots(1, 2)
    assert plots.points(X, y, ax=left) is left
    assert plots.boundary(np.ones(3), ax=right) is right
    assert plots.predicted_against_actual([1, 2], [1, 2], ax=right) is right
    assert plots.change_map(X, y, y, ax=left) is left


@pytest.mark.parametrize(
    ("draw", "sentence"),
    [
        (lambda: plots.points(X, y[:-1]), "one label per example"),
        (lambda: plots.change_map(X, y, y[:-1]), r"change must have shape \(3,\), got \(2,\)"),
        (lambda: plots.change_map(X, y, 0 * y), "largest change must be greater than 0, got 0.0"),
        (lambda: plots.boundary([0.0, 0.0, 1.0]), "must be greater than 0, got 0.0"),
        (lambda: plots.predicted_against_actual(y, y[:-1]), r"actual must have shape \(3,\)"),
        (lambda: plots.images(np.ones((0, 9)), []), "number of pictures .* at least 1, got 0"),
        (
            lambda: plots.images(np.ones((2, 10)), ["a", "b"]),
            r"side \* side pixels, got 2 of 10 pixels",
        ),
        (
            lambda: plots.images(np.ones((2, 9)), ["a"]),
            "a title for each picture, got 2 .* and 1 titles",
        ),
        (lambda: plots.images(np.ones((2, 9)), ["a", "b"], columns=0), "columns must be"),
        (lambda: plots.points(X, [0, 1, 1]), r"labels -1 and \+1, got 0, 1: map 0/1 labels"),
        (lambda: plots.change_map(X, [0, 1, 1], y), r"labels -1 and \+1, got 0, 1"),
        (lambda: plots.points(X[:, :1], y), "number of features .* at least 2, got 1"),
        (lambda: plots.points(X, y, size=[1, 2]), r"size must have shape \(3,\), got \(2,\)"),
        (lambda: plots.points(X, y, x_test=[np.nan, 0]), "x_test holds NaN"),
        (lambda: plots.predicted_against_actual([np.nan, 1], [0, 1]), "predicted holds NaN"),
    ],
)
def test_what_cannot_be_drawn_is_explained(draw, sentence):
    with pytest.raises(ValueError, match=sentence):
        draw()


def test_the_picture_of_a_card_shows_predicted_corrected_and_refitted_changes():
    X, y = mi.data.two_clouds(40, rng=2)
    objective = mi.LinearObjective(mi.models.logistic, X, y, 0.01)
    influence = mi.Influence(objective, mi.fit(objective).theta)
    card = mi.trust(influence, X[0], y[0], refits=5)
    ax = plots.trust(card)
    predicted, corrected, refitted = (c.get_offsets() for c in ax.collections)
    rows = np.arange(10)
    assert_allclose(predicted, np.column_stack([card.predicted[0], rows]))
    assert_allclose(corrected, np.column_stack([card.corrected[0], rows]))
    among = np.isin(card.refitted, card.leaders)
    assert set(refitted[:, 0]) == set(card.refits[1, 0, among]) and among.sum() >= 3
    for change, row in refitted:
        assert change == card.refits[1, 0, list(card.refitted).index(card.leaders[int(row)])]
    assert [t.get_text() for t in ax.get_yticklabels()] == [str(i) for i in card.leaders]


def test_a_card_without_scores_has_no_picture():
    class Empty:
        leaders = ()

    with pytest.raises(ValueError, match="no scores to draw"):
        plots.trust(Empty())
