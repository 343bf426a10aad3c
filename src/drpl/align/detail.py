"""A first look at the frames of a stack: at which scale they hold detail to decide by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
BLOCK = 32
SHARPEST = 0.02
"""Share of the blocks of a frame, those with most detail, that are looked at."""
EMPTY = 0.012
"""Share of a block's contrast below which its finest octave counts as empty: photos sharp to the
pixel have 0.03 to 0.25, the same enlarged twice 0.001 to 0.011."""
SMALLEST = 1_000_000
"""Pixels that decisions are made at least at."""
OCTAVES = 2
WINDOWS, WINDOW = 4, 512


@dataclass(frozen=True)
class OctaveDetail:
    """The sharpest blocks of a frame at one octave.

    Attributes
    ----------
    lost : ndarray, shape (K,)
        Mean square of what halving the resolution would lose, less that of noise.
    contrast : ndarray, shape (K,)
        Mean square of the difference from the block's surroundings.
    """

    lost: NDArray[np.float64]
    contrast: NDArray[np.float64]


def measure_detail(luma: Plane) -> tuple[OctaveDetail, ...]:
    """Detail in the finest octaves of a frame, from a grid of windows.

    Parameters
    ----------
    luma : ndarray, shape (H, W), float32, in [0, 1]

    Returns
    -------
    tuple of OctaveDetail
        From the finest on.
    """
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
    """Scale at which no detail is lost to decide by: 1, 2 or 4 pixels for one.

    Deciding at a coarser scale is faster, and sees further.

    Parameters
    ----------
    details : sequence
        `measure_detail` of each frame, or of some.
    height, width : int
        Of the frames, in pixels.
    """
    scale = 1
    for octave in range(OCTAVES):
        if height * width < SMALLEST * (2 * scale) ** 2:
            break
        lost = np.concatenate([detail[octave].lost for detail in details])
        contrast = np.concatenate([detail[octave].contrast for detail in details])
        count = max((len(detail[octave].lost) for detail in details), default=0)
        first = np.argsort(lost)[len(lost) - count :]
        if count == 0 or float(np.mean(lost[first] / contrast[first])) >= EMPTY:
            break
        scale *= 2
    return scale


def _windows(luma: Plane) -> list[Plane]:
    """Windows of a grid, or all of a small picture."""
    height, width = luma.shape
    if height * width <= (WINDOWS * WINDOW) ** 2:
        return [luma]
    starts = [
        np.linspace(0, max(0, side - WINDOW), WINDOWS).astype(int) for side in (height, width)
    ]
    return [
        luma[top : top + WINDOW, left : left + WINDOW] for top in starts[0] for left in starts[1]
    ]


def _halved(plane: Plane) -> Plane:
    """The plane at half the resolution."""
    size = (plane.shape[1] // 2, plane.shape[0] // 2)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def _block_means(plane: Plane) -> Plane:
    """Means over blocks; what does not fill a block is left out."""
    rows, cols = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    blocks = plane[: rows * BLOCK, : cols * BLOCK].reshape(rows, BLOCK, cols, BLOCK)
    return np.asarray(blocks.mean(axis=(1, 3)).ravel(), np.float32)


def _sharpest(found: list[tuple[Plane, Plane]]) -> OctaveDetail:
    """The blocks that lose most; the smoothest tenth tells the noise."""
    if not found:
        return OctaveDetail(np.zeros(0), np.zeros(0))
    lost, contrast = (
        np.concatenate(parts).astype(np.float64) for parts in zip(*found, strict=True)
    )
    lost = np.maximum(lost - np.percentile(lost, 10), 0)
    first = np.argsort(lost)[-max(1, round(SHARPEST * len(lost))) :]
    return OctaveDetail(lost[first], np.maximum(contrast[first], 1e-12))
