"""BMP files, which libvips does not read, opened with Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drpl.core.frames import Frame, Metadata, Pixels
from drpl.errors import ReadError

if TYPE_CHECKING:
    from PIL.BmpImagePlugin import BmpImageFile

SIGNATURE = b"BM"
"""First bytes of a BMP file."""
MODES = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB", "RGBA": "RGBA"}
"""Pillow's modes of BMP files, and those they are expanded to."""
MM_PER_INCH = 25.4


def is_bmp(path: Path) -> bool:
    """Return True if a file begins as a BMP file; False if it cannot be opened."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(SIGNATURE)) == SIGNATURE
    except OSError:  # whoever reads the file names it
        return False


def read_bmp(path: Path, *, max_pixels: int) -> Frame:
    """Read a BMP file; palettes and single bits are expanded.

    Pixels are uint8, (H, W) if the picture is grey. Raise ReadError if the file is damaged, cut
    short or too large.
    """
    with _opened(path, max_pixels) as image:
        try:
            pixels = np.array(image.convert(MODES[image.mode]))  # a view could not be written to
        except (OSError, ValueError, SyntaxError) as error:
            raise ReadError(
                f"{path}: is damaged or cut short ({error}); copy it again from the camera"
            ) from error
        x, y = image.info.get("dpi", (0, 0))
    resolution = (x / MM_PER_INCH, y / MM_PER_INCH) if x > 0 and y > 0 else (1.0, 1.0)
    return Frame(pixels, str(path), path, Metadata(resolution=resolution))


def bmp_like(path: Path, *, max_pixels: int) -> Pixels:
    """Read the header alone; return zeros that take no memory, like the pixels of `read_bmp`."""
    with _opened(path, max_pixels) as image:
        channels = len(MODES[image.mode])
        shape = (image.height, image.width, channels)[: 2 if channels == 1 else 3]
    return np.broadcast_to(np.zeros((), np.uint8), shape)


@contextmanager
def _opened(path: Path, max_pixels: int) -> Iterator[BmpImageFile]:
    """Open a file and check its header; nothing is decoded yet."""
    from PIL.BmpImagePlugin import BmpImageFile  # most stacks do without

    with path.open("rb") as stream:
        try:
            image = BmpImageFile(stream)  # unlike Image.open, without a limit of Pillow's own
        except (OSError, ValueError, SyntaxError) as error:
            raise ReadError(f"{path}: is not a BMP image that can be read ({error})") from error
        if image.width * image.height > max_pixels:
            raise ReadError(
                f"{path}: has {image.width}x{image.height} pixels; expected at most {max_pixels:,}"
            )
        if image.mode not in MODES:
            raise ReadError(f"{path}: has samples of type {image.mode}; expected 8 bits")
        yield image
