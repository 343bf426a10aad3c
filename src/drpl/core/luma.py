"""Luma of frames, as decisions see it: by the levels of the stack.

Levels follow the stack's own values, not the range of its dtype. Twelve bits in a file of sixteen,
dim light or a black offset do not change decisions. Pixels themselves are never rescaled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

import cv2
import numpy as np

from drpl.core.frames import Pixels, Plane, full_scale

LUMA_ROWS = 32
"""Rows converted at a time: few enough to stay in the cache."""
LOW, HIGH = 0.1, 99.9
"""Percentiles of a frame's luma that are its black and white."""
HEADROOM = 4.0
"""Most that luma may reach, in multiples of white: a few bright spots on dark ground lie above the
percentile."""

LEAST_SPAN = 1e-30
"""Span, relative to full scale, below which frames count as even."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Sample values that decisions see as 0 (black) and 1 (white), and the largest sample."""

    black: float = 0.0
    white: float = 1.0
    peak: float = 1.0

    @property
    def span(self) -> float:
        """White less black, in sample values."""
        return self.white - self.black

    def scaled(self, factor: float) -> Levels:
        """Return the levels in other units."""
        return Levels(self.black * factor, self.white * factor, self.peak * factor)


def luma_plane(pixels: Pixels, levels: Levels) -> Plane:
    """Return the Rec. 601 luma (H, W) of gamma-coded pixels, black at 0 and white at 1.

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
    if levels.black:
        plane -= np.float32(levels.black)
    plane *= np.float32(1 / levels.span)
    return plane


def frame_levels(luma: Plane, peak: float) -> Levels:
    """Measure the levels of a luma plane (H, W), in its units; ``peak`` is the largest sample.

    Single bright pixels do not affect black and white.
    """
    brightest = float(cv2.medianBlur(luma, 3).max())
    black, white = np.percentile(np.minimum(luma, brightest), (LOW, HIGH)).tolist()
    return Levels(black, max(white, black + (brightest - black) / HEADROOM), peak)


def stack_levels(frames: Iterable[Levels]) -> Levels:
    """Return the levels of a stack: medians over its frames, so that one odd frame does not count.

    Black is white less 1 where all frames are even. The peak is the largest of any frame.
    """
    blacks, whites, peaks = zip(*(astuple(frame) for frame in frames), strict=True)
    black, white = float(np.median(blacks)), float(np.median(whites))
    return Levels(black if white - black > LEAST_SPAN else white - 1, white, max(peaks))


def measure_levels(sources: Sequence[Pixels]) -> Levels:
    """Measure the levels of frames in memory."""
    white = full_scale(sources[0], None)
    unit = Levels(white=white)
    return stack_levels(
        frame_levels(luma_plane(pixels, unit), float(pixels.max()) / white) for pixels in sources
    ).scaled(white)
