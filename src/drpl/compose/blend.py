"""Composition of a pair from its decision masks, in strips or tiles."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels, Plane
from drpl.core.masks import PairDecision, decision_map
from drpl.core.tiling import cover

SoftRows = Callable[[slice], Plane]
"""Function that returns some rows of a soft decision map, 1 where the first source is better."""
BAND = 6
"""Half the width, in pixels, of the band along decision boundaries in which sources are blended."""
LEVELS = 4
"""Halvings of a blending pyramid."""


def take(pixels: Pixels, source: Pixels, chosen: NDArray[np.bool_]) -> None:
    """Copy the chosen pixels of a source into a picture of its dtype, whose rows are contiguous."""
    # several times faster than np.copyto with a mask that has no channels
    cv2.copyTo(source, chosen.view(np.uint8), pixels)


def weights(decision: SoftRows, height: int, rows: slice) -> tuple[Plane, NDArray[np.bool_]]:
    """Return some rows of a decision map, and the mask of their pixels to blend.

    Sources are blended in a band along the boundaries; elsewhere the better one is selected. The
    picture is ``height`` pixels high.
    """
    wide = slice(max(0, rows.start - BAND - 1), min(height, rows.stop + BAND + 1))
    soft = decision(wide)
    inner = slice(rows.start - wide.start, rows.stop - wide.start)
    hard = (soft >= 0.5).astype(np.uint8)
    near = cv2.morphologyEx(hard, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    near = cv2.dilate(near, np.ones((2 * BAND + 1, 2 * BAND + 1), np.uint8))
    return soft[inner], near[inner] > 0


def mix(pixels: Pixels, source: Pixels, soft: Plane, blended: NDArray[np.bool_]) -> None:
    """Merge a source into a picture, in place: select its better pixels, and blend along seams.

    Both are (h, W) or (h, W, C), of one dtype; the rows of ``pixels`` are contiguous. ``soft``, in
    [0, 1], is the weight of ``pixels``; below one half the source is better.
    """
    # flat indices are several times faster than a mask
    places = np.flatnonzero(blended)
    a, b = (image.reshape(soft.size, *image.shape[2:]) for image in (pixels, source))
    mixed = _mixed(a.take(places, axis=0), b.take(places, axis=0), soft.ravel().take(places))
    take(pixels, source, soft < 0.5)
    a[places] = mixed


def _mixed(a: Pixels, b: Pixels, weight: Plane) -> Pixels:
    """Blend pixels (K,) or (K, C) of two sources by the weight (K,) of the first."""
    weight = weight if a.ndim == 1 else weight[:, None]
    # A + (1 - M)(B - A) is exact where M is 0 or 1 and where A equals B
    blended = a + (np.float32(1) - weight) * (b.astype(np.float32) - a)
    return _as_dtype(np.clip(blended, np.minimum(a, b), np.maximum(a, b)), a.dtype)


def compose_pyramid(
    source_a: Pixels,
    source_b: Pixels,
    masks: PairDecision,
    *,
    white: float,
    levels: int = LEVELS,
    tile: int = 768,
) -> Pixels:
    """Blend the Laplacian pyramids of the sources by the Gaussian pyramid of the decision map.

    Integer results are at most ``white``, or a source's value above it. The side of a ``tile`` is a
    multiple of ``2 ** levels``; the result does not depend on it. Reference: Burt and Adelson 1983,
    doi:10.1145/245.247.
    """
    fused = np.empty_like(source_a)
    height, width = source_a.shape[:2]
    context = 8 * 2**levels
    for part in cover(height, width, tile=tile, context=context):
        window = PairDecision(masks.mask_a[part.read], masks.mask_b[part.read])
        weight = np.float32(1) - decision_map(window)
        a, b = source_a[part.read], source_b[part.read]
        fused[part.write] = blend_pyramids(a, b, weight, white=white, levels=levels)[part.crop]
    return fused


def blend_pyramids(
    source_a: Pixels, source_b: Pixels, weight: Plane, *, white: float, levels: int
) -> Pixels:
    """Blend the Laplacian pyramids of two pictures by the Gaussian pyramid of a weight.

    The weight (H, W), in [0, 1], is that of ``source_b``. Where it is 0 or 1 and does not change
    within `pyramid_reach` pixels, the result is one of the sources. Integer results are at most
    ``white``, or a source's value above it; 0 ``levels`` blend pixel by pixel.
    """
    a = source_a.astype(np.float32)
    difference = source_b.astype(np.float32) - a
    # blending is linear: A plus the blended pyramid of B - A, zero where the sources agree
    blended = a + _blend(difference, weight, levels)
    if source_a.dtype.kind == "u":
        most = min(white, np.iinfo(source_a.dtype).max)
        blended = np.clip(blended, 0, np.maximum(np.maximum(source_a, source_b), most))
    return _as_dtype(blended, source_a.dtype)


def pyramid_reach(levels: int) -> int:
    """Return how many pixels, along an axis, a pyramid spreads a step of the weight."""
    # five taps: a step spreads by 2 (2^k - 1) on the way down to level k, and again on the way up
    return int(4 * (2**levels - 1))


def _blend(image: Plane, weight: Plane, levels: int) -> Plane:
    """Multiply an image's Laplacian pyramid by the weight's Gaussian pyramid, and collapse it."""
    if levels == 0 or min(image.shape[:2]) < 2:
        return image * (weight if image.ndim == 2 else weight[..., None])
    size = (image.shape[1], image.shape[0])
    small = cv2.pyrDown(image).reshape(-(-size[1] // 2), -(-size[0] // 2), *image.shape[2:])
    detail = image - cv2.pyrUp(small, dstsize=size).reshape(image.shape)
    coarse = _blend(small.astype(np.float32), cv2.pyrDown(weight).astype(np.float32), levels - 1)
    blended = detail * (weight if image.ndim == 2 else weight[..., None])
    return np.asarray(blended + cv2.pyrUp(coarse, dstsize=size).reshape(image.shape), np.float32)


def _as_dtype(values: Plane, dtype: np.dtype[np.generic]) -> Pixels:
    """Convert to a dtype, rounding for integers."""
    return (np.rint(values) if dtype.kind == "u" else values).astype(dtype)
