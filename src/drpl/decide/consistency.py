"""Consistency verification: what is unsure at a pixel is decided as around it.

Where two frames hardly differ, in skies and on smooth surfaces, noise and coding decide which of
them a network prefers, pixel by pixel: harmless to each pixel, but a patchwork in the maps, in
the grain of the picture, and to the network when the next frame of a stack comes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels
from drpl.core.masks import PairDecision, decision_map
from drpl.core.strips import each_strip, enlarged_rows
from drpl.decide.networks import DecisionModel

Plane = NDArray[np.float32]
SURENESS = 8
"""Power of ``|2 M - 1|`` as which a decision M counts."""
AROUND, AROUND_IN_STACKS = 0.2, 0.05
"""What the decision of those around counts; less where the network meets it again and again."""
EDGE = 3
"""Pixels along the edges of a picture whose decisions count nothing: there cameras and programs
darken or repeat what they blur, and the network sees mirrored surroundings."""
COARSE = 4
"""Pixels for each of the finest level that is kept of those around."""
SMALLEST = 16
"""Side of pictures that have no inside to go with."""
LEVELS = 7
SPECK = 7
"""Side of a square in which fewer pixels than that are no decision; a line has as many."""
TINY = 1e-9


@dataclass(frozen=True)
class ConsistentModel:
    """A model whose decisions are settled.

    Parameters
    ----------
    model : DecisionModel
    around : float
        As of `settle`.
    """

    model: DecisionModel
    around: float = AROUND

    def decide(
        self, source_a: Pixels, source_b: Pixels, *, white: float, tile: int, masks: PairDecision
    ) -> None:
        """See `DecisionModel`."""
        self.model.decide(source_a, source_b, white=white, tile=tile, masks=masks)
        settle(masks, self.around)

    def release(self) -> None:
        """See `DecisionModel`."""
        self.model.release()


def settle(masks: PairDecision, around: float = AROUND) -> None:
    """Let unsure decisions go with those around them.

    Parameters
    ----------
    masks : PairDecision
        Changed in place; complements afterwards.
    around : float
        What the decision of those around counts, where a sure one counts 1.

    Notes
    -----
    Decisions are averaged, each by how sure it is, on the levels of a pyramid, and filled in from
    coarse to fine where little is sure ("pull-push"); then come single pixels.

    References
    ----------
    Gortler et al., "The lumigraph", SIGGRAPH 1996, section 3.4.
    """
    height, width = masks.mask_a.shape
    size = (-(-height // COARSE), -(-width // COARSE))
    count, total = np.empty(size, np.float32), np.empty(size, np.float32)

    def weigh(rows: slice) -> None:
        soft = decision_map(masks, rows)
        weight = _sureness(soft, rows, height)
        part = slice(rows.start // COARSE, -(-rows.stop // COARSE))
        count[part], total[part] = _reduced(weight), _reduced(weight * soft)

    each_strip(weigh, height)
    surroundings = _filled(total, count, around)

    def fill(rows: slice) -> None:
        soft = decision_map(masks, rows)
        weight = _sureness(soft, rows, height)
        soft *= weight
        soft += around * enlarged_rows(surroundings, rows, COARSE, width)
        soft /= weight + around
        masks.mask_a[rows] = soft
        masks.mask_b[rows] = 1 - soft

    each_strip(fill, height)
    _clear_specks(masks)


def _sureness(soft: Plane, rows: slice, height: int) -> Plane:
    """What the decisions of some rows count."""
    weight = np.asarray(cv2.pow(2 * soft - 1, SURENESS), np.float32)
    if min(height, soft.shape[1]) > SMALLEST:
        inside = slice(max(EDGE - rows.start, 0), max(height - EDGE - rows.start, 0))
        weight[: inside.start], weight[inside.stop :] = 0, 0
        weight[:, :EDGE], weight[:, -EDGE:] = 0, 0
    return weight


def _reduced(plane: Plane) -> Plane:
    """Means of squares of pixels; those cut by an edge repeat their last ones."""
    bottom, right = -plane.shape[0] % COARSE, -plane.shape[1] % COARSE
    whole = cv2.copyMakeBorder(plane, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    size = (whole.shape[1] // COARSE, whole.shape[0] // COARSE)
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.float32)


def _filled(total: Plane, count: Plane, around: float) -> Plane:
    """Weighted means, and where weights are small those of coarser levels."""
    levels: list[tuple[Plane, Plane]] = []
    while len(levels) < LEVELS and min(total.shape) > 1:
        levels.append((total, count))
        total, count = (np.asarray(cv2.pyrDown(p), np.float32) for p in (total, count))
    filled = (total + np.float32(TINY / 2)) / (count + np.float32(TINY))  # a tie where none counts
    for total, count in reversed(levels):
        coarser = cv2.pyrUp(filled, dstsize=(total.shape[1], total.shape[0]))
        filled = (total + around * coarser) / (count + around)
    return np.asarray(filled, np.float32)


def _clear_specks(masks: PairDecision) -> None:
    """Let single pixels go with those around them, in place; lines one pixel wide stay."""
    chosen = (masks.mask_b > masks.mask_a).view(np.uint8)
    count = cv2.boxFilter(chosen, -1, (SPECK, SPECK), normalize=False)
    few = np.logical_and(chosen, count < SPECK)
    many = np.logical_and(chosen == 0, count > SPECK**2 - SPECK)
    for mask, of_few in ((masks.mask_a, 1), (masks.mask_b, 0)):
        mask[few] = of_few
        mask[many] = 1 - of_few
