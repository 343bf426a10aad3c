"""Every metric that applies to one fused image: of arrays, and of files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.errors import MetricError
from drpl.metrics import METRICS
from drpl.metrics.images import check_alike
from drpl.read import read_frame
from drpl.sources import find_sources
from drpl.stack import Pixels, source_names

UNDEFINED = "is not defined for these images"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of one fused image.

    Attributes
    ----------
    scores : dict of str to float
        By metric, in the order of `drpl.metrics.METRICS`; PSNR of equal images is infinite.
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
        See `drpl.metrics.boundary_band`.
    metrics : iterable of str
        Names in `drpl.metrics.METRICS`.
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


def evaluate_files(
    fused: str | Path, sources: Sequence[str | Path] = (), truth: str | Path | None = None
) -> dict[str, Any]:
    """Score a fused image in a file by every metric that applies.

    Parameters
    ----------
    fused, truth : str or Path
    sources : sequence of paths
        Files, folders of them, or patterns; see `drpl.sources.find_sources`.

    Returns
    -------
    dict
        Plain enough for JSON: ``fused``, ``sources``, ``truth``, ``metrics`` (by name: ``symbol``,
        ``value``, ``better``, ``reference``; an infinite value is the text ``"Infinity"``) and
        ``left_out`` (by name: why).

    Raises
    ------
    ReadError
        If a file cannot be read.
    MetricError
        If the images differ in size, channels or sample type.
    """
    paths = find_sources(sources)
    truths = [] if truth is None else [Path(truth)]
    pixels = [read_frame(path).pixels for path in (fused, *paths, *truths)]
    found = evaluate(
        pixels[0],
        pixels[1 : 1 + len(paths)],
        pixels[-1] if truths else None,
        names=[str(path) for path in (*paths, *truths)],
    )
    return {
        "fused": str(fused),
        "sources": [str(path) for path in paths],
        "truth": None if truth is None else str(truth),
        "metrics": {name: _entry(name, value) for name, value in found.scores.items()},
        "left_out": found.left_out,
    }


def _entry(name: str, value: float) -> dict[str, Any]:
    """A score and how to read it."""
    card = METRICS[name]
    shown: float | str = value if math.isfinite(value) else "Infinity"
    return {
        "symbol": card.symbol,
        "value": shown,
        "better": card.better,
        "reference": card.reference,
    }
