"""Fusion metrics based on human contrast sensitivity, by Chen and Varshney and by Chen and Blum."""

from __future__ import annotations

import cv2
import numpy as np

from drpl.core.frames import Pixels
from drpl.metrics.gradients import ratio, sobel
from drpl.metrics.images import LEVELS, Plane, pair_up, weighted_mean

BLOCK = 16
"""Height and width of the regions of Q_CV in pixels."""
CYCLES_CV, CYCLES_CB = 8, 30
"""Divisors of height and width that give the highest frequency in cycles per degree.

They stand for the viewing distances of the reference code.
"""
DOG_WIDE, DOG_NARROW, DOG_SHARE = 15.3870, 1.3456, 0.7622
"""Widths in cycles per degree and weight of the difference-of-Gaussians contrast sensitivity."""
CONTRAST_SIGMAS, CONTRAST_REACH = (2.0, 4.0), 15
"""Sigmas of the narrow and wide Gaussian mean, and their radius, in pixels."""
MASKING = 1e-4
"""Constant of the contrast masking of Q_CB."""


def q_cv(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the perceived regional error Q_CV of Chen and Varshney, in [0, inf); lower is better.

    Mean squared difference to each source in 16x16 blocks, filtered by the contrast sensitivity of
    Mannos and Sakrison and weighted by the sources' edges (fifth power of the Sobel gradient,
    summed over a block). 0 if all sources equal the fused image.

    As in the field's MATLAB code, each image is first stretched to 0..255 by its own extremes, and
    the missing part of incomplete blocks counts as no error. One published implementation returns
    a tenth of this value.

    Reference: Chen and Varshney, "A human perception inspired quality metric for image fusion based
    on regional information", Information Fusion 8 (2007), doi:10.1016/j.inffus.2005.10.001.
    """
    f, planes = pair_up(fused, sources, value_range)
    f, planes = _stretch(f), [_stretch(plane) for plane in planes]
    radius = 0.144 * _frequencies(f.shape, CYCLES_CV)
    sensitivity = 2.6 * (0.0192 + radius) * np.exp(-(radius**1.1))
    errors, saliencies = [], []
    for plane in planes:
        across, down = sobel(plane)
        power = across**2 + down**2
        saliencies.append(_blocks(power**2 * np.sqrt(power)))
        errors.append(_blocks(_filtered(plane - f, sensitivity) ** 2) / BLOCK**2)
    return weighted_mean(errors, saliencies)


def q_cb(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the preserved local contrast Q_CB of Chen and Blum, in [0, 1]; higher is better.

    Mean over the pixels of the ratio of masked contrasts (the smaller over the larger), with each
    source weighted by the square of its contrast. Contrast is the ratio of a narrow to a wide
    Gaussian mean, less 1, after a difference-of-Gaussians contrast sensitivity.

    As in the field's MATLAB code, each image is first stretched to 0..255 by its own extremes, and
    contrasts are masked with the exponents 3 and 2, without their sign. Where no source has
    contrast, all sources have the same weight.

    Reference: Chen and Blum, "A new automated quality assessment algorithm for image fusion", Image
    and Vision Computing 27 (2009), doi:10.1016/j.imavis.2007.12.002.
    """
    f, planes = pair_up(fused, sources, value_range)
    radius = _frequencies(f.shape, CYCLES_CB)
    sensitivity = np.exp(-((radius / DOG_WIDE) ** 2))
    sensitivity -= DOG_SHARE * np.exp(-((radius / DOG_NARROW) ** 2))
    kept = _contrast(f, sensitivity)
    contrasts = [_contrast(plane, sensitivity) for plane in planes]
    energies = np.stack(contrasts) ** 2
    total = energies.sum(axis=0)
    energies[:, total == 0] = 1
    total[total == 0] = len(planes)
    quality = sum(energy * ratio(c, kept) for energy, c in zip(energies, contrasts, strict=True))
    return float((quality / total).mean())


def _stretch(image: Plane) -> Plane:
    """Stretch grey levels to 0..255 by the image's own extremes; flat images stay unchanged."""
    lowest, highest = float(image.min()), float(image.max())
    if highest == lowest:
        return image
    return np.floor((image - lowest) / (highest - lowest) * (LEVELS - 1) + 0.5)


def _frequencies(shape: tuple[int, ...], cycles: int) -> Plane:
    """Return the radial frequency in cycles per degree over a half spectrum."""
    height, width = shape
    down = np.fft.fftfreq(height) * 2 * height / cycles
    across = np.fft.rfftfreq(width) * 2 * width / cycles
    return np.hypot(down[:, np.newaxis], across[np.newaxis])


def _filtered(image: Plane, sensitivity: Plane) -> Plane:
    """Apply a filter that is given on the image's half spectrum."""
    return np.fft.irfft2(np.fft.rfft2(image) * sensitivity, s=image.shape)


def _blocks(image: Plane) -> Plane:
    """Sum over 16x16 blocks, with zero padding below and on the right."""
    height, width = (-(-length // BLOCK) for length in image.shape)
    padded = np.zeros((height * BLOCK, width * BLOCK))
    padded[: image.shape[0], : image.shape[1]] = image
    sums: Plane = padded.reshape(height, BLOCK, width, BLOCK).sum(axis=(1, 3))
    return sums


def _contrast(image: Plane, sensitivity: Plane) -> Plane:
    """Return the perceived local contrast after masking."""
    seen = _filtered(_stretch(image), sensitivity)
    reach = np.arange(-CONTRAST_REACH, CONTRAST_REACH + 1)
    narrow, wide = (
        cv2.sepFilter2D(seen, -1, weights, weights, borderType=cv2.BORDER_CONSTANT)
        for weights in (
            np.exp(-(reach**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
            for sigma in CONTRAST_SIGMAS
        )
    )
    zero = wide == 0
    contrast = np.abs(narrow / np.where(zero, 1, wide) - 1)
    contrast[zero] = 0
    square = contrast * contrast
    masked: Plane = square * contrast / (square + MASKING)
    return masked
