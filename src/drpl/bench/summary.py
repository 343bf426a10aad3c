"""Summaries of scores: means with confidence intervals, differences, ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drpl.bench.entries import REFERENCES, model_of
from drpl.bench.scoring import METRIC_COLUMNS, PLAIN_RANKED, TRUTH_RANKED, Row
from drpl.metrics.cards import METRICS

Values = NDArray[np.float64]
"""Scores or ranks, float64; NaN where one does not apply."""
ROUNDS = 10_000
"""Resamples of a bootstrap."""
CONFIDENCE = 0.95
"""Coverage of confidence intervals."""


@dataclass(frozen=True)
class SetScores:
    """Scores of a data set; ``values`` have shape (scenes, entries + references, metrics).

    ``kinds`` are the kinds of foreground by scene, empty if not known. The first entry is the one
    of interest; references are not ranked. ``metrics`` are those that apply to the set; NaN stands
    where one does not apply to a scene.
    """

    name: str
    scenes: list[str]
    kinds: list[str]
    entries: list[str]
    references: list[str]
    metrics: list[str]
    values: Values

    @property
    def rivals(self) -> list[int]:
        """Indices of the entries with another model than the first entry."""
        model = model_of(self.entries[0])
        return [n for n, name in enumerate(self.entries) if n and model_of(name) != model]

    @property
    def has_truth(self) -> bool:
        """True if the scenes have a truth."""
        return "psnr" in self.metrics

    @property
    def ranked(self) -> list[str]:
        """Metrics that entries are ranked by."""
        wanted = TRUTH_RANKED if self.has_truth else PLAIN_RANKED
        return [name for name in self.metrics if name in wanted]

    def of(self, metric: str) -> Values:
        """Return the scores by one metric, shape (scenes, entries + references)."""
        return np.asarray(self.values[:, :, self.metrics.index(metric)])

    def image_ranks(self) -> Values:
        """Return mean ranks over the metrics within each scene, shape (scenes, entries)."""
        count = len(self.entries)
        each = [ranks(self.of(name)[:, :count], name) for name in self.ranked]
        return mean(np.stack(each))

    def mean_ranks(self) -> Values:
        """Return ranks of the mean scores by each ranked metric, shape (metrics, entries)."""
        count = len(self.entries)
        each = [ranks(mean(self.of(name)[:, :count]), name) for name in self.ranked]
        return np.stack(each)


def tabulate(rows: Sequence[Row]) -> list[SetScores]:
    """Group the rows of a run by data set, in the order of the run."""
    by_set: dict[str, list[Row]] = {}
    for row in rows:
        by_set.setdefault(str(row["set"]), []).append(row)
    return [_set_scores(name, of_set) for name, of_set in by_set.items()]


def _set_scores(name: str, rows: Sequence[Row]) -> SetScores:
    """Collect the rows of one data set."""
    kinds = {str(row["scene"]): str(row["kind"]) for row in rows}
    names = list(dict.fromkeys(str(row["method"]) for row in rows))
    columns = [*(n for n in names if n not in REFERENCES), *(n for n in names if n in REFERENCES)]
    scenes = {scene: place for place, scene in enumerate(kinds)}
    places = {column: place for place, column in enumerate(columns)}
    values = np.full((len(scenes), len(columns), len(METRIC_COLUMNS)), np.nan)
    for row in rows:
        scores = [float(row[metric]) for metric in METRIC_COLUMNS]
        values[scenes[str(row["scene"])], places[str(row["method"])]] = scores
    applying = np.isfinite(values).any(axis=(0, 1))
    return SetScores(
        name,
        list(scenes),
        list(kinds.values()),
        [n for n in columns if n not in REFERENCES],
        [n for n in columns if n in REFERENCES],
        [metric for metric, applies in zip(METRIC_COLUMNS, applying, strict=True) if applies],
        values[:, :, applying],
    )


def mean(values: Values) -> Values:
    """Average over the scenes (axis 0) with a finite value; NaN where there is none."""
    counts = np.isfinite(values).sum(axis=0)
    totals = np.nansum(values, axis=0)
    return np.asarray(np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0))


def ranks(scores: Values, metric: str) -> Values:
    """Rank scores by a metric along the last axis, from 1 for the best.

    Equal scores share their mean rank; NaN stays NaN.
    """
    losses = -scores if METRICS[metric].better == "higher" else scores
    one, other = losses[..., :, None], losses[..., None, :]
    better = (other < one).sum(axis=-1)
    equal = (other == one).sum(axis=-1)
    return np.where(np.isnan(losses), np.nan, better + (equal + 1) / 2)


def bootstrap(
    values: Values, *, rounds: int = ROUNDS, confidence: float = CONFIDENCE, seed: int = 0
) -> tuple[Values, Values]:
    """Estimate confidence intervals of means over scenes by resampling the scenes.

    Values have shape (scenes, columns), with NaN where a scene has none; all columns use the same
    resamples. Return the lower and the upper bound by column, NaN for columns without a value.

    Reference: Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7
    (1979), doi:10.1214/aos/1176344552: percentile interval.
    """
    count = len(values)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), rounds)
    weights = drawn @ np.isfinite(values).astype(np.float64)
    totals = drawn @ np.nan_to_num(values)
    means = np.divide(totals, weights, out=np.full_like(totals, np.nan), where=weights > 0)
    tail = (1 - confidence) / 2
    # a resample that drew no value counts as the mean: one NaN would void the interval
    filled = np.where(np.isnan(means), mean(values), means)
    low, high = np.quantile(filled, (tail, 1 - tail), axis=0)
    return low, high


def lead(scores: SetScores, metric: str) -> Values:
    """Return by how much the first entry beats each entry, shape (scenes, entries).

    Positive values are in the first entry's favour, whichever direction of the metric is better.
    """
    found = scores.of(metric)[:, : len(scores.entries)]
    sign = 1 if METRICS[metric].better == "higher" else -1
    return np.asarray(sign * (found[:, :1] - found))
