"""Evaluation of files: scores of a fused image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drpl.io.read import read_frame
from drpl.io.sources import find_sources
from drpl.metrics.cards import METRICS
from drpl.metrics.evaluate import evaluate


def evaluate_files(
    fused: str | Path, sources: Sequence[str | Path] = (), truth: str | Path | None = None
) -> dict[str, Any]:
    """Score a fused image in a file by every metric that applies.

    Sources (files, folders of them, or patterns) serve the no-reference metrics, the true image
    those with reference. Raise ReadError if a file cannot be read, MetricError if the images differ
    in size, channels or sample type.

    Returns
    -------
    dict
        Plain values for JSON: ``fused``, ``sources``, ``truth``, ``metrics`` (by name: ``symbol``,
        ``value``, ``better``, ``reference``; an infinite value is the text ``"Infinity"``) and
        ``left_out`` (reason by name).
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
    """Return a score with the facts needed to read it."""
    card = METRICS[name]
    return {
        "symbol": card.symbol,
        "value": value if math.isfinite(value) else "Infinity",
        "better": card.better,
        "reference": card.reference,
    }
