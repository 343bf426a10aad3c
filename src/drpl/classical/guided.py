"""Fusion by guided filtering."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.classical.ranking import Ranking
from drpl.classical.views import Fusion, Images, Views, planes
from drpl.core.frames import Plane

BASE = 31
"""Side, in pixels, of the average that gives the base layer of a frame."""
GUIDED = ((45, 0.3), (7, 1e-6))
"""Radius in pixels and epsilon of the guided filter, for base and for detail."""
LEAST = 1e-6
"""Least weight of a frame where it shows the scene, so that weights can be normalised."""


def fuse_guided(views: Views) -> Fusion:
    """Fuse by guided filtering (GFF), with the paper's parameters.

    Base (31x31 average) and detail of each frame are weighted separately. The weight of a frame is
    the mask of pixels where its saliency is the largest, filtered to follow the frame's edges.

    Parameters
    ----------
    views : Views
        Read twice.

    Returns
    -------
    Fusion
        The index map holds the frame of largest weight in the detail.

    References
    ----------
    Li, Kang and Hu, "Image fusion with guided filtering", IEEE TIP 22 (2013),
    doi:10.1109/TIP.2013.2244222.
    """
    saliency, details = Ranking(), Ranking()
    for view in views:
        saliency.add(measure_saliency(view.grey), view.covered)
    layers = (_WeightedMean(), _WeightedMean())
    for place, view in enumerate(views):
        guide, chosen = view.grey, (saliency.index == place).astype(np.float32)
        base = planes(cv2.boxFilter(view.pixels, -1, (BASE, BASE)))
        weight = np.zeros_like(guide)
        parts = (base, view.pixels - base)
        for layer, image, (radius, epsilon) in zip(layers, parts, GUIDED, strict=True):
            weight = np.maximum(guided_filter(guide, chosen, radius, epsilon), LEAST)
            if view.covered is not None:
                weight *= view.covered
            layer.add(image, weight)
        details.add(weight, view.covered)
    fused: Images = layers[0].mean() + layers[1].mean()
    return Fusion(fused, details.index, details.confidence())


class _WeightedMean:
    """Running weighted mean."""

    def __init__(self) -> None:
        self._sum: Any = np.float32(0)
        self._weight: Any = np.float32(0)

    def add(self, image: Images, weight: Plane) -> None:
        """Add an image (H, W, C) with its weight (H, W)."""
        self._sum = self._sum + weight[..., None] * image
        self._weight = self._weight + weight

    def mean(self) -> Images:
        """Return the mean, shape (H, W, C)."""
        return np.asarray(self._sum / np.maximum(self._weight, LEAST)[..., None], np.float32)


def measure_saliency(plane: Plane) -> Plane:
    """Measure saliency: the magnitude of the 3x3 Laplacian, smoothed by a Gaussian.

    The Gaussian has a radius and a sigma of 5 pixels.

    Parameters
    ----------
    plane : ndarray, shape (H, W), float32

    Returns
    -------
    ndarray, shape (H, W), float32
    """
    laplacian = cv2.Laplacian(plane, cv2.CV_32F, ksize=1)
    return np.asarray(cv2.GaussianBlur(np.abs(laplacian), (11, 11), 5), np.float32)


def guided_filter(guide: Plane, image: Plane, radius: int, epsilon: float) -> Plane:
    """Filter an image so that it follows the edges of a guide.

    Parameters
    ----------
    guide, image : ndarray, shape (H, W), float32
    radius : int
        Radius of the square window in pixels.
    epsilon : float
        Variance of the guide below which a window counts as flat.

    Returns
    -------
    ndarray, shape (H, W), float32

    References
    ----------
    He, Sun and Tang, "Guided image filtering", IEEE TPAMI 35 (2013), doi:10.1109/TPAMI.2012.213.
    """
    size = (2 * radius + 1, 2 * radius + 1)
    wide_guide, wide_image = guide.astype(np.float64), image.astype(np.float64)

    def mean(plane: NDArray[np.float64]) -> NDArray[Any]:
        return cv2.boxFilter(plane, -1, size)

    mean_guide, mean_image = mean(wide_guide), mean(wide_image)
    covariance = mean(wide_guide * wide_image) - mean_guide * mean_image
    variance = mean(wide_guide * wide_guide) - mean_guide**2
    slope = covariance / (variance + epsilon)
    offset = mean_image - slope * mean_guide
    filtered: Plane = (mean(slope) * wide_guide + mean(offset)).astype(np.float32)
    return filtered
