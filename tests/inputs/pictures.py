"""Plots and widgets of the book, when they are given something odd."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from inputs.examples import X, Y
from inputs.table import Unexpected, holds, refused
from minfluence.book import plots, widgets

matplotlib.use("Agg")


def sentence(*values):
    return "A sentence."


def cases():
    yield from of_plots()
    yield from of_frames()


def closing(draw, *arguments):
    """Draw, and leave no figure open."""
    try:
        return draw(*arguments)
    finally:
        plt.close("all")


def of_plots():
    plane, nan = X[:, :2], np.full(30, np.nan)
    bad = {
        "change_map: no change at all": (plots.change_map, (plane, Y, np.zeros(30)), "zero|change"),
        "change_map: NaN": (plots.change_map, (plane, Y, nan), "NaN|finite"),
        "change_map: fewer changes than points": (
            plots.change_map,
            (plane, Y, np.ones(3)),
            "shape|length|one",
        ),
        "boundary: theta of zeros": (plots.boundary, (np.zeros(3),), "theta|normal|zero"),
        "boundary: NaN in theta": (plots.boundary, (np.full(3, np.nan),), "NaN"),
        "points: fewer labels": (plots.points, (plane, Y[:-1]), "length|per example|shape"),
        "points: NaN": (plots.points, (plane * np.nan, Y), "NaN"),
        "images: none": (plots.images, (np.ones((0, 9)), []), "picture|least"),
        "images: fewer titles": (plots.images, (np.ones((2, 9)), ["a"]), "title"),
        "images: not square": (plots.images, (np.ones((2, 10)), ["a", "b"]), "square|shape"),
        "predicted_against_actual: fewer numbers": (
            plots.predicted_against_actual,
            (np.ones(3), np.ones(4)),
            "shape|as many|size",
        ),
        "predicted_against_actual: NaN": (
            plots.predicted_against_actual,
            (np.full(3, np.nan), np.ones(3)),
            "NaN|finite",
        ),
    }
    for name, (draw, arguments, saying) in bad.items():
        yield refused(f"plots.{name}", closing, draw, *arguments, saying=saying)


def text(*values):
    return "x"


def of_frames():
    three = {name: [1, 2] for name in "abc"}
    bad = {
        "no controls": ({}, "one or two"),
        "three controls": (three, "one or two"),
        "a control of one value": ({"a": [1]}, "two values|at least two"),
    }
    for name, (controls, saying) in bad.items():
        yield refused(
            f"frames: {name}", widgets.frames, text, controls, alt=sentence, saying=saying
        )
    yield refused(
        "frames: alt a string", widgets.frames, text, {"a": [1, 2]}, alt="x", saying="alt"
    )
    yield refused(
        "frames: draws nothing",
        widgets.frames,
        lambda a: None,
        {"a": [1, 2]},
        alt=sentence,
        saying="figure|draw|html",
    )

    def own_error():
        open_before = len(plt.get_fignums())

        def draw(a):
            figure = plt.figure()
            if a == 2:
                raise RuntimeError("the reader's own")
            return figure

        try:
            widgets.frames(draw, {"a": [1, 2]}, alt=sentence)
            raise Unexpected("an error of the reader's was swallowed")
        except RuntimeError as error:
            left = len(plt.get_fignums()) - open_before
            plt.close("all")
            return "the reader's own" in str(error) and left <= 1

    def generator():
        return widgets.frames(text, {"a": (i for i in range(3))}, alt=sentence) is not None

    def escaped():
        box = widgets.frames(text, {"a": [1, 2]}, alt=lambda a: '<script>"')
        return "<script>" not in str(box.children) and "<script>" not in repr(box)

    yield holds("frames: the reader's own error is seen", own_error)
    yield holds("frames: values from a generator", generator)
    yield holds("frames: HTML in a text alternative is escaped", escaped)
