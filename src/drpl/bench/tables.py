"""Tables and sentences of a quality report, from summaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from drpl.bench.methods import CEILING
from drpl.bench.summary import SetScores, Values, bootstrap, lead, mean
from drpl.classical.table import BASELINES
from drpl.metrics.cards import METRICS

DIGITS = {"psnr": 2, "psnr_band": 2, "psnr_outside": 2, "q_cv": 2, "ag": 2, "sd": 2, "sf": 2}
"""Shown behind the point; 4 for other metrics."""
ARROWS = {"higher": "↑", "lower": "↓"}


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes
    ----------
    caption : str
    columns : list of str
    rows : list of list of str
        The first cell of each is its heading.
    apart : int
        How many of the last rows are references.
    """

    caption: str
    columns: list[str]
    rows: list[list[str]]
    apart: int = 0


def interval(middle: float, low: float, high: float, digits: int, *, sign: str = "") -> str:
    """A number with its confidence interval."""
    return f"{middle:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def heading(metric: str) -> str:
    """A metric's symbol, and which direction is better."""
    return f"{METRICS[metric].symbol} {ARROWS[METRICS[metric].better]}"


def sentence(scores: SetScores) -> str:
    """How the first method does against the best other one."""
    if not scores.rivals:
        return f"{scores.methods[0]} has no other method beside it."
    return _lead_sentence(scores) if scores.has_truth else _rank_sentence(scores)


def _rank_sentence(scores: SetScores) -> str:
    """The average rank of the first method, and that of the best other one."""
    average = scores.mean_ranks().mean(axis=0)
    place = 1 + int((average < average[0]).sum())
    best = min(scores.rivals, key=lambda place: float(average[place]))
    return (
        f"{scores.methods[0]}: average rank {average[0]:.2f}, place {place} of {len(average)}; "
        f"best other: {scores.methods[best]} with {average[best]:.2f}."
    )


def _lead_sentence(scores: SetScores) -> str:
    """By how much the first method leads or trails the best other one."""
    leads = lead(scores, "psnr")
    gaps = mean(leads)
    best = min(scores.rivals, key=lambda place: float(gaps[place]))
    low, high = (bound[best] for bound in bootstrap(leads))
    gap = float(gaps[best])
    verb = "leads" if gap >= 0 else "trails"
    bounds = (low, high) if gap >= 0 else (-high, -low)
    shown = interval(abs(gap), *bounds, 2).replace(" [", " dB [")
    doubt = "; the interval holds 0" if low <= 0 <= high else ""
    return f"{scores.methods[0]} {verb} {scores.methods[best]} by {shown} of PSNR{doubt}."


def rank_table(scores: SetScores) -> Table:
    """Ranks of the mean scores, their average, and the mean of the ranks within scenes."""
    by_metric, of_images = scores.mean_ranks(), scores.image_ranks()
    average, middles = by_metric.mean(axis=0), mean(of_images)
    low, high = bootstrap(of_images)
    rows = []
    for place in _best_first(scores, by_rank=True):
        shown = interval(middles[place], low[place], high[place], 2)
        cells = [f"{value:g}" for value in by_metric[:, place]]
        rows.append([scores.methods[place], f"{average[place]:.2f}", shown, *cells])
    symbols = [METRICS[name].symbol for name in scores.ranked]
    columns = ["method", "average rank", "mean rank within scenes", *symbols]
    return Table("Ranks (1 is best); by metric: of the mean scores", columns, rows)


def mean_table(scores: SetScores) -> Table:
    """Means with confidence intervals; with a truth also the way to the ceiling."""
    cells: list[list[str]] = []
    columns: list[str] = []
    for metric in scores.metrics:
        values = scores.of(metric)
        middles, (low, high) = mean(values), bootstrap(values)
        digits = DIGITS.get(metric, 4)
        columns.append(heading(metric))
        shown = zip(middles, low, high, strict=True)
        cells.append([_bounded(*numbers, digits) for numbers in shown])
        if metric == "psnr":
            columns.append("10th percentile")
            cells.append([f"{v:.2f}" for v in np.percentile(values, 10, axis=0)])
    if scores.has_truth and CEILING in scores.references:
        columns.append("way to the ceiling")
        cells.append(_ways(scores))
    names = [*scores.methods, *scores.references]
    rows = [list(row) for row in zip(names, *cells, strict=True)]
    order = _best_first(scores)
    rows = [rows[place] for place in order] + rows[len(order) :]
    caption = "Means over the scenes, with 95 % confidence intervals"
    return Table(caption, ["method", *columns], rows, apart=len(scores.references))


def _bounded(middle: float, low: float, high: float, digits: int) -> str:
    """A cell; empty where the metric does not apply."""
    return "" if np.isnan(middle) else interval(middle, low, high, digits)


def _best_first(scores: SetScores, *, by_rank: bool = False) -> list[int]:
    """Methods from the best to the worst: by PSNR, or average rank."""
    count = len(scores.methods)
    if scores.has_truth and not by_rank:
        return [int(n) for n in np.argsort(-mean(scores.of("psnr"))[:count], kind="stable")]
    return [int(n) for n in np.argsort(scores.mean_ranks().mean(axis=0), kind="stable")]


def _ways(scores: SetScores) -> list[str]:
    """How far each method is from the best baseline (0 %) to the selection ceiling (100 %)."""
    names = [*scores.methods, *scores.references]
    means = dict(zip(names, mean(scores.of("psnr")), strict=True))
    classical = [value for name, value in means.items() if name in BASELINES]
    if not classical or means[CEILING] <= max(classical):
        return [""] * len(names)
    best = max(classical)
    return [f"{100 * (means[name] - best) / (means[CEILING] - best):.0f} %" for name in names]


def lead_table(scores: SetScores) -> Table:
    """By how much the first method is better than each other, by each metric."""
    cells: list[list[str]] = []
    for metric in scores.metrics:
        leads = lead(scores, metric)
        shown = zip(mean(leads), *bootstrap(leads), strict=True)
        digits = DIGITS.get(metric, 4)
        cells.append([interval(*numbers, digits, sign="+") for numbers in shown])
    rows = [list(row) for row in zip(scores.methods, *cells, strict=True)]
    rows = [rows[place] for place in _best_first(scores) if place != 0]
    first = scores.methods[0]
    caption = (
        f"By how much {first} is better than each (negative: worse), in the metric's unit: means "
        "of the differences within scenes, with 95 % confidence intervals"
    )
    columns = ["better than", *(METRICS[name].symbol for name in scores.metrics)]
    return Table(caption, columns, rows)


def kind_table(scores: SetScores) -> Table | None:
    """Mean PSNR by what stands in front; None where that is not known."""
    kinds = sorted(set(scores.kinds) - {""})
    if not kinds or not scores.has_truth:
        return None
    shown = [name for name in (*scores.methods, CEILING) if name != "average"]
    names = [*scores.methods, *scores.references]
    places = [names.index(name) for name in shown if name in names]
    values = scores.of("psnr")
    rows = []
    for kind in kinds:
        there = np.array([found == kind for found in scores.kinds])
        middles = mean(values[there])
        numbers = [f"{middles[place]:.2f}" for place in places]
        rows.append([kind, str(int(there.sum())), *numbers])
    columns = ["kind", "scenes", *(names[place] for place in places)]
    return Table("Mean PSNR by what stands in front", columns, rows)


def box_values(scores: SetScores) -> tuple[list[str], list[Values], str]:
    """What the box plot of a data set shows: names, values of each, label."""
    count = len(scores.methods)
    if scores.has_truth:
        values, label = scores.of("psnr"), "PSNR in dB"
        names = [*scores.methods, *(n for n in scores.references if n == CEILING)]
    else:
        values, label = scores.image_ranks(), "mean rank within a scene (1 is best)"
        names = scores.methods
    places = {name: n for n, name in enumerate([*scores.methods, *scores.references])}
    order = [0, *(n for n in _best_first(scores) if n != 0), *range(count, len(names))]
    ordered = [names[n] for n in order]
    return ordered, [np.asarray(values[:, places[name]]) for name in ordered], label


TABLES: Sequence[Callable[[SetScores], Table | None]] = (
    rank_table,
    mean_table,
    lead_table,
    kind_table,
)
"""Tables of a data set, in the order of a report."""
