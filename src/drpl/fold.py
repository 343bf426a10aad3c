"""Fold: a stack met frame by frame; what is best so far takes the same memory however many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.compose import (
    BAND,
    clearness,
    compose_pyramid,
    each_strip,
    enlarged_rows,
    mix,
    take,
    weights,
)
from drpl.decide import decision_map
from drpl.stack import PairDecision, Pixels

Coverage = NDArray[np.bool_]
"""(H, W): where a frame shows the scene; elsewhere, after alignment, it shows its mirrored edge."""


@dataclass
class Composite:
    """The best of the frames met so far.

    Attributes
    ----------
    seen : ndarray
        Source pixels as the decisions chose them, at the scale of decisions: what the network
        compares the next frame with.
    fused : ndarray, shape (H, W) or (H, W, C)
        The result: source pixels, blended along the boundaries. One array with ``seen`` as long as
        they hold the same.
    index_map : ndarray, shape (H, W), uint8, or uint16 for more than 256 frames
        Number of the frame that a pixel is (mostly) from.
    doubt : ndarray, shape (H, W), uint8
        0 where that frame was clearly better than each that it was compared with, 255 where
        another would have served as well.
    covered : ndarray of bool, shape (H, W), or None
        Where any frame shows the scene; None is everywhere.
    scale : int
        Pixels of the picture for each of a decision, along an axis.
    """

    seen: Pixels
    fused: Pixels
    index_map: NDArray[np.unsignedinteger[Any]]
    doubt: NDArray[np.uint8]
    covered: Coverage | None
    scale: int


def start_composite(
    frame: Pixels, number: int, *, count: int, scale: int = 1, covered: Coverage | None = None
) -> Composite:
    """The composite of one frame, of which it takes possession.

    Parameters
    ----------
    frame : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
    number : int
        Of the frame, below ``count``.
    count : int
        Frames of the stack.
    scale : int
        Of the decisions to come.
    covered : ndarray of bool, shape (H, W), optional
        Where the frame shows the scene.
    """
    shape = frame.shape[:2]
    # zeros take no memory until they are written to: not while the first decision is made
    index_map = np.zeros(shape, np.uint8 if count <= 256 else np.uint16)
    if number > 0:
        index_map += index_map.dtype.type(number)
    doubt = np.zeros(shape, np.uint8)
    return Composite(reduced(frame, scale), frame, index_map, doubt, covered, scale)


def reduced(frame: Pixels, scale: int) -> Pixels:
    """A frame with the mean of each ``scale`` x ``scale`` pixels for one, sides rounded up."""
    if scale == 1:
        return frame
    height, width = frame.shape[:2]
    bottom, right = -height % scale, -width % scale
    if bottom or right:
        frame = cv2.copyMakeBorder(frame, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    size = (frame.shape[1] // scale, frame.shape[0] // scale)
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), frame.dtype)


@dataclass(frozen=True)
class Newcomer:
    """A frame that is compared with the composite.

    Attributes
    ----------
    frame : ndarray
        Registered with the composite, of its shape and dtype.
    seen : ndarray
        The same, `reduced` to the scale of decisions.
    number : int
        Of the frame.
    covered : ndarray of bool, shape (H, W), or None
        Where the frame shows the scene.
    """

    frame: Pixels
    seen: Pixels
    number: int
    covered: Coverage | None = None


def merge_frame(
    composite: Composite,
    new: Newcomer,
    masks: PairDecision,
    *,
    mode: str,
    white: float,
    last: bool = False,
) -> None:
    """Take from one frame more what is better than the composite.

    Parameters
    ----------
    composite : Composite
        Changed in place.
    new : Newcomer
    masks : PairDecision
        Between `Composite.seen` (A) and `Newcomer.seen` (B).
    mode, white
        As of `drpl.compose.compose`.
    last : bool
        Whether no frame follows: `Composite.seen` is then not kept up.
    """
    frame, covered = new.frame, new.covered
    height, width = frame.shape[:2]
    decision = _Decision(masks, (height, width), composite.scale, composite.covered, covered)
    if composite.fused is composite.seen and not last:
        composite.fused = composite.fused.copy()
    if mode == "pyramid":
        soft = decision(slice(0, height))
        full = PairDecision(soft, 1 - soft)
        composite.fused = compose_pyramid(composite.fused, frame, full, white=white)

    def merge(rows: slice) -> None:
        soft, blended = weights(decision, height, rows, BAND if mode == "select" else None)
        better = soft < 0.5
        if mode != "pyramid":
            mix(composite.fused[rows], frame[rows], soft, blended)
        if composite.scale == 1 and not last:
            take(composite.seen[rows], frame[rows], better)
        composite.index_map[rows][better] = new.number
        unclear, kept = 255 - clearness(soft), composite.doubt[rows]
        np.maximum(kept, unclear, out=kept, where=~better)
        np.copyto(kept, unclear, where=better)

    each_strip(merge, height)
    if composite.scale > 1 and not last:
        take(composite.seen, new.seen, decision.small() < 0.5)
    if composite.covered is not None:
        composite.covered = None if covered is None else composite.covered | covered


@dataclass(frozen=True)
class _Decision:
    """The soft decision between composite (1) and frame (0), at full resolution, row by row.

    Where only one of the two shows the scene, it is taken.
    """

    masks: PairDecision
    shape: tuple[int, int]
    scale: int
    before: Coverage | None
    new: Coverage | None

    def __call__(self, rows: slice) -> NDArray[np.float32]:
        """Decision map of some rows."""
        return self._bounded(self._enlarged(rows), rows, 1)

    def small(self) -> NDArray[np.float32]:
        """The whole decision map at the scale of decisions."""
        return self._bounded(decision_map(self.masks), slice(None), self.scale)

    def _enlarged(self, rows: slice) -> NDArray[np.float32]:
        """Rows of the decision map, bilinearly enlarged."""
        if self.scale == 1:
            return decision_map(self.masks, rows)
        reach = slice(max(0, rows.start // self.scale - 1), -(-rows.stop // self.scale) + 1)
        small = decision_map(self.masks, reach)
        above = reach.start * self.scale
        local = slice(rows.start - above, rows.stop - above)
        return enlarged_rows(small, local, self.scale, self.shape[1])

    def _bounded(self, soft: NDArray[np.float32], rows: slice, step: int) -> NDArray[np.float32]:
        """Decide for the side that shows the scene, where only one does."""
        steps = (slice(None, None, step), slice(None, None, step))
        if self.new is not None:
            soft[~self.new[rows][steps]] = 1
        if self.before is not None:
            missing = ~self.before[rows][steps]
            soft[missing if self.new is None else missing & self.new[rows][steps]] = 0
        return soft
