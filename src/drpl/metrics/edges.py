"""Fusion metrics of edges and details, by Xydeas and Petrovic and by Wang and Liu."""

from __future__ import annotations

import math

import cv2
import numpy as np

from drpl.core.frames import Pixels
from drpl.metrics.gradients import ratio, sobel
from drpl.metrics.images import Plane, pair_up, weighted_mean

STRENGTH = (0.9994, 15.0, 0.5)
ORIENTATION = (0.9879, 22.0, 0.8)
"""Height, steepness and centre of the sigmoids for strength and orientation (figure 1)."""
NO_SLOPE = 1e-5
"""Replacement for a horizontal slope of exactly 0, so that vertical slopes have angle pi / 2."""
LEVEL_WEIGHTS = (2 / 3, 1 / 3)
"""Exponents of the wavelet levels, from fine to coarse."""
SMALLEST_HAAR = 4
"""Smallest height and width in pixels for two wavelet levels."""


def q_abf(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the edge preservation Q^AB/F (also Q_G), in [0, 1]; higher is better.

    Preserved strength times preserved orientation of the Sobel gradients (zero padding), weighted
    by the gradients of the sources. Perfect copies score 0.9748 rather than 1, the limit of the
    paper's sigmoids.

    Constants and weights are the paper's (L = 1), as in Y. Liu's revision of the field's MATLAB
    code; Z. Liu's first version has others.

    Reference: Xydeas and Petrovic, "Objective image fusion performance measure", Electronics
    Letters 36 (2000), doi:10.1049/el:20000267, equations 2 to 8.
    """
    f, planes = pair_up(fused, sources, value_range)
    strength, angle = _gradient(f)
    qualities, weights = [], []
    for plane in planes:
        source_strength, source_angle = _gradient(plane)
        quality = _sigmoid(ratio(strength, source_strength), *STRENGTH)
        turned = np.abs(source_angle - angle)
        quality *= _sigmoid(1 - turned * (2 / math.pi), *ORIENTATION)
        qualities.append(quality)
        weights.append(source_strength)
    return weighted_mean(qualities, weights)


def q_m(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the multi-scale detail preservation Q_M, in [0, 3]; higher is better.

    Product of the qualities of two Haar wavelet levels, to the powers 2/3 and 1/3. The quality of
    a level is the sum of ``exp(-|difference|)`` of the coefficients over three orientations,
    weighted by the energy of the sources' coefficients. Images are at least 4x4 pixels.

    The sum over the orientations, and with it the range to 3, follows the field's MATLAB code. As
    there, an odd last row or column is left out.

    Reference: Wang and Liu, "A novel image fusion metric based on multi-scale analysis", ICSP
    (2008), doi:10.1109/ICOSP.2008.4697288.
    """
    f, planes = pair_up(fused, sources, value_range, least=SMALLEST_HAAR)
    quality = 1.0
    for exponent in LEVEL_WEIGHTS:
        f, details = _haar(f)
        qualities, weights = [], []
        for number, plane in enumerate(planes):
            planes[number], others = _haar(plane)
            kept = (cv2.exp(-np.abs(d - o)) for d, o in zip(details, others, strict=True))
            qualities.append(np.asarray(sum(kept)))
            weights.append(np.asarray(sum(other * other for other in others)))
        quality *= weighted_mean(qualities, weights) ** exponent
    return quality


def _gradient(image: Plane) -> tuple[Plane, Plane]:
    """Return the strength of the Sobel gradient, and its angle in [-pi/2, pi/2]."""
    across, down = sobel(image)
    strength = np.asarray(cv2.magnitude(across, down), np.float64)
    across[across == 0] = NO_SLOPE
    return strength, np.arctan(down / across)


def _sigmoid(values: Plane, height: float, steepness: float, centre: float) -> Plane:
    """Return the perceived preservation, a sigmoid of the values."""
    found: Plane = height / (1 + np.asarray(cv2.exp(steepness * (centre - values)), np.float64))
    return found


def _haar(image: Plane) -> tuple[Plane, tuple[Plane, Plane, Plane]]:
    """Compute one level of the orthonormal Haar wavelet: the coarse image and three details."""
    height, width = (length // 2 * 2 for length in image.shape)
    upper, lower = image[:height:2, :width], image[1:height:2, :width]
    high, low = lower - upper, lower + upper
    left, right = slice(0, None, 2), slice(1, None, 2)
    details = (
        (high[:, right] + high[:, left]) / 2,
        (low[:, right] - low[:, left]) / 2,
        (high[:, right] - high[:, left]) / 2,
    )
    return (low[:, right] + low[:, left]) / 2, details
