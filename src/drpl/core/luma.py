"""Luma plane of a frame."""

from __future__ import annotations

import cv2
import numpy as np

from drpl.core.frames import Pixels, Plane

LUMA_ROWS = 32
"""Rows converted at a time: few enough to stay in the cache."""


def luma_plane(pixels: Pixels, white: float) -> Plane:
    """Return the Rec. 601 luma of gamma-coded pixels, float32, white at 1.

    With one or two channels, the first is the luma; alpha is ignored.
    """
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        plane = np.empty(pixels.shape[:2], np.float32)
        for top in range(0, len(pixels), LUMA_ROWS):
            rows = slice(top, top + LUMA_ROWS)
            colours = np.ascontiguousarray(pixels[rows, :, :3], dtype=np.float32)
            cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY, dst=plane[rows])
    else:
        plane = (pixels if pixels.ndim == 2 else pixels[..., 0]).astype(np.float32)
    plane *= np.float32(1 / white)
    return plane
