"""Dust on the sensor: soft dark spots that stay at one place of all frames while the scene moves.

A spot takes away a share of the light, so it is evened out by a gain, and the detail below it is
kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import cv2
import numpy as np

from drpl.align.geometry import Transform, inverse, map_points, scaling
from drpl.core.frames import FULL_SCALE, Floats, Pixels, Plane

FIELDS = ("row", "column", "radius", "edge", "depth")
"""Columns of an array of spots: centre, radius at half depth and width of the edge in pixels of a
frame, and depth as the logarithm of the light that passes in the middle."""
SIDE = 640
"""Longer side, in pixels, of the planes in which spots are looked for."""
MOST_FRAMES, FEWEST_FRAMES = 24, 4
"""Frames that are kept, spread over the stack, and needed."""
BACKGROUND = 0.05
"""Standard deviation of the background's Gaussian, relative to the longer side."""
LEAST_DEPTH, DEEPEST = 0.02, -3.0
"""Least depth of a spot, as a logarithm (less is not seen), and the lowest logarithm."""
SHARPEST = 0.1
"""Width of the sharpest edge, in pixels."""
DARKEST = 0.02
"""Luma relative to the mean below which spots are not looked for."""
MOST_CANDIDATES, PARTNERS = 60, 5
"""Candidates that are tested, the deepest first, and frames that each frame is compared with."""
MOST_AREA, LEAST_AREA = 0.004, 9
"""Largest area of a spot, relative to the plane, and smallest, in its pixels."""
ELONGATED, FILLED = 1.6, 0.6
"""Largest ratio of the sides of a spot's box, and smallest share of it that the spot fills."""
AGREEING, ALIKE = 0.8, 0.5
"""Share of frames that must show a spot, at this share of its depth at least."""
MISFIT = 0.35
"""Largest standard deviation of a spot from a disc, relative to its depth."""


def no_spots() -> Floats:
    """Return no spots."""
    return np.zeros((0, len(FIELDS)))


class DustSurvey:
    """Small planes of some of ``count`` frames, in which dust is looked for."""

    def __init__(self, count: int) -> None:
        self._step = math.ceil(count / MOST_FRAMES)
        self._seen = 0
        self._planes: dict[int, Plane] = {}
        self._scale = (1.0, 1.0)

    def add(self, luma: Plane) -> None:
        """Add the luma of the next frame."""
        number, self._seen = self._seen, self._seen + 1
        if number % self._step:
            return
        height, width = luma.shape
        shrink = max(1.0, max(luma.shape) / SIDE)
        size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
        small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
        logs = np.log(np.maximum(small, max(DARKEST * float(small.mean()), 1e-6)))
        logs -= cv2.GaussianBlur(logs, (0, 0), BACKGROUND * max(size))
        self._scale = (width / size[0], height / size[1])
        self._planes[number] = logs.astype(np.float16)

    def spots(self, transforms: Mapping[int, Transform]) -> Floats:
        """Return the spots (N, 5), `FIELDS`, given the transforms of frames that fit, by number.

        A spot must darken what other frames show at another place of the sensor.
        """
        numbers = [number for number in self._planes if number in transforms]
        if len(numbers) < FEWEST_FRAMES:
            return no_spots()
        enlarge = scaling(self._scale)
        moved = [inverse(enlarge) @ transforms[number] @ enlarge for number in numbers]
        planes = [self._planes[number].astype(np.float32) for number in numbers]
        found = []
        for centre, radius in _candidates(planes):
            spot = _fitted(planes, moved, centre, radius)
            if spot is not None:
                found.append(spot)
        if not found:
            return no_spots()
        x, y = self._scale
        grow = math.sqrt(x * y)
        spots = np.array(found)
        spots[:, 0] = (spots[:, 0] + 0.5) * y - 0.5
        spots[:, 1] = (spots[:, 1] + 0.5) * x - 0.5
        spots[:, 2:4] *= grow
        return spots


def _candidates(planes: list[Plane]) -> Iterator[tuple[Floats, float]]:
    """Yield centre (x, y) and radius at half depth of compact dark places of the median frame."""
    middle = cv2.GaussianBlur(np.median(planes, axis=0).astype(np.float32), (0, 0), 0.8)
    noise = 1.48 * float(np.median(np.abs(middle - np.median(middle))))
    dark = (middle < -max(LEAST_DEPTH / 2, 2 * noise)).astype(np.uint8)
    count, labels, stats, centres = cv2.connectedComponentsWithStats(dark, connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    sides = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    compact = (areas >= LEAST_AREA) & (areas <= MOST_AREA * middle.size)
    compact &= sides.max(1) <= ELONGATED * sides.min(1)
    compact &= areas >= FILLED * sides.prod(1)
    compact[0] = False  # the background
    chosen = np.flatnonzero(compact)
    depths = np.bincount(labels.ravel(), middle.ravel(), count)[chosen] / areas[chosen]
    for label in chosen[np.argsort(depths)][:MOST_CANDIDATES]:
        inside = middle[labels == label]
        area = np.count_nonzero(inside < inside.min() / 2)
        yield np.asarray(centres[label], np.float64), math.sqrt(area / math.pi)


def _fitted(
    planes: list[Plane], transforms: list[Transform], centre: Floats, radius: float
) -> tuple[float, ...] | None:
    """Return a spot in pixels of the planes; None if it belongs to the scene or is no disc."""
    half = math.ceil(2.5 * radius + 3)
    x, y = (round(float(value)) for value in centre)
    height, width = planes[0].shape
    if not (half <= x < width - half and half <= y < height - half):
        return None
    rows, cols = np.mgrid[y - half : y + half + 1, x - half : x + half + 1]
    points = np.stack([cols, rows], -1).astype(np.float64)
    distances = np.hypot(points[..., 0] - centre[0], points[..., 1] - centre[1])
    shadows = []
    for one, plane in enumerate(planes):
        seen = _elsewhere(planes, transforms, one, points, centre, 2 * radius + 4)
        if seen is not None:
            shadows.append(plane[rows, cols] - seen)
    if len(shadows) < max(FEWEST_FRAMES, len(planes) / 2):
        return None  # the scene stays
    shadow = np.median(shadows, axis=0)
    around = float(np.median(shadow[distances > 1.8 * radius + 1]))
    core = distances < 0.5 * radius
    depth = float(np.median(shadow[core])) - around
    each = np.array(
        [np.median(one[core]) - np.median(one[distances > 1.8 * radius + 1]) for one in shadows]
    )
    if not DEEPEST < depth < -LEAST_DEPTH or np.mean(each < ALIKE * depth) < AGREEING:
        return None
    half_radius, edge = _profile(shadow - around, distances, depth)
    model = depth * _disc(distances, half_radius, edge)
    if not 0 < half_radius < 2 * radius or np.std(shadow - around - model) > MISFIT * -depth:
        return None
    return float(centre[1]), float(centre[0]), half_radius, edge, depth


def _elsewhere(
    planes: list[Plane],
    transforms: list[Transform],
    one: int,
    points: Floats,
    centre: Floats,
    least: float,
) -> Plane | None:
    """Return what others show at points of a frame, if the scene moves by ``least`` pixels."""
    height, width = planes[0].shape
    far = []
    for other in range(len(planes)):
        to_other = inverse(transforms[other]) @ transforms[one]
        apart = float(np.linalg.norm(map_points(to_other, centre) - centre))
        if apart >= least:
            far.append((apart, to_other, planes[other]))
    seen = []
    for _, to_other, plane in sorted(far, key=lambda entry: entry[0])[:PARTNERS]:
        at = map_points(to_other, points).astype(np.float32)
        inside = (
            (at >= 0).all() and (at[..., 0] < width - 1).all() and (at[..., 1] < height - 1).all()
        )
        if inside:
            seen.append(cv2.remap(plane, at[..., 0], at[..., 1], cv2.INTER_LINEAR))
    return np.asarray(np.median(seen, axis=0), np.float32) if len(seen) >= 2 else None


def _profile(shadow: Floats, distances: Floats, depth: float) -> tuple[float, float]:
    """Return radius at half depth and width of the edge of a shadow, from its radial profile."""
    bins = np.arange(0, distances.max() + 1)
    which = np.digitize(distances.ravel(), bins) - 1
    shares = np.array(
        [
            np.median(shadow.ravel()[which == n]) if (which == n).any() else 0
            for n in range(len(bins))
        ]
    )
    shares = np.minimum.accumulate(np.clip(shares / depth, 0, 1))

    def crossing(share: float) -> float:
        below = int(np.argmax(shares < share))
        if below == 0:
            return 0.0
        before, after = shares[below - 1], shares[below]
        return float(bins[below - 1] + 0.5 + (before - share) / max(before - after, 1e-6))

    outer, middle, inner = (crossing(share) for share in (0.25, 0.5, 0.75))
    return middle, max(3 * SHARPEST, (outer - inner) / (2 * math.log(3)))


def _disc(distances: Floats, radius: float, edge: float) -> Floats:
    """Return the share of a spot's depth at distances from its centre."""
    return np.asarray(1 / (1 + np.exp(np.clip((distances - radius) / edge, -50, 50))), np.float64)


def lighten(pixels: Pixels, spots: Floats) -> None:
    """Even out spots in a frame, in place; alpha is left as it is."""
    height, width = pixels.shape[:2]
    colours = pixels[..., None] if pixels.ndim == 2 else pixels
    channels = colours.shape[2] - (colours.shape[2] in (2, 4))
    for row, col, radius, edge, depth in spots:
        reach = radius + 6 * edge
        top, left = (max(0, math.floor(at - reach)) for at in (row, col))
        bottom, right = (
            min(height, math.ceil(row + reach) + 1),
            min(width, math.ceil(col + reach) + 1),
        )
        y, x = np.mgrid[top:bottom, left:right]
        gain = np.exp(-depth * _disc(np.hypot(y - row, x - col), radius, edge))
        part = colours[top:bottom, left:right, :channels]
        lit = part * gain[..., None]
        if pixels.dtype.kind == "u":
            lit = np.rint(np.minimum(lit, FULL_SCALE[pixels.dtype]))
        part[...] = lit.astype(pixels.dtype)
