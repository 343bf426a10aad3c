"""Tables and sentences of a quality report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from drpl.bench.entries import CEILING
from drpl.bench.summary import SetScores, Values, bootstrap, lead, mean
from drpl.classical.table import CLASSICAL_METHODS
from drpl.metrics.cards import METRICS

DIGITS = {"psnr": 2, "psnr_band": 2, "psnr_outside": 2, "q_cv": 2, "ag": 2, "sd": 2, "sf": 2}
"""Decimals by metric; 4 for metrics not listed."""
ARROWS = {"higher": "↑", "lower": "↓"}
"""Arrow that points to better values."""


@dataclass(frozen=True)
class Table:
    """A table of a report, whose last ``references`` rows are references, not ranked entries.

    The caption is a sentence without the full stop; the first cell of a row is its heading.
    """

    caption: str
    columns: list[str]
    rows: list[list[str]]
    references: int = 0


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format cells as a Markdown table, without a line break at the end."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def interval(mean: float, low: float, high: float, digits: int, *, sign: str = "") -> str:
    """Format a mean with its confidence interval: ``mean [low, high]``."""
    return f"{mean:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def heading(metric: str) -> str:
    """Return a metric's symbol with an arrow towards better values."""
    return f"{METRICS[metric].symbol} {ARROWS[METRICS[metric].better]}"


def sentence(scores: SetScores) -> str:
    """Compare the first entry with the best rival in a sentence."""
    if not scores.rivals:
        return f"{scores.entries[0]}: no other entry to compare with."
    return _lead_sentence(scores) if scores.has_truth else _rank_sentence(scores)


def _rank_sentence(scores: SetScores) -> str:
    """State the average ranks of the first entry and of the best rival."""
    average = scores.mean_ranks().mean(axis=0)
    place = 1 + int((average < average[0]).sum())
    best = min(scores.rivals, key=lambda rival: float(average[rival]))
    return (
        f"{scores.entries[0]}: average rank {average[0]:.2f}, place {place} of {len(average)}; "
        f"best other: {scores.entries[best]} with {average[best]:.2f}."
    )


def _lead_sentence(scores: SetScores) -> str:
    """State by how much the first entry leads or trails the best rival."""
    leads = lead(scores, "psnr")
    gaps = mean(leads)
    best = min(scores.rivals, key=lambda rival: float(gaps[rival]))
    low, high = (bound[best] for bound in bootstrap(leads))
    gap = float(gaps[best])
    verb = "leads" if gap >= 0 else "trails"
    bounds = (low, high) if gap >= 0 else (-high, -low)
    shown = interval(abs(gap), *bounds, 2).replace(" [", " dB [")
    doubt = "; the interval includes 0" if low <= 0 <= high else ""
    return f"{scores.entries[0]} {verb} {scores.entries[best]} by {shown} of PSNR{doubt}."


def rank_table(scores: SetScores) -> Table:
    """Tabulate ranks of the mean scores, their average, and mean ranks within scenes."""
    by_metric, within_scenes = scores.mean_ranks(), scores.image_ranks()
    average, means = by_metric.mean(axis=0), mean(within_scenes)
    low, high = bootstrap(within_scenes)
    rows = []
    for n in best_first(scores, by_rank=True):
        bounded = interval(means[n], low[n], high[n], 2)
        cells = [f"{value:g}" for value in by_metric[:, n]]
        rows.append([scores.entries[n], f"{average[n]:.2f}", bounded, *cells])
    symbols = [METRICS[name].symbol for name in scores.ranked]
    columns = ["method", "average rank", "mean rank within scenes", *symbols]
    return Table("Ranks (1 is best); those by metric rank the mean scores", columns, rows)


def mean_table(scores: SetScores) -> Table:
    """Tabulate means with confidence intervals, and the way to the ceiling if there is a truth."""
    cells: list[list[str]] = []
    columns: list[str] = []
    for metric in scores.metrics:
        values = scores.of(metric)
        digits = DIGITS.get(metric, 4)
        bounded = zip(mean(values), *bootstrap(values), strict=True)
        columns.append(heading(metric))
        cells.append([_bounded(*numbers, digits) for numbers in bounded])
        if metric == "psnr":
            columns.append("10th percentile")
            cells.append([f"{v:.2f}" for v in np.percentile(values, 10, axis=0)])
    if scores.has_truth and CEILING in scores.references:
        columns.append("way to the ceiling")
        cells.append(ways_to_ceiling(scores))
    names = [*scores.entries, *scores.references]
    rows = [list(row) for row in zip(names, *cells, strict=True)]
    order = best_first(scores)
    rows = [rows[n] for n in order] + rows[len(order) :]
    caption = "Means over the scenes, with 95 % confidence intervals"
    return Table(caption, ["method", *columns], rows, references=len(scores.references))


def _bounded(mean: float, low: float, high: float, digits: int) -> str:
    """Format a cell; empty where the metric does not apply."""
    return "" if np.isnan(mean) else interval(mean, low, high, digits)


def best_first(scores: SetScores, *, by_rank: bool = False) -> list[int]:
    """Return indices of the entries, best first: by mean PSNR, else by average rank."""
    count = len(scores.entries)
    if scores.has_truth and not by_rank:
        return [int(n) for n in np.argsort(-mean(scores.of("psnr"))[:count], kind="stable")]
    return [int(n) for n in np.argsort(scores.mean_ranks().mean(axis=0), kind="stable")]


def ways_to_ceiling(scores: SetScores) -> list[str]:
    """Place each row between the best classical method (0 %) and the ceiling (100 %)."""
    names = [*scores.entries, *scores.references]
    means = dict(zip(names, mean(scores.of("psnr")), strict=True))
    classical = [value for name, value in means.items() if name in CLASSICAL_METHODS]
    if not classical or means[CEILING] <= max(classical):
        return [""] * len(names)
    best = max(classical)
    return [f"{100 * (means[name] - best) / (means[CEILING] - best):.0f} %" for name in names]


def lead_table(scores: SetScores) -> Table:
    """Tabulate by how much the first entry beats each other one, by each metric."""
    cells: list[list[str]] = []
    for metric in scores.metrics:
        leads = lead(scores, metric)
        digits = DIGITS.get(metric, 4)
        bounded = zip(mean(leads), *bootstrap(leads), strict=True)
        cells.append([interval(*numbers, digits, sign="+") for numbers in bounded])
    rows = [list(row) for row in zip(scores.entries, *cells, strict=True)]
    rows = [rows[n] for n in best_first(scores) if n != 0]
    caption = (
        f"Lead of {scores.entries[0]} over each other entry (negative: it trails), in units of the "
        "metric: mean differences within scenes, with 95 % confidence intervals"
    )
    columns = ["better than", *(METRICS[name].symbol for name in scores.metrics)]
    return Table(caption, columns, rows)


def kind_table(scores: SetScores) -> Table | None:
    """Tabulate mean PSNR by kind of foreground; return None if kinds or truth are not known."""
    kinds = sorted(set(scores.kinds) - {""})
    if not kinds or not scores.has_truth:
        return None
    names = [*scores.entries, *scores.references]
    shown = [n for n, name in enumerate(names) if name in (*scores.entries, CEILING)]
    shown = [n for n in shown if names[n] != "average"]
    values = scores.of("psnr")
    rows = []
    for kind in kinds:
        chosen = np.array([found == kind for found in scores.kinds])
        means = mean(values[chosen])
        rows.append([kind, str(int(chosen.sum())), *(f"{means[n]:.2f}" for n in shown)])
    columns = ["kind", "scenes", *(names[n] for n in shown)]
    return Table("Mean PSNR by kind of foreground", columns, rows)


def box_values(scores: SetScores) -> tuple[list[str], list[Values], str]:
    """Return the boxes of a data set: names, values of each, and the label of the axis."""
    count = len(scores.entries)
    if scores.has_truth:
        values, label = scores.of("psnr"), "PSNR in dB"
        names = [*scores.entries, *(name for name in scores.references if name == CEILING)]
    else:
        values, label = scores.image_ranks(), "mean rank within a scene (1 is best)"
        names = scores.entries
    places = {name: n for n, name in enumerate([*scores.entries, *scores.references])}
    order = [0, *(n for n in best_first(scores) if n != 0), *range(count, len(names))]
    ordered = [names[n] for n in order]
    return ordered, [np.asarray(values[:, places[name]]) for name in ordered], label


TABLES: Sequence[Callable[[SetScores], Table | None]] = (
    rank_table,
    mean_table,
    lead_table,
    kind_table,
)
"""Functions that make the tables of a data set, in the order of a report."""
