"""Detail in the finest octaves of frames, and the scale at which to decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from drpl.core.frames import Floats, Plane

BLOCK = 32
"""Side of a block, in pixels."""
SHARPEST_SHARE = 0.02
"""Share of a frame's blocks, those with most detail, that are evaluated."""
EMPTY_OCTAVE = 0.012
"""Share of a block's contrast below which its finest octave counts as empty: 0.03 to 0.25 in
photos that are sharp to the pixel, 0.001 to 0.011 in the same photos enlarged twice."""
MIN_DECISIONS = 1_000_000
"""Fewest pixels of a decision map."""
OCTAVES = 2
"""Octaves measured; each allows a scale twice as coarse."""
GRID, WINDOW = 4, 512
"""Windows along each side of a large frame, and the side of each in pixels."""


@dataclass(frozen=True)
class OctaveDetail:
    """Detail in the sharpest blocks of a frame, in one octave, shape (K,).

    ``lost`` is the mean square of the detail lost by halving the resolution, less that of noise;
    ``contrast`` is the mean square deviation from the local mean.
    """

    lost: Floats
    contrast: Floats


def measure_detail(luma: Plane) -> tuple[OctaveDetail, ...]:
    """Measure detail in the octaves of luma in [0, 1], finest first, in a grid of windows."""
    octaves: list[list[tuple[Plane, Plane]]] = [[] for _ in range(OCTAVES)]
    for window in _windows(luma):
        plane = window
        for found in octaves:
            if min(plane.shape) < 2 * BLOCK:
                break
            smaller = _halved(plane)
            size = (plane.shape[1], plane.shape[0])
            lost = np.square(plane - cv2.resize(smaller, size, interpolation=cv2.INTER_CUBIC))
            contrast = np.square(plane - cv2.blur(plane, (BLOCK, BLOCK)))
            found.append((_block_means(lost), _block_means(contrast)))
            plane = smaller
    return tuple(_sharpest(found) for found in octaves)


def decision_scale(details: Sequence[tuple[OctaveDetail, ...]], height: int, width: int) -> int:
    """Return the coarsest scale of decisions that loses no detail.

    The scale is 1, 2 or 4 pixels per decision along each axis. Decisions at a coarser scale are
    faster and take in a wider neighbourhood. ``details`` come from `measure_detail` of all or some
    frames.
    """
    scale = 1
    for octave in range(OCTAVES):
        if height * width < MIN_DECISIONS * (2 * scale) ** 2:
            break
        lost = np.concatenate([detail[octave].lost for detail in details])
        contrast = np.concatenate([detail[octave].contrast for detail in details])
        count = max((len(detail[octave].lost) for detail in details), default=0)
        first = np.argsort(lost)[len(lost) - count :]
        if count == 0 or float(np.mean(lost[first] / contrast[first])) >= EMPTY_OCTAVE:
            break
        scale *= 2
    return scale


def _windows(luma: Plane) -> list[Plane]:
    """Return a grid of windows, or the whole of a small picture."""
    height, width = luma.shape
    if height * width <= (GRID * WINDOW) ** 2:
        return [luma]
    starts = [np.linspace(0, max(0, side - WINDOW), GRID).astype(int) for side in (height, width)]
    return [
        luma[top : top + WINDOW, left : left + WINDOW] for top in starts[0] for left in starts[1]
    ]


def _halved(plane: Plane) -> Plane:
    """Return a plane at half the resolution."""
    size = (plane.shape[1] // 2, plane.shape[0] // 2)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def _block_means(plane: Plane) -> Plane:
    """Return means over whole blocks."""
    rows, cols = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    blocks = plane[: rows * BLOCK, : cols * BLOCK].reshape(rows, BLOCK, cols, BLOCK)
    return np.asarray(blocks.mean(axis=(1, 3)).ravel(), np.float32)


def _sharpest(found: list[tuple[Plane, Plane]]) -> OctaveDetail:
    """Return the blocks that lose most; the smoothest tenth estimates the noise."""
    if not found:
        return OctaveDetail(np.zeros(0), np.zeros(0))
    lost, contrast = (
        np.concatenate(parts).astype(np.float64) for parts in zip(*found, strict=True)
    )
    lost = np.maximum(lost - np.percentile(lost, 10), 0)
    first = np.argsort(lost)[-max(1, round(SHARPEST_SHARE * len(lost))) :]
    return OctaveDetail(lost[first], np.maximum(contrast[first], 1e-12))
