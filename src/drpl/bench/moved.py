"""Known movement for rendered stacks: focus breathing, shift and exposure changes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from drpl.align.chain import Alignment
from drpl.align.exposure import Exposure
from drpl.align.geometry import Transform, inverse
from drpl.align.transforms import StackTransforms
from drpl.bench.scenes import Bytes
from drpl.core.frames import source_names

BREATHING, SHIFT, GAIN = 0.012, (2.5, -1.8), 0.15
"""Relative scale change and (x, y) shift in pixels per frame; largest relative exposure change."""
STACK_FRAMES = 8
"""Frames of a rendered stack."""


def movements(count: int, shape: Sequence[int]) -> list[Transform]:
    """Return transforms of focus breathing and shift, which leave the middle frame in place.

    Each maps reference to moving coordinates in pixels. Frames breathe about their centre;
    ``shape`` is their height and width.
    """
    x, y = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    found = []
    for step in range(-(count // 2), count - count // 2):
        scale = (1 + BREATHING) ** step
        right, down = SHIFT[0] * step + x * (1 - scale), SHIFT[1] * step + y * (1 - scale)
        found.append(np.array([[scale, 0, right], [0, scale, down], [0, 0, 1.0]]))
    return found


def move_frames(frames: Sequence[Bytes], seed: int) -> tuple[list[Bytes], StackTransforms]:
    """Add focus breathing, shift and exposure changes to all but the middle frame of a stack.

    Frames are registered, (H, W, C); the seed determines the exposures. The transforms and
    exposures returned undo both.
    """
    height, width = frames[0].shape[:2]
    count, middle = len(frames), len(frames) // 2
    gains = 1 + np.random.default_rng(seed).uniform(-GAIN, GAIN, count)
    gains[middle] = 1
    matrices = movements(count, (height, width))
    moved = [
        frame if number == middle else move_frame(frame, matrices[number], float(gains[number]))
        for number, frame in enumerate(frames)
    ]
    alignments = [
        Alignment(inverse(matrix), "affine", 0, 1, "reference" if n == middle else "aligned")
        for n, matrix in enumerate(matrices)
    ]
    exposures = [Exposure((float(1 / gain),), (0.0,)) for gain in gains]
    names = tuple(source_names(count))
    return moved, StackTransforms((height, width), names, tuple(alignments), tuple(exposures))


def move_frame(frame: Bytes, matrix: Transform, gain: float) -> Bytes:
    """Warp a frame (cubic, mirrored border), scale its exposure, and round once."""
    size = (frame.shape[1], frame.shape[0])
    moved = cv2.warpAffine(
        frame.astype(np.float32),
        matrix[:2],
        size,
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(np.rint(np.clip(moved * gain, 0, 255)), np.uint8)
