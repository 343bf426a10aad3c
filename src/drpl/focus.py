"""Classical fusion of focal stacks: the baselines that a learned decision has to beat."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.errors import StackError

Images = NDArray[np.float32]
Plane = NDArray[np.float32]
_MIN_SIDE = 8


def measure_energy(detail: Images, size: int = 5) -> Plane:
    """Local energy of detail: squares summed over channels and a square window.

    Parameters
    ----------
    detail : ndarray, shape (H, W, C), float32
        Coefficients, for instance of a Laplacian pyramid.
    size : int
        Side of the window in pixels.

    Returns
    -------
    ndarray, shape (H, W), float32
    """
    squared = np.square(detail).sum(axis=2)
    return np.asarray(cv2.boxFilter(squared, -1, (size, size), normalize=False), np.float32)


def fuse_average(frames: Images) -> Images:
    """Mean of the frames, (N, H, W, C) float32 in [0, 1] to (H, W, C)."""
    return np.asarray(_checked(frames).mean(axis=0), np.float32)


def fuse_laplacian(frames: Images, *, window: int = 5) -> Images:
    """Laplacian-pyramid fusion: at each place and scale the frame with the most local energy.

    All channels follow one choice; the base, some pixels wide, is averaged.

    Parameters
    ----------
    frames : ndarray, shape (N, H, W, C), float32, in [0, 1]
    window : int
        Side of the window that energy is summed over.

    Returns
    -------
    ndarray, shape (H, W, C), float32, in [0, 1]

    Raises
    ------
    StackError
        If the frames are not an array of that kind.

    References
    ----------
    Burt and Kolczynski, "Enhanced image capture through fusion", ICCV 1993,
    doi:10.1109/ICCV.1993.378222.
    """
    bands = _checked(frames)
    details: list[Images] = []
    sizes: list[tuple[int, int]] = []
    while min(bands.shape[1:3]) >= 2 * _MIN_SIDE:
        size = (bands.shape[2], bands.shape[1])
        smaller = np.stack([_planes(cv2.pyrDown(frame)) for frame in bands])
        larger = np.stack([_planes(cv2.pyrUp(frame, dstsize=size)) for frame in smaller])
        details.append(_strongest(bands - larger, window))
        sizes.append(size)
        bands = smaller
    fused: Images = bands.mean(axis=0)
    for detail, size in zip(reversed(details), reversed(sizes), strict=True):
        fused = detail + _planes(cv2.pyrUp(fused, dstsize=size))
    return np.clip(fused, 0, 1).astype(np.float32)


def _strongest(details: Images, window: int) -> Images:
    """Coefficients of the frame with the largest local energy."""
    energy = np.stack([measure_energy(detail, window) for detail in details])
    chosen = energy.argmax(axis=0)
    picked: Images = np.take_along_axis(details, chosen[None, ..., None], axis=0)[0]
    return picked


def fuse_guided(frames: Images) -> Images:
    """Guided-filter fusion (GFF), with the paper's parameters.

    Base (31x31 average) and detail of each frame are weighted apart; the weights are the frames of
    largest saliency, made to follow the edges of the frame by a guided filter.

    Parameters
    ----------
    frames : ndarray, shape (N, H, W, C), float32, in [0, 1]

    Returns
    -------
    ndarray, shape (H, W, C), float32, in [0, 1]

    Raises
    ------
    StackError
        If the frames are not an array of that kind.

    References
    ----------
    Li, Kang and Hu, "Image fusion with guided filtering", IEEE TIP 22 (2013),
    doi:10.1109/TIP.2013.2244222.
    """
    frames = _checked(frames)
    grey = [np.ascontiguousarray(frame.mean(axis=2)) for frame in frames]
    saliency = np.stack([_saliency(plane) for plane in grey])
    chosen = saliency.argmax(axis=0)
    totals = [np.zeros(chosen.shape, np.float32) for _ in range(2)]
    parts = [np.zeros(frames.shape[1:], np.float32) for _ in range(2)]
    for index, (frame, guide) in enumerate(zip(frames, grey, strict=True)):
        average = _planes(cv2.boxFilter(frame, -1, (31, 31)))
        binary = (chosen == index).astype(np.float32)
        bands = ((average, 45, 0.3), (frame - average, 7, 1e-6))
        for part, (image, radius, epsilon) in enumerate(bands):
            weight = np.maximum(guided_filter(guide, binary, radius, epsilon), 0)
            totals[part] += weight
            parts[part] += weight[..., None] * image
    base, detail = (
        part / np.maximum(total, 1e-6)[..., None] for part, total in zip(parts, totals, strict=True)
    )
    return np.clip(base + detail, 0, 1).astype(np.float32)


def _saliency(plane: Plane) -> Plane:
    """Smoothed magnitude of the Laplacian."""
    laplacian = cv2.Laplacian(plane, cv2.CV_32F, ksize=1)
    return np.asarray(cv2.GaussianBlur(np.abs(laplacian), (11, 11), 5), np.float32)


def guided_filter(guide: Plane, image: Plane, radius: int, epsilon: float) -> Plane:
    """Filter an image so that it follows the edges of a guide.

    Parameters
    ----------
    guide, image : ndarray, shape (H, W), float32
    radius : int
        Of the square window, in pixels.
    epsilon : float
        Variance of the guide below which it counts as flat.

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


def _planes(image: NDArray[Any]) -> Images:
    """Three axes again after OpenCV has dropped a single channel."""
    return image if image.ndim == 3 else image[..., None]


def _checked(frames: Images) -> Images:
    """Frames must be (N, H, W, C) float32."""
    if frames.ndim != 4 or frames.dtype != np.float32 or frames.size == 0:
        raise StackError(
            f"frames are {frames.shape} {frames.dtype}; expected (N, H, W, C) float32 in [0, 1]"
        )
    return frames
