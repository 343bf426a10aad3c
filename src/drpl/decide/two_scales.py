"""Decisions of large pictures at two scales: full and quarter resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels, Plane
from drpl.core.luma import Levels
from drpl.core.masks import PairDecision
from drpl.core.strips import each_strip, enlarged_rows, reduced
from drpl.decide.networks import LARGE, DecisionModel

FACTOR = 4
"""Pixels, along an axis, per pixel of the coarse decision."""
WEIGHT = 0.5
"""Weight of the coarse logits."""
SMALLEST = 1_000_000
"""Pixels below which blur is small enough for full resolution alone."""
CLEAREST = 5e-4
"""Least distance of a mask from 0 and 1 before its logit is taken: float16 resolves no less."""


@dataclass(frozen=True)
class TwoScaleModel:
    """A model that decides large pictures at full and at quarter resolution.

    A network trained on blur of a few pixels judges strong blur by noise, pixel by pixel; at
    quarter resolution the same blur is small. Where frames differ by little blur, the coarse
    decision is undecided instead. The logits of both are added. Both models have the same weights;
    there is one per scale, because a session is planned for one size.
    """

    model: DecisionModel
    coarse_model: DecisionModel

    def decide(
        self, source_a: Pixels, source_b: Pixels, *, levels: Levels, tile: int, masks: PairDecision
    ) -> None:
        """See `DecisionModel`."""
        height, width = source_a.shape[:2]
        if height * width < SMALLEST:
            self.model.decide(source_a, source_b, levels=levels, tile=tile, masks=masks)
            return
        small_a, small_b = reduced(source_a, FACTOR), reduced(source_b, FACTOR)
        coarse = PairDecision(*(np.empty(small_a.shape[:2], np.float32) for _ in range(2)))
        self.coarse_model.decide(small_a, small_b, levels=levels, tile=tile, masks=coarse)
        if height * width > LARGE:
            self.coarse_model.release()
        self.model.decide(source_a, source_b, levels=levels, tile=tile, masks=masks)
        for mask, coarse_mask in ((masks.mask_a, coarse.mask_a), (masks.mask_b, coarse.mask_b)):
            _add_logits(mask, np.float32(WEIGHT) * _logits(coarse_mask), width)

    def release(self) -> None:
        """See `DecisionModel`."""
        self.model.release()
        self.coarse_model.release()


def _add_logits(mask: NDArray[np.floating[Any]], logits: Plane, width: int) -> None:
    """Add coarse logits to a mask, in place."""

    def add(rows: slice) -> None:
        total = _logits(mask[rows]) + enlarged_rows(logits, rows, FACTOR, width)
        mask[rows] = 1 / (1 + cv2.exp(-total))

    each_strip(add, mask.shape[0])


def _logits(mask: NDArray[np.floating[Any]]) -> Plane:
    """Return the logits of a mask."""
    bounded = np.clip(mask.astype(np.float32), CLEAREST, 1 - CLEAREST)
    return np.asarray(cv2.log(bounded / (1 - bounded)), np.float32)
