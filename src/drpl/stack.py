"""Types that pass between the rooms: pixels with what belongs to them, and options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from drpl.errors import ConfigError, StackError

Pixels = NDArray[Any]
"""(H, W) or (H, W, C), uint8, uint16 or float32."""
ComposeMode = Literal["select", "pyramid"]
COMPOSE_MODES: tuple[str, ...] = get_args(ComposeMode)
Motion = Literal["translation", "similarity", "affine", "homography"]
MOTIONS: tuple[str, ...] = get_args(Motion)
Unaligned = Literal["reject", "keep"]
UNALIGNED: tuple[str, ...] = get_args(Unaligned)
FULL_SCALE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.float32): 1.0}
"""Value of white by dtype; for float32 the default of ``value_range``."""
TILE_MULTIPLE = 64
SCALES = (0, 1, 2, 4)
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


def _says(words: str, choices: tuple[Any, ...] = ()) -> dict[str, Any]:
    """What terminal and web page say of an option, and what it may be."""
    return {"help": words, "choices": choices}


@dataclass(frozen=True, slots=True)
class FusionOptions:
    """How to fuse; terminal, configuration files and web page are derived from it.

    Each field's ``metadata["help"]`` says what it does, ``metadata["choices"]`` what it may be.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    model: str = field(
        default="drpl-fast",
        metadata=_says(
            "Model that decides, or baseline: an id (see `drpl models`), or the folder of a model."
        ),
    )
    compose: ComposeMode = field(
        default="select",
        metadata=_says(
            "How frames are joined: select takes pixels and blends along seams only; pyramid "
            "blends scale by scale.",
            COMPOSE_MODES,
        ),
    )
    align: bool = field(
        default=True,
        metadata=_says("Register the frames first (focus breathing, shift, rotation)."),
    )
    motion: Motion = field(
        default="affine",
        metadata=_says(
            "How frames may have moved, from the simplest to the most flexible.", MOTIONS
        ),
    )
    reference: int | None = field(
        default=None,
        metadata=_says(
            "Number, from 0, of the frame that the others are registered to; default: the middle "
            "one by focus."
        ),
    )
    exposure: bool = field(
        default=True, metadata=_says("Match brightness and colour of the frames to the reference.")
    )
    unaligned: Unaligned = field(
        default="reject",
        metadata=_says(
            "What becomes of a frame that cannot be registered: left out, or used as it is.",
            UNALIGNED,
        ),
    )
    crop: bool = field(default=False, metadata=_says("Crop to the area that all frames show."))
    scale: int = field(
        default=0,
        metadata=_says(
            "Pixels for each decision: 1, 2 or 4; 0 takes the coarsest that loses no detail.",
            SCALES,
        ),
    )
    threads: int = field(default=0, metadata=_says("Threads of the network; 0 takes all cores."))
    tile: int = field(
        default=TILE,
        metadata=_says("Side of a tile in pixels, a multiple of 64; smaller needs less memory."),
    )
    max_memory: int = field(
        default=0,
        metadata=_says(
            "Megabytes that the work may take in all; refused at once if too few. 0: no limit."
        ),
    )
    value_range: float | None = field(
        default=None,
        metadata=_says(
            "Value of white in float images; default 1. Integer images span their type."
        ),
    )

    def __post_init__(self) -> None:
        """Validate."""
        for entry in fields(self):
            found, choices = getattr(self, entry.name), entry.metadata["choices"]
            if choices and found not in choices:
                raise ConfigError(f"{entry.name} is {found!r}; expected one of {choices}")
        for name in ("threads", "max_memory"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 or more")
        if self.tile < TILE_MULTIPLE or self.tile % TILE_MULTIPLE:
            raise ConfigError(f"tile is {self.tile}; expected a multiple of {TILE_MULTIPLE} pixels")
        if self.reference is not None and self.reference < 0:
            raise ConfigError(f"reference is {self.reference}; expected the number of a frame")
        if self.value_range is not None and not self.value_range > 0:
            raise ConfigError(f"value_range is {self.value_range}; expected a number above 0")


@dataclass(frozen=True, slots=True)
class PairDecision:
    """Two complementary decision masks of a pair.

    Attributes
    ----------
    mask_a, mask_b : ndarray, shape (H, W), float16 (or as asked), in [0, 1]
        Where each source is to be taken; they nearly add up to 1.
    """

    mask_a: NDArray[np.floating[Any]]
    mask_b: NDArray[np.floating[Any]]


def full_scale(pixels: Pixels, value_range: float | None) -> float:
    """Value of white: by dtype, or ``value_range`` for float32; never guessed from the content."""
    if pixels.dtype == np.float32 and value_range is not None:
        return value_range
    return FULL_SCALE[pixels.dtype]


def check_stack(sources: Sequence[Pixels], names: Sequence[str] | None = None) -> None:
    """Check that arrays are a stack that can be fused.

    Raises
    ------
    StackError
        If there are fewer than two, or shapes, channels or dtypes differ or are not supported, or
        a float image holds NaN or infinity.
    """
    names = names or source_names(len(sources))
    check_count(len(sources))
    for pixels, name in zip(sources, names, strict=True):
        check_frame(pixels, name)
        check_alike(sources[0], pixels, (names[0], name))


def source_names(count: int) -> list[str]:
    """What messages call arrays."""
    return [f"source {number}" for number in range(count)]


def check_count(count: int) -> None:
    """A stack has two frames or more."""
    if count < 2:
        raise StackError(
            f"found {count} source image{'s' * (count != 1)}; expected two or more, "
            "each focused elsewhere"
        )


def check_alike(first: Pixels, other: Pixels, names: tuple[str, str]) -> None:
    """Frames of a stack agree in size, channels and sample type."""
    for what, found_first, found_other in (
        ("size", first.shape[:2], other.shape[:2]),
        ("channels", _channels(first), _channels(other)),
        ("sample type", first.dtype, other.dtype),
    ):
        if found_first != found_other:
            shown = [_shown(what, found) for found in (found_first, found_other)]
            raise StackError(
                f"{names[0]} and {names[1]} differ in {what}: {shown[0]} and {shown[1]}; "
                "expected frames of one camera, saved alike"
            )


def check_frame(pixels: Pixels, name: str) -> None:
    """Check one source image: its sample type, shape and values."""
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
