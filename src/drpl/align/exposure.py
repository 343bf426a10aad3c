"""Exposure of frames, matched by a gain and an offset per channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Floats, Pixels, Plane
from drpl.errors import AlignmentError

BLOCKS = 24
"""Blocks along the shorter side whose means are compared."""
MIN_OFFSET = 0.005
"""Offset, relative to white, below which none is applied."""
MIN_CHANGE = 0.008
"""Relative change of gain below which none is applied; blur in real pairs, and blur made in coded
values (MFI-WHU), imitates up to half of it."""
MIN_SIGNIFICANCE = 3.0
"""Standard errors that a change of gain must exceed."""
VARIANCE_FLOOR = 1e-4
"""Relative variance below which all blocks count as equally flat."""
DEVIATION_FLOOR = 0.05
"""Deviation, relative to white, added to that of each block: it lowers the weight of dark blocks,
whose ratios are the least certain and the least visible."""
GAIN_ROUNDS, LINE_ROUNDS = 8, 5
"""Iterations of the robust fits."""
MAX_LINE_SPREAD = 0.4
"""Spread of the residuals about a line with an offset, relative to that of a gain alone, below
which the line is used."""
GAIN_RANGE = (0.25, 4.0)
"""Smallest and largest gain."""
DARK, BRIGHT = 0.01, 0.98
"""Values, relative to white, at and beyond which pixels count as clipped."""
GAMMA = 2.2
"""Approximate gamma of pictures as cameras save them."""
MIN_BLOCKS = 8
"""Fewest blocks for a fit."""
KNEE, BRIGHTEST = 0.94, 0.985
"""Values, relative to white, above which a tone curve may bend, and above which pixels show the
value that white maps to."""
MIN_BEND = 0.5
"""Share of the bend that pixels below `BRIGHTEST` must show; merely clipped ones show none."""
EVEN = 0.01
"""Standard deviation, in a square of `SQUARE` pixels, below which a place counts as even."""
SQUARE = 5
"""Side of that square, in pixels."""
MIN_EVEN = 20
"""Fewest even pixels for a bend."""
MAD_TO_DEVIATION = 1.4826
"""Standard deviation of normally distributed values per median absolute deviation."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Change that matches a frame to the reference frame's exposure: ``gain * value + offset``.

    ``gain`` holds one value for all colours, or one per colour; ``offset``, relative to white, as
    many. ``highlights`` holds the value, relative to white, that white maps to, for each gain:
    values above `KNEE` go there in a straight line. Empty, they follow gain and offset. Floats
    ignore it.
    """

    gain: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    highlights: tuple[float, ...] = ()

    @property
    def is_identity(self) -> bool:
        """True if the exposure changes nothing."""
        return set(self.gain) == {1.0} and set(self.offset) == {0.0}


def match_exposure(reference: Plane, moving: Plane, *, gamma: float = GAMMA) -> Exposure:
    """Estimate the change that matches a frame to the reference frame's exposure.

    The small aligned pictures, (H, W) or (H, W, C) in [0, 1], are NaN where the moving frame has no
    pixels; the power ``gamma`` converts them to linear light. Returns the identity if the change is
    below 0.8 per cent or not significant. Raise AlignmentError if the shapes differ.

    Means of blocks without clipped pixels are compared. The gain is the ratio of their linear
    light, which defocus spreads but preserves; flat blocks weigh most, outliers nothing. An offset
    is used if a line fits the flattest blocks much better than a gain alone. Tone curves of cameras
    bend near white: if a frame is darkened, its brightest even places show the value that white
    maps to, provided that slightly darker places agree.
    """
    if reference.shape != moving.shape or reference.ndim not in (2, 3):
        raise AlignmentError(
            f"pictures to match have shapes {reference.shape} and {moving.shape}; expected (H, W) "
            "or (H, W, C), alike"
        )
    channels = 1 if reference.ndim == 2 else reference.shape[2]
    layout = (*reference.shape[:2], channels)
    planes = [np.moveaxis(picture.reshape(layout), 2, 0) for picture in (reference, moving)]
    pairs = [_Blocks.of(wanted, found, gamma) for wanted, found in zip(*planes, strict=True)]
    same = Exposure((1.0,) * channels, (0.0,) * channels)
    if min(len(pair.found) for pair in pairs) < MIN_BLOCKS:
        return same
    lines = [_flat_line(pair) for pair in pairs]
    if all(line is not None for line in lines):
        gains, offsets = zip(*(line for line in lines if line is not None), strict=True)
    else:
        fits = [_robust_gain(pair, gamma) for pair in pairs]
        if not any(significant for _, significant in fits):
            return same
        gains, offsets = tuple(gain for gain, _ in fits), same.offset
    return Exposure(gains, offsets, _highlights(planes, gains, offsets))


def _highlights(
    planes: Sequence[Plane], gains: Sequence[float], offsets: Sequence[float]
) -> tuple[float, ...]:
    """Return the value that white maps to by colour; empty if highlights follow the lines."""
    tops, bends = [], []
    for wanted, found, gain, offset in zip(*planes, gains, offsets, strict=True):
        misfit, even = wanted - gain * found - offset, _even(wanted) & _even(found)
        brightest, bright = (
            even & (found > least) & (found <= most)
            for least, most in ((BRIGHTEST, np.inf), ((KNEE + BRIGHTEST) / 2, BRIGHTEST))
        )
        rise = 0.0
        if brightest.sum() >= MIN_EVEN:
            rise = float(np.clip(np.median(misfit[brightest]), 0, max(0.0, 1 - gain - offset)))
        tops.append(gain + offset + rise)
        if rise > 0:
            bends.append(misfit[bright] * (1 - KNEE) / (rise * (found[bright] - KNEE)))
    shares = np.concatenate([np.empty(0), *bends])
    return tuple(tops) if len(shares) >= MIN_EVEN and np.median(shares) > MIN_BEND else ()


def _even(plane: Plane) -> NDArray[np.bool_]:
    """Return a mask of the places where a plane shows no detail."""
    known = np.where(np.isfinite(plane), plane, -1)  # a running sum spreads NaN
    mean, square = (cv2.blur(values, (SQUARE, SQUARE)) for values in (known, known * known))
    return np.asarray(square - mean * mean < EVEN**2)


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Means of one channel over the N blocks with few clipped or missing pixels.

    ``wanted`` and ``found`` are values of the reference and of the moving picture, white at 1;
    ``variance`` is the larger of their variances within the block.
    """

    wanted: Floats
    found: Floats
    wanted_light: Floats
    found_light: Floats
    variance: Floats

    @classmethod
    def of(cls, reference: Plane, moving: Plane, gamma: float) -> _Blocks:
        """Average over blocks; use those with many bad pixels only if good ones are too few."""
        good = np.isfinite(moving) & np.isfinite(reference)
        for plane in (reference, moving):
            good &= (plane > DARK) & (plane < BRIGHT)
        share = _means(good)
        kept = share >= 0.95
        if kept.sum() < MIN_BLOCKS:
            kept = share >= 0.5

        def averaged(plane: NDArray[Any]) -> Floats:
            return _means(np.where(good, plane, 0))[kept] / share[kept]

        wanted, found = averaged(reference), averaged(moving)
        variance = np.maximum(
            averaged(reference * reference) - wanted**2, averaged(moving * moving) - found**2
        )
        light = [averaged(np.maximum(plane, 0) ** gamma) for plane in (reference, moving)]
        return cls(wanted, found, light[0], light[1], variance)


def _means(plane: NDArray[Any]) -> Floats:
    """Return the means of blocks, row by row."""
    height, width = plane.shape
    side = max(1, min(height, width) // BLOCKS)
    size = (max(1, width // side), max(1, height // side))
    means = cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return means.ravel().astype(np.float64)


def _robust_gain(blocks: _Blocks, gamma: float) -> tuple[float, bool]:
    """Estimate the gain; also return True if the change is significant."""
    ratios = np.log(blocks.wanted_light / blocks.found_light)
    darker = np.minimum(blocks.wanted, blocks.found)
    flatness = 1 / ((blocks.variance + DEVIATION_FLOOR**2) / darker**2 + VARIANCE_FLOOR)
    change = _weighted_median(ratios, flatness)
    for _ in range(GAIN_ROUNDS):
        misfit = np.abs(ratios - change) * np.sqrt(flatness)
        spread = MAD_TO_DEVIATION * float(np.median(misfit)) + 1e-9
        weights = flatness / (1 + (misfit / (2 * spread)) ** 2) ** 2
        change = float(np.average(ratios, weights=weights))
    error = spread / np.sqrt(weights.sum()) / gamma
    gain = float(np.clip(np.exp(change / gamma), *GAIN_RANGE))
    return gain, bool(abs(gain - 1) > max(MIN_CHANGE, MIN_SIGNIFICANCE * error))


def _weighted_median(values: Floats, weights: Floats) -> float:
    """Return the value that has half of the weight below it."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])


def _flat_line(blocks: _Blocks) -> tuple[float, float] | None:
    """Fit gain and offset to the flattest third of the blocks; None if a gain alone will do."""
    flat = blocks.variance <= np.quantile(blocks.variance, 1 / 3)
    wanted, found = blocks.wanted[flat], blocks.found[flat]
    line = _fitted_line(found, wanted)
    if line is None or line[2] >= MAX_LINE_SPREAD * _gain_spread(found, wanted):
        return None
    return line[:2] if abs(line[1]) > MIN_OFFSET else None


def _gain_spread(found: Floats, wanted: Floats) -> float:
    """Return the spread of the residuals about a gain alone, fitted without outliers."""
    gain = float(np.median(wanted / found))
    spread = 0.0
    for _ in range(LINE_ROUNDS):
        misfit = wanted - gain * found
        centre = np.median(misfit)
        spread = MAD_TO_DEVIATION * float(np.median(np.abs(misfit - centre)))
        kept = np.abs(misfit - centre) <= max(3 * spread, 1e-4)
        gain = float(wanted[kept].sum() / found[kept].sum())
    return spread


def _fitted_line(found: Floats, wanted: Floats) -> tuple[float, float, float] | None:
    """Fit gain, offset and spread by trimmed least squares; None if values hardly differ."""
    kept = np.ones(found.size, bool)
    gain, offset, spread = 1.0, 0.0, 0.0
    for _ in range(LINE_ROUNDS):
        if kept.sum() < MIN_BLOCKS or found[kept].std() < 0.02:
            return None
        centre = found[kept].mean()
        centred = found[kept] - centre
        gain = float(centred @ wanted[kept] / (centred @ centred))
        offset = float(wanted[kept].mean() - gain * centre)
        misfit = np.abs(wanted - gain * found - offset)
        spread = MAD_TO_DEVIATION * float(np.median(misfit))
        kept = misfit <= max(3 * spread, 1e-4)
    return (gain, offset, spread) if GAIN_RANGE[0] <= gain <= GAIN_RANGE[1] else None


def apply_exposure(pixels: Pixels, exposure: Exposure, *, white: float) -> Pixels:
    """Match a frame to the exposure of the reference frame; alpha, last of 2 or 4 channels, stays.

    Integers are clipped to [0, ``white``], or to their own value above it. Returns ``pixels``
    itself if nothing changes. Raise AlignmentError if the number of colours differs.
    """
    if exposure.is_identity:
        return pixels
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    colours = channels - (channels in (2, 4))
    if len(exposure.gain) not in (1, colours) or len(exposure.gain) != len(exposure.offset):
        raise AlignmentError(
            f"exposure is for {len(exposure.gain)} colours; expected 1 or {colours}"
        )
    changed = pixels.copy()
    planes = changed.reshape(*pixels.shape[:2], channels)
    for colour in range(colours):
        index = min(colour, len(exposure.gain) - 1)
        gain, offset = exposure.gain[index], exposure.offset[index] * white
        top = exposure.highlights[index] * white if exposure.highlights else None
        planes[..., colour] = _exposed(planes[..., colour], gain, offset, top, white)
    return changed


def _exposed(plane: Pixels, gain: float, offset: float, top: float | None, white: float) -> Pixels:
    """Change one channel; integers by a look-up table."""
    if plane.dtype.kind != "u":
        return plane * np.float32(gain) + np.float32(offset)
    values = np.arange(np.iinfo(plane.dtype).max + 1, dtype=np.float64)
    wanted = gain * values + offset
    if top is not None:
        knee = KNEE * white
        wanted += np.maximum(values - knee, 0) / (white - knee) * (top - gain * white - offset)
    table = np.rint(np.clip(wanted, 0, np.maximum(white, values))).astype(plane.dtype)
    return np.asarray(table[plane])
