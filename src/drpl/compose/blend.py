"""Compose: decision masks and source images to the fused image, in strips or tiles."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels, Plane
from drpl.core.masks import PairDecision, decision_map
from drpl.core.strips import each_strip
from drpl.core.tiling import cover

SoftRows = Callable[[slice], Plane]
"""Gives the soft decision map (1 for what is there already) of some rows."""
BAND = 6
"""Half the width, in pixels, of the band along decision boundaries in which sources are blended."""
LEVELS = 4


def compose(
    source_a: Pixels, source_b: Pixels, masks: PairDecision, *, mode: str, white: float
) -> Pixels:
    """Fuse a pair by its decision masks.

    Parameters
    ----------
    source_a, source_b : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
    masks : PairDecision
    mode : str
        ``"select"`` or ``"pyramid"``; see `drpl.FusionOptions`.
    white : float
        Value of white; bounds the result of ``"pyramid"`` for integer sources.

    Returns
    -------
    ndarray
        Shape and dtype of the sources. Alpha is composed like a colour.
    """
    if mode == "pyramid":
        return compose_pyramid(source_a, source_b, masks, white=white)
    return compose_select(source_a, source_b, masks)


def compose_select(
    source_a: Pixels,
    source_b: Pixels,
    masks: PairDecision,
    *,
    band: int | None = BAND,
) -> Pixels:
    """Take source pixels by the decision map, blended in a band along its boundaries.

    Parameters
    ----------
    source_a, source_b : ndarray, shape (H, W) or (H, W, C)
    masks : PairDecision
    band : int or None
        Half the width of the band in pixels; 0 selects hard, None blends everywhere.

    Returns
    -------
    ndarray
        Shape and dtype of the sources, each value between the two sources' values.
    """
    fused = np.empty_like(source_a, order="C")

    def work(rows: slice) -> None:
        soft, blended = weights(partial(decision_map, masks), len(source_a), rows, band)
        fused[rows] = source_a[rows]
        mix(fused[rows], source_b[rows], soft, blended)

    each_strip(work, source_a.shape[0])
    return fused


def take(pixels: Pixels, source: Pixels, chosen: NDArray[np.bool_]) -> None:
    """Put the chosen pixels of a source into a picture, whose rows must be contiguous."""
    # several times faster than np.copyto with a mask that has no channels
    cv2.copyTo(source, chosen.view(np.uint8), pixels)


def weights(
    decision: SoftRows, height: int, rows: slice, band: int | None
) -> tuple[Plane, NDArray[np.bool_]]:
    """Decision map of some rows, and where sources are blended by it instead of selected."""
    reach = 0 if band is None else band + 1
    wide = slice(max(0, rows.start - reach), min(height, rows.stop + reach))
    soft = decision(wide)
    inner = slice(rows.start - wide.start, rows.stop - wide.start)
    if not band:
        return soft[inner], np.full(soft[inner].shape, band is None)
    hard = (soft >= 0.5).astype(np.uint8)
    near = cv2.morphologyEx(hard, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    near = cv2.dilate(near, np.ones((2 * band + 1, 2 * band + 1), np.uint8))
    return soft[inner], near[inner] > 0


def mix(pixels: Pixels, source: Pixels, soft: Plane, blended: NDArray[np.bool_]) -> None:
    """Put a source's better pixels into a picture; blend the two where that is asked for.

    Parameters
    ----------
    pixels, source : ndarray, shape (h, W) or (h, W, C)
        The rows of ``pixels`` must be contiguous.
    soft : ndarray, shape (h, W)
        Weight of ``pixels``; below one half the source is better.
    blended : ndarray of bool, shape (h, W)
    """
    # by flat numbers: several times faster than by a mask
    places = np.flatnonzero(blended)
    a, b = (image.reshape(soft.size, *image.shape[2:]) for image in (pixels, source))
    mixed = _mixed(a.take(places, axis=0), b.take(places, axis=0), soft.ravel().take(places))
    take(pixels, source, soft < 0.5)
    a[places] = mixed


def _mixed(a: Pixels, b: Pixels, weight: Plane) -> Pixels:
    """Blend pixels (K,) or (K, C) of two sources, ``weight`` (K,) being that of the first."""
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

    Parameters
    ----------
    source_a, source_b : ndarray, shape (H, W) or (H, W, C)
    masks : PairDecision
    white : float
        Integer results are clipped to [0, ``white``].
    levels : int
        Halvings of the pyramid.
    tile : int
        Side of a tile, a multiple of ``2 ** levels``; the result does not depend on it.

    Returns
    -------
    ndarray
        Shape and dtype of the sources.

    References
    ----------
    Burt and Adelson, "A multiresolution spline with application to image mosaics", ACM TOG 2
    (1983), doi:10.1145/245.247.
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

    Parameters
    ----------
    source_a, source_b : ndarray, shape (H, W) or (H, W, C)
    weight : ndarray, shape (H, W)
        Of ``source_b``, in [0, 1]; `pyramid_reach` pixels from where it changes, the result is the
        one or the other.
    white : float
        Integer results are clipped to [0, ``white``].
    levels : int
        Halvings of the pyramid; 0 blends pixel by pixel.
    """
    a = source_a.astype(np.float32)
    difference = source_b.astype(np.float32) - a
    # blending is linear: A plus the blended pyramid of B - A, zero where the sources agree
    blended = a + _blend(difference, weight, levels)
    if source_a.dtype.kind == "u":
        blended = np.clip(blended, 0, white)
    return _as_dtype(blended, source_a.dtype)


def pyramid_reach(levels: int) -> int:
    """Pixels, along rows and columns, over which a pyramid spreads a step of the weight."""
    # five taps: down to level k and up again, a step spreads by 2 (2^k - 1) each
    return int(4 * (2**levels - 1))


def _blend(image: Plane, weight: Plane, levels: int) -> Plane:
    """Laplacian pyramid of an image, each level times the weight's Gaussian pyramid, summed up."""
    if levels == 0 or min(image.shape[:2]) < 2:
        return image * (weight if image.ndim == 2 else weight[..., None])
    size = (image.shape[1], image.shape[0])
    small = cv2.pyrDown(image).reshape(-(-size[1] // 2), -(-size[0] // 2), *image.shape[2:])
    detail = image - cv2.pyrUp(small, dstsize=size).reshape(image.shape)
    coarse = _blend(small.astype(np.float32), cv2.pyrDown(weight).astype(np.float32), levels - 1)
    blended = detail * (weight if image.ndim == 2 else weight[..., None])
    return np.asarray(blended + cv2.pyrUp(coarse, dstsize=size).reshape(image.shape), np.float32)


def _as_dtype(values: Plane, dtype: np.dtype[np.generic]) -> Pixels:
    """Round to integers where the sources are integers."""
    return (np.rint(values) if dtype.kind == "u" else values).astype(dtype)
