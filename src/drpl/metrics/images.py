"""Checks and luma conversion, the first steps of every metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import FULL_SCALE, Pixels, full_scale
from drpl.errors import MetricError

Plane = NDArray[np.float64]
"""Luma or values computed from it, shape (H, W); white is 255 for grey levels."""
LEVELS = 256
"""Number of grey levels."""
LUMA_WEIGHTS = np.array([0.298936021293776, 0.587043074451121, 0.114020904255103])
"""Rec. 601 weights of MATLAB's rgb2gray, the first row of the inverse of its NTSC matrix."""


def check_alike(fused: Pixels, others: tuple[Pixels, ...], names: tuple[str, ...]) -> None:
    """Check that images are supported, finite, and equal in shape and dtype, or raise MetricError.

    ``names`` are those of the others in messages.
    """
    for image, name in zip((fused, *others), ("the fused image", *names), strict=True):
        check_image(image, name)
        if image.shape != fused.shape or image.dtype != fused.dtype:
            raise MetricError(
                f"{name} is {image.shape} {image.dtype}, the fused image {fused.shape} "
                f"{fused.dtype}; expected the same shape and dtype"
            )


def check_sources(fused: Pixels, sources: tuple[Pixels, ...], *, exactly_two: bool = False) -> None:
    """Check that there are two sources or more, and that they match the fused image.

    Raise MetricError otherwise, or if there are more for a metric defined for pairs only.
    """
    if len(sources) < 2 or (exactly_two and len(sources) > 2):
        expected = "two: the metric is defined for pairs" if exactly_two else "two or more"
        raise MetricError(f"found {len(sources)} source images; expected {expected}")
    check_alike(fused, sources, tuple(f"source {number}" for number in range(len(sources))))


def check_size(image: Pixels, least: int) -> None:
    """Raise MetricError if an image is less than ``least`` pixels high or wide."""
    if min(image.shape[:2]) < least:
        raise MetricError(
            f"images are {image.shape[:2]}; expected at least {least} pixels each way"
        )


def luma(image: Pixels) -> Plane:
    """Return Rec. 601 luma in double precision, shape (H, W), on the scale of the image."""
    values = image.astype(np.float64)
    if values.ndim == 2:
        return values
    if values.shape[2] < 3:
        return values[..., 0]
    weighted: Plane = values[..., :3] @ np.array([0.299, 0.587, 0.114])
    return weighted


def grey_levels(image: Pixels, value_range: float | None = None) -> NDArray[np.uint8]:
    """Reduce an image to luma in 256 grey levels, (H, W) uint8, as the reference toolboxes do.

    Values outside [0, white] are clipped. Raise MetricError if the array is not a supported image.
    """
    check_image(image, "the fused image")
    plane: NDArray[Any] = image
    if plane.ndim == 3 and plane.shape[2] < 3:
        plane = plane[..., 0]
    if plane.ndim == 3:
        colours = np.ascontiguousarray(plane[..., :3])
        if colours.dtype == np.uint16:
            colours = colours.astype(np.float64)
        plane = cv2.transform(colours, LUMA_WEIGHTS[np.newaxis].astype(np.float32))
        plane = plane.reshape(image.shape[:2])
    if plane.dtype == np.uint8:
        return plane
    white = full_scale(image, value_range)
    scaled = plane.astype(np.float64) * ((LEVELS - 1) / white)
    return np.rint(np.clip(scaled, 0, LEVELS - 1)).astype(np.uint8)


def pair_up(
    fused: Pixels,
    sources: tuple[Pixels, ...],
    value_range: float | None,
    *,
    least: int = 1,
    exactly_two: bool = False,
) -> tuple[Plane, list[Plane]]:
    """Check the images and return the grey levels of the fused image and of each source.

    Raise MetricError if the sources are too few, too many, unlike the fused image, or less than
    ``least`` pixels high or wide.
    """
    check_sources(fused, sources, exactly_two=exactly_two)
    check_size(fused, least)
    planes = [grey_levels(image, value_range).astype(np.float64) for image in (fused, *sources)]
    return planes[0], planes[1:]


def weighted_mean(values: Sequence[Plane], weights: Sequence[Plane]) -> float:
    """Return the weighted mean over several maps, or the plain mean if all weights are 0."""
    total = sum(float(weight.sum()) for weight in weights)
    if total == 0:
        return float(np.mean([value.mean() for value in values]))
    pairs = zip(values, weights, strict=True)
    return sum(float(np.vdot(value, weight)) for value, weight in pairs) / total


def check_image(image: Pixels, name: str) -> None:
    """Check that an image is an array of a supported dtype and shape, with finite values."""
    if not isinstance(image, np.ndarray) or image.dtype not in FULL_SCALE:
        found = getattr(image, "dtype", type(image).__name__)
        raise MetricError(f"{name} is {found}; expected an array of uint8, uint16 or float32")
    if image.ndim not in (2, 3) or image.size == 0 or (image.ndim == 3 and image.shape[2] > 4):
        raise MetricError(
            f"{name} has shape {image.shape}; expected (height, width) or (height, width, 1 to 4)"
        )
    if image.dtype == np.float32 and not np.isfinite(image).all():
        raise MetricError(f"{name} holds NaN or infinite values; expected finite ones")
