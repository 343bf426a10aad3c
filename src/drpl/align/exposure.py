"""Exposure of frames, matched by a gain and an offset per channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
MIN_CHANGE = 0.004
"""Relative change of gain below which none is applied."""
NEIGHBOURS = 2
"""Frames before, in focus order, that a frame is compared with."""
LEAD = 2.5
"""Ratio of the weight of blocks that agree with a gain to the weight of those that agree with no
change, from which the gain is applied: where nothing changed but blur, as many agree with none."""
RICHER_LEAD = 1.3
"""The same ratio from which a richer model is taken: a gain for each colour over one for all, and a
gain that varies across the picture (vignetting that moves with the sensor) over a constant one. It
is also that from which a single comparison counts."""
HIGH_BLACK = 0.5
"""Black level, relative to white, above which it is an offset of the camera: gains are about it."""
STEEPEST = 0.03
"""Standard deviation of the slope of such a gain, from the middle to the edge."""
MOST_AGAINST = 0.2
"""Most weight of blocks that change in the opposite direction: light that vanishes out of focus
darkens some areas and brightens others."""
NARROW, SHRINK = 0.003, 0.7
"""Smallest spread of the log ratios of blocks that agree, and the factor that the spread shrinks by
from fit to fit: blocks that blur does not change agree closely, whatever the others do."""
ODD_DEVIATIONS, ODD_CHANGE = 3.0, 0.05
"""Robust deviations, and relative change, from the median by which a reference frame is odd."""
VARIANCE_FLOOR = 1e-4
"""Relative variance below which all blocks count as equally flat."""
DEVIATION_FLOOR = 0.05
"""Deviation, relative to white, added to that of each block: it lowers the weight of dark blocks,
whose ratios are the least certain and the least visible."""
FIT_ROUNDS, SOLVE_ROUNDS, LINE_ROUNDS = 2, 4, 5
"""Iterations of the robust fits."""
MAX_LINE_SPREAD = 0.4
"""Spread of the residuals about a line with an offset, relative to that of a gain alone, below
which the line is used."""
GAIN_RANGE = (0.25, 4.0)
"""Smallest and largest gain."""
DARK, BRIGHT = 0.01, 0.94
"""Values, relative to white, at and beyond which pixels may be clipped or bent by a tone curve."""
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

    def scaled(self, top: float) -> Exposure:
        """Return the exposure for values that were divided by ``top`` before it was matched."""
        highlights = tuple(value * top for value in self.highlights) if top > KNEE else ()
        return Exposure(self.gain, tuple(value * top for value in self.offset), highlights)


def match_exposures(
    read: Callable[[int], Plane],
    count: int,
    reference: int,
    *,
    black: float = 0.0,
    fixed: bool = False,
) -> list[Exposure]:
    """Match the exposures of a stack's frames by small registered pictures.

    ``read`` returns the picture of a frame, (H, W) or (H, W, C) with white at 1, by its place in
    focus order; it is NaN where the frame shows nothing. ``black`` is the black level of the stack.
    The exposure of the ``reference`` frame is kept, unless it is odd among the others and not
    ``fixed``: then they follow the frame in their middle.

    Each frame is compared with the reference and with its neighbours, which differ less in blur;
    gains are the least-squares solution of all comparisons. Means of blocks without clipped pixels
    are compared: defocus spreads linear light but preserves it, so blocks in even areas keep their
    ratio. Gains are applied only if at least `LEAD` times as many blocks agree with them as with no
    change, in two comparisons (or the only one). An offset is used if a line fits the flattest
    blocks much better than a gain, or if black is above `HIGH_BLACK`.
    """
    floor = black if black > HIGH_BLACK else 0.0
    links: list[_Link] = []
    lines: dict[int, Exposure] = {}
    compared = {reference: _planes(read(reference))}
    for place in range(count):
        planes = _planes(read(place))
        for other, wanted in compared.items():
            if place in (reference, other):
                continue
            blocks = _Blocks.of(wanted, planes, floor)
            links.append(_Link(place, other, *_gain(blocks)))
            if other == reference and not floor and (line := _flat_line(blocks)):
                lines[place] = line
        compared[place] = planes
        if place - NEIGHBOURS in compared and place - NEIGHBOURS != reference:
            del compared[place - NEIGHBOURS]
    gains = _solved(links, count, reference, len(compared[reference]))
    return _as_exposures(read, gains, lines, reference, floor, fixed=fixed)


def match_exposure(reference: Plane, moving: Plane) -> Exposure:
    """Return the change that matches a frame to a reference frame; see `match_exposures`.

    Raise AlignmentError if the shapes of the pictures differ.
    """
    if reference.shape != moving.shape or reference.ndim not in (2, 3):
        raise AlignmentError(
            f"pictures to match have shapes {reference.shape} and {moving.shape}; expected (H, W) "
            "or (H, W, C), alike"
        )
    return match_exposures((reference, moving).__getitem__, 2, 0, fixed=True)[1]


def _planes(picture: Plane) -> Plane:
    """Return a picture with its channels first."""
    return picture[None] if picture.ndim == 2 else np.moveaxis(picture, 2, 0)


def _as_exposures(
    read: Callable[[int], Plane],
    gains: Floats,
    lines: Mapping[int, Exposure],
    reference: int,
    floor: float,
    *,
    fixed: bool,
) -> list[Exposure]:
    """Convert log gains (N, C) over the reference to exposures."""
    model = reference if fixed else _usual_frame(gains, reference)
    gains = np.exp(gains - gains[model])
    scale = float(np.mean(gains[reference]))
    found = []
    wanted = _planes(read(model))
    for place, gain in enumerate(np.clip(gains, *GAIN_RANGE)):
        if place in lines:
            line = lines[place]
            gain, offset = scale * np.array(line.gain), scale * np.array(line.offset)
        elif np.abs(gain - 1).max() < MIN_CHANGE:
            found.append(Exposure((1.0,) * len(gain), (0.0,) * len(gain)))
            continue
        else:
            offset = floor * (1 - gain)
        pair = (wanted, _planes(read(place)))
        found.append(
            Exposure(tuple(gain.tolist()), tuple(offset.tolist()), _highlights(pair, gain, offset))
        )
    return found


def _usual_frame(gains: Floats, reference: int) -> int:
    """Return the frame whose exposure others follow: the reference unless it is odd among them."""
    means = gains.mean(axis=1)
    apart = np.abs(means - np.median(means))
    deviation = MAD_TO_DEVIATION * float(np.median(apart))
    if apart[reference] <= max(ODD_DEVIATIONS * deviation, ODD_CHANGE):
        return reference
    nearest = np.flatnonzero(apart <= apart.min() + MIN_CHANGE)
    return int(nearest[np.argmin(np.abs(nearest - reference))])


@dataclass(frozen=True, slots=True)
class _Link:
    """Log gain (C,) from one frame to another.

    ``share`` of the blocks agrees with it, ``unchanged`` with no change.
    """

    place: int
    other: int
    gain: Floats
    share: float
    unchanged: float


def _solved(links: Sequence[_Link], count: int, reference: int, channels: int) -> Floats:
    """Return the log gains (N, C) of frames over the reference that links agree on."""
    certain_changes = sum(link.share >= LEAD * link.unchanged for link in links)
    if certain_changes < min(2, len(links)) or not links:
        return np.zeros((count, channels))
    design = np.zeros((len(links), count))
    for row, link in zip(design, links, strict=True):
        row[link.place], row[link.other] = 1, -1
    design[:, reference] = 0
    wanted = np.stack([link.gain for link in links])
    certain = np.array([link.share for link in links]) ** 2 + 1e-6
    weight, gains = certain, np.zeros((count, channels))
    for _ in range(SOLVE_ROUNDS):
        root = np.sqrt(weight)[:, None]
        gains = np.asarray(np.linalg.lstsq(root * design, root * wanted, rcond=None)[0])
        misfit = np.sqrt(np.square(wanted - design @ gains).mean(axis=1))
        spread = max(NARROW, MAD_TO_DEVIATION * float(np.median(misfit)))
        weight = certain * _agreement(misfit, spread)
    return np.asarray(gains, np.float64)


def _highlights(
    planes: Sequence[Plane], gains: Iterable[float], offsets: Iterable[float]
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
        if rise > MIN_CHANGE:
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
    """Means over the N blocks with few clipped or missing pixels, white at 1.

    ``wanted`` and ``found`` (N, C) are values of the reference and of the moving picture,
    ``ratio`` is the log of the gain between their linear light, ``variance`` the larger one within
    the block. ``place`` (N, 2) is the centre, relative to half of the longer side.
    """

    wanted: Floats
    found: Floats
    ratio: Floats
    variance: Floats
    place: Floats

    @classmethod
    def of(cls, reference: Plane, moving: Plane, black: float) -> _Blocks:
        """Average over blocks; use those with many bad pixels only if good ones are too few."""
        good = np.asarray((np.isfinite(moving) & np.isfinite(reference)).all(axis=0))
        pair = [(planes - black) / (1 - black) for planes in (reference, moving)]
        for planes in pair:
            good &= ((planes > DARK) & (planes < BRIGHT)).all(axis=0)
        share = _means(good)
        kept = share >= 0.95
        if kept.sum() < MIN_BLOCKS:
            kept = share >= 0.5

        def averaged(planes: NDArray[Any]) -> Floats:
            means = [_means(np.where(good, plane, 0))[kept] / share[kept] for plane in planes]
            return np.stack(means, -1)

        wanted, found = (averaged(planes) for planes in pair)
        squares = [averaged(planes * planes) for planes in pair]
        light = [averaged(np.maximum(planes, 0) ** GAMMA) for planes in pair]
        middle = (np.array(kept.shape) - 1) / 2
        return cls(
            wanted,
            found,
            np.log(light[0] / light[1]) / GAMMA,
            np.maximum(squares[0] - wanted**2, squares[1] - found**2),
            (np.argwhere(kept) - middle) / max(1.0, middle.max()),
        )

    @property
    def flatness(self) -> Floats:
        """Weight (N,) of each block: flat ones change least by blur."""
        darker = np.minimum(self.wanted, self.found)
        spread = (self.variance + DEVIATION_FLOOR**2) / darker**2 + VARIANCE_FLOOR
        return np.asarray(1 / spread.max(axis=1), np.float64)


def _means(plane: NDArray[Any]) -> Floats:
    """Return the means of blocks (rows, columns)."""
    height, width = plane.shape
    side = max(1, min(height, width) // BLOCKS)
    size = (max(1, width // side), max(1, height // side))
    means = cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return means.astype(np.float64)


def _gain(blocks: _Blocks) -> tuple[Floats, float, float]:
    """Return the log gain (C,), and the shares of blocks that agree with it and with none."""
    channels = blocks.ratio.shape[1]
    if len(blocks.ratio) < MIN_BLOCKS:
        return np.zeros(channels), 0.0, 1.0
    unchanged = _share(blocks, np.zeros((1, channels)))
    if RICHER_LEAD * unchanged >= 1:
        return np.zeros(channels), unchanged, unchanged
    fits = [_fitted(blocks, 1, alike=True), _fitted(blocks, 1), _fitted(blocks, 3)]
    shares = [_share(blocks, fit) for fit in fits]
    best = 0
    for richer in (1, 2):
        if shares[richer] > RICHER_LEAD * shares[best]:
            best = richer
    slope = fits[2].copy()
    slope[0] = 0
    unchanged = max(unchanged, _share(blocks, slope))
    gain = fits[best][0]
    against = float(np.average(blocks.ratio * gain < 0, axis=0, weights=blocks.flatness).max())
    if against > MOST_AGAINST or shares[best] <= RICHER_LEAD * unchanged:
        return np.zeros(channels), unchanged, unchanged
    return gain, shares[best], unchanged


def _fitted(blocks: _Blocks, terms: int, *, alike: bool = False) -> Floats:
    """Fit log gains that are constant (1 term) or a plane (3 terms); return them as (terms, C).

    Those of all colours are ``alike`` or not.
    The spread within which blocks count shrinks, so that the fit ends at the mode of the ratios.
    """
    design, weights = _design(blocks, terms), blocks.flatness
    found = np.zeros((terms, blocks.ratio.shape[1]))
    ratios = blocks.ratio
    if alike:
        ratios = np.broadcast_to(ratios.mean(axis=1, keepdims=True), ratios.shape)
    found[0] = [_weighted_median(colour, weights) for colour in ratios.T]
    misfit = _misfit(blocks, design, found)
    spread = MAD_TO_DEVIATION * float(np.median(misfit))
    while True:
        for _ in range(FIT_ROUNDS):
            weight = weights * _agreement(misfit, max(spread, NARROW))
            normal = design.T @ (design * weight[:, None])
            slope = np.arange(1, terms)
            normal[slope, slope] += weight.mean() * (spread / STEEPEST) ** 2 + 1e-12
            found = np.asarray(
                np.linalg.solve(normal, design.T @ (ratios * weight[:, None])), np.float64
            )
            misfit = _misfit(blocks, design, found)
        if spread <= NARROW:
            return found
        spread = max(NARROW, SHRINK * spread)


def _design(blocks: _Blocks, terms: int) -> Floats:
    """Return the terms of a log gain at each block, (N, terms)."""
    return np.column_stack([np.ones(len(blocks.place)), blocks.place])[:, :terms]


def _misfit(blocks: _Blocks, design: Floats, gains: Floats) -> Floats:
    """Return the distance (N,) of each block's log ratios from fitted ones."""
    apart = blocks.ratio - design @ gains
    return np.asarray(np.sqrt(np.square(apart).mean(axis=1)), np.float64)


def _agreement(misfit: Floats, spread: float) -> Floats:
    """Return the weight, from 0 to 1, of values at a distance from a robust fit."""
    return np.asarray(1 / (1 + (misfit / (2 * spread)) ** 2) ** 2, np.float64)


def _share(blocks: _Blocks, gains: Floats) -> float:
    """Return the share of the blocks' weight that agrees with fitted log gains."""
    agreement = _agreement(_misfit(blocks, _design(blocks, len(gains)), gains), NARROW)
    return float(np.average(agreement, weights=blocks.flatness))


def _weighted_median(values: Floats, weights: Floats) -> float:
    """Return the value that has half of the weight below it."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])


def _flat_line(blocks: _Blocks) -> Exposure | None:
    """Fit gain and offset to the flattest third of the blocks; None if a gain alone will do."""
    lines = []
    for wanted, found, variance in zip(
        blocks.wanted.T, blocks.found.T, blocks.variance.T, strict=True
    ):
        if len(variance) < MIN_BLOCKS:
            return None
        flat = variance <= np.quantile(variance, 1 / 3)
        line = _fitted_line(found[flat], wanted[flat])
        if line is None or abs(line[1]) <= MIN_OFFSET:
            return None
        if line[2] >= MAX_LINE_SPREAD * _gain_spread(found[flat], wanted[flat]):
            return None
        lines.append(line)
    gains, offsets, _ = zip(*lines, strict=True)
    return Exposure(gains, offsets)


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
    most = np.maximum(values, min(white, values[-1]))
    table = np.rint(np.clip(wanted, 0, most)).astype(plane.dtype)
    return np.asarray(table[plane])
