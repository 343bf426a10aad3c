"""Defects of the sensor: pixels that stand out at one place of all frames while the scene moves.

Soft spots are in `drpl.align.dust`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.align.dust import lighten, no_spots
from drpl.core.frames import Floats, Pixels

Places = NDArray[np.int64]
"""Places in a frame, shape (N, 2): row, column."""
REACH = 2
"""Distance, in pixels, of the ring that a spot must stand out from; a demosaiced one is 3 wide."""
NOISE_FACTOR = 5.0
"""Least height of a spot above its ring, in standard deviations of the noise."""
FEWEST_FRAMES, MOST_FRAMES = 3, 16
"""Fewest frames in which places of the sensor can be told from places of the scene, and the most
that are looked at; they are spread over the stack."""
STILL = 2.0
"""Pixels that a place of the scene may move and still show the same detail."""
MOST_SHARE = 5e-4
"""Most candidates of a frame, as a share of its pixels; the highest spots are kept."""
MOST_AT_LEAST = 1000
"""Candidates that a frame may always have."""
_RING = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
_RING[1:-1, 1:-1] = 0


def _no_places() -> Places:
    """Return no places."""
    return np.zeros((0, 2), np.int64)


@dataclass(frozen=True, slots=True)
class SensorDefects:
    """Places of pixels brighter (``hot``) and darker (``dead``) than the light they get.

    ``dust`` holds soft spots, with the columns `drpl.align.dust.FIELDS`.
    """

    hot: Places = field(default_factory=_no_places)
    dead: Places = field(default_factory=_no_places)
    dust: Floats = field(default_factory=no_spots)

    def counts(self) -> dict[str, int]:
        """Return the number of pixels, and of spots of dust, by kind."""
        return {"hot": len(self.hot), "dead": len(self.dead), "dust": len(self.dust)}


class SensorSurvey:
    """Candidates of sensor defects, added up over ``count`` frames as sparse lists."""

    def __init__(self, count: int) -> None:
        self._step = math.ceil(count / MOST_FRAMES)
        self._count = math.ceil(count / self._step)
        self._seen = 0
        self._added = 0
        self._width = 0
        self._keys = np.zeros(0, np.int64)
        self._hits = np.zeros(0, np.uint16)

    def add(self, pixels: Pixels) -> None:
        """Add the spots of the next frame."""
        number, self._added = self._added, self._added + 1
        if number % self._step:
            return
        self._seen += 1
        self._width = pixels.shape[1]
        found = _spots(pixels)
        keys = np.concatenate([self._keys, found])
        ones = np.ones(len(found), np.uint16)
        self._keys, place = np.unique(keys, return_inverse=True)
        weights = np.concatenate([self._hits, ones])
        self._hits = np.bincount(place, weights, len(self._keys)).astype(np.uint16)
        can_reach = self._hits + (self._count - self._seen) > self._count / 2
        self._keys, self._hits = self._keys[can_reach], self._hits[can_reach]

    def defects(self, fitting: Mapping[int, Floats]) -> SensorDefects:
        """Decide which candidates are defects, by the transforms of the frames that fit, by number.

        Detail of the scene stays at a place only in frames between which the scene moves by less
        than `STILL` there; a defect must be found in more, and in most frames.
        """
        transforms = [fitting[number] for number in sorted(fitting) if number % self._step == 0]
        if self._count < FEWEST_FRAMES or not len(self._keys) or not transforms:
            return SensorDefects()
        rows, cols = np.divmod(self._keys // 2, self._width)
        still = _frames_at_rest(np.stack([cols, rows], 1), transforms)
        still += self._count - len(transforms)  # where the scene is in others is unknown
        least = np.maximum(self._count / 2, still + (1 if self._count < 5 else 2))
        places = np.stack([rows, cols], 1)
        sure = self._hits >= least
        dark = self._keys % 2 == 1
        return SensorDefects(places[sure & ~dark], places[sure & dark])


def _frames_at_rest(points: NDArray[np.int64], transforms: Sequence[Floats]) -> NDArray[np.int64]:
    """Return, for each point (x, y), the most frames that show one place of the scene there."""
    homogeneous = np.column_stack([points, np.ones(len(points))])
    most = np.zeros(len(points), np.int64)
    for one in transforms:
        together = np.zeros(len(points), np.int64)
        at = _moved(homogeneous, one)
        for other in transforms:
            apart = np.linalg.norm(_moved(homogeneous, other) - at, axis=1)
            together += apart < STILL
        most = np.maximum(most, together)
    return most


def _moved(homogeneous: Floats, transform: Floats) -> Floats:
    """Return points moved by a transform."""
    moved = homogeneous @ transform.T
    return np.asarray(moved[:, :2] / moved[:, 2:], np.float64)


def _spots(pixels: Pixels) -> NDArray[np.int64]:
    """Return the spots of a frame: twice the flat index of a pixel, plus 1 for a dark one."""
    if min(pixels.shape[:2]) < len(_RING):
        return np.empty(0, np.int64)
    found: list[NDArray[np.int64]] = []
    heights: list[Floats] = []
    for plane in _colours(pixels):
        least = NOISE_FACTOR * _noise(plane)
        high, low = cv2.dilate(plane, _RING), cv2.erode(plane, _RING)
        for dark, beyond in enumerate((cv2.subtract(plane, high), cv2.subtract(low, plane))):
            index = np.flatnonzero(beyond > least)
            height, top, bottom = (p.ravel()[index].astype(float) for p in (beyond, high, low))
            isolated = height > top - bottom
            found.append(2 * index[isolated] + dark)
            heights.append(height[isolated])
    keys, tall = np.concatenate(found), np.concatenate(heights)
    most = max(MOST_AT_LEAST, int(pixels.shape[0] * pixels.shape[1] * MOST_SHARE))
    if len(keys) > most:
        keys = keys[np.argpartition(tall, -most)[-most:]]
    return np.unique(keys)


def _noise(plane: Pixels) -> float:
    """Return the standard deviation of the noise, at least a step of an integer type."""
    step = max(1, min(plane.shape) // 200)
    left, right = (plane[::step, start::2][:, : plane.shape[1] // 2] for start in (0, 1))
    apart = np.abs(right.astype(np.float32) - left)
    noise = float(np.median(apart)) / 0.954
    return max(noise, 1.0) if plane.dtype.kind == "u" else noise


def _colours(pixels: Pixels) -> list[Pixels]:
    """Return the channels of a frame, without alpha."""
    if pixels.ndim == 2:
        return [pixels]
    channels = pixels.shape[2] - (pixels.shape[2] in (2, 4))
    return [np.ascontiguousarray(pixels[..., channel]) for channel in range(channels)]


def clean_frame(pixels: Pixels, defects: SensorDefects, *, in_place: bool) -> Pixels:
    """Fill the defective pixels of a frame from their neighbourhood, and even out dust.

    Neighbours that stand out as well, as after demosaicing or in a JPEG, are filled too. The frame
    is returned as it is if there are no defects, and copied unless it may change ``in_place``.
    """
    if not any(defects.counts().values()):
        return pixels
    cleaned = pixels if in_place and pixels.flags.writeable else pixels.copy()
    channels = [cleaned] if cleaned.ndim == 2 else list(np.moveaxis(cleaned, -1, 0))
    for plane in channels[: len(channels) - (len(channels) in (2, 4))]:
        _fill(plane, defects.hot, dark=False)
        _fill(plane, defects.dead, dark=True)
    lighten(cleaned, defects.dust)
    return cleaned


def _fill(plane: Pixels, places: Places, *, dark: bool) -> None:
    """Fill the spots of one kind in a plane."""
    height, width = plane.shape
    near = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1].reshape(2, -1)
    ring = np.abs(near).max(0) == REACH
    rows = places[:, :1] + near[0]
    cols = places[:, 1:] + near[1]
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    rows, cols = np.clip(rows, 0, height - 1), np.clip(cols, 0, width - 1)
    values = np.where(inside, plane[rows, cols].astype(np.float64), np.nan)
    if not len(values):
        return
    # not the extreme: detail of the scene in the ring would hide what is left of the spot
    bound = np.nanquantile(values[:, ring], 0.15 if dark else 0.85, axis=1)[:, None]
    bad = ((values < bound) if dark else (values > bound)) & ~ring
    bad[:, near.shape[1] // 2] = True
    bad &= inside
    good = np.where(bad, np.nan, values)
    filled = np.nanmedian(good, axis=1)
    if plane.dtype.kind == "u":
        filled = np.rint(filled)
    spot, pixel = np.nonzero(bad)
    plane[rows[spot, pixel], cols[spot, pixel]] = filled[spot].astype(plane.dtype)
