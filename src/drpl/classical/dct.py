"""Fusion by the variance of blocks in the DCT domain."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.classical.ranking import Ranking, majority, pick
from drpl.classical.views import Fusion, Views
from drpl.core.frames import Plane

BLOCK = 8
"""Side of a block in pixels."""


def fuse_dct(views: Views) -> Fusion:
    """Fuse by DCT variance with consistency verification; the frames are read twice.

    Each 8x8 block is taken from the frame of largest variance there, unless most blocks of its 3x3
    window are taken from another frame. The variance of a block is the sum of its squared AC
    coefficients. By Parseval's theorem it equals the variance of the pixels, which is computed
    instead. Colours follow the luma.

    Reference: Haghighat, Aghagolzadeh and Seyedarabi 2011, doi:10.1016/j.compeleceng.2011.04.016.
    """
    ranking = Ranking()
    shape = (0, 0)
    for view in views:
        shape = (view.pixels.shape[0], view.pixels.shape[1])
        variance = measure_block_variance(view.luma)
        ranking.add(variance, view.coverage_like(variance))
    labels = (majority(ranking.index), ranking.index)
    verified, measured = (_pixels(blocks, shape) for blocks in labels)
    fused, index = pick(views, verified, measured)
    return Fusion(fused, index, _pixels(ranking.confidence(), shape))


def measure_block_variance(plane: Plane) -> Plane:
    """Return the variance of each 8x8 block of a plane, mirrored at the borders to whole blocks."""
    height, width = plane.shape
    whole = cv2.copyMakeBorder(plane, 0, -height % BLOCK, 0, -width % BLOCK, cv2.BORDER_REFLECT)
    blocks = whole.reshape(whole.shape[0] // BLOCK, BLOCK, whole.shape[1] // BLOCK, BLOCK)
    return np.asarray(blocks.var(axis=(1, 3)), np.float32)


def _pixels(blocks: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Repeat the values of blocks for each of their pixels."""
    return blocks.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)[: shape[0], : shape[1]]
