"""Scores of every entry on one scene."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drpl.bench.encoding import coarsest, read_coded, recoded
from drpl.bench.entries import Entry, references
from drpl.bench.scenes import CAP_DB, BenchScene, Bytes, SceneSpec
from drpl.errors import StackError
from drpl.metrics.evaluate import evaluate

PSNRS = ("psnr", "psnr_band", "psnr_outside")
"""Metrics capped at `CAP_DB`."""
TRUTH_RANKED = ("psnr", "ssim", "ms_ssim", "gmsd")
"""Metrics that scenes with a truth are ranked by."""
TRUTH_METRICS = (*TRUTH_RANKED, "psnr_band", "psnr_outside")
"""Metrics of scenes with a truth."""
PLAIN_RANKED = (
    *("q_mi", "q_ncie", "q_abf", "q_m", "q_p", "q_s", "q_w", "q_c", "q_y"),
    *("q_cv", "q_cb"),
)
"""Metrics that scenes without a truth are ranked by."""
PLAIN_METRICS = (*PLAIN_RANKED, "q_e", "en", "ag", "sd", "sf")
"""Metrics of scenes without a truth."""
METRIC_COLUMNS = (*TRUTH_METRICS, *PLAIN_METRICS)
Row = dict[str, str | float]
"""Labels and scores of one entry on one scene, by column of ``scores.csv``."""


def fused_images(spec: SceneSpec, scene: BenchScene, entries: dict[str, Entry]) -> dict[str, Bytes]:
    """Fuse a scene by every entry, read the peers' images, and encode all alike.

    If peers' files are JPEGs, every image is recoded like the coarsest of them, except files that
    have that encoding already. ``scene`` is what ``spec`` loads. Raise StackError if a peer's image
    has another shape than the frames.
    """
    encoding = coarsest(spec.peers.values())
    images = {name: entry(scene) for name, entry in entries.items()}
    if encoding is not None:
        images = {name: recoded(fused, encoding) for name, fused in images.items()}
    for name, path in spec.peers.items():
        images[name] = read_coded(path, encoding)
        _check_shape(path, images[name], scene)
    return images


def _check_shape(path: Path, fused: Bytes, scene: BenchScene) -> None:
    """Raise `StackError` if a peer's image has another shape than the frames."""
    if fused.shape != scene.frames[0].shape:
        raise StackError(
            f"{path}: has shape {fused.shape}, the frames of its scene {scene.frames[0].shape}; "
            "expected the same"
        )


def score(fused: Bytes, scene: BenchScene) -> dict[str, float]:
    """Score a fused image over the scored window, by metric; NaN where a metric does not apply."""
    window = scene.window
    truth = None if scene.truth is None else scene.truth[window]
    band = None if scene.band is None else scene.band[window]
    sources = [frame[window] for frame in scene.frames]
    metrics = PLAIN_METRICS if truth is None else TRUTH_METRICS
    found = evaluate(fused[window], sources, truth, band=band, metrics=metrics).scores
    scores = dict.fromkeys(METRIC_COLUMNS, float("nan")) | found
    return scores | {name: float(np.minimum(scores[name], CAP_DB)) for name in PSNRS}


def score_scene(spec: SceneSpec, entries: dict[str, Entry]) -> list[Row]:
    """Load a scene, fuse it by every entry, and score entries, peers and references."""
    scene = spec.load()
    images = fused_images(spec, scene, entries)
    if scene.truth is not None:
        images |= references(scene.frames, scene.truth)
    labels = {"set": spec.data_set, "scene": spec.name, "kind": scene.kind}
    return [{**labels, "method": name, **score(fused, scene)} for name, fused in images.items()]


def describe_encodings(specs: Sequence[SceneSpec]) -> dict[str, str]:
    """Describe by data set how fused images are recoded; sets left as they are do not appear."""
    kinds: dict[str, dict[str, int]] = {}
    for spec in specs:
        encoding = coarsest(spec.peers.values())
        if encoding is not None:
            counts = kinds.setdefault(spec.data_set, {})
            counts[str(encoding)] = counts.get(str(encoding), 0) + 1
    return {
        name: "; ".join(
            f"{count} scene{'s' * (count != 1)}: {words}" for words, count in counts.items()
        )
        for name, counts in kinds.items()
    }
