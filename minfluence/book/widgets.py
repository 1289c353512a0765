"""The book's widgets: frames drawn beforehand, changed by one or two controls.

A web page has no kernel, so nothing can be computed when a reader moves a slider. Everything that a
reader may ask for is therefore drawn when the chapter is executed, stacked, and linked to the
controls in the browser. The same widget works in Jupyter, in the built book and, by way of the
kernel, on Colab, whose ipywidgets 7 has no ``Stack``.
"""

import html
import io
import itertools
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from minfluence.book.drawing import inlined
from minfluence.book.style import SVG, UNSIGNED

MAX_BYTES = 1_500_000  # a page heavier than this is slow on a phone
MAX_BUTTONS = 4  # more choices than this become a slider

Options = dict[str, list[tuple[str, Any]]]  # label -> (text, value) of each choice
Pages = dict[tuple[int, ...], str]  # index of each control -> HTML


def frames(
    draw: Callable[..., Any],
    controls: Mapping[str, Iterable[Any]],
    *,
    alt: Callable[..., str],
    start: Mapping[str, Any] | None = None,
) -> Any:
    """Draw every frame now, and let one or two controls choose which one is seen.

    Parameters
    ----------
    draw : callable
        ``draw(value)``, or ``draw(value_1, value_2)`` with two controls, returns a matplotlib
        Figure or Axes (the figure is closed afterwards) or a string of HTML.
    controls : mapping of str to sequence
        Visible label -> at least two values, or ``(text, value)`` pairs where `str` of the value
        is not what a reader should see. One or two entries. Up to four values become buttons,
        more a slider.
    alt : callable
        Takes what `draw` takes and returns the sentence for readers who cannot see that frame:
        what it shows, with its numbers rounded. It is compared when the chapter is tested.
    start : mapping of str to value, optional
        Label -> value shown first, by default the first of each sequence.

    Returns
    -------
    ipywidgets.VBox
        Controls above the frame. Where widgets cannot be shown, the first frame or a list of all
        text alternatives takes their place.

    Raises
    ------
    ValueError
        If there are no controls or more than two, a control has fewer than two values, a text
        alternative is missing, or `draw` returns something else.

    Examples
    --------
    ::

        frames(
            lambda i: plot_without(i),
            {"removed point": range(10)},
            alt=lambda i: f"Without point {i} the slope is {slope[i]:.2f}.",
        )
    """
    options = _options(controls)
    chosen = _chosen(options, start or {})
    if not callable(alt):
        raise ValueError(f"alt must be a function of the same values as draw, not {alt!r}.")

    pages, lines = {}, []
    for at in itertools.product(*(range(len(pairs)) for pairs in options.values())):
        names = [pairs[k][0] for pairs, k in zip(options.values(), at, strict=True)]
        values = [pairs[k][1] for pairs, k in zip(options.values(), at, strict=True)]
        where = ", ".join(f"{label} = {name}" for label, name in zip(options, names, strict=True))
        text = alt(*values)
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"alt must return a sentence for {where}, but returned {text!r}.")
        pages[at] = _frame(draw(*values), text, where)
        lines.append(f"{where}: {text}")
    _warn_if_heavy(pages)

    box = _linked(options, pages, chosen)
    summary = "\n".join([f"{len(lines)} frames, chosen by {' and '.join(options)}.", *lines])
    return _with_fallback(box, summary, pages[chosen])


# --- what the reader of the chapter asked for -----------------------------------------------------


def _options(controls: Mapping[str, Iterable[Any]]) -> Options:
    """Label -> list of (text, value)."""
    if not hasattr(controls, "items") or len(controls) not in (1, 2):
        raise ValueError(
            "controls must map one or two labels to their values, "
            f'such as {{"removed point": range(10)}}, not {controls!r}.'
        )
    options = {label: [_pair(v) for v in values] for label, values in controls.items()}
    for label, pairs in options.items():
        if len(pairs) < 2:
            raise ValueError(
                f"{label!r} needs at least two values to choose from, got {len(pairs)}."
            )
    return options


def _pair(value: Any) -> tuple[str, Any]:
    """Leave ``(text, value)`` alone and name any other value by its `str`."""
    is_pair = isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)
    return value if is_pair else (str(value), value)


def _chosen(options: Options, start: Mapping[str, Any]) -> tuple[int, ...]:
    """Index of the value shown first, for every control."""
    for label in start:
        if label not in options:
            raise ValueError(f"start names {label!r}, but the controls are {list(options)}.")
    chosen = []
    for label, pairs in options.items():
        values = [value for _, value in pairs]
        if label in start and start[label] not in values:
            raise ValueError(f"start[{label!r}] is {start[label]!r}, which is none of its values.")
        chosen.append(values.index(start[label]) if label in start else 0)
    return tuple(chosen)


# --- one frame ------------------------------------------------------------------------------------


def _frame(drawn: Any, text: str, where: str) -> str:
    """HTML of one frame."""
    if isinstance(drawn, str):
        return f'<div role="group" aria-label="{html.escape(text)}">{drawn}</div>'
    return inlined(_svg(_figure(drawn, where)), text)


def _figure(drawn: Any, where: str) -> Any:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    figure = drawn.figure if isinstance(drawn, Axes) else drawn
    if not isinstance(figure, Figure):
        raise ValueError(
            "draw must return a matplotlib Figure or Axes, or a string of HTML, "
            f"but for {where} it returned {drawn!r}."
        )
    return figure


def _svg(figure: Any) -> str:
    """Save the figure as text, and close it."""
    import matplotlib.pyplot as plt

    text = io.StringIO()
    with plt.rc_context(SVG):
        figure.savefig(text, format="svg", metadata=UNSIGNED)
    plt.close(figure)
    return text.getvalue()


def _warn_if_heavy(pages: Pages) -> None:
    size = sum(map(len, pages.values()))
    if size > MAX_BYTES:
        warnings.warn(
            f"The {len(pages)} frames weigh {size / 1e6:.1f} MB, too much for one page: "
            "choose fewer values or smaller figures.",
            stacklevel=3,
        )


# --- controls and frames together -----------------------------------------------------------------


def _linked(options: Options, pages: Pages, chosen: tuple[int, ...]) -> Any:
    """Place the controls above the frame that they choose."""
    import ipywidgets

    controls = []
    for (label, pairs), index in zip(options.items(), chosen, strict=True):
        given = {
            "options": [(text, k) for k, (text, _) in enumerate(pairs)],
            "index": index,
            "description": label,
        }
        if len(pairs) > MAX_BUTTONS:
            layout = ipywidgets.Layout(width="auto", max_width="100%")
            control = ipywidgets.SelectionSlider(layout=layout, **given)
        else:
            # the buttons go below their label where the screen is narrow
            layout = ipywidgets.Layout(
                display="flex", flex_flow="row wrap", grid_gap="0 8px", max_width="100%"
            )
            control = ipywidgets.ToggleButtons(layout=layout, **given)
            control.style.button_width = "auto"
        control.style.description_width = "initial"
        if hasattr(control, "tooltip"):
            control.tooltip = ""  # None would be shown as "null"
        controls.append(control)

    link = _linked_in_the_browser if hasattr(ipywidgets, "Stack") else _linked_by_the_kernel
    column = ipywidgets.Layout(max_width="100%")
    return ipywidgets.VBox([*controls, link(controls, pages, chosen)], layout=column)


def _linked_in_the_browser(controls: list[Any], pages: Pages, chosen: tuple[int, ...]) -> Any:
    """Stack the frames; with two controls, stack the stacks."""
    import ipywidgets
    from ipywidgets.widgets.widget_string import HTMLStyle

    # one for all frames: every widget adds to the page
    layout, style = ipywidgets.Layout(max_width="100%"), HTMLStyle()

    def stack(at: tuple[int, ...]) -> Any:
        if len(at) == len(controls):
            return ipywidgets.HTML(pages[at], layout=layout, style=style)
        control, index = controls[len(at)], chosen[len(at)]
        children = [stack((*at, k)) for k in range(len(control.options))]
        widget = ipywidgets.Stack(children, selected_index=index, layout=layout)
        ipywidgets.jslink((control, "index"), (widget, "selected_index"))
        return widget

    return stack(())


def _linked_by_the_kernel(controls: list[Any], pages: Pages, chosen: tuple[int, ...]) -> Any:
    """One HTML widget whose content is changed from Python, for ipywidgets 7."""
    import ipywidgets

    shown = ipywidgets.HTML(pages[chosen])

    def change(_: Any) -> None:
        shown.value = pages[tuple(control.index for control in controls)]

    for control in controls:
        control.observe(change, names="index")
    return shown


def _with_fallback(box: Any, summary: str, first: str) -> Any:
    """Add what terminals, GitHub and print show, and what nbval compares."""
    if not hasattr(box, "_repr_mimebundle_"):  # ipywidgets 7 displays itself in another way
        return box
    widget_view = box._repr_mimebundle_

    def bundle(**kwargs: Any) -> dict[str, Any]:
        data = {**widget_view(**kwargs), "text/plain": summary}
        if first.startswith("<svg"):
            data["image/svg+xml"] = first
        return data

    box._repr_mimebundle_ = bundle
    return box
