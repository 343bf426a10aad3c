"""Bit depth and quality of saved pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from drpl.core.frames import FULL_SCALE, Pixels
from drpl.core.options import described
from drpl.core.strips import each_strip
from drpl.errors import ConfigError, WriteError
from drpl.io.formats import WRITABLE

DEPTHS = (8, 16)
_DTYPES: dict[int, np.dtype[np.generic]] = {8: np.dtype(np.uint8), 16: np.dtype(np.uint16)}


@dataclass(frozen=True, slots=True)
class Saving:
    """Bit depth and quality that a picture is saved with.

    Raise ConfigError if a value is out of range.
    """

    quality: int | None = field(
        default=None,
        metadata=described(
            "Quality of a JPEG, WebP or AVIF result, 1 to 100; by default JPEG has 95, the others "
            "are lossless."
        ),
    )
    depth: int | None = field(
        default=None,
        metadata=described(
            "Bits per sample of the result; by default those of the sources, or the most that the "
            "format holds.",
            DEPTHS,
        ),
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ConfigError(f"quality is {self.quality}; expected 1 to 100")
        if self.depth is not None and self.depth not in DEPTHS:
            raise ConfigError(f"depth is {self.depth}; expected 8 or 16")

    def dtype(self, path: Path, found: np.dtype[np.generic]) -> np.dtype[np.generic]:
        """Return the sample type that pixels of type ``found`` are saved in.

        Raise WriteError if the suffix of ``path`` is not written, or its format does not hold
        ``depth``.
        """
        writing = WRITABLE.get(path.suffix.lower())
        if writing is None:  # `drpl.io.write` says so
            return found
        held: list[np.dtype[np.generic]] = [np.dtype(name) for name in writing.dtypes]
        if self.depth is None:
            return found if found in held else held[-1]
        wanted = _DTYPES[self.depth]
        if wanted not in held:
            raise WriteError(
                f"{path}: {path.suffix} does not hold {self.depth} bits per sample; write .tif or "
                ".png, or choose another --depth"
            )
        return wanted

    def convert(self, path: Path, pixels: Pixels, white: float) -> Pixels:
        """Return pixels in `dtype`, in which ``white`` becomes the largest value, rounded."""
        dtype = self.dtype(path, pixels.dtype)
        return pixels if dtype == pixels.dtype else converted(pixels, dtype, white)


def converted(pixels: Pixels, dtype: np.dtype[np.generic], white: float) -> Pixels:
    """Return pixels as integers of a type, from black at 0 to ``white`` at its largest value."""
    most = np.float32(FULL_SCALE[np.dtype(dtype)])
    out = np.empty(pixels.shape, dtype)

    def convert(rows: slice) -> None:
        shares = np.clip(pixels[rows] / np.float32(white), 0, 1)
        out[rows] = np.rint(shares * most)

    each_strip(convert, len(pixels))
    return out


def white_of(highest: float, dtype: np.dtype[np.generic], *, profiled: bool) -> float:
    """Return the value that is white when a stack is saved with fewer bits.

    A colour profile defines it as the largest value of the type. Without one, samples of 10, 12 or
    14 bits in 16 would be nearly black: it is the largest value of the bits that ``highest`` needs.
    """
    full = FULL_SCALE[dtype]
    if dtype.kind == "f" or profiled:
        return full
    bits = next((bits for bits in (8, 10, 12, 14, 16) if highest < 2**bits), 16)
    return float(min(full, 2**bits - 1))
