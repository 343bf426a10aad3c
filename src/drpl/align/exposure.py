"""Match the exposure of frames: a gain and an offset per channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels
from drpl.errors import AlignmentError

Plane = NDArray[np.float32]
Values = NDArray[np.float64]
BLOCKS = 24
"""Blocks along the shorter side whose means are compared."""
NOISE = 0.005
"""Offset, relative to white, below which there is none."""
LEAST = 0.008
"""Relative change of a gain below which it counts as unchanged: blur of real pairs, and blur that
was made in coded values (MFI-WHU), looks like up to half of it."""
CERTAIN = 3.0
"""Standard errors that a change must exceed."""
FLAT = 1e-4
"""Relative variance below which flat blocks are not told apart."""
VEIL = 0.05
"""Deviation, relative to white, that counts for every block: the ratio of dark ones is the
least sure, and shows least."""
ROUNDS = 8
LINE_SUPPORT = 0.4
"""Share of a gain's deviations that a line with an offset may leave to be taken."""
GAINS = (0.25, 4.0)
DARK, BRIGHT = 0.01, 0.98
"""Values outside count as clipped."""
GAMMA = 2.2
"""Of pictures as cameras save them, roughly."""
FEWEST = 8
"""Blocks that a fit needs."""
KNEE, BRIGHTEST = 0.94, 0.985
"""Values, relative to white, from which a line may bend, and above which they tell where to."""
BENT = 0.5
"""How far values between these must follow the bend: what is clipped only does not."""
EVEN = 0.01
"""Deviation in a square of `SQUARE` pixels below which a place is even in both pictures."""
SQUARE = 5
FEWEST_EVEN = 20
"""Even pixels that a bend needs."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """What brings a frame to the exposure of the reference: ``gain * value + offset``.

    Attributes
    ----------
    gain : tuple of float
        One, or one per colour.
    offset : tuple of float
        As many, relative to white.
    highlights : tuple of float
        As many, or none: what white comes to where frames are darkened, relative to white. From
        `KNEE` on it goes there in a straight line; integers only.
    """

    gain: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    highlights: tuple[float, ...] = ()

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return set(self.gain) == {1.0} and set(self.offset) == {0.0}


def match_exposure(reference: Plane, moving: Plane, *, gamma: float = GAMMA) -> Exposure:
    """Estimate what brings a frame to the exposure of the reference frame.

    Parameters
    ----------
    reference, moving : ndarray, shape (H, W) or (H, W, C), float32, in [0, 1]
        Small pictures, aligned; NaN where the moving frame has no pixels.
    gamma : float
        Values to this power are taken as light.

    Returns
    -------
    Exposure
        The identity where the change is below 0.8 per cent, or not certain.

    Raises
    ------
    AlignmentError
        If the shapes differ.

    Notes
    -----
    Means of blocks without clipped pixels are compared. The gain is the ratio of their light, which
    defocus spreads but keeps; the flatter a block, the more it counts, and those far off do not. An
    offset is used where a line fits the flattest blocks much better than a gain alone. Cameras bend
    their curves towards white: where a frame is darkened, its brightest even places tell what white
    comes to, if those that are nearly as bright agree.
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
    if min(len(pair.found) for pair in pairs) < FEWEST:
        return same
    lines = [_flat_line(pair) for pair in pairs]
    if all(line is not None for line in lines):
        gains, offsets = zip(*(line for line in lines if line is not None), strict=True)
    else:
        fits = [_certain_gain(pair, gamma) for pair in pairs]
        if not any(certain for _, certain in fits):
            return same
        gains, offsets = tuple(gain for gain, _ in fits), same.offset
    return Exposure(gains, offsets, _highlights(planes, gains, offsets))


def _highlights(
    planes: Sequence[NDArray[np.float32]], gains: Sequence[float], offsets: Sequence[float]
) -> tuple[float, ...]:
    """What white comes to by colour, or nothing where it is as the lines have it."""
    tops, agreed = [], []
    for wanted, found, gain, offset in zip(*planes, gains, offsets, strict=True):
        misfit, even = wanted - gain * found - offset, _even(wanted) & _even(found)
        brightest, bright = (
            even & (found > least) & (found <= most)
            for least, most in ((BRIGHTEST, np.inf), ((KNEE + BRIGHTEST) / 2, BRIGHTEST))
        )
        rise = 0.0
        if brightest.sum() >= FEWEST_EVEN:
            rise = float(np.clip(np.median(misfit[brightest]), 0, max(0.0, 1 - gain - offset)))
        tops.append(gain + offset + rise)
        if rise > 0:
            agreed.append(misfit[bright] * (1 - KNEE) / (rise * (found[bright] - KNEE)))
    shares = np.concatenate([np.empty(0), *agreed])
    return tuple(tops) if len(shares) >= FEWEST_EVEN and np.median(shares) > BENT else ()


def _even(plane: Plane) -> NDArray[np.bool_]:
    """Where nothing is to be seen around a pixel."""
    known = np.where(np.isfinite(plane), plane, -1)  # running sums would spread NaN
    mean, square = (cv2.blur(values, (SQUARE, SQUARE)) for values in (known, known * known))
    return np.asarray(square - mean * mean < EVEN**2)


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Means of the blocks of one channel that are mostly neither clipped nor missing."""

    wanted: Values
    found: Values
    wanted_light: Values
    found_light: Values
    variance: Values

    @classmethod
    def of(cls, reference: Plane, moving: Plane, gamma: float) -> _Blocks:
        """Average over blocks; those with many bad pixels only where there are no others."""
        good = np.isfinite(moving) & np.isfinite(reference)
        for plane in (reference, moving):
            good &= (plane > DARK) & (plane < BRIGHT)
        share = _means(good)
        kept = share >= 0.95
        if kept.sum() < FEWEST:
            kept = share >= 0.5

        def averaged(plane: NDArray[Any]) -> Values:
            return _means(np.where(good, plane, 0))[kept] / share[kept]

        wanted, found = averaged(reference), averaged(moving)
        variance = np.maximum(
            averaged(reference * reference) - wanted**2, averaged(moving * moving) - found**2
        )
        light = [averaged(np.maximum(plane, 0) ** gamma) for plane in (reference, moving)]
        return cls(wanted, found, light[0], light[1], variance)


def _means(plane: NDArray[Any]) -> Values:
    """Means of blocks, row by row."""
    height, width = plane.shape
    side = max(1, min(height, width) // BLOCKS)
    size = (max(1, width // side), max(1, height // side))
    means = cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return means.ravel().astype(np.float64)


def _certain_gain(blocks: _Blocks, gamma: float) -> tuple[float, bool]:
    """Gain, and whether it is a certain change."""
    ratios = np.log(blocks.wanted_light / blocks.found_light)
    darker = np.minimum(blocks.wanted, blocks.found)
    flatness = 1 / ((blocks.variance + VEIL**2) / darker**2 + FLAT)
    change = _weighted_median(ratios, flatness)
    for _ in range(ROUNDS):
        misfit = np.abs(ratios - change) * np.sqrt(flatness)
        spread = 1.4826 * float(np.median(misfit)) + 1e-9
        weights = flatness / (1 + (misfit / (2 * spread)) ** 2) ** 2
        change = float(np.average(ratios, weights=weights))
    error = spread / np.sqrt(weights.sum()) / gamma
    gain = float(np.clip(np.exp(change / gamma), *GAINS))
    return gain, bool(abs(gain - 1) > max(LEAST, CERTAIN * error))


def _weighted_median(values: Values, weights: Values) -> float:
    """The value with half of the weights below it."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])


def _flat_line(blocks: _Blocks) -> tuple[float, float] | None:
    """Gain and offset by the flattest third of the blocks, if an offset is well supported."""
    flat = blocks.variance <= np.quantile(blocks.variance, 1 / 3)
    wanted, found = blocks.wanted[flat], blocks.found[flat]
    line = _fitted_line(found, wanted)
    if line is None or line[2] >= LINE_SUPPORT * _fitted_gain(found, wanted)[1]:
        return None
    return line[:2] if abs(line[1]) > NOISE else None


def _fitted_gain(found: Values, wanted: Values) -> tuple[float, float]:
    """Ratio of sums without blocks that deviate much, and what the others deviate by."""
    gain = float(np.median(wanted / found))
    spread = 0.0
    for _ in range(5):
        misfit = wanted - gain * found
        centre = np.median(misfit)
        spread = 1.4826 * float(np.median(np.abs(misfit - centre)))
        kept = np.abs(misfit - centre) <= max(3 * spread, 1e-4)
        gain = float(wanted[kept].sum() / found[kept].sum())
    return gain, spread


def _fitted_line(found: Values, wanted: Values) -> tuple[float, float, float] | None:
    """Gain, offset and deviation by trimmed least squares, or None where values hardly differ."""
    kept = np.ones(found.size, bool)
    gain, offset, spread = 1.0, 0.0, 0.0
    for _ in range(5):
        if kept.sum() < FEWEST or found[kept].std() < 0.02:
            return None
        centre = found[kept].mean()
        around = found[kept] - centre
        gain = float(around @ wanted[kept] / (around @ around))
        offset = float(wanted[kept].mean() - gain * centre)
        misfit = np.abs(wanted - gain * found - offset)
        spread = 1.4826 * float(np.median(misfit))
        kept = misfit <= max(3 * spread, 1e-4)
    return (gain, offset, spread) if GAINS[0] <= gain <= GAINS[1] else None


def apply_exposure(pixels: Pixels, exposure: Exposure, *, white: float) -> Pixels:
    """Bring a frame to the exposure of the reference frame.

    Parameters
    ----------
    pixels : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        With 2 or 4 channels the last is alpha and stays as it is.
    exposure : Exposure
        For one channel, or as many as there are colours.
    white : float
        Value of white; integers are clipped to [0, ``white``].

    Returns
    -------
    ndarray
        Shape and dtype of ``pixels``; ``pixels`` itself where nothing changes.

    Raises
    ------
    AlignmentError
        If the exposure has another number of colours.
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
    """One channel; integers through a table."""
    if plane.dtype.kind != "u":
        return plane * np.float32(gain) + np.float32(offset)
    values = np.arange(np.iinfo(plane.dtype).max + 1, dtype=np.float64)
    wanted = gain * values + offset
    if top is not None:
        knee = KNEE * white
        wanted += np.maximum(values - knee, 0) / (white - knee) * (top - gain * white - offset)
    table = np.rint(np.clip(wanted, 0, white)).astype(plane.dtype)
    return np.asarray(table[plane])
