"""Metrics that compare a fused image with the truth."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels, full_scale
from drpl.errors import MetricError
from drpl.metrics.gradients import prewitt
from drpl.metrics.images import Plane, check_alike, check_size, luma
from drpl.metrics.windows import (
    Moments,
    Window,
    contrast_and_structure,
    covariance,
    moments,
    similarity,
)

SSIM_WINDOW = Window.gaussian(11, 1.5)
SSIM_K1, SSIM_K2 = 0.01, 0.03
"""Stabilising constants of SSIM, as shares of white."""
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales of MS-SSIM, from fine to coarse (the paper's calibration)."""
GMSD_CONSTANT = 170.0
"""Stabilising constant of GMSD, for luma with white at 255."""


def psnr(
    fused: Pixels,
    truth: Pixels,
    *,
    value_range: float | None = None,
    where: NDArray[np.bool_] | None = None,
) -> float:
    """Compute the peak signal-to-noise ratio in dB; higher is better, infinite for equal images.

    ``10 log10(white^2 / mse)``, with the mean squared error over pixels and channels. ``where``,
    bool of shape (H, W), is True for pixels that count, by default all; NaN if it is True nowhere.

    Examples
    --------
    >>> import numpy as np
    >>> from drpl.metrics import psnr
    >>> truth = np.zeros((8, 8), np.uint8)
    >>> round(psnr(truth + np.uint8(255), truth), 6)
    0.0
    """
    check_alike(fused, (truth,), ("the truth",))
    squared = (fused.astype(np.float64) - truth) ** 2
    if where is not None and (where.shape != truth.shape[:2] or where.dtype != np.bool_):
        raise MetricError(
            f"the region is {where.shape} {where.dtype}; expected {truth.shape[:2]} bool"
        )
    if where is not None:
        squared = squared[where]
    if squared.size == 0:
        return float("nan")
    mse = float(squared.mean())
    white = full_scale(truth, value_range)
    return float("inf") if mse == 0 else float(10 * np.log10(white**2 / mse))


def ssim(fused: Pixels, truth: Pixels, *, value_range: float | None = None) -> float:
    """Compute the mean structural similarity SSIM of luma, in [-1, 1]; 1 for equal images.

    Mean over all windows inside the image (11x11 Gaussian, sigma 1.5, K1 0.01, K2 0.03). Images are
    at least 11x11 pixels.

    Reference: Wang et al., "Image quality assessment: from error visibility to structural
    similarity", IEEE TIP 13 (2004), doi:10.1109/TIP.2003.819861.
    """
    f, t, white = _pair(fused, truth, value_range, least=SSIM_WINDOW.size)
    first, second, shared = _statistics(f, t)
    c1, c2 = (SSIM_K1 * white) ** 2, (SSIM_K2 * white) ** 2
    return float(similarity(first, second, shared, c1, c2).mean())


def ms_ssim(fused: Pixels, truth: Pixels, *, value_range: float | None = None) -> float:
    """Compute the multi-scale structural similarity MS-SSIM of luma, in [0, 1]; 1 for equal images.

    Product over five scales, each half the size of the one before (2x2 means), of the mean contrast
    and structure with the paper's exponents; at the coarsest scale, of the mean similarity. The
    negative mean of a scale counts as 0, since its power would not be a real number. Images are at
    least 161x161 pixels.

    Reference: Wang, Simoncelli and Bovik, "Multiscale structural similarity for image quality
    assessment", Asilomar (2003), doi:10.1109/ACSSC.2003.1292216.
    """
    coarsest = len(SCALE_WEIGHTS) - 1
    least = (SSIM_WINDOW.size - 1) * 2**coarsest + 1
    f, t, white = _pair(fused, truth, value_range, least=least)
    c1, c2 = (SSIM_K1 * white) ** 2, (SSIM_K2 * white) ** 2
    found = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if scale > 0:
            f, t = _halve(f, cv2.BORDER_REPLICATE), _halve(t, cv2.BORDER_REPLICATE)
        first, second, shared = _statistics(f, t)
        if scale == coarsest:
            quality = similarity(first, second, shared, c1, c2)
        else:
            quality = contrast_and_structure(first, second, shared, c2)
        found *= max(float(quality.mean()), 0.0) ** weight
    return found


def gmsd(fused: Pixels, truth: Pixels, *, value_range: float | None = None) -> float:
    """Compute the gradient magnitude similarity deviation GMSD, in [0, 0.5]; lower is better.

    Standard deviation (divisor n - 1) of the similarity of the Prewitt gradients of luma at half
    the resolution, with zero padding; 0 for equal images. Images are at least 3x3 pixels.

    Reference: Xue, Zhang, Mou and Bovik, "Gradient magnitude similarity deviation: a highly
    efficient perceptual image quality index", IEEE TIP 23 (2014), doi:10.1109/TIP.2013.2293423.
    """
    f, t, white = _pair(fused, truth, value_range, least=3)
    first, second = (
        prewitt(_halve(plane * (255 / white), cv2.BORDER_CONSTANT)) / 3 for plane in (f, t)
    )
    alike = (2 * first * second + GMSD_CONSTANT) / (first**2 + second**2 + GMSD_CONSTANT)
    return float(alike.std(ddof=1))


def _pair(
    fused: Pixels, truth: Pixels, value_range: float | None, *, least: int
) -> tuple[Plane, Plane, float]:
    """Check the images and return the luma of both, and the value of white."""
    check_alike(fused, (truth,), ("the truth",))
    check_size(truth, least)
    return luma(fused), luma(truth), full_scale(truth, value_range)


def _statistics(first: Plane, second: Plane) -> tuple[Moments, Moments, Plane]:
    """Return the window statistics that SSIM is computed from."""
    one, two = moments(first, SSIM_WINDOW), moments(second, SSIM_WINDOW)
    return one, two, covariance(one, two, SSIM_WINDOW)


def _halve(image: Plane, border: int) -> Plane:
    """Return means of 2x2 pixels; the OpenCV border mode completes an odd row or column."""
    height, width = image.shape
    padded = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, border)
    rows = padded[::2] + padded[1::2]
    means: Plane = (rows[:, ::2] + rows[:, 1::2]) / 4
    return means
