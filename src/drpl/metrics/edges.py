"""Fusion metrics of edges and details: Xydeas and Petrovic, Wang and Liu."""

from __future__ import annotations

import math

import cv2
import numpy as np

from drpl.core.frames import Pixels
from drpl.metrics.gradients import ratio, sobel
from drpl.metrics.images import Plane, pair_up, weighted_mean

STRENGTH = (0.9994, 15.0, 0.5)
ORIENTATION = (0.9879, 22.0, 0.8)
"""Sigmoids of the preserved strength and orientation: height, steepness, centre (figure 1)."""
NO_SLOPE = 1e-5
"""Stands for a horizontal slope of exactly 0, so that the angle of an upright one is pi / 2."""
LEVEL_WEIGHTS = (2 / 3, 1 / 3)
"""Exponents of the wavelet levels, from fine to coarse."""
SMALLEST_HAAR = 4


def q_abf(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Edge preservation Q^AB/F (Q_G) of Xydeas and Petrovic, in [0, 1]; higher is better.

    Parameters
    ----------
    fused, *sources : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        Alike in shape and dtype, two sources or more; reduced to luma in 256 levels.
    value_range : float, optional
        Value of white in float32 images, by default 1.

    Returns
    -------
    float
        Preserved strength times preserved orientation of the Sobel gradients (zeros around),
        weighted by the gradients of the sources. Perfect copies reach 0.9748, not 1: the paper's
        sigmoids do not go further.

    Raises
    ------
    MetricError
        If there are fewer than two sources, or the images are not alike.

    Notes
    -----
    Constants and weights are the paper's (L = 1), as in Y. Liu's revision of the field's MATLAB
    code, not those of Z. Liu's first version.

    References
    ----------
    Xydeas and Petrovic, "Objective image fusion performance measure", Electronics Letters 36
    (2000), doi:10.1049/el:20000267, equations 2 to 8.
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
    """Multi-scale preservation of details Q_M of Wang and Liu, in [0, 3]; higher is better.

    Parameters
    ----------
    fused, *sources : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        Alike in shape and dtype, two sources or more, at least 4 pixels high and wide; reduced to
        luma in 256 levels.
    value_range : float, optional
        Value of white in float32 images, by default 1.

    Returns
    -------
    float
        Product of the qualities of two levels of a Haar wavelet, to the powers 2/3 and 1/3. A
        quality sums ``exp(-difference)`` of the coefficients over three orientations, weighted by
        the energy of the sources' coefficients.

    Raises
    ------
    MetricError
        If there are fewer than two sources, or the images are not alike or too small.

    Notes
    -----
    The sum over the orientations, hence up to 3, is the field's MATLAB code's. As there, an odd
    last row or column is left out.

    References
    ----------
    Wang and Liu, "A novel image fusion metric based on multi-scale analysis", ICSP (2008),
    doi:10.1109/ICOSP.2008.4697288.
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
    """Strength of the Sobel gradient, and its angle in [-pi/2, pi/2]."""
    across, down = sobel(image)
    strength = np.asarray(cv2.magnitude(across, down), np.float64)
    across[across == 0] = NO_SLOPE
    return strength, np.arctan(down / across)


def _sigmoid(values: Plane, height: float, steepness: float, centre: float) -> Plane:
    """Perceived preservation."""
    found: Plane = height / (1 + np.asarray(cv2.exp(steepness * (centre - values)), np.float64))
    return found


def _haar(image: Plane) -> tuple[Plane, tuple[Plane, Plane, Plane]]:
    """One level of the orthonormal Haar wavelet: the coarse image, and three details."""
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
