"""Decisions of large pictures: from near and from afar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels
from drpl.core.masks import PairDecision
from drpl.core.strips import each_strip, enlarged_rows, reduced
from drpl.decide.networks import LARGE, DecisionModel

Plane = NDArray[np.float32]
FACTOR = 4
"""How much coarser the other decision is."""
WEIGHT = 0.5
"""Of its logits."""
SMALLEST = 1_000_000
"""Pixels below which blur is small enough to be seen from near."""
CLEAREST = 5e-4
"""Masks count as at least this far from 0 and 1: float16 tells no more."""


@dataclass(frozen=True)
class TwoScaleModel:
    """A model whose decisions of large pictures are joined with its decisions at a quarter.

    A network that is trained on blur of some pixels tells strong blur by noise, pixel by pixel;
    at a quarter of the resolution the same blur is small. Where frames differ by little blur, it
    is the coarse decision that is undecided. So the logits of both are added.

    Parameters
    ----------
    model, coarse_model : DecisionModel
        Two of the same weights: what one keeps from picture to picture is of one size.
    """

    model: DecisionModel
    coarse_model: DecisionModel

    def decide(
        self, source_a: Pixels, source_b: Pixels, *, white: float, tile: int, masks: PairDecision
    ) -> None:
        """See `DecisionModel`."""
        height, width = source_a.shape[:2]
        if height * width < SMALLEST:
            self.model.decide(source_a, source_b, white=white, tile=tile, masks=masks)
        else:
            self._decide_twice(source_a, source_b, white=white, tile=tile, masks=masks)

    def _decide_twice(
        self, source_a: Pixels, source_b: Pixels, *, white: float, tile: int, masks: PairDecision
    ) -> None:
        """Decide from near and from afar."""
        height, width = source_a.shape[:2]
        small_a, small_b = reduced(source_a, FACTOR), reduced(source_b, FACTOR)
        rough = PairDecision(*(np.empty(small_a.shape[:2], np.float32) for _ in range(2)))
        self.coarse_model.decide(small_a, small_b, white=white, tile=tile, masks=rough)
        if height * width > LARGE:
            self.coarse_model.release()
        self.model.decide(source_a, source_b, white=white, tile=tile, masks=masks)
        for mask, rough_mask in ((masks.mask_a, rough.mask_a), (masks.mask_b, rough.mask_b)):
            _add_logits(mask, np.float32(WEIGHT) * _logits(rough_mask), width)

    def release(self) -> None:
        """See `DecisionModel`."""
        self.model.release()
        self.coarse_model.release()


def _add_logits(mask: NDArray[np.floating[Any]], logits: Plane, width: int) -> None:
    """Add coarse logits to a mask, in place."""

    def work(rows: slice) -> None:
        total = _logits(mask[rows]) + enlarged_rows(logits, rows, FACTOR, width)
        mask[rows] = 1 / (1 + cv2.exp(-total))

    each_strip(work, mask.shape[0])


def _logits(mask: NDArray[np.floating[Any]]) -> Plane:
    """Logits of a mask."""
    bounded = np.clip(mask.astype(np.float32), CLEAREST, 1 - CLEAREST)
    return np.asarray(cv2.log(bounded / (1 - bounded)), np.float32)
