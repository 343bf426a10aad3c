"""Statistics of sliding windows, shared by the metrics based on structural similarity."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.metrics.images import Plane

ROUNDING = 1e-12
"""Largest variance, relative to the mean square, that counts as the rounding error of 0.

The smallest other variance of 8-bit levels is larger: one level in a corner of the 11x11 Gaussian.
"""


@dataclass(frozen=True, slots=True)
class Window:
    """A separable window of K x K pixels; the K weights along one axis sum to 1."""

    weights: NDArray[np.float64]

    @classmethod
    def gaussian(cls, size: int, sigma: float) -> Window:
        """Create a Gaussian window, ``size`` pixels high and wide."""
        return cls(np.asarray(cv2.getGaussianKernel(size, sigma), np.float64).ravel())

    @classmethod
    def uniform(cls, size: int) -> Window:
        """Create a window of equal weights, ``size`` pixels high and wide."""
        return cls(np.full(size, 1 / size))

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return len(self.weights)

    def average(self, image: Plane) -> Plane:
        """Return the weighted mean of each window inside the image, (H - K + 1, W - K + 1)."""
        before = self.size // 2
        after = self.size - 1 - before
        height, width = image.shape
        smooth = cv2.sepFilter2D(image, -1, self.weights, self.weights)
        return np.asarray(smooth[before : height - after, before : width - after], np.float64)


@dataclass(frozen=True, slots=True)
class Moments:
    """An image, and the mean and variance of each window inside it, (H - K + 1, W - K + 1)."""

    image: Plane
    mean: Plane
    variance: Plane


def moments(image: Plane, window: Window) -> Moments:
    """Compute window means and variances; variances of flat windows are exactly 0."""
    mean = window.average(image)
    mean_square = window.average(image * image)
    variance = mean_square - mean * mean
    variance[variance <= ROUNDING * mean_square] = 0
    return Moments(image, mean, variance)


def covariance(first: Moments, second: Moments, window: Window) -> Plane:
    """Compute window covariances; exactly 0 where either window is flat."""
    found = window.average(first.image * second.image) - first.mean * second.mean
    found[(first.variance == 0) | (second.variance == 0)] = 0
    return found


def similarity(first: Moments, second: Moments, shared: Plane, c1: float, c2: float) -> Plane:
    """Return the map of structural similarity from the covariances ``shared``.

    With tiny constants it is Wang's universal image quality index.
    """
    luminance = (2 * first.mean * second.mean + c1) / (first.mean**2 + second.mean**2 + c1)
    return luminance * contrast_and_structure(first, second, shared, c2)


def contrast_and_structure(first: Moments, second: Moments, shared: Plane, c2: float) -> Plane:
    """Return the map of structural similarity without the luminance term."""
    ratio: Plane = (2 * shared + c2) / (first.variance + second.variance + c2)
    return ratio
