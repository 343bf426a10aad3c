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
    """Scores of one fused image by metric, and the reasons why others do not apply.

    ``scores`` keep the order in which they were requested; the PSNR of equal images is infinite.
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
    """Score a fused image by every metric that applies, or by those named in ``metrics``.

    Give no source or at least two. ``names`` are those of the sources and the truth in messages.
    Raise MetricError if the images differ in shape or dtype, or one is not an image.

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
