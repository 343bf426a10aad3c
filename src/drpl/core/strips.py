"""Parallel work on strips of rows; planes and frames at other scales."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from drpl.core.frames import Pixels, Plane
from drpl.core.machine import usable_cores

STRIP = 256
"""Rows of a strip."""


def each_strip(work: Callable[[slice], None], height: int) -> None:
    """Call ``work`` for each strip of rows of a picture, in parallel threads."""
    strips = [slice(top, min(top + STRIP, height)) for top in range(0, height, STRIP)]
    with ThreadPoolExecutor(usable_cores()) as pool:
        for _ in pool.map(work, strips):
            pass


def enlarged_rows(small: Plane, rows: slice, scale: int, width: int) -> Plane:
    """Return rows (float32) of a plane enlarged bilinearly, the edges of both planes aligned.

    ``rows`` and ``width`` count pixels of the enlarged plane, at most ``scale`` times as wide as
    ``small``.
    """
    first = max(0, rows.start // scale - 1)
    stop = min(len(small), -(-rows.stop // scale) + 1)
    size = (small.shape[1] * scale, (stop - first) * scale)
    large = cv2.resize(small[first:stop], size, interpolation=cv2.INTER_LINEAR)
    top = rows.start - first * scale
    return np.ascontiguousarray(large[top : top + rows.stop - rows.start, :width], np.float32)


def reduced(frame: Pixels, scale: int) -> Pixels:
    """Return a frame reduced to the means of ``scale`` x ``scale`` pixels, sides rounded up."""
    if scale == 1:
        return frame
    height, width = frame.shape[:2]
    bottom, right = -height % scale, -width % scale
    if bottom or right:
        frame = cv2.copyMakeBorder(frame, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    size = (frame.shape[1] // scale, frame.shape[0] // scale)
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), frame.dtype)
