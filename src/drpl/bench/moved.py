"""Rendered stacks with known movement, scored against the truth; see `benchmarks.stacks`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from drpl.align.chain import Alignment
from drpl.align.exposure import Exposure
from drpl.align.geometry import Transform, inverse, map_points, warp
from drpl.align.transforms import StackTransforms
from drpl.bench.scenes import SEED, BenchScene, Bytes, capped_psnr
from drpl.classical.table import BASELINES
from drpl.core.frames import source_names
from drpl.core.options import FusionOptions
from drpl.decide.networks import DecisionModel
from drpl.errors import AlignmentError, MetricError
from drpl.io.stacks import ArrayStack
from drpl.pipeline.fuse import fuse, fuse_stack

BREATHING, SHIFT, GAIN = 0.012, (2.5, -1.8), 0.15
"""Change of size and shift (x, y, in pixels) per frame; largest change of exposure."""
STACK_FRAMES = 8
AS_RENDERED, MOVED_KNOWN, MOVED_ALIGNED, MOVED = (
    "drpl, as rendered, not aligned",
    "drpl, moved, movement and exposure known",
    "drpl, moved, aligned",
    "drpl, moved, not aligned",
)
TRUTH_MOVED = "the truth itself, moved and moved back"
CLASSICAL = tuple(BASELINES)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def movements(count: int, shape: Sequence[int]) -> list[Transform]:
    """Transforms, reference to moving frame, of breathing and shift; the middle frame stays.

    Parameters
    ----------
    count : int
        Frames.
    shape : sequence of int
        Height and width in pixels; breathing is about the centre.
    """
    x, y = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    found = []
    for step in range(-(count // 2), count - count // 2):
        size = (1 + BREATHING) ** step
        right, down = SHIFT[0] * step + x * (1 - size), SHIFT[1] * step + y * (1 - size)
        found.append(np.array([[size, 0, right], [0, size, down], [0, 0, 1.0]]))
    return found


def move_frames(frames: Sequence[Bytes], seed: int) -> tuple[list[Bytes], StackTransforms]:
    """Let a registered stack breathe, shift and change its exposure; the middle frame stays.

    Parameters
    ----------
    frames : sequence of uint8 arrays (H, W, C)
    seed : int
        Of the exposures.

    Returns
    -------
    moved : list of uint8 arrays (H, W, C)
    known : StackTransforms
        What registers and exposes them as they were.
    """
    height, width = frames[0].shape[:2]
    count, middle = len(frames), len(frames) // 2
    gains = 1 + np.random.default_rng(seed).uniform(-GAIN, GAIN, count)
    gains[middle] = 1
    matrices = movements(count, (height, width))
    moved = [
        frame if number == middle else _moved(frame, matrices[number], float(gains[number]))
        for number, frame in enumerate(frames)
    ]
    alignments = [
        Alignment(inverse(matrix), "affine", 0, 1, "reference" if n == middle else "aligned")
        for n, matrix in enumerate(matrices)
    ]
    exposures = [Exposure((float(1 / gain),), (0.0,)) for gain in gains]
    names = tuple(source_names(count))
    return moved, StackTransforms((height, width), names, tuple(alignments), tuple(exposures))


def _moved(frame: Bytes, matrix: Transform, gain: float) -> Bytes:
    """One frame moved (cubic, mirrored outside) and exposed otherwise; rounded once."""
    size = (frame.shape[1], frame.shape[0])
    moved = cv2.warpAffine(
        frame.astype(np.float32),
        matrix[:2],
        size,
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(np.rint(np.clip(moved * gain, 0, 255)), np.uint8)


def _there_and_back(picture: Bytes, transform: Transform) -> Bytes:
    """A picture moved like a frame and registered again: what resampling leaves of it."""
    moved = _moved(picture, inverse(transform), 1.0)
    return np.asarray(warp(moved, transform, picture.shape[:2]), np.uint8)


def transform_error(found: Transform, true: Transform, shape: Sequence[int]) -> float:
    """Mean distance in pixels, over a grid of points, between where two transforms map them."""
    down, across = (np.linspace(0, side - 1, 9) for side in shape)
    points = np.stack(np.meshgrid(across, down), axis=-1)
    apart = map_points(found, points) - map_points(true, points)
    return float(np.linalg.norm(apart, axis=-1).mean())


@dataclass(frozen=True, slots=True)
class StackScores:
    """Scores of one rendered stack.

    Attributes
    ----------
    psnr : dict of str to float
        By method, in dB, over the inner part.
    shuffled : dict of str to float
        The same of two of the methods, the frames in a random order.
    errors : list of float
        Of the transforms of the frames that were aligned, in pixels.
    rejected : int
        Frames that were not.
    """

    psnr: dict[str, float]
    shuffled: dict[str, float]
    errors: list[float]
    rejected: int


def score_stack(scene: BenchScene, model: DecisionModel, seed: int) -> StackScores:
    """Fuse a rendered stack as it is, shuffled and moved, and score what comes out."""
    frames, truth = scene.frames, scene.truth
    if truth is None:
        raise MetricError("stacks are scored by their truth, and the scene has none")
    middle, still = len(frames) // 2, FusionOptions(align=False)
    results: dict[str, Bytes] = {name: BASELINES[name].fuse_arrays(frames) for name in CLASSICAL}
    results[AS_RENDERED] = _fused(frames, still, model)
    moved, known = move_frames(frames, seed)
    results[MOVED] = _fused(moved, still, model)
    restored = fuse_stack(ArrayStack(moved, known.names), still, model=model, known=known)
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
    except AlignmentError:  # no frame fits: what a user is left with is the reference
        results[MOVED_ALIGNED] = frames[middle]
    order = [int(number) for number in np.random.default_rng(seed).permutation(len(frames))]
    registered = FusionOptions(reference=order.index(middle))
    shuffled = {AS_RENDERED: _fused([frames[n] for n in order], still, model)}
    if errors:
        shuffled[MOVED_ALIGNED] = _fused([moved[n] for n in order], registered, model)
    rejected = len(frames) - 1 - len(errors)
    return StackScores(_scores(results, scene), _scores(shuffled, scene), errors, rejected)


def _scores(results: dict[str, Bytes], scene: BenchScene) -> dict[str, float]:
    """PSNR in dB, capped, of the inner part of pictures by method."""
    inner = replace(scene, inner=True)
    return {name: capped_psnr(fused, inner) for name, fused in results.items()}


def _fused(frames: list[Bytes], options: FusionOptions, model: DecisionModel) -> Bytes:
    """The fused image of a stack."""
    return fuse(frames, options, model=model).fused.astype(np.uint8)


def truth_table(scores: Sequence[StackScores]) -> str:
    """Markdown: mean PSNR by method, then what alignment and the order of frames come to."""
    methods = [AS_RENDERED, TRUTH_MOVED, MOVED_KNOWN, MOVED_ALIGNED, MOVED, *CLASSICAL]
    rows = []
    for name in methods:
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
    return "\n".join([table(["method", "PSNR", "10th percentile"], rows), "", *notes])


def bench_truth(
    scenes: Iterator[BenchScene], model: DecisionModel
) -> tuple[list[str], dict[str, Any]]:
    """Scores of rendered stacks, as a table and as values."""
    scores = [score_stack(scene, model, SEED + number) for number, scene in enumerate(scenes)]
    head = f"## Truth: {len(scores)} rendered stacks, PSNR of the inner part"
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
