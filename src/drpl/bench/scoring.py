"""Scores of every method on one scene."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drpl.bench.encoding import coarsest, read_coded, recoded
from drpl.bench.methods import Method, references
from drpl.bench.scenes import CAP_DB, BenchScene, Bytes, SceneEntry
from drpl.errors import StackError
from drpl.metrics.evaluate import evaluate

PSNRS = ("psnr", "psnr_band", "psnr_outside")
TRUTH_RANKED = ("psnr", "ssim", "ms_ssim", "gmsd")
TRUTH_METRICS = (*TRUTH_RANKED, "psnr_band", "psnr_outside")
"""Scored where there is a truth, and those of them that are ranked."""
PLAIN_RANKED = (
    *("q_mi", "q_ncie", "q_abf", "q_m", "q_p", "q_s", "q_w", "q_c", "q_y"),
    *("q_cv", "q_cb"),
)
PLAIN_METRICS = (*PLAIN_RANKED, "q_e", "en", "ag", "sd", "sf")
"""Scored where there is none, and those of them that are ranked."""
METRIC_COLUMNS = (*TRUTH_METRICS, *PLAIN_METRICS)
Row = dict[str, str | float]


def results(entry: SceneEntry, scene: BenchScene, methods: dict[str, Method]) -> dict[str, Bytes]:
    """Fused images by method: of ours, and of others; alike in their encoding.

    Where others' files are JPEGs, all are coded as the coarsest of them; a file that is coded so
    already stays as it is.

    Raises
    ------
    StackError
        If an image of others does not fit the scene.
    """
    encoding = coarsest(entry.others.values())
    found = {name: method(scene) for name, method in methods.items()}
    if encoding is not None:
        found = {name: recoded(fused, encoding) for name, fused in found.items()}
    for name, path in entry.others.items():
        found[name] = read_coded(path, encoding)
        _check_fits(path, found[name], scene)
    return found


def _check_fits(path: Path, fused: Bytes, scene: BenchScene) -> None:
    """An image of others must be like the frames."""
    if fused.shape != scene.frames[0].shape:
        raise StackError(
            f"{path}: has shape {fused.shape}, the frames of its scene {scene.frames[0].shape}; "
            "expected the same"
        )


def score(fused: Bytes, scene: BenchScene) -> dict[str, float]:
    """Scores of one fused image, over what of the scene is scored; NaN where one does not apply."""
    window = scene.window
    truth = None if scene.truth is None else scene.truth[window]
    band = None if scene.band is None else scene.band[window]
    sources = [frame[window] for frame in scene.frames]
    metrics = PLAIN_METRICS if truth is None else TRUTH_METRICS
    found = evaluate(fused[window], sources, truth, band=band, metrics=metrics).scores
    scores = dict.fromkeys(METRIC_COLUMNS, float("nan")) | found
    return scores | {name: float(np.minimum(scores[name], CAP_DB)) for name in PSNRS}


def score_scene(entry: SceneEntry, methods: dict[str, Method]) -> list[Row]:
    """Load a scene, fuse it by every method, and score what comes out."""
    scene = entry.load()
    found = results(entry, scene, methods)
    if scene.truth is not None:
        found |= references(scene.frames, scene.truth)
    about = {"set": entry.data_set, "scene": entry.name, "kind": scene.kind}
    return [{**about, "method": name, **score(fused, scene)} for name, fused in found.items()]


def describe_encodings(entries: Sequence[SceneEntry]) -> dict[str, str]:
    """How results are coded, by data set, in words; nothing for sets that are not coded."""
    kinds: dict[str, dict[str, int]] = {}
    for entry in entries:
        encoding = coarsest(entry.others.values())
        if encoding is not None:
            counts = kinds.setdefault(entry.data_set, {})
            counts[str(encoding)] = counts.get(str(encoding), 0) + 1
    return {
        name: "; ".join(
            f"{count} scene{'s' * (count != 1)}: {words}" for words, count in counts.items()
        )
        for name, counts in kinds.items()
    }
