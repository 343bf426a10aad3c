"""Box plots as SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from drpl.bench.summary import Values

INK = "#7b7b7b"
"""Grey that is legible on white and on black."""
FIRST = "#d9822b"
"""Colour of the first box."""
SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text, in the font of the page
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def box_plot(names: Sequence[str], values: Sequence[Values], label: str, *, salt: str) -> str:
    """Draw a box for each entry: median, quartiles, whiskers of 1.5 interquartile ranges.

    Return an ``svg`` element on a transparent background. The first box has its own colour; NaN is
    left out. ``label`` stands at the value axis; ``salt`` is a text unique on the page, from which
    ids within the SVG are derived.
    """
    with mpl.rc_context(SETTINGS | {"svg.hashsalt": salt}):
        figure = Figure(figsize=(7.2, 0.9 + 0.3 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        boxes = axes.boxplot(
            [found[np.isfinite(found)] for found in values],
            orientation="horizontal",
            tick_labels=list(names),
            widths=0.6,
            flierprops={"marker": ".", "markeredgecolor": INK, "markersize": 4},
        )
        for part in ("boxes", "medians", "whiskers", "caps"):
            each = len(boxes[part]) // len(names)
            for place, line in enumerate(boxes[part]):
                line.set(color=FIRST if place < each else INK, linewidth=1.3)
        axes.invert_yaxis()
        axes.grid(axis="x", color=INK, alpha=0.25)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.set_xlabel(label)
        stream = io.StringIO()
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(stream, format="svg", transparent=True, metadata=metadata)
    text = stream.getvalue()
    return text[text.index("<svg") :]
