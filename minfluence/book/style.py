"""The book's visual language: colours and type that figures, widgets and pages share.

``book/look.md`` explains it; ``book/_static/style.css`` and ``book/js/elements.js`` say the same in
their languages, and a test compares the three. In the built book a figure's colours become the
page's variables, so that light and dark have one ground each.
"""

import sys

#: What each colour means: on light ground, on dark ground.
COLOURS = {
    "paper": ("#ffffff", "#14181e"),  # the ground of pages, figures and widgets
    "ink": ("#222222", "#dfe3e8"),  # text, the truth, what the eye is to follow
    "grey": ("#6b6b6b", "#a0a7b0"),  # axes, what stands back
    "rule": ("#c8c8c8", "#3c434d"),  # thin lines and frames
    "soft": ("#f3f4f5", "#20262e"),  # the ground of buttons and boxes
    "helps": ("#0072b2", "#5ab4ec"),  # helpful: leaving it out raises the test loss
    "harms": ("#d55e00", "#ff9248"),  # harmful: leaving it out lowers it
    "third": ("#7a5195", "#b99be0"),  # a curve that is neither, where grey and dashes do not do
}
PAPER, INK, GREY, RULE, SOFT, HELPS, HARMS, THIRD = (light for light, _ in COLOURS.values())

#: How a figure is saved: text stays text, which the page sets; the same names in every run.
SVG = {"svg.fonttype": "none", "svg.hashsalt": "minfluence"}
UNSIGNED = {"Date": None, "Creator": None}  # the file's metadata

#: Inches: a figure of this width fills a phone, and its text is then 11 pixels high.
WIDTH = 5.4
POINTS = 12  # of text; of the numbers at the axes one less


def use() -> None:
    """Set matplotlib to the book's style; in a notebook, figures become SVG."""
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.6),
            "figure.dpi": 120,
            "figure.facecolor": PAPER,
            "savefig.facecolor": PAPER,
            "figure.constrained_layout.use": True,
            "axes.facecolor": PAPER,
            "axes.edgecolor": GREY,
            "axes.labelcolor": INK,
            "axes.titlecolor": INK,
            "axes.titlesize": POINTS,
            "axes.titlelocation": "left",
            "axes.labelsize": POINTS,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=[INK, GREY, THIRD, HELPS, HARMS]),
            "text.color": INK,
            "xtick.color": GREY,
            "ytick.color": GREY,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "xtick.labelsize": POINTS - 1,
            "ytick.labelsize": POINTS - 1,
            "font.size": POINTS,
            "legend.frameon": False,
            "legend.fontsize": POINTS - 1,
            "image.interpolation": "none",  # pictures keep their own pixels
            **SVG,
        }
    )
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", metadata=UNSIGNED)
