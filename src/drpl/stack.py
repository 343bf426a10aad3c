"""Types that pass between the rooms: pixels with what belongs to them, options, results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from drpl.errors import ConfigError, StackError

Pixels = NDArray[Any]
"""(H, W) or (H, W, C), uint8, uint16 or float32."""
ComposeMode = Literal["select", "soft", "pyramid"]
COMPOSE_MODES: tuple[str, ...] = get_args(ComposeMode)
FULL_SCALE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.float32): 1.0}
"""Value of white by dtype; for float32 the default of ``value_range``."""
TILE_MULTIPLE = 64
TILE = 768
"""Side of a tile in pixels, where nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says besides its pixels.

    Attributes
    ----------
    icc, exif, xmp : bytes or None
        Profile and metadata blocks as they stand in the file.
    resolution : tuple of two floats
        Pixels per millimetre, horizontal and vertical.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    resolution: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Frame:
    """One source image.

    Attributes
    ----------
    pixels : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        Upright; 2 channels are grey and alpha, 3 RGB, 4 RGB and alpha.
    name : str
        What messages call it.
    path : Path or None
    metadata : Metadata
    notes : tuple of str
        What reading changed that a user should know, such as a conversion from CMYK.
    """

    pixels: Pixels
    name: str
    path: Path | None = None
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FusionOptions:
    """How to fuse.

    Attributes
    ----------
    model : str
        Id of a shipped model (see `drpl.available_models`) or a folder with a ``card.json``.
    compose : str
        ``"select"`` takes source pixels by the decision map and blends only in a narrow band along
        its boundaries; ``"soft"`` blends by the soft decision everywhere; ``"pyramid"`` blends
        Laplacian pyramids.
    threads : int
        Threads of the network; 0 leaves the choice to the runtime.
    tile : int
        Side of a tile in pixels, a multiple of 64. Smaller needs less memory.
    value_range : float or None
        Value of white in float32 images; by default 1. Integer images span their dtype.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    model: str = "drpl-fast"
    compose: ComposeMode = "select"
    threads: int = 0
    tile: int = TILE
    value_range: float | None = None

    def __post_init__(self) -> None:
        """Validate."""
        if self.compose not in COMPOSE_MODES:
            raise ConfigError(f"compose is {self.compose!r}; expected one of {COMPOSE_MODES}")
        if self.threads < 0:
            raise ConfigError(f"threads is {self.threads}; expected 0 (automatic) or more")
        if self.tile < TILE_MULTIPLE or self.tile % TILE_MULTIPLE:
            raise ConfigError(f"tile is {self.tile}; expected a multiple of {TILE_MULTIPLE} pixels")
        if self.value_range is not None and not self.value_range > 0:
            raise ConfigError(f"value_range is {self.value_range}; expected a number above 0")


@dataclass(frozen=True, slots=True)
class FusionResult:
    """A fused pair and where its pixels came from.

    Attributes
    ----------
    fused : ndarray
        Shape and dtype of the sources.
    mask_a, mask_b : ndarray, shape (H, W), float16, in [0, 1]
        The network's two decision masks.
    index_map : ndarray, shape (H, W), uint8
        Index of the source that a pixel is (mostly) taken from.
    confidence : ndarray, shape (H, W), uint8
        255 where the decision is clear, 0 where both sources serve alike.
    seconds : dict
        Time of each step.
    """

    fused: Pixels
    mask_a: NDArray[np.float16]
    mask_b: NDArray[np.float16]
    index_map: NDArray[np.uint8]
    confidence: NDArray[np.uint8]
    seconds: dict[str, float]


def full_scale(pixels: Pixels, value_range: float | None) -> float:
    """Value of white: by dtype, or ``value_range`` for float32; never guessed from the content."""
    if pixels.dtype == np.float32 and value_range is not None:
        return value_range
    return FULL_SCALE[pixels.dtype]


def check_pair(sources: Sequence[Pixels], names: Sequence[str] = ("source A", "source B")) -> None:
    """Check that two arrays are a pair that can be fused.

    Raises
    ------
    StackError
        If there are not two, or shapes, channels or dtypes differ or are not supported, or a
        float image holds NaN or infinity.
    """
    if len(sources) != 2:
        raise StackError(
            f"found {len(sources)} source image{'s' * (len(sources) != 1)}; expected two, "
            "each focused elsewhere"
        )
    for pixels, name in zip(sources, names, strict=True):
        _check_pixels(pixels, name)
    (a, b), (name_a, name_b) = sources, names
    for what, found_a, found_b in (
        ("size", a.shape[:2], b.shape[:2]),
        ("channels", _channels(a), _channels(b)),
        ("sample type", a.dtype, b.dtype),
    ):
        if found_a != found_b:
            shown_a, shown_b = (_shown(what, f) for f in (found_a, found_b))
            raise StackError(
                f"{name_a} and {name_b} differ in {what}: {shown_a} and {shown_b}; "
                "expected frames of one camera, saved alike"
            )


def _check_pixels(pixels: Pixels, name: str) -> None:
    """Check one source image."""
    if pixels.dtype not in FULL_SCALE:
        raise StackError(f"{name}: sample type is {pixels.dtype}; expected uint8, uint16, float32")
    if pixels.ndim not in (2, 3) or pixels.size == 0 or _channels(pixels) > 4:
        raise StackError(
            f"{name}: shape is {pixels.shape}; expected (height, width) or (height, width, 1 to 4)"
        )
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise StackError(f"{name}: holds NaN or infinite values; expected finite ones")


def _channels(pixels: Pixels) -> int:
    """Channels of an image; a plain plane has one."""
    return 1 if pixels.ndim == 2 else pixels.shape[2]


def _shown(what: str, found: Any) -> str:
    """A size as width x height, as photographers say it."""
    return f"{found[1]}x{found[0]}" if what == "size" else str(found)
