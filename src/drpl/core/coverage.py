"""Coverage by alpha: transparent places show no scene."""

from __future__ import annotations

import cv2
import numpy as np

from drpl.core.composite import Coverage
from drpl.core.frames import Pixels, Tensor

BORDER = 2
"""Pixels beside transparent ones that interpolation may have mixed with them."""


def opaque(pixels: Pixels) -> Coverage | None:
    """Return the mask (H, W) of the places that are not transparent; None if all or none are."""
    if pixels.ndim == 2 or pixels.shape[2] not in (2, 4):
        return None
    shown = pixels[..., -1] > 0
    if shown.all() or not shown.any():
        return None
    side = 2 * BORDER + 1
    inner = cv2.erode(shown.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    return np.asarray(inner if inner.any() else shown)


def extended(pixels: Pixels, covered: Coverage) -> Pixels:
    """Continue the colours of the covered places smoothly into the others; alpha stays.

    ``pixels`` have shape (H, W) or (H, W, C), ``covered`` has (H, W). No edge is left where
    coverage ends, which would pass for scenery.
    """
    filled = pixels.copy()
    channels = filled.reshape(*covered.shape, -1)
    for channel in range(channels.shape[2] - (channels.shape[2] in (2, 4))):
        plane = channels[..., channel]
        smooth = _pulled(plane.astype(np.float32), covered.astype(np.float32))
        if plane.dtype.kind == "u":
            smooth = np.rint(smooth)
        plane[~covered] = smooth[~covered].astype(plane.dtype)
    return filled


def _pulled(plane: Tensor, weight: Tensor) -> Tensor:
    """Return a plane whose places without weight take means of the nearest places with weight."""
    mean = plane * weight / np.maximum(weight, np.float32(1e-6))
    if weight.min() > 0 or max(weight.shape) == 1:
        return np.asarray(mean, np.float32)
    rows, cols = weight.shape
    half = (max(1, (cols + 1) // 2), max(1, (rows + 1) // 2))
    shares = np.asarray(cv2.resize(weight, half, interpolation=cv2.INTER_AREA), np.float32)
    sums = np.asarray(cv2.resize(plane * weight, half, interpolation=cv2.INTER_AREA), np.float32)
    means = np.asarray(sums / np.maximum(shares, 1e-6), np.float32)
    coarse = _pulled(means, np.asarray(np.minimum(shares, 1.0), np.float32))
    up = cv2.resize(coarse, (cols, rows), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.where(weight > 0, mean, up), np.float32)
