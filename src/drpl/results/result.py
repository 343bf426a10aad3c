"""What fusing gives: pixels, where they came from, and what was done to the frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.align.plan import Plan
from drpl.compose.slabs import Slab
from drpl.core.frames import Composite, Pixels
from drpl.core.masks import PairDecision
from drpl.core.tiling import Window


@dataclass(frozen=True, slots=True)
class FusionResult:
    """A fused stack and where its pixels came from.

    Attributes
    ----------
    fused : ndarray
        Dtype and channels of the sources, and their size unless cropped.
    index_map : ndarray, shape (H, W), uint8, or uint16 for more than 256 frames
        Number of the frame, from 0, that a pixel is (mostly) taken from.
    confidence : ndarray, shape (H, W), uint8
        255 where the decision is clear, 0 where another frame would have served as well.
    masks : PairDecision or None
        The two decision masks, where the stack is a pair: of the whole reference frame, at the
        scale of decisions (`drpl.align.plan.Plan.scale`).
    plan : Plan
        How the frames were registered and exposed, which were left out, and the scale of decisions.
    window : tuple of two slices
        Rows and columns of the reference frame that the result shows.
    seconds : dict
        Time of each step.
    slabs : tuple of Slab
        Parts that were fused apart, if that was asked for.
    """

    fused: Pixels
    index_map: NDArray[np.unsignedinteger[Any]]
    confidence: NDArray[np.uint8]
    masks: PairDecision | None
    plan: Plan
    window: tuple[slice, slice]
    seconds: dict[str, float]
    slabs: tuple[Slab, ...] = ()

    def coverage(self) -> list[float]:
        """Share of the picture, in [0, 1], that is from each frame."""
        found = np.bincount(self.index_map.ravel(), minlength=len(self.plan.alignments))
        return [float(pixels) / self.index_map.size for pixels in found]


def _result(
    composite: Composite,
    masks: PairDecision,
    plan: Plan,
    window: Window,
    seconds: dict[str, float],
    slabs: tuple[Slab, ...],
) -> FusionResult:
    """The composite as a result, of which a window is kept."""
    planes = (composite.fused, composite.index_map, 255 - composite.doubt)
    fused, index_map, confidence = (np.ascontiguousarray(plane[window]) for plane in planes)
    of_pair = None
    if len(plan.alignments) == 2:
        of_pair = masks if plan.order == (0, 1) else PairDecision(masks.mask_b, masks.mask_a)
    return FusionResult(fused, index_map, confidence, of_pair, plan, window, seconds, slabs)
