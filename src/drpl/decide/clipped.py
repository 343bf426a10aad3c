"""Clipped pixels of frames that were darkened: they tell only how bright the scene is at least.

A frame that was exposed more than the reference is darkened to match it, and what it had clipped
comes out as an even grey below white. Another frame that shows more light there knows better.
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
"""(N, C): what clipped pixels of each frame come to, by colour; infinite where that is white."""
Owners = NDArray[np.unsignedinteger]
NEAR = 1 / 255
"""How far below the ceiling, relative to white, a value counts as clipped."""
INSIDE = 3
"""Side of the square all of which is clipped, and over whose mean the other frame shows more light:
at the edges of what is clipped, resampling mixes in other values."""


def clipped_ceilings(exposures: Sequence[Exposure], like: Pixels, white: float) -> Ceilings | None:
    """What clipped pixels of frames come to when their exposure is matched.

    Parameters
    ----------
    exposures : sequence of Exposure
        Of each frame; where highlights are bent, what was clipped is as bright as elsewhere.
    like : ndarray, shape (H, W) or (H, W, C)
        Such as the frames. Floats are never clipped.
    white : float

    Returns
    -------
    Ceilings or None
        None where no frame is darkened.
    """
    colours = 1 if like.ndim == 2 else like.shape[2] - (like.shape[2] in (2, 4))
    found = np.empty((len(exposures), colours), np.float32)
    for ceiling, exposure in zip(found, exposures, strict=True):
        line = np.add(exposure.gain, exposure.offset)
        ceiling[:] = np.inf if exposure.highlights else line * white
    below = found < white * (1 - NEAR)
    if like.dtype.kind != "u" or not below.any():
        return None
    return np.where(below, found, np.float32(np.inf))


def prefer_unclipped(
    masks: PairDecision,
    sources: tuple[Pixels, Pixels],
    ceilings: Ceilings,
    owners: tuple[Owners, Owners],
    white: float,
) -> None:
    """Where one source is clipped and the other shows more light, take the other.

    Parameters
    ----------
    masks : PairDecision
        Of the sources; changed in place.
    sources : pair of ndarray, shape (h, w) or (h, w, C)
    ceilings : Ceilings
    owners : pair of ndarray, shape (h, w)
        Number of the frame that each pixel of a source is from.
    white : float
    """
    height = masks.mask_a.shape[0]
    colours = ceilings.shape[1]

    def work(rows: slice) -> None:
        above = min(rows.start, INSIDE)
        reach = slice(rows.start - above, rows.stop + INSIDE)
        seen = [np.atleast_3d(source[reach])[..., :colours] for source in sources]
        inner = slice(above, above + rows.stop - rows.start)
        clipped = [
            _clipped(pixels, ceilings[of[reach]] - white * NEAR)[inner]
            for pixels, of in zip(seen, owners, strict=True)
        ]
        if not any(plane.any() for plane in clipped):
            return
        apart = seen[0].astype(np.float32) - seen[1]
        apart = np.atleast_3d(cv2.blur(apart, (INSIDE, INSIDE)))[inner]
        for_b = np.logical_and(clipped[0], apart < 0).any(axis=2)
        for_a = np.logical_and(clipped[1], apart > 0).any(axis=2)
        for wins, value in ((for_b & ~for_a, 0), (for_a & ~for_b, 1)):
            masks.mask_a[rows][wins] = value
            masks.mask_b[rows][wins] = 1 - value

    each_strip(work, height)


def _clipped(pixels: Pixels, least: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where all pixels around are clipped, by colour."""
    reached = (pixels >= least).view(np.uint8)
    return np.atleast_3d(cv2.erode(reached, np.ones((INSIDE, INSIDE), np.uint8))) > 0
