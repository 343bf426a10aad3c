"""Maps of a result as pictures: index map, confidence map, depth, heights, decision masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels
from drpl.core.masks import PairDecision
from drpl.results.result import FusionResult

INDEX_MAP, CONFIDENCE, DEPTH = "index_map.png", "confidence.png", "depth.png"
HEIGHT = "height_um.tif"
MASKS = ("mask_a.png", "mask_b.png")


def map_names(count: int, *, heights: bool = False) -> list[str]:
    """List the maps of a stack of ``count`` frames; a pair has decision masks too."""
    names = [INDEX_MAP, CONFIDENCE, DEPTH]
    names += [HEIGHT] if heights else []
    names += MASKS if count == 2 else ()
    return names


def draw_map(name: str, result: FusionResult, z_step: float | None = None) -> Pixels:
    """Draw a map, shape (H, W), of the size of the result.

    Parameters
    ----------
    name : str
        ``index_map.png``: number of the frame, from 0, uint8 or uint16. ``confidence.png``: 255
        where the decision is clear, 0 where another frame would serve as well, uint8.
        ``depth.png``: place of the frame in the order of focus, from 0 (first) to 255 (last),
        uint8. ``height_um.tif``: micrometres from the focus of the first frame in that order,
        float32. ``mask_a.png``, ``mask_b.png``: decision masks of a pair, 255 where the source is
        taken, uint8.
    result : FusionResult
    z_step : float, optional
        Micrometres between frames, for ``height_um.tif``.
    """
    if name == INDEX_MAP:
        return result.index_map
    if name == CONFIDENCE:
        return result.confidence
    if name == DEPTH:
        return np.asarray(depth_greys(result.plan.focus_order)[result.index_map], np.uint8)
    if name == HEIGHT:
        places = np.argsort(result.plan.focus_order)
        heights: NDArray[np.float32] = places.astype(np.float32) * np.float32(z_step)
        return np.asarray(heights[result.index_map], np.float32)
    return _draw_mask(result, second=name == MASKS[1])


def depth_greys(focus_order: Sequence[int]) -> NDArray[np.uint8]:
    """Return the grey value of each frame in a depth map, by frame number."""
    places = np.argsort(focus_order)
    greys: NDArray[np.uint8] = np.rint(np.linspace(0, 255, len(places))[places]).astype(np.uint8)
    return greys


def _draw_mask(result: FusionResult, *, second: bool) -> NDArray[np.uint8]:
    """Draw a decision mask of a pair at the size of the result."""
    masks = cast(PairDecision, result.masks)  # `map_names` lists masks for pairs only
    mask = masks.mask_b if second else masks.mask_a
    picture = np.rint(np.asarray(mask, np.float32) * 255).astype(np.uint8)
    scale = result.plan.scale
    if scale > 1:
        size = (picture.shape[1] * scale, picture.shape[0] * scale)
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.ascontiguousarray(picture[result.window])
