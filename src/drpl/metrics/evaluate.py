"""Every metric that applies to one fused image: of arrays, and of files."""

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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of one fused image.

    Attributes
    ----------
    scores : dict of str to float
        By metric, in the order of `drpl.metrics.cards.METRICS`; PSNR of equal images is infinite.
    left_out : dict of str to str
        Metrics that do not apply, and why.
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
        White of float images is 1.
    sources : sequence of ndarray
        Two or more, like the fused image; or none, for a comparison with the truth only.
    band : ndarray of bool, shape (H, W), optional
        See `drpl.metrics.boundary.boundary_band`.
    metrics : iterable of str
        Names in `drpl.metrics.cards.METRICS`.
    names : sequence of str, optional
        What messages call the sources and the truth.

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
    known = names or [*source_names(len(sources)), "the truth"]
    check_alike(fused, others, tuple(known[: len(others)]))
    scores, left_out = {}, {}
    for name in metrics:
        try:
            value = METRICS[name].score(fused, sources=sources, truth=truth, band=band)
        except MetricError as error:  # what is left to be wrong is too small or too few
            left_out[name] = str(error).removeprefix(f"{name} ")
            continue
        if math.isnan(value):
            left_out[name] = UNDEFINED
        else:
            scores[name] = value
    return Evaluation(scores, left_out)
