"""Fold: a stack met frame by frame; what is best so far takes the same memory however many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.compose import BAND, clearness, compose_pyramid, each_strip, mix, take, weights
from drpl.stack import PairDecision, Pixels

Coverage = NDArray[np.bool_]
"""(H, W): where a frame shows the scene; elsewhere, after alignment, it shows its mirrored edge."""


@dataclass
class Composite:
    """The best of the frames met so far.

    Attributes
    ----------
    selected : ndarray, shape (H, W) or (H, W, C)
        Source pixels, as the index map says: what the network sees.
    fused : ndarray
        The same, blended along the boundaries: the result. One array with `selected` until a
        second frame is met.
    index_map : ndarray, shape (H, W), uint8, or uint16 for more than 256 frames
        Number of the frame that a pixel is (mostly) from.
    confidence : ndarray, shape (H, W), uint8
        255 where that frame was clearly better than each that it was compared with, 0 where
        another would have served as well.
    covered : ndarray of bool, shape (H, W), or None
        Where any frame shows the scene; None is everywhere.
    """

    selected: Pixels
    fused: Pixels
    index_map: NDArray[np.unsignedinteger[Any]]
    confidence: NDArray[np.uint8]
    covered: Coverage | None


def start_composite(
    frame: Pixels, number: int, *, count: int, covered: Coverage | None = None
) -> Composite:
    """The composite of one frame, of which it takes possession.

    Parameters
    ----------
    frame : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
    number : int
        Of the frame, below ``count``.
    count : int
        Frames of the stack.
    covered : ndarray of bool, shape (H, W), optional
    """
    shape = frame.shape[:2]
    index_map = np.full(shape, number, np.uint8 if count <= 256 else np.uint16)
    return Composite(frame, frame, index_map, np.full(shape, 255, np.uint8), covered)


def merge_frame(
    composite: Composite,
    frame: Pixels,
    number: int,
    masks: PairDecision,
    *,
    mode: str,
    white: float,
    covered: Coverage | None = None,
    last: bool = False,
) -> None:
    """Take from one frame more what is better than the composite.

    Parameters
    ----------
    composite : Composite
        Changed in place.
    frame : ndarray
        Registered with the composite, of its shape and dtype.
    number : int
        Of the frame.
    masks : PairDecision
        Between `Composite.selected` (A) and the frame (B); changed where only one of the two shows
        the scene.
    mode, white
        As of `drpl.compose.compose`.
    covered : ndarray of bool, shape (H, W), optional
        Where the frame shows the scene.
    last : bool
        Whether no frame follows: `Composite.selected` is then not kept up.
    """
    height = frame.shape[0]
    if covered is not None or composite.covered is not None:
        each_strip(lambda rows: _respect_coverage(masks, composite.covered, covered, rows), height)
    if composite.fused is composite.selected:
        composite.fused = composite.fused.copy()
    if mode == "pyramid":
        composite.fused = compose_pyramid(composite.fused, frame, masks, white=white)

    def merge(rows: slice) -> None:
        soft, blended = weights(masks, rows, BAND if mode == "select" else None)
        better = soft < 0.5
        if mode != "pyramid":
            mix(composite.fused[rows], frame[rows], soft, blended)
        if not last:
            take(composite.selected[rows], frame[rows], better)
        composite.index_map[rows][better] = number
        clear, kept = clearness(soft), composite.confidence[rows]
        np.minimum(kept, clear, out=kept, where=~better)
        np.copyto(kept, clear, where=better)

    each_strip(merge, height)
    if composite.covered is not None:
        composite.covered = None if covered is None else composite.covered | covered


def _respect_coverage(
    masks: PairDecision, before: Coverage | None, new: Coverage | None, rows: slice
) -> None:
    """Decide for the side that shows the scene, where only one does."""
    if new is not None:
        masks.mask_a[rows][~new[rows]], masks.mask_b[rows][~new[rows]] = 1, 0
    if before is not None:
        only_new = ~before[rows] if new is None else ~before[rows] & new[rows]
        masks.mask_a[rows][only_new], masks.mask_b[rows][only_new] = 0, 1
