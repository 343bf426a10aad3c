"""Rendered stacks with known movement, scored against the truth; `benchmarks.stacks` shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drpl.align.geometry import Transform, inverse, map_points, warp
from drpl.bench.moved import move_frame, move_frames
from drpl.bench.scenes import BenchScene, Bytes, capped_psnr
from drpl.bench.settings import SEED
from drpl.bench.tables import markdown_table
from drpl.classical.table import CLASSICAL_METHODS
from drpl.core.options import FusionOptions
from drpl.decide.networks import DecisionModel
from drpl.errors import AlignmentError, MetricError
from drpl.io.stacks import ArrayStack
from drpl.models.methods import network_method
from drpl.pipeline.fuse import fuse, fuse_stack

AS_RENDERED, MOVED_KNOWN, MOVED_ALIGNED, MOVED = (
    "drpl, as rendered, not aligned",
    "drpl, moved, movement and exposure known",
    "drpl, moved, aligned",
    "drpl, moved, not aligned",
)
TRUTH_MOVED = "the truth itself, moved and moved back"
CLASSICAL = tuple(CLASSICAL_METHODS)


def _there_and_back(picture: Bytes, transform: Transform) -> Bytes:
    """Move a picture and register it again, to measure the loss of resampling twice."""
    moved = move_frame(picture, inverse(transform), 1.0)
    return np.asarray(warp(moved, transform, picture.shape[:2]), np.uint8)


def transform_error(found: Transform, true: Transform, shape: Sequence[int]) -> float:
    """Return the mean distance in pixels between two mappings of a 9x9 grid of points."""
    down, across = (np.linspace(0, side - 1, 9) for side in shape)
    points = np.stack(np.meshgrid(across, down), axis=-1)
    apart = map_points(found, points) - map_points(true, points)
    return float(np.linalg.norm(apart, axis=-1).mean())


@dataclass(frozen=True, slots=True)
class StackScores:
    """Scores of one rendered stack: PSNR in dB of the inner part, by row of `truth_table`.

    ``shuffled`` are those with the frames in random order, where measured; ``errors``, in pixels,
    are the `transform_error` of each aligned frame; ``rejected`` counts the
    frames that alignment rejected.
    """

    psnr: dict[str, float]
    shuffled: dict[str, float]
    errors: list[float]
    rejected: int


def score_stack(scene: BenchScene, model: DecisionModel, seed: int) -> StackScores:
    """Fuse a rendered stack as rendered, moved and shuffled, and score the results."""
    frames, truth = scene.frames, scene.truth
    if truth is None:
        raise MetricError("the scene has no truth; rendered stacks are scored against theirs")
    middle, still = len(frames) // 2, FusionOptions(align=False)
    results: dict[str, Bytes] = {
        name: CLASSICAL_METHODS[name].fuse_arrays(frames) for name in CLASSICAL
    }
    results[AS_RENDERED] = _fused(frames, still, model)
    moved, known = move_frames(frames, seed)
    results[MOVED] = _fused(moved, still, model)
    restored = fuse_stack(
        ArrayStack(moved, known.names), still, method=network_method(model), known=known
    )
    results[MOVED_KNOWN] = restored.fused.astype(np.uint8)
    results[TRUTH_MOVED] = _there_and_back(truth, known.alignments[0].transform)
    errors: list[float] = []
    try:
        aligned = fuse(moved, FusionOptions(reference=middle), model=model)
        results[MOVED_ALIGNED] = aligned.fused.astype(np.uint8)
        errors = [
            transform_error(
                aligned.plan.alignments[n].transform, known.alignments[n].transform, known.shape
            )
            for n in aligned.plan.used
            if n != middle
        ]
    except AlignmentError:  # no frame fits, so a user keeps the reference
        results[MOVED_ALIGNED] = frames[middle]
    order = [int(number) for number in np.random.default_rng(seed).permutation(len(frames))]
    registered = FusionOptions(reference=order.index(middle))
    shuffled = {AS_RENDERED: _fused([frames[n] for n in order], still, model)}
    if errors:
        shuffled[MOVED_ALIGNED] = _fused([moved[n] for n in order], registered, model)
    rejected = len(frames) - 1 - len(errors)
    return StackScores(_scores(results, scene), _scores(shuffled, scene), errors, rejected)


def _scores(results: dict[str, Bytes], scene: BenchScene) -> dict[str, float]:
    """Return the capped PSNR in dB of the inner part of each picture."""
    inner = replace(scene, inner=True)
    return {name: capped_psnr(fused, inner) for name, fused in results.items()}


def _fused(frames: list[Bytes], options: FusionOptions, model: DecisionModel) -> Bytes:
    """Fuse a stack to 8 bits."""
    return fuse(frames, options, model=model).fused.astype(np.uint8)


def truth_table(scores: Sequence[StackScores]) -> str:
    """Format PSNR by row, alignment errors, and the effect of the frame order as Markdown."""
    names = [AS_RENDERED, TRUTH_MOVED, MOVED_KNOWN, MOVED_ALIGNED, MOVED, *CLASSICAL]
    rows = []
    for name in names:
        values = np.array([score.psnr[name] for score in scores])
        shown = f"{name}, as rendered" if name in CLASSICAL else name
        rows.append([shown, f"{values.mean():.2f}", f"{np.percentile(values, 10):.2f}"])
    errors = [error for score in scores for error in score.errors]
    rejected = sum(score.rejected for score in scores)
    found = "no frame was aligned"
    if errors:
        middle, high = np.percentile(errors, (50, 90))
        found = f"median {middle:.2f} px, 90th percentile {high:.2f} px"
    notes = [f"- error of the transforms found: {found}; {len(errors)} frames, {rejected} rejected"]
    for name in (AS_RENDERED, MOVED_ALIGNED):
        apart = [abs(s.shuffled[name] - s.psnr[name]) for s in scores if name in s.shuffled]
        if apart:
            notes.append(
                f"- a random order of the frames, {name}: changes the PSNR by "
                f"{np.mean(apart):.3f} dB in the mean, {np.max(apart):.2f} dB at most"
            )
    return "\n".join([markdown_table(["method", "PSNR", "10th percentile"], rows), "", *notes])


def bench_truth(
    scenes: Iterator[BenchScene], model: DecisionModel
) -> tuple[list[str], dict[str, Any]]:
    """Score registered stacks with truth; return Markdown parts, and values of each for JSON."""
    scores = [score_stack(scene, model, SEED + number) for number, scene in enumerate(scenes)]
    head = f"### Truth: {len(scores)} rendered stacks, PSNR of the inner part"
    values = [
        {
            "psnr": score.psnr,
            "psnr_shuffled": score.shuffled,
            "transform_errors_px": score.errors,
            "rejected": score.rejected,
        }
        for score in scores
    ]
    return [head, truth_table(scores)], {"scenes": values}
