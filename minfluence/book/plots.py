"""Pictures: arrays in, matplotlib `Axes` out. Nothing is computed here.

Shape tells the class, colour tells helpful from harmful, and what is predicted lies on x, what is
true on y. `minfluence.book.style` has the colours and the type.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from minfluence import validate

# chapters take the colours from here
from minfluence.book.style import GREY, HARMS, HELPS, INK, PAPER, POINTS, RULE, SOFT, THIRD  # noqa: F401
from minfluence.book.style import use as style

__all__ = [
    "boundary",
    "change_map",
    "images",
    "name_lines",
    "points",
    "predicted_against_actual",
    "residuals",
    "style",
    "thumbnails",
    "trust",
]

MARKERS = ((-1, "o", PAPER), (1, "s", GREY))  # label, shape, filling


def points(X: Any, y: Any, *, size: Any = 45, x_test: Any = None, ax: Any = None) -> Any:
    """Scatter a two-class data set in the plane.

    Parameters
    ----------
    X : array, shape (n, 2) or wider
        The first two columns are drawn.
    y : array, shape (n,)
        Labels -1 (circles) and +1 (squares).
    size : float or array, shape (n,)
        Area of each marker, in points squared.
    x_test : array, shape (2,), optional
        Drawn as a black cross.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    X, y = _in_the_plane(X, y)
    size = validate.array("size", np.full(len(X), size) if np.ndim(size) == 0 else size, y.shape)
    ax = plt.gca() if ax is None else ax
    for label, marker, filling in MARKERS:
        of = y == label
        ax.scatter(
            *X[of, :2].T,
            s=size[of],
            c=filling,
            edgecolors=INK,
            marker=marker,
            alpha=0.8,
            label=f"y = {label:+d}",
        )
    return _with_test_point(ax, x_test)


def boundary(theta: Any, *, ax: Any = None, **line: Any) -> Any:
    """Draw where ``theta[0] x1 + theta[1] x2 + theta[2] = 0``, without changing the limits.

    Parameters
    ----------
    theta : array, shape (3,)
        The last entry is the intercept.
    ax : Axes, optional
    **line
        Options of `matplotlib.axes.Axes.axline`.

    Returns
    -------
    Axes
    """
    theta = validate.array("theta", theta, (3,))
    ax = plt.gca() if ax is None else ax
    normal, offset = theta[:2], theta[2]
    square = validate.positive("theta[:2] @ theta[:2]", float(normal @ normal))
    foot = -offset * normal / square  # the point of the line closest to the origin
    ax.axline(foot, foot + np.array([-normal[1], normal[0]]), **{"color": INK, **line})
    return ax


def predicted_against_actual(
    predicted: Any,
    actual: Any,
    *,
    unit: str = "test loss",
    names: Mapping[int, str] | None = None,
    ax: Any = None,
) -> Any:
    """Scatter the truth over its prediction, with the diagonal on which they would agree.

    Parameters
    ----------
    predicted, actual : arrays, same shape
        Changes when an example is left out: positive (helpful) in blue, negative in orange, by
        the sign of the truth.
    unit : str
        What both axes measure.
    names : mapping of int to str, optional
        Index -> a name beside that point.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = _by_sign(predicted, actual, actual, names, ax)
    ax.axline((0, 0), slope=1, color=GREY, lw=1, zorder=0)
    ax.set(xlabel=f"predicted change in {unit}", ylabel=f"actual change in {unit}")
    ax.set_aspect("equal", adjustable="datalim")
    return ax


def residuals(
    predicted: Any,
    actual: Any,
    *,
    unit: str = "test loss",
    names: Mapping[int, str] | None = None,
    ax: Any = None,
) -> Any:
    """Scatter what the prediction misses, over the prediction.

    Parameters
    ----------
    predicted, actual, unit, names, ax
        As in `predicted_against_actual`.

    Returns
    -------
    Axes
        On the line at zero the two agree.
    """
    missed = np.subtract(actual, predicted)
    ax = _by_sign(predicted, actual, missed, names, ax)
    ax.axhline(0, color=GREY, lw=1, zorder=0)
    ax.set(xlabel=f"predicted change in {unit}", ylabel="actual minus predicted")
    return ax


def name_lines(ax: Any = None) -> Any:
    """Write each line's label at its right end, in its colour, in place of a legend.

    Parameters
    ----------
    ax : Axes, optional

    Returns
    -------
    Axes
        With names that keep a line's height from one another.
    """
    ax = plt.gca() if ax is None else ax
    lines = [line for line in ax.lines if not line.get_label().startswith("_")]
    if not lines:
        raise ValueError("There are no lines with a label to name: plot them with label=...")
    ax.figure.draw_without_rendering()  # now limits and layout are known
    ends = np.array([line.get_xydata()[-1] for line in lines], float)
    places = ax.transData.transform(ends)
    apart = 1.25 * plt.rcParams["font.size"] * ax.figure.dpi / 72
    height = -np.inf
    for k in np.argsort(places[:, 1], kind="stable"):
        height = max(height + apart, places[k, 1])
        ax.annotate(
            lines[k].get_label(),
            ends[k],
            (6, (height - places[k, 1]) * 72 / ax.figure.dpi),
            textcoords="offset points",
            color=lines[k].get_color(),
            va="center",
        )
    return ax


def thumbnails(pictures: Any, points: Any, places: Any, *, ax: Any = None) -> Any:
    """Small grey images that stand for points of a plot, each with a line to its point.

    Parameters
    ----------
    pictures : array, shape (k, side * side)
    points : array, shape (k, 2)
        Where the lines lead, in the units of the axes.
    places : array, shape (k, 2)
        Where the images stand, as shares of the axes' width and height.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    pictures = _square(pictures)
    points = validate.array("points", points, (len(pictures), 2))
    places = validate.array("places", places, points.shape)
    ax = plt.gca() if ax is None else ax
    for picture, point, place in zip(pictures, points, places, strict=True):
        image = OffsetImage(picture, cmap="gray_r", zoom=1, interpolation="none")
        ax.add_artist(
            AnnotationBbox(
                image,
                point,
                place,
                boxcoords="axes fraction",
                pad=0,
                bboxprops={"edgecolor": RULE},
                arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.6},
            )
        )
    return ax


def trust(card: Any, *, ax: Any = None) -> Any:
    """Draw what is behind a card of `minfluence.trust`: predicted and corrected changes.

    Parameters
    ----------
    card : Trust
        With scores, for one test point; of several the first is drawn.
    ax : Axes, optional

    Returns
    -------
    Axes
        One row for each example that leads, the strongest on top: an open circle where influence
        predicts the test loss without it, an arrow to where a line search along the step finds it,
        and a black cross where a refit did, if one was asked for.
    """
    if not len(card.leaders):
        raise ValueError("There are no scores to draw: see the second line of the card.")
    ax = plt.gca() if ax is None else ax
    rows, predicted, corrected = range(len(card.leaders)), card.predicted[0], card.corrected[0]
    for row, before, after in zip(rows, predicted, corrected, strict=True):
        ax.annotate("", (after, row), (before, row), arrowprops={"arrowstyle": "->", "color": GREY})
    ax.scatter(predicted, rows, s=45, facecolors=PAPER, edgecolors=GREY, label="predicted")
    ax.scatter(corrected, rows, s=24, c=GREY, label="corrected")
    row_of = {int(i): row for row, i in enumerate(card.leaders)}
    of = [k for k, i in enumerate(card.refitted) if int(i) in row_of]
    if of:
        known = [row_of[int(card.refitted[k])] for k in of]
        ax.scatter(card.refits[1, 0, of], known, s=40, c=INK, marker="x", label="refitted")
    ax.axvline(0, color=RULE, lw=1)
    ax.set_yticks(rows, [str(i) for i in card.leaders])
    ax.invert_yaxis()
    ax.set(xlabel="change in test loss without the example", ylabel="example")
    ax.legend()
    return ax


def images(pictures: np.ndarray, titles: Sequence[str], *, columns: int = 5) -> np.ndarray:
    """Show a grid of small grey images, dark ink on white.

    Parameters
    ----------
    pictures : array, shape (k, side * side)
    titles : sequence of k strings
    columns : int

    Returns
    -------
    Axes
        The array of axes, shape (rows, columns).
    """
    pictures = _square(pictures)
    columns = validate.count("columns", columns)
    rows = -(-validate.count("The number of pictures", len(pictures), 1) // columns)
    if len(titles) != len(pictures):
        raise ValueError(
            f"Expected a title for each picture, got {len(pictures)} pictures and "
            f"{len(titles)} titles."
        )
    fig, axes = plt.subplots(rows, columns, figsize=(1.08 * columns, 1.4 * rows), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, picture, title in zip(axes.flat, pictures, titles, strict=False):
        ax.imshow(picture, cmap="gray_r", interpolation="none")
        ax.set_title(title, fontsize=POINTS - 1, loc="center")
    return axes


def change_map(X: Any, y: Any, change: Any, *, x_test: Any = None, ax: Any = None) -> Any:
    """Scatter a two-class data set with markers as large as each example's effect.

    Parameters
    ----------
    X : array, shape (n, 2) or wider
    y : array, shape (n,)
        Labels -1 (circles) and +1 (squares).
    change : array, shape (n,)
        Change in test loss when the example is left out: positive (helpful) is drawn in blue,
        negative (harmful) in orange, the area of the marker is proportional to its size.
    x_test, ax
        As in `points`.

    Returns
    -------
    Axes
    """
    X, y = _in_the_plane(X, y)
    change = validate.array("change", change, y.shape)
    largest = validate.positive("The largest change", float(np.abs(change).max()))
    ax = plt.gca() if ax is None else ax
    size = 12 + 500 * np.abs(change) / largest
    for sign, colour, name in ((1, HELPS, "helpful"), (-1, HARMS, "harmful")):
        for label, marker, _ in MARKERS:
            of = (y == label) & (np.sign(change) == sign)
            ax.scatter(*X[of, :2].T, s=size[of], c=colour, marker=marker, alpha=0.7)
        ax.scatter([], [], s=60, c=colour, label=name)
    return _with_test_point(ax, x_test)


def _by_sign(predicted: Any, actual: Any, height: Any, names: Any, ax: Any) -> Any:
    """Points over their predictions: blue where the truth is positive, orange where negative."""
    predicted = np.asarray(predicted)
    validate.finite("predicted", predicted)
    actual = validate.array("actual", actual, predicted.shape)
    ax = plt.gca() if ax is None else ax
    x, y, truth = predicted.ravel(), np.ravel(height), actual.ravel()
    for sign, colour in ((1, HELPS), (-1, HARMS), (0, GREY)):
        of = np.sign(truth) == sign
        ax.scatter(x[of], y[of], s=18, c=colour, alpha=0.7, linewidths=0)
    for i, name in (names or {}).items():
        beside = (6, -4) if x[i] <= np.median(x) else (-6, -4)
        align = "left" if beside[0] > 0 else "right"
        ax.annotate(name, (x[i], y[i]), beside, textcoords="offset points", ha=align)
    return ax


def _square(pictures: Any) -> np.ndarray:
    """Pictures as rows of side * side pixels, as squares: (k, side, side)."""
    pictures = validate.array("pictures", pictures, ("k", "side * side"))
    side = math.isqrt(pictures.shape[1])
    if side**2 != pictures.shape[1]:
        raise ValueError(
            "Expected square pictures as rows of side * side pixels, got "
            f"{len(pictures)} of {pictures.shape[1]} pixels."
        )
    return pictures.reshape(-1, side, side)


def _in_the_plane(X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Examples of two features or more, and labels that have a marker."""
    X, y = validate.examples(X, y)
    validate.count("The number of features", X.shape[1], 2)
    validate.labels(y, (-1, 1), "Expected labels -1 and +1", "map 0/1 labels with y = 2 * y - 1")
    return X, y


def _with_test_point(ax: Any, x_test: Any) -> Any:
    """Draw the test point over a scatter of examples, and name the axes."""
    if x_test is not None:
        x_test = validate.array("x_test", x_test[:2], (2,))
        ax.scatter(*x_test, s=110, c=INK, marker="X", label="test point", zorder=3)
    ax.set(xlabel="feature 1", ylabel="feature 2")
    return ax
