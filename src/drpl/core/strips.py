"""Strips of rows, worked on side by side; planes at other scales."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from drpl.core.frames import Pixels, Plane
from drpl.core.machine import usable_cores

STRIP = 256


def each_strip(work: Callable[[slice], None], height: int) -> None:
    """Do strips of rows side by side."""
    strips = [slice(top, min(top + STRIP, height)) for top in range(0, height, STRIP)]
    with ThreadPoolExecutor(usable_cores()) as pool:
        for _ in pool.map(work, strips):
            pass


def enlarged_rows(small: Plane, rows: slice, scale: int, width: int) -> Plane:
    """Some rows of a plane enlarged bilinearly by a whole factor, edges of pixels on edges.

    Parameters
    ----------
    small : ndarray, shape (h, w)
    rows : slice
        Of the enlarged plane.
    scale : int
    width : int
        Of the enlarged plane, at most ``scale * w``.
    """
    first = max(0, rows.start // scale - 1)
    stop = min(len(small), -(-rows.stop // scale) + 1)
    size = (small.shape[1] * scale, (stop - first) * scale)
    large = cv2.resize(small[first:stop], size, interpolation=cv2.INTER_LINEAR)
    top = rows.start - first * scale
    return np.ascontiguousarray(large[top : top + rows.stop - rows.start, :width], np.float32)


def reduced(frame: Pixels, scale: int) -> Pixels:
    """A frame with the mean of each ``scale`` x ``scale`` pixels for one, sides rounded up."""
    if scale == 1:
        return frame
    height, width = frame.shape[:2]
    bottom, right = -height % scale, -width % scale
    if bottom or right:
        frame = cv2.copyMakeBorder(frame, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    size = (frame.shape[1] // scale, frame.shape[0] // scale)
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), frame.dtype)
