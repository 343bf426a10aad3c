"""Fusion by guided filtering."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.classical.average import LEAST, Mean
from drpl.classical.ranking import Ranking
from drpl.classical.views import Fusion, Views, planes
from drpl.core.frames import Plane

BASE = 31
"""Side, in pixels, of the average that gives the base layer of a frame."""
GUIDED = ((45, 0.3), (7, 1e-6))
"""Radius in pixels and epsilon of the guided filter, for base and for detail."""


def fuse_guided(views: Views) -> Fusion:
    """Fuse by guided filtering (GFF), with the paper's parameters; the frames are read twice.

    Base (31x31 average) and detail of each frame are weighted separately. The weight of a frame is
    the mask of pixels where its saliency is the largest, filtered to follow the frame's edges. The
    index map holds the frame of largest weight in the detail.

    Reference: Li, Kang and Hu 2013, doi:10.1109/TIP.2013.2244222.
    """
    saliency, details = Ranking(), Ranking()
    for view in views:
        saliency.add(measure_saliency(view.grey), view.covered)
    layers = (Mean(), Mean())
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
    return Fusion(layers[0].mean() + layers[1].mean(), details.index, details.confidence())


def measure_saliency(plane: Plane) -> Plane:
    """Return the magnitude of the 3x3 Laplacian, smoothed by a Gaussian of radius and sigma 5."""
    laplacian = cv2.Laplacian(plane, cv2.CV_32F, ksize=1)
    return np.asarray(cv2.GaussianBlur(np.abs(laplacian), (11, 11), 5), np.float32)


def guided_filter(guide: Plane, image: Plane, radius: int, epsilon: float) -> Plane:
    """Filter an image so that it follows the edges of a guide, both of shape (H, W).

    Windows are squares of ``radius`` pixels; one counts as flat where the variance of the guide is
    below ``epsilon``. Reference: He, Sun and Tang 2013, doi:10.1109/TPAMI.2012.213.
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
    return np.asarray(mean(slope) * wide_guide + mean(offset), np.float32)
