"""Drawn focus sweeps over a sloping or flat surface, with known motion, for `registration`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from drpl.align.geometry import Transform, inverse, map_points
from drpl.core.frames import Floats, Plane, Tensor

PAD = 60
"""Pixels of the surface around what frames show of it."""
RADII = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
"""Radii, in pixels, of the discs that points spread to; others are mixed of two."""
Slope = Literal["rows", "columns", "flat"]
TEXTURES = ("discs", "photo", "dots")


@dataclass(frozen=True, slots=True)
class Sweep:
    """Frames, luma (H, W) in [0, 1], with their true transforms to the scene.

    ``places`` (N, 3, 2) are three points, x and y, where each frame is sharp, in its own pixels.
    """

    frames: list[Plane]
    to_scene: list[Transform]
    places: Floats

    def errors(self, transforms: Sequence[Transform], reference: int) -> Floats:
        """Return how far each frame is laid off where it is sharp, in pixels."""
        to_reference = inverse(self.to_scene[reference])
        found = []
        for transform, true, places in zip(transforms, self.to_scene, self.places, strict=True):
            off = map_points(transform, places) - map_points(to_reference @ true, places)
            found.append(float(np.linalg.norm(off, axis=1).max()))
        return np.array(found)


def draw_surface(kind: str, height: int, width: int, rng: np.random.Generator) -> Plane:
    """Draw overlapping discs, a picture with the spectrum of photos, or bright dots on dark."""
    if kind == "photo":
        frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
        frequency[0, 0] = np.inf
        spectrum = np.fft.rfft2(rng.standard_normal((height, width))) / frequency
        picture = np.fft.irfft2(spectrum, (height, width))
        return np.asarray(np.clip(0.5 + 0.18 * picture / picture.std(), 0, 1), np.float32)
    dots = kind == "dots"
    surface = np.full((height, width), 0.15 if dots else 0.5, np.float32)
    for _ in range(height * width // (2500 if dots else 35)):
        radius = rng.integers(1, 5) if dots else 2.5 / max(0.0625, float(rng.random()) ** 0.5)
        place = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        shade = float(rng.uniform(0.5, 0.95) if dots else rng.uniform(0.1, 0.9))
        cv2.circle(surface, place, max(1, int(radius)), (shade,), -1, cv2.LINE_AA)
    grain = rng.normal(0, 0.0 if dots else 0.08, surface.shape).astype(np.float32)
    return np.asarray(np.clip(surface + cv2.GaussianBlur(grain, (0, 0), 0.7), 0, 1), np.float32)


def draw_pattern(
    kind: str, pitch: float, height: int, width: int, rng: np.random.Generator
) -> Plane:
    """Draw dots, lines or a weave of a pitch in pixels, with a little grain."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    if kind == "dots":
        distance = np.hypot(x % pitch - pitch / 2, y % pitch - pitch / 2)
        pattern = 1 / (1 + np.exp((distance - 0.3 * pitch) / 0.5))
    elif kind == "lines":
        distance = np.abs((x + 0.3 * y) % pitch - pitch / 2)
        pattern = 1 / (1 + np.exp((distance - 0.25 * pitch) / 0.5))
    else:
        upper = (x // pitch + y // pitch) % 2 > 0
        pattern = 0.5 + 0.5 * np.sin(2 * np.pi * np.where(upper, x, y) / pitch)
    grain = cv2.GaussianBlur(rng.normal(0, 0.06, (height, width)), (0, 0), 1.0)
    return np.asarray(np.clip(0.15 + 0.6 * pattern + grain, 0, 1), np.float32)


def draw_sweep(
    surface: Plane,
    focus: Sequence[float],
    *,
    slope: Slope = "rows",
    strength: float = 1.5,
    motions: Sequence[Transform] | None = None,
    noise: float = 0.004,
    light: Sequence[float] | None = None,
    seed: int = 0,
) -> Sweep:
    """Photograph a surface, `PAD` pixels larger on each side than the frames.

    The surface's depth runs from 0 to the number of frames less 1 along rows or columns, or lies
    halfway all over; blur is ``strength`` pixels of radius per unit of depth. Every point spreads
    its own light evenly to a disc, in linear light. ``motions`` map each frame to the scene.
    """
    rng, count = np.random.default_rng(seed), len(focus)
    height, width = (side - 2 * PAD for side in surface.shape)
    y, x = np.mgrid[: height + 2 * PAD, : width + 2 * PAD].astype(np.float32) - PAD
    along = {"rows": y / (height - 1), "columns": x / (width - 1), "flat": np.full_like(x, 0.5)}
    depth = np.clip(along[slope], 0, 1) * (count - 1)
    linear = surface**2.2
    shift = np.array([[1, 0, PAD], [0, 1, PAD], [0, 0, 1.0]])
    frames, to_scene, places = [], [], []
    for number, plane in enumerate(focus):
        seen = _defocused(linear, strength * np.abs(depth - plane)) ** (1 / 2.2)
        motion = np.eye(3) if motions is None else motions[number]
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        frame = cv2.warpAffine(seen, (shift @ motion)[:2], (width, height), flags=flags)
        frame = frame * (1 if light is None else light[number])
        frame = np.clip(frame + rng.normal(0, noise, frame.shape), 0, 1)
        frames.append(np.asarray(np.rint(frame * 255) / 255, np.float32))
        to_scene.append(motion)
        places.append(map_points(inverse(motion), _sharp(slope, plane / (count - 1), frame.shape)))
    return Sweep(frames, to_scene, np.stack(places))


def _sharp(slope: Slope, share: float, shape: tuple[int, ...]) -> Floats:
    """Return three points (x, y) in focus at a share of the depth."""
    across, end = np.array([0.15, 0.5, 0.85]), np.array([shape[1] - 1, shape[0] - 1])
    same = np.full(3, share)
    points = {"rows": (across, same), "columns": (same, across), "flat": (across, across)}
    return np.asarray(np.stack(points[slope], -1) * end, np.float64)


def _defocused(linear: Plane, radius: Tensor) -> Plane:
    """Spread the light of each point to a disc of its own radius."""
    level = np.interp(np.minimum(radius, RADII[-1]), RADII, np.arange(len(RADII)))
    light, weight = np.zeros_like(linear), np.zeros_like(linear)
    for place, size in enumerate(RADII):
        share = np.clip(1 - np.abs(level - place), 0, 1).astype(np.float32)
        rows, cols = np.flatnonzero(share.any(1)), np.flatnonzero(share.any(0))
        if not len(rows):
            continue
        reach = int(size) + 2
        box = np.s_[
            max(0, rows[0] - reach) : rows[-1] + reach + 1,
            max(0, cols[0] - reach) : cols[-1] + reach + 1,
        ]
        disc = _disc(size)
        border = cv2.BORDER_REFLECT
        light[box] += cv2.filter2D(linear[box] * share[box], -1, disc, borderType=border)
        weight[box] += cv2.filter2D(share[box], -1, disc, borderType=border)
    return np.asarray(np.clip(light / np.maximum(weight, 1e-6), 0, 1), np.float32)


def _disc(radius: float) -> Plane:
    """Return a disc of light, of sum 1."""
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return np.asarray(disc / disc.sum(), np.float32)
