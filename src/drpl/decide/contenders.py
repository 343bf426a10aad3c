"""Contenders: frames with enough detail at a place to be the sharpest there.

The network compares each frame with a composite of the frames before. Where all earlier frames are
blurred, it picks pixels at random, and that mosaic looks sharper to it than a sharp frame. The
detail of single frames is free of this error.
"""

from __future__ import annotations

from functools import reduce

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels
from drpl.core.luma import Levels, luma_plane
from drpl.core.masks import PairDecision
from drpl.core.strips import each_strip, reduced

Codes = NDArray[np.uint8]
"""Mean squared detail of each block on a logarithmic scale of `PER_OCTAVE` steps per doubling."""
BLOCK = 8
"""Side, in pixels of a decision, of the blocks whose detail is compared; divides a strip."""
SMOOTHING = 5
"""Side, in pixels, of the mean that is subtracted from luma; the remainder is detail."""
CONTENDER_WINDOW = 7
"""Side, in blocks, of a window; a frame contends if any block in it has enough detail."""
SHARPEST_WINDOW = 3
"""Side, in blocks, of the window throughout which a frame must have the most detail to win without
the network's vote. Frames that look equally sharp were softened by resampling."""
CONTENDS, SHARPEST = np.uint8(1), np.uint8(2)
"""Bits of a frame's rank in a block."""
PER_OCTAVE = 8
MARGIN = np.uint8(PER_OCTAVE)
"""Steps by which a contender may fall short of the sharpest frame: half the mean square."""
WEAKEST = 2.0**-31
"""Mean squared detail of code 0, relative to white."""
FAINT = np.uint8(15.25 * PER_OCTAVE)
"""Code of barely visible detail, with a standard deviation of 1.1 / 255 of white."""
LEAD = np.uint8(2)
"""Steps added to the detail of the preferred frame."""
MEAN_TOLERANCE, DETAIL_TOLERANCE = 3.2 / 255, 1.5
"""Difference of block means up to which detail alone may decide, relative to white and to the
standard deviation of detail; the larger holds. Beyond it, patches of another colour would show."""


class Contenders:
    """Detail of the frames of a stack, and the blocks in which each may be the sharpest.

    Memory is a few bits per pixel and frame: two bytes per block of `BLOCK` x `BLOCK` pixels. The
    ``preferred`` frame is taken where its detail is nearly the most, or where no frame has visible
    detail: the reference, if other frames were resampled or matched in exposure.
    """

    def __init__(self, count: int, levels: Levels, preferred: int | None = None) -> None:
        self._levels = levels
        self._preferred = preferred
        self._codes: list[Codes] = []
        self._places = np.zeros(count, np.intp)

    def add(self, number: int, seen: Pixels, covered: NDArray[np.bool_] | None = None) -> None:
        """Measure the detail of one more frame, seen at the scale of decisions.

        It has none where ``covered`` (h, w) is False; everywhere is covered by default.
        """
        self._places[number] = len(self._codes)
        codes = _codes(seen, self._levels, covered)
        if self._preferred is not None:
            np.maximum(codes, FAINT, out=codes)
            codes += LEAD * np.uint8(number == self._preferred)
        self._codes.append(codes)

    def correct(
        self,
        masks: PairDecision,
        owners: NDArray[np.unsignedinteger],
        sources: tuple[Pixels, Pixels],
    ) -> None:
        """Overrule the network, in place, where the detail of the last frame added leaves no doubt.

        A side wins where it alone contends. It also wins where both sides have the same block means
        throughout a window in which it alone is the sharpest. Masks and sources are those of the
        composite (A) and the last frame (B); ``owners`` is the composite's index map.
        """
        height, width = owners.shape
        most = reduce(np.maximum, self._codes)
        ranks = self._ranks(most)
        alike = _alike(*sources, most, self._levels).ravel()
        blocks = ranks[0].size
        columns = np.arange(width, dtype=np.intp) // BLOCK

        def overrule(rows: slice) -> None:
            block_rows = np.arange(rows.start, rows.stop, dtype=np.intp) // BLOCK
            block = block_rows[:, None] * ranks.shape[2] + columns
            frame = ranks[-1].take(block)
            composite = ranks.take(block + blocks * self._places[owners[rows]])
            for bit, where in ((CONTENDS, True), (SHARPEST, alike.take(block))):
                for side, rival, value in ((composite, frame, 1), (frame, composite, 0)):
                    wins = np.logical_and((side & bit) > (rival & bit), where)
                    masks.mask_a[rows][wins] = value
                    masks.mask_b[rows][wins] = 1 - value

        each_strip(overrule, height)

    def _ranks(self, most: Codes) -> Codes:
        """Return the rank of each frame in each block, given the most detail of any frame."""
        least = most - np.minimum(most, MARGIN)
        somewhere, throughout = (
            np.ones((side, side), np.uint8) for side in (CONTENDER_WINDOW, SHARPEST_WINDOW)
        )
        ranks = np.empty((len(self._codes), *most.shape), np.uint8)
        for rank, codes in zip(ranks, self._codes, strict=True):
            rank[:] = CONTENDS * cv2.dilate((codes >= least).view(np.uint8), somewhere)
            rank += SHARPEST * cv2.erode((codes == most).view(np.uint8), throughout)
        return ranks


def _codes(seen: Pixels, levels: Levels, covered: NDArray[np.bool_] | None) -> Codes:
    """Return the coded detail of each block of a frame."""
    height, width = seen.shape[:2]
    codes = np.empty((-(-height // BLOCK), -(-width // BLOCK)), np.uint8)

    def encode(rows: slice) -> None:
        detail = _squared_detail(seen, rows, levels)
        if covered is not None:
            detail *= covered[rows]
        bottom, right = -len(detail) % BLOCK, -width % BLOCK
        whole = cv2.copyMakeBorder(detail, 0, bottom, 0, right, cv2.BORDER_REFLECT)
        size = (whole.shape[1] // BLOCK, len(whole) // BLOCK)
        means = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
        octaves = np.log2(np.clip(means, WEAKEST, 1) / WEAKEST)
        codes[rows.start // BLOCK : -(-rows.stop // BLOCK)] = np.rint(octaves * PER_OCTAVE)

    each_strip(encode, height)
    return codes


def _alike(composite: Pixels, frame: Pixels, most: Codes, levels: Levels) -> NDArray[np.bool_]:
    """Return the blocks throughout whose window two pictures have the same means."""
    apart = np.abs(_block_means(composite) - _block_means(frame)) / np.float32(levels.span)
    deviation = np.exp2((most / np.float32(PER_OCTAVE) + np.log2(WEAKEST)) / 2)
    tolerance = np.maximum(MEAN_TOLERANCE, DETAIL_TOLERANCE * deviation)
    differ = (apart if apart.ndim == 2 else apart.max(axis=2)) > tolerance
    window = np.ones((SHARPEST_WINDOW, SHARPEST_WINDOW), np.uint8)
    return np.asarray(cv2.dilate(differ.view(np.uint8), window) == 0)


def _block_means(picture: Pixels) -> NDArray[np.float32]:
    """Return the mean of each block; blocks cut by an edge repeat their last pixels."""
    height, width, *channels = picture.shape
    means = np.empty((-(-height // BLOCK), -(-width // BLOCK), *channels), np.float32)

    def average(rows: slice) -> None:
        part = means[rows.start // BLOCK : -(-rows.stop // BLOCK)]
        part[...] = np.reshape(reduced(picture[rows], BLOCK), part.shape)

    each_strip(average, height)
    return means


def _squared_detail(seen: Pixels, rows: slice, levels: Levels) -> NDArray[np.float32]:
    """Return the squared detail of some rows of a frame."""
    above = min(rows.start, SMOOTHING)
    luma = luma_plane(seen[rows.start - above : rows.stop + SMOOTHING], levels)
    detail = luma - cv2.blur(luma, (SMOOTHING, SMOOTHING))
    return np.asarray(np.square(detail[above : above + rows.stop - rows.start]), np.float32)
