"""Luma of frames."""

from __future__ import annotations

import cv2
import numpy as np

from drpl.core.frames import Pixels, Tensor

LUMA_ROWS = 32


def luma_plane(pixels: Pixels, white: float) -> Tensor:
    """Rec. 601 luma (H, W) of gamma-coded pixels (H, W) or (H, W, C), white at 1."""
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        plane = np.empty(pixels.shape[:2], np.float32)
        # a few rows at a time stay in the cache
        for top in range(0, len(pixels), LUMA_ROWS):
            rows = slice(top, top + LUMA_ROWS)
            colours = np.ascontiguousarray(pixels[rows, :, :3], dtype=np.float32)
            cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY, dst=plane[rows])
    else:
        plane = (pixels if pixels.ndim == 2 else pixels[..., 0]).astype(np.float32)
    plane *= np.float32(1 / white)
    return plane
