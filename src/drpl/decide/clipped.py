"""Correction of decisions at clipped pixels of darkened frames.

A frame exposed more than the reference is darkened to match it. Its clipped highlights then become
an even grey below white, a lower bound of the scene's brightness. Where another frame shows more
light, that frame is right.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.align.exposure import Exposure
from drpl.core.frames import Pixels
from drpl.core.masks import PairDecision
from drpl.core.strips import each_strip

Ceilings = NDArray[np.float32]
"""Value of clipped pixels after exposure matching, (N, C): per frame and colour; infinite where
clipped pixels stay white."""
Owners = NDArray[np.unsignedinteger]
TOLERANCE = 1 / 255
"""Distance below the ceiling, relative to the peak, at which a value still counts as clipped."""
WINDOW = 3
"""Side, in pixels, of the window that must be clipped throughout, and over whose mean the other
frame must show more light: resampling mixes other values into the edges of clipped areas."""


def clipped_ceilings(
    exposures: Sequence[Exposure], like: Pixels, *, peak: float, white: float
) -> Ceilings | None:
    """Return the value of clipped pixels in each frame after exposure matching.

    Pixels are clipped at ``peak``, the largest sample of the stack; ``white`` is the unit of
    offsets. A frame with compressed highlights has no ceiling, nor have float frames. None if no
    frame has a ceiling below the peak. ``like`` has the shape and dtype of the frames.
    """
    colours = 1 if like.ndim == 2 else like.shape[2] - (like.shape[2] in (2, 4))
    found = np.empty((len(exposures), colours), np.float32)
    for ceiling, exposure in zip(found, exposures, strict=True):
        line = peak * np.array(exposure.gain) + white * np.array(exposure.offset)
        ceiling[:] = np.inf if exposure.highlights else line
    below = found < peak * (1 - TOLERANCE)
    if like.dtype.kind != "u" or not below.any():
        return None
    return np.where(below, found, np.float32(np.inf))


def prefer_unclipped(
    masks: PairDecision,
    sources: tuple[Pixels, Pixels],
    ceilings: Ceilings,
    owners: tuple[Owners, Owners],
    peak: float,
) -> None:
    """Decide, in place, for the source that shows more light where the other is clipped.

    Masks, sources and ``owners`` are of one shape (h, w); owners are the sources' index maps, which
    hold the number of the frame that a pixel is taken from.
    """
    height = masks.mask_a.shape[0]
    colours = ceilings.shape[1]

    def correct(rows: slice) -> None:
        above = min(rows.start, WINDOW)
        wide = slice(rows.start - above, rows.stop + WINDOW)
        inner = slice(above, above + rows.stop - rows.start)
        pair = [np.atleast_3d(source[wide])[..., :colours] for source in sources]
        clipped = [
            _clipped(pixels, ceilings[numbers[wide]] - peak * TOLERANCE)[inner]
            for pixels, numbers in zip(pair, owners, strict=True)
        ]
        if not any(plane.any() for plane in clipped):
            return
        difference = pair[0].astype(np.float32) - pair[1]
        difference = np.atleast_3d(cv2.blur(difference, (WINDOW, WINDOW)))[inner]
        for_b = np.logical_and(clipped[0], difference < 0).any(axis=2)
        for_a = np.logical_and(clipped[1], difference > 0).any(axis=2)
        for wins, value in ((for_b & ~for_a, 0), (for_a & ~for_b, 1)):
            masks.mask_a[rows][wins] = value
            masks.mask_b[rows][wins] = 1 - value

    each_strip(correct, height)


def _clipped(pixels: Pixels, least: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return, by colour, the pixels whose whole window reaches a value."""
    reached = (pixels >= least).view(np.uint8)
    return np.atleast_3d(cv2.erode(reached, np.ones((WINDOW, WINDOW), np.uint8))) > 0
