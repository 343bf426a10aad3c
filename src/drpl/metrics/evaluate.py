"""Evaluation of a fused image by every metric that applies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels, source_names
from drpl.errors import MetricError
from drpl.metrics.cards import METRICS
from drpl.metrics.images import check_alike

UNDEFINED = "is not defined for these images"
"""Reason for leaving out a metric whose score is NaN."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of one fused image.

    Attributes
    ----------
    scores : dict of str to float
        Score by metric, in the order in which they were requested. PSNR of equal images is
        infinite.
    left_out : dict of str to str
        Reason by metric, for metrics that do not apply.
    """

    scores: dict[str, float]
    left_out: dict[str, str]


def evaluate(
    fused: Pixels,
    sources: Sequence[Pixels] = (),
    truth: Pixels | None = None,
    *,
    band: NDArray[np.bool_] | None = None,
    metrics: Iterable[str] = tuple(METRICS),
    names: Sequence[str] | None = None,
) -> Evaluation:
    """Score a fused image by every metric that applies.

    Parameters
    ----------
    fused, truth : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        Images of equal shape and dtype; white is 1 in float32.
    sources : sequence of ndarray
        Two source images or more, of the shape and dtype of the fused image; none for a comparison
        with the truth only.
    band : ndarray of bool, shape (H, W), optional
        Focus-boundary band; see `drpl.metrics.boundary.boundary_band`.
    metrics : iterable of str
        Names in `drpl.metrics.cards.METRICS`; by default all.
    names : sequence of str, optional
        Names of the sources and the truth in messages.

    Returns
    -------
    Evaluation

    Raises
    ------
    MetricError
        If the images differ in shape or dtype, or one is not an image.

    Examples
    --------
    >>> import numpy as np
    >>> picture = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    >>> evaluate(picture, [picture, picture], picture).scores["ssim"]
    1.0
    """
    others = (*sources, *(() if truth is None else (truth,)))
    names = names or [*source_names(len(sources)), "the truth"]
    check_alike(fused, others, tuple(names[: len(others)]))
    scores, left_out = {}, {}
    for name in metrics:
        try:
            value = METRICS[name].score(fused, sources=sources, truth=truth, band=band)
        except MetricError as error:  # too few images, or too small ones
            left_out[name] = str(error).removeprefix(f"{name} ")
            continue
        if math.isnan(value):
            left_out[name] = UNDEFINED
        else:
            scores[name] = value
    return Evaluation(scores, left_out)
