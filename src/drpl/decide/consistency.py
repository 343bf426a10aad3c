"""Consistency verification: low-confidence pixels follow their neighbourhood.

Where two frames hardly differ, in skies and on smooth surfaces, noise and coding decide pixel by
pixel which of them a network prefers. The picture itself is not harmed, but the maps and the grain
become a patchwork, and the next frame of a stack is compared with a mosaic.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from drpl.core.frames import Pixels, Plane
from drpl.core.luma import Levels
from drpl.core.masks import PairDecision, decision_map
from drpl.core.strips import each_strip, enlarged_rows, reduced
from drpl.decide.networks import DecisionModel

PAIR_WEIGHT, STACK_WEIGHT = 0.2, 0.05
"""Weight of the neighbourhood's decision in pairs and in stacks, where a confident pixel weighs 1;
lower in stacks, where each decision changes what the network compares the next frame with."""
POWER = 8
"""Exponent of the confidence ``|2 M - 1|`` that weights a decision M."""
EDGE = 3
"""Width, in pixels, of the margin whose decisions weigh nothing: cameras and programs darken or
repeat pixels there, and the network sees mirrored content beyond it."""
EDGELESS = 16
"""Shorter side, in pixels, up to which a picture has no such margin."""
COARSE = 4
"""Pixels, along an axis, per pixel of the finest level of the neighbourhood's decision."""
LEVELS = 7
"""Levels of the pyramid of decisions, at most."""
SPECK = 7
"""Side, in pixels, of the window in which fewer pixels than its side are a speck; a line one pixel
wide has as many as the side."""
TINY = 1e-9


@dataclass(frozen=True)
class VerifiedModel:
    """A model with consistency verification of its decisions; see `verify_consistency`."""

    model: DecisionModel
    neighbourhood_weight: float = PAIR_WEIGHT

    def decide(
        self, source_a: Pixels, source_b: Pixels, *, levels: Levels, tile: int, masks: PairDecision
    ) -> None:
        """See `DecisionModel`."""
        self.model.decide(source_a, source_b, levels=levels, tile=tile, masks=masks)
        verify_consistency(masks, self.neighbourhood_weight)

    def release(self) -> None:
        """See `DecisionModel`."""
        self.model.release()


def verify_consistency(masks: PairDecision, neighbourhood_weight: float = PAIR_WEIGHT) -> None:
    """Make low-confidence decisions follow their neighbourhood, and remove specks of single pixels.

    Masks are changed in place and are complements afterwards. The decision of the neighbourhood has
    a weight of ``neighbourhood_weight``; a confident pixel weighs 1. Decisions are averaged by
    confidence on the levels of a pyramid, and filled in from coarse to fine where confidence is low
    ("pull-push").

    Reference: Gortler et al., "The lumigraph", SIGGRAPH 1996, section 3.4.
    """
    height, width = masks.mask_a.shape
    size = (-(-height // COARSE), -(-width // COARSE))
    weights, weighted = np.empty(size, np.float32), np.empty(size, np.float32)

    def gather(rows: slice) -> None:
        soft = decision_map(masks, rows)
        weight = _weight(soft, rows, height)
        part = slice(rows.start // COARSE, -(-rows.stop // COARSE))
        weights[part], weighted[part] = reduced(weight, COARSE), reduced(weight * soft, COARSE)

    each_strip(gather, height)
    neighbourhood = _pull_push(weighted, weights, neighbourhood_weight)

    def blend(rows: slice) -> None:
        soft = decision_map(masks, rows)
        weight = _weight(soft, rows, height)
        soft *= weight
        soft += neighbourhood_weight * enlarged_rows(neighbourhood, rows, COARSE, width)
        soft /= weight + neighbourhood_weight
        masks.mask_a[rows] = soft
        masks.mask_b[rows] = 1 - soft

    each_strip(blend, height)
    _remove_specks(masks)


def _weight(soft: Plane, rows: slice, height: int) -> Plane:
    """Return the weight of each decision in some rows of a decision map."""
    weight = np.asarray(cv2.pow(2 * soft - 1, POWER), np.float32)
    if min(height, soft.shape[1]) > EDGELESS:
        inside = slice(max(EDGE - rows.start, 0), max(height - EDGE - rows.start, 0))
        weight[: inside.start], weight[inside.stop :] = 0, 0
        weight[:, :EDGE], weight[:, -EDGE:] = 0, 0
    return weight


def _pull_push(weighted: Plane, weights: Plane, coarser_weight: float) -> Plane:
    """Divide weighted sums by weights; where weights are small, coarser levels fill in."""
    levels: list[tuple[Plane, Plane]] = []
    while len(levels) < LEVELS and min(weighted.shape) > 1:
        levels.append((weighted, weights))
        weighted, weights = (np.asarray(cv2.pyrDown(p), np.float32) for p in (weighted, weights))
    # a tie where all weights are zero
    filled = (weighted + np.float32(TINY / 2)) / (weights + np.float32(TINY))
    for weighted, weights in reversed(levels):
        coarser = cv2.pyrUp(filled, dstsize=(weighted.shape[1], weighted.shape[0]))
        filled = (weighted + coarser_weight * coarser) / (weights + coarser_weight)
    return np.asarray(filled, np.float32)


def _remove_specks(masks: PairDecision) -> None:
    """Decide single pixels like their window, in place; lines one pixel wide stay."""
    chosen = (masks.mask_b > masks.mask_a).view(np.uint8)
    count = cv2.boxFilter(chosen, -1, (SPECK, SPECK), normalize=False)
    specks_of_b = np.logical_and(chosen, count < SPECK)
    specks_of_a = np.logical_and(chosen == 0, count > SPECK**2 - SPECK)
    for mask, value in ((masks.mask_a, 1), (masks.mask_b, 0)):
        mask[specks_of_b] = value
        mask[specks_of_a] = 1 - value
