"""Metrics of a fused image against the truth."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.stack import Pixels, full_scale

SSIM_WINDOW, SSIM_SIGMA, SSIM_K1, SSIM_K2 = 11, 1.5, 0.01, 0.03


def psnr(
    fused: Pixels,
    truth: Pixels,
    *,
    value_range: float | None = None,
    where: NDArray[np.bool_] | None = None,
) -> float:
    """Peak signal-to-noise ratio in dB; higher is better, infinite for equal images.

    Parameters
    ----------
    fused, truth : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        Alike in shape and dtype.
    value_range : float, optional
        Value of white in float32 images, by default 1.
    where : ndarray of bool, shape (H, W), optional
        Pixels to look at; by default all.

    Returns
    -------
    float
        ``10 log10(white^2 / mse)``, the mean taken over pixels and channels; NaN if ``where`` holds
        nowhere.

    Raises
    ------
    ValueError
        If the images differ in shape or dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from drpl.metrics import psnr
    >>> truth = np.zeros((8, 8), np.uint8)
    >>> round(psnr(truth + np.uint8(255), truth), 6)
    0.0
    """
    _check_alike(fused, truth)
    squared = (fused.astype(np.float64) - truth) ** 2
    if where is not None:
        squared = squared[where]
    if squared.size == 0:
        return float("nan")
    mse = float(squared.mean())
    white = full_scale(truth, value_range)
    return float("inf") if mse == 0 else float(10 * np.log10(white**2 / mse))


def ssim(fused: Pixels, truth: Pixels, *, value_range: float | None = None) -> float:
    """Mean structural similarity of luma, in [-1, 1]; 1 for equal images.

    Parameters
    ----------
    fused, truth : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        Alike in shape and dtype, at least 11 pixels high and wide. Colours are reduced to Rec. 601
        luma.
    value_range : float, optional
        Value of white in float32 images, by default 1.

    Returns
    -------
    float
        Mean over all windows (11x11 Gaussian, sigma 1.5, K1 0.01, K2 0.03) that lie wholly inside.

    Raises
    ------
    ValueError
        If the images differ in shape or dtype, or are smaller than a window.

    References
    ----------
    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE
    TIP 13 (2004), doi:10.1109/TIP.2003.819861.
    """
    _check_alike(fused, truth)
    if min(truth.shape[:2]) < SSIM_WINDOW:
        raise ValueError(f"images are {truth.shape[:2]}; expected at least 11 pixels each way")
    white = full_scale(truth, value_range)
    f, t = _luma(fused), _luma(truth)
    c1, c2 = (SSIM_K1 * white) ** 2, (SSIM_K2 * white) ** 2
    mean_f, mean_t = _average(f), _average(t)
    variance_f = _average(f * f) - mean_f**2
    variance_t = _average(t * t) - mean_t**2
    covariance = _average(f * t) - mean_f * mean_t
    similarity = (2 * mean_f * mean_t + c1) * (2 * covariance + c2)
    similarity /= (mean_f**2 + mean_t**2 + c1) * (variance_f + variance_t + c2)
    return float(similarity.mean())


def _check_alike(fused: Pixels, truth: Pixels) -> None:
    """Images must agree in shape and dtype."""
    if fused.shape != truth.shape or fused.dtype != truth.dtype:
        raise ValueError(
            f"images are {fused.shape} {fused.dtype} and {truth.shape} {truth.dtype}; expected "
            "the same shape and dtype"
        )


def _luma(image: Pixels) -> NDArray[np.float64]:
    """Rec. 601 luma in double precision."""
    values = image.astype(np.float64)
    if values.ndim == 2:
        return values
    if values.shape[2] < 3:
        return values[..., 0]
    luma: NDArray[np.float64] = values[..., :3] @ np.array([0.299, 0.587, 0.114])
    return luma


def _average(image: NDArray[np.float64]) -> NDArray[Any]:
    """Gaussian average over the windows that lie wholly inside."""
    window = cv2.getGaussianKernel(SSIM_WINDOW, SSIM_SIGMA)
    inset = SSIM_WINDOW // 2
    return cv2.sepFilter2D(image, -1, window, window)[inset:-inset, inset:-inset]
