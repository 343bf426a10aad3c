"""What scores come to: means with confidence intervals, differences, ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drpl.bench.methods import REFERENCES, model_of
from drpl.bench.scoring import METRIC_COLUMNS, PLAIN_RANKED, TRUTH_RANKED, Row
from drpl.metrics.cards import METRICS

Values = NDArray[np.float64]
ROUNDS = 10_000
"""Resamples of a bootstrap."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class SetScores:
    """Scores of a data set.

    Attributes
    ----------
    name : str
    scenes, kinds : list of str
        Names, and what stands in front, scene by scene.
    methods : list of str
        Those that are ranked, ours first.
    references : list of str
        Those that are not.
    metrics : list of str
        Those that apply to the set.
    values : array, shape (scenes, methods and references, metrics)
        NaN where a metric does not apply to a scene.
    """

    name: str
    scenes: list[str]
    kinds: list[str]
    methods: list[str]
    references: list[str]
    metrics: list[str]
    values: Values

    @property
    def rivals(self) -> list[int]:
        """Places of the methods that are not the first one's model, composed in whatever way."""
        model = model_of(self.methods[0])
        return [n for n, name in enumerate(self.methods) if n and model_of(name) != model]

    @property
    def has_truth(self) -> bool:
        """Whether the scenes have a truth."""
        return "psnr" in self.metrics

    @property
    def ranked(self) -> list[str]:
        """Metrics that ranks are taken over."""
        wanted = TRUTH_RANKED if self.has_truth else PLAIN_RANKED
        return [name for name in self.metrics if name in wanted]

    def of(self, metric: str) -> Values:
        """Scores by one metric, shape (scenes, methods and references)."""
        return np.asarray(self.values[:, :, self.metrics.index(metric)])

    def image_ranks(self) -> Values:
        """Ranks within each scene, their mean over the ranked metrics: (scenes, methods)."""
        count = len(self.methods)
        each = [ranks(self.of(name)[:, :count], name) for name in self.ranked]
        return mean(np.stack(each))

    def mean_ranks(self) -> Values:
        """Ranks of the mean scores by each ranked metric: (metrics, methods)."""
        count = len(self.methods)
        each = [ranks(mean(self.of(name)[:, :count]), name) for name in self.ranked]
        return np.stack(each)


def tabulate(rows: Sequence[Row]) -> list[SetScores]:
    """Rows of a run by data set, in the order of the run."""
    by_set: dict[str, list[Row]] = {}
    for row in rows:
        by_set.setdefault(str(row["set"]), []).append(row)
    return [_set_scores(name, of_set) for name, of_set in by_set.items()]


def _set_scores(name: str, rows: Sequence[Row]) -> SetScores:
    """Rows of one data set as arrays."""
    kinds = {str(row["scene"]): str(row["kind"]) for row in rows}
    names = list(dict.fromkeys(str(row["method"]) for row in rows))
    columns = [*(n for n in names if n not in REFERENCES), *(n for n in names if n in REFERENCES)]
    scenes = {scene: place for place, scene in enumerate(kinds)}
    places = {method: place for place, method in enumerate(columns)}
    values = np.full((len(scenes), len(columns), len(METRIC_COLUMNS)), np.nan)
    for row in rows:
        scores = [float(row[metric]) for metric in METRIC_COLUMNS]
        values[scenes[str(row["scene"])], places[str(row["method"])]] = scores
    there = np.isfinite(values).any(axis=(0, 1))
    return SetScores(
        name,
        list(scenes),
        list(kinds.values()),
        [n for n in columns if n not in REFERENCES],
        [n for n in columns if n in REFERENCES],
        [metric for metric, applies in zip(METRIC_COLUMNS, there, strict=True) if applies],
        values[:, :, there],
    )


def mean(values: Values) -> Values:
    """Means over the scenes that a metric applies to; NaN where there are none."""
    counts = np.isfinite(values).sum(axis=0)
    totals = np.nansum(values, axis=0)
    return np.asarray(np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0))


def ranks(scores: Values, metric: str) -> Values:
    """Ranks along the last axis, from 1 for the best; equal scores share the mean rank.

    Parameters
    ----------
    scores : array, shape (..., methods)
    metric : str
        Decides which direction is better.
    """
    losses = -scores if METRICS[metric].better == "higher" else scores
    one, other = losses[..., :, None], losses[..., None, :]
    better = (other < one).sum(axis=-1)
    equal = (other == one).sum(axis=-1)
    return np.where(np.isnan(losses), np.nan, better + (equal + 1) / 2)


def bootstrap(
    values: Values, *, rounds: int = ROUNDS, confidence: float = CONFIDENCE, seed: int = 0
) -> tuple[Values, Values]:
    """Bounds of the means over scenes, from resampled scenes.

    Parameters
    ----------
    values : array, shape (scenes, columns)
        All columns are resampled alike. NaN where a scene has no value.
    rounds : int
        Resamples.
    confidence : float
        Share of the resampled means that lie between the bounds.
    seed : int

    Returns
    -------
    low, high : arrays, shape (columns,)

    References
    ----------
    Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979),
    doi:10.1214/aos/1176344552: percentile interval.
    """
    count = len(values)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), rounds)
    weights = drawn @ np.isfinite(values).astype(np.float64)
    totals = drawn @ np.nan_to_num(values)
    means = np.divide(totals, weights, out=np.full_like(totals, np.nan), where=weights > 0)
    tail = (1 - confidence) / 2
    # a column that is empty, or was drawn empty, has no bounds rather than a warning
    filled = np.where(np.isnan(means), mean(values), means)
    low, high = np.quantile(filled, (tail, 1 - tail), axis=0)
    return low, high


def lead(scores: SetScores, metric: str) -> Values:
    """By how much the first method is better than each, scene by scene: (scenes, methods)."""
    found = scores.of(metric)[:, : len(scores.methods)]
    sign = 1 if METRICS[metric].better == "higher" else -1
    return np.asarray(sign * (found[:, :1] - found))
