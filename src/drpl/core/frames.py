"""Frames: pixels with metadata, and the checks that a focal stack must pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.errors import ConfigError, StackError

Tensor = NDArray[np.float32]
"""Array of any shape, float32."""
Plane = NDArray[np.float32]
"""Single channel (H, W), float32."""
Floats = NDArray[np.float64]
"""Array of any shape, float64."""
Pixels = NDArray[Any]
"""Picture (H, W) or (H, W, C), uint8, uint16 or float32."""
FULL_SCALE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.float32): 1.0}
"""Value of white by dtype, the default of ``value_range``."""
LARGEST_FLOAT = 1e9
"""Largest magnitude of a value in a float image."""
ABOVE_WHITE = 0.05
"""Share of white by which values may lie above it, as sharpening leaves them."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """Colour profile, EXIF, XMP and IPTC blocks of an image file, as read; pixels per mm (x, y)."""

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    resolution: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Frame:
    """Source image.

    Pixels are upright, shape (H, W) or (H, W, C), uint8, uint16 or float32; 2 channels are grey and
    alpha, 3 are RGB, 4 are RGB and alpha. ``name`` is for messages; ``notes`` tell the user of
    changes made on reading, such as a conversion from CMYK.
    """

    pixels: Pixels
    name: str
    path: Path | None = None
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()


def full_scale(pixels: Pixels, value_range: float | None) -> float:
    """Return the value of white: ``value_range`` if given, else that of the dtype.

    Raise ConfigError if ``value_range`` exceeds the largest value of an integer dtype.
    """
    largest = FULL_SCALE[pixels.dtype]
    if value_range is None:
        return largest
    if pixels.dtype.kind == "u" and value_range > largest:
        raise ConfigError(
            f"value_range is {value_range:g}; expected at most {largest:g}, the largest value of "
            f"{pixels.dtype}"
        )
    return value_range


def beyond_white(lowest: float, highest: float, white: float) -> str:
    """Return a notice if values are negative or clearly above white, else an empty string."""
    if lowest >= 0 and highest <= white * (1 + ABOVE_WHITE):
        return ""
    return (
        f"values reach from {lowest:g} to {highest:g}, but 0 to {white:g} is black to white; they "
        "are kept as they are; give the value of white with --value-range (value_range)"
    )


def check_stack(sources: Sequence[Pixels], names: Sequence[str] | None = None) -> None:
    """Check that arrays form a stack that can be fused.

    Raise StackError if there are fewer than two images, if shapes or dtypes differ or are not
    supported, or if a float image holds NaN or infinity. Names for messages are by default those of
    `source_names`.
    """
    names = names or source_names(len(sources))
    check_count(len(sources))
    for pixels, name in zip(sources, names, strict=True):
        check_frame(pixels, name)
        check_alike(sources[0], pixels, (names[0], name))


def source_names(count: int) -> list[str]:
    """Return names for arrays without files: "source 0", "source 1", and so on."""
    return [f"source {number}" for number in range(count)]


def check_names(names: Sequence[str] | None, count: int) -> list[str]:
    """Return a name for each of ``count`` frames; raise StackError if their number differs."""
    if names is not None and len(names) != count:
        raise StackError(f"found {len(names)} names for {count} frames; expected one for each")
    return source_names(count) if names is None else list(names)


def check_count(count: int) -> None:
    """Check that a stack has at least two frames."""
    if count < 2:
        raise StackError(
            f"found {count} source image{'s' * (count != 1)}; expected two or more, "
            "each with a different focus"
        )


def check_alike(first: Pixels, other: Pixels, names: tuple[str, str]) -> None:
    """Check that two frames agree in size, channels and sample type."""
    pair = (first, other)
    properties: dict[str, list[Any]] = {
        "size": [f"{pixels.shape[1]}x{pixels.shape[0]}" for pixels in pair],
        "channels": [_channels(pixels) for pixels in pair],
        "sample type": [pixels.dtype for pixels in pair],
    }
    for what, (found, other_found) in properties.items():
        if found != other_found:
            raise StackError(
                f"{names[0]} and {names[1]} differ in {what}: {found} and {other_found}; "
                "expected frames from one camera, saved with the same settings"
            )


def check_frame(pixels: Pixels, name: str) -> None:
    """Check the sample type, shape and values of a source image."""
    if pixels.dtype not in FULL_SCALE:
        raise StackError(f"{name}: sample type is {pixels.dtype}; expected uint8, uint16, float32")
    check_shape(pixels, name)
    if pixels.dtype == np.float32:
        _check_floats(pixels, name)


def check_shape(pixels: Pixels, name: str) -> None:
    """Check the shape of a source image."""
    if pixels.ndim not in (2, 3) or pixels.size == 0 or _channels(pixels) > 4:
        raise StackError(
            f"{name}: shape is {pixels.shape}; expected (height, width) or (height, width, 1 to 4)"
        )


def _check_floats(pixels: Pixels, name: str) -> None:
    """Check that values are finite and far from the limits of float32, as sums of squares need."""
    largest = max(float(pixels.max()), -float(pixels.min()))
    if largest <= LARGEST_FLOAT:
        return
    if not np.isfinite(pixels).all():
        bad = ~np.isfinite(pixels).reshape(*pixels.shape[:2], -1).all(axis=2)
        row, col = np.argwhere(bad)[0]
        raise StackError(
            f"{name}: holds NaN or infinite values in {bad.sum()} pixels, the first in row {row}, "
            f"column {col}, counted from 0; expected finite ones: replace them first"
        )
    raise StackError(
        f"{name}: holds values up to {largest:g}; expected at most {LARGEST_FLOAT:g}: divide the "
        "values of all frames by one number"
    )


def _channels(pixels: Pixels) -> int:
    """Return the number of channels; a plane has one."""
    return 1 if pixels.ndim == 2 else pixels.shape[2]
