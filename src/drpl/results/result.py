"""The result of a fusion: pixels, maps, and the plan that the frames were fused by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.align.plan import Plan
from drpl.core.composite import Composite, Slab
from drpl.core.frames import Pixels
from drpl.core.masks import PairDecision
from drpl.core.tiling import Window


@dataclass(frozen=True, slots=True)
class FusionResult:
    """A fused stack, with the maps and the plan behind it.

    Attributes
    ----------
    fused : ndarray
        All-in-focus image with the dtype and channels of the sources; with their size too, unless
        it is cropped.
    index_map : ndarray, shape (H, W), uint8, or uint16 for more than 256 frames
        Number of the frame, from 0, with the largest weight at each pixel.
    confidence : ndarray, shape (H, W), uint8
        Confidence map: 255 where the decision is clear, 0 where another frame would serve as well.
    masks : PairDecision or None
        Decision masks of a pair, for the whole reference frame at the scale of decisions
        (`drpl.align.plan.Plan.scale`); None for longer stacks.
    plan : Plan
        Alignment and exposure of each frame, rejected frames, and the scale of decisions.
    window : tuple of two slices
        Rows and columns of the reference frame that the result shows.
    seconds : dict
        Seconds of each step.
    method : dict
        Description of the method, for the report.
    slabs : tuple of Slab
        Slabs that were fused apart and written.

    Examples
    --------
    >>> import drpl
    >>> texture = np.random.default_rng(0).integers(0, 255, (64, 96), dtype=np.uint8)
    >>> drpl.fuse([texture, texture]).index_map.shape
    (64, 96)
    """

    fused: Pixels
    index_map: NDArray[np.unsignedinteger[Any]]
    confidence: NDArray[np.uint8]
    masks: PairDecision | None
    plan: Plan
    window: Window
    seconds: dict[str, float]
    method: dict[str, Any] = field(default_factory=dict)
    slabs: tuple[Slab, ...] = ()

    def coverage(self) -> list[float]:
        """Return the share of the picture, in [0, 1], that is taken from each frame."""
        found = np.bincount(self.index_map.ravel(), minlength=len(self.plan.alignments))
        return [float(pixels) / self.index_map.size for pixels in found]


def as_result(
    composite: Composite,
    plan: Plan,
    window: Window,
    method: dict[str, Any],
    seconds: dict[str, float],
) -> FusionResult:
    """Crop a composite to a window and convert it to a result."""
    planes = (composite.fused, composite.index_map, 255 - composite.doubt)
    fused, index_map, confidence = (np.ascontiguousarray(plane[window]) for plane in planes)
    masks = composite.masks if len(plan.alignments) == 2 else None
    if masks is not None and plan.order != (0, 1):
        masks = PairDecision(masks.mask_b, masks.mask_a)  # in the order of the sources
    return FusionResult(
        fused, index_map, confidence, masks, plan, window, seconds, method, composite.slabs
    )
