"""Image gradients, and the ratio by which metrics compare their strengths."""

from __future__ import annotations

import cv2
import numpy as np

from drpl.metrics.images import Plane

SLOPE, PLAIN = np.array([1.0, 0.0, -1.0]), np.ones(3)
"""Prewitt filter along and across the derivative."""


def sobel(image: Plane, border: int = cv2.BORDER_CONSTANT) -> tuple[Plane, Plane]:
    """Return the horizontal and the vertical Sobel derivative (weights 1 2 1, not normalised)."""
    across, down = (
        np.asarray(cv2.Sobel(image, -1, *order, borderType=border), np.float64)
        for order in ((1, 0), (0, 1))
    )
    return across, down


def prewitt(image: Plane) -> Plane:
    """Return the magnitude of the Prewitt gradient (sums of three differences, zero padding)."""
    across, down = (
        cv2.sepFilter2D(image, -1, row, column, borderType=cv2.BORDER_CONSTANT)
        for row, column in ((SLOPE, PLAIN), (PLAIN, SLOPE))
    )
    return np.asarray(cv2.magnitude(across, down), np.float64)


def ratio(first: Plane, second: Plane) -> Plane:
    """Return the smaller over the larger of two non-negative values; 1 where both are 0."""
    larger = np.maximum(first, second)
    both_zero = larger == 0
    found: Plane = np.minimum(first, second) / np.where(both_zero, 1, larger)
    found[both_zero] = 1
    return found
