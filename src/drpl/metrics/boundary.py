"""Error near focus boundaries and away from them.

Beside a focus boundary, the blur of the near layer veils the far layer in every frame (defocus
spread effect). Fusion methods differ most there, and a mean over the whole image hides it.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels
from drpl.errors import MetricError
from drpl.metrics.reference import psnr

BAND_RADIUS = 12
"""Half the width of the band in pixels, the same as in training."""


def boundary_band(
    index_map: NDArray[np.integer[Any] | np.bool_], *, radius: int = BAND_RADIUS
) -> NDArray[np.bool_]:
    """Find the pixels near a focus boundary, where the index map changes; True within the band.

    The map has shape (H, W) and holds the number of the frame in focus, or the hard decision mask
    of a pair (integers or bool). ``radius`` is the largest chessboard distance to a boundary in
    pixels, at least 1. Raise MetricError for any other map or radius.

    Examples
    --------
    >>> import numpy as np
    >>> from drpl.metrics import boundary_band
    >>> boundary_band(np.array([[0, 0, 0, 0, 1, 1, 1, 1]]), radius=2).astype(int)
    array([[0, 0, 1, 1, 1, 1, 0, 0]])
    """
    if index_map.ndim != 2 or index_map.size == 0 or index_map.dtype.kind not in "iub":
        raise MetricError(
            f"the index map is {index_map.shape} {index_map.dtype}; expected (height, width) of "
            "whole numbers"
        )
    if radius < 1:
        raise MetricError(f"radius is {radius}; expected at least 1 pixel")
    square = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    plane = index_map.astype(np.float64)
    return np.asarray(cv2.dilate(plane, square) != cv2.erode(plane, square), np.bool_)


def psnr_band(
    fused: Pixels,
    truth: Pixels,
    band: NDArray[np.bool_],
    *,
    value_range: float | None = None,
) -> float:
    """Compute the PSNR in dB inside the focus-boundary band; higher is better.

    Infinite for equal images, NaN if the band is empty.
    """
    return psnr(fused, truth, value_range=value_range, where=band)


def psnr_outside(
    fused: Pixels,
    truth: Pixels,
    band: NDArray[np.bool_],
    *,
    value_range: float | None = None,
) -> float:
    """Compute the PSNR in dB outside the focus-boundary band; higher is better.

    Infinite for equal images, NaN if the band covers the whole image.
    """
    return psnr(fused, truth, value_range=value_range, where=np.logical_not(band))
