"""Contenders: which frames of a stack can be sharpest at a place, by their own detail.

The network compares each frame with a composite of those before. Where all of them are blurred,
its decisions pick pixels at random, and such a mosaic looks sharper to it than a sharp frame. What
detail the frames have themselves is not taken in by that.
"""

from __future__ import annotations

from functools import reduce

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels
from drpl.core.luma import luma_plane
from drpl.core.masks import PairDecision
from drpl.core.strips import each_strip

Codes = NDArray[np.uint8]
"""Detail of each block on a logarithmic scale, `PER_OCTAVE` steps for each doubling."""
BLOCK = 8
"""Side, in pixels of a decision, of the squares whose detail is compared; a divisor of strips."""
FINEST = 5
"""Side of the mean that is taken off: what is left of the luma is detail."""
REACH = 7
"""Side, in blocks, of the square somewhere in which a contender has half the detail."""
ALL_AROUND = 3
"""Side, in blocks, of the square in which a frame has to have the most detail to be taken unasked:
others that look as sharp were softened when they were resampled."""
CONTENDS, SHARPEST = np.uint8(1), np.uint8(2)
"""Bits of a frame's rank in a block."""
PER_OCTAVE = 8
OF_SHARPEST = np.uint8(PER_OCTAVE)
"""How far a contender is behind the sharpest frame at most: half the detail (mean square)."""
WEAKEST = 2.0**-31
FAINT = np.uint8(13.75 * PER_OCTAVE)
"""Detail that is hardly to be seen: its deviation is 0.6 of the 255 steps to white."""
LEAD = np.uint8(2)
"""What the preferred frame is given in advance."""
SAME = 2.5 / 255
HIDDEN = 1.5
"""How far means of blocks may be apart where detail alone decides which frame is taken, relative to
white, or to the detail if that is more: squares of another colour would show."""


class Contenders:
    """The frames met so far, and where each has enough detail to be the sharpest.

    A few bits of each pixel and frame are held: two bytes for a block of `BLOCK` x `BLOCK` pixels.

    Parameters
    ----------
    count : int
        Frames of the stack.
    white : float
        Value of white.
    preferred : int, optional
        Number of the frame to take where it has all but the most detail, or where hardly any is to
        be seen: the reference, if other frames were resampled or exposed anew.
    """

    def __init__(self, count: int, white: float, preferred: int | None = None) -> None:
        self._white = white
        self._preferred = preferred
        self._codes: list[Codes] = []
        self._place = np.zeros(count, np.intp)

    def meet(self, number: int, seen: Pixels, covered: NDArray[np.bool_] | None = None) -> None:
        """Note the detail of a frame.

        Parameters
        ----------
        number : int
            Of the frame.
        seen : ndarray, shape (h, w) or (h, w, C)
            The frame at the scale of decisions.
        covered : ndarray of bool, shape (h, w), optional
            Where it shows the scene; elsewhere it has no detail.
        """
        self._place[number] = len(self._codes)
        codes = _codes(seen, self._white, covered)
        if self._preferred is not None:
            np.maximum(codes, FAINT, out=codes)
            codes += LEAD * np.uint8(number == self._preferred)
        self._codes.append(codes)

    def restrict(
        self,
        masks: PairDecision,
        owners: NDArray[np.unsignedinteger],
        sources: tuple[Pixels, Pixels],
    ) -> None:
        """Decide for the frame met last, or against it, where detail leaves no doubt.

        That is where only one side contends, and where both show the same all around and one of
        them is the sharpest there.

        Parameters
        ----------
        masks : PairDecision
            Between the composite (A) and that frame (B); changed in place.
        owners : ndarray, shape (h, w)
            Number of the frame that each pixel of the composite is from.
        sources : pair of ndarray, shape (h, w) or (h, w, C)
            The composite and the frame.
        """
        height, width = owners.shape
        sharpest = reduce(np.maximum, self._codes)
        ranks = self._ranks(sharpest)
        alike = _alike(*sources, sharpest, self._white).ravel()
        blocks = ranks[0].size
        columns = np.arange(width, dtype=np.intp) // BLOCK

        def work(rows: slice) -> None:
            block_rows = np.arange(rows.start, rows.stop, dtype=np.intp) // BLOCK
            block = block_rows[:, None] * ranks.shape[2] + columns
            new = ranks[-1].take(block)
            old = ranks.take(block + blocks * self._place[owners[rows]])
            for bit, where in ((CONTENDS, True), (SHARPEST, alike.take(block))):
                for one, other, value in ((old, new, 1), (new, old, 0)):
                    alone = np.logical_and((one & bit) > (other & bit), where)
                    masks.mask_a[rows][alone] = value
                    masks.mask_b[rows][alone] = 1 - value

        each_strip(work, height)

    def _ranks(self, sharpest: Codes) -> Codes:
        """Rank of each frame in each block, given the most detail of any."""
        least = sharpest - np.minimum(sharpest, OF_SHARPEST)
        near, beside = (np.ones((side, side), np.uint8) for side in (REACH, ALL_AROUND))
        ranks = np.empty((len(self._codes), *sharpest.shape), np.uint8)
        for rank, codes in zip(ranks, self._codes, strict=True):
            rank[:] = CONTENDS * cv2.dilate((codes >= least).view(np.uint8), near)
            rank += SHARPEST * cv2.erode((codes == sharpest).view(np.uint8), beside)
        return ranks


def _codes(seen: Pixels, white: float, covered: NDArray[np.bool_] | None) -> Codes:
    """Detail of each block of a frame, coded."""
    height, width = seen.shape[:2]
    codes = np.empty((-(-height // BLOCK), -(-width // BLOCK)), np.uint8)

    def work(rows: slice) -> None:
        detail = _detail(seen, rows, white)
        if covered is not None:
            detail *= covered[rows]
        bottom, right = -len(detail) % BLOCK, -width % BLOCK
        whole = cv2.copyMakeBorder(detail, 0, bottom, 0, right, cv2.BORDER_REFLECT)
        size = (whole.shape[1] // BLOCK, len(whole) // BLOCK)
        means = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
        octaves = np.log2(np.clip(means, WEAKEST, 1) / WEAKEST)
        codes[rows.start // BLOCK : -(-rows.stop // BLOCK)] = np.rint(octaves * PER_OCTAVE)

    each_strip(work, height)
    return codes


def _alike(composite: Pixels, frame: Pixels, sharpest: Codes, white: float) -> NDArray[np.bool_]:
    """Blocks in which, and all around, two pictures have the same means."""
    apart = np.abs(_block_means(composite) - _block_means(frame)) / np.float32(white)
    detail = np.exp2((sharpest / np.float32(PER_OCTAVE) + np.log2(WEAKEST)) / 2)
    far = (apart if apart.ndim == 2 else apart.max(axis=2)) > np.maximum(SAME, HIDDEN * detail)
    around = np.ones((ALL_AROUND, ALL_AROUND), np.uint8)
    return np.asarray(cv2.dilate(far.view(np.uint8), around) == 0)


def _block_means(picture: Pixels) -> NDArray[np.float32]:
    """Mean of each block; those cut by an edge repeat their last pixels."""
    height, width, *channels = picture.shape
    means = np.empty((-(-height // BLOCK), -(-width // BLOCK), *channels), np.float32)

    def work(rows: slice) -> None:
        strip = picture[rows]
        bottom, right = -len(strip) % BLOCK, -width % BLOCK
        whole = cv2.copyMakeBorder(strip, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        size = (means.shape[1], len(whole) // BLOCK)
        reduced = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
        part = means[rows.start // BLOCK : -(-rows.stop // BLOCK)]
        part[...] = np.reshape(reduced, part.shape)

    each_strip(work, height)
    return means


def _detail(seen: Pixels, rows: slice, white: float) -> NDArray[np.float32]:
    """Squared detail of some rows."""
    above = min(rows.start, FINEST)
    luma = luma_plane(seen[rows.start - above : rows.stop + FINEST], white)
    detail = luma - cv2.blur(luma, (FINEST, FINEST))
    return np.asarray(np.square(detail[above : above + rows.stop - rows.start]), np.float32)
