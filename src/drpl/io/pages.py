"""Pages of TIFF files: each is a frame, as microscope programs save focal stacks."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from drpl.errors import ReadError, StackError
from drpl.io.bmp import is_bmp
from drpl.io.formats import RAW_SUFFIXES, TIFF
from drpl.io.read import loader_of, open_lazily, pages_in

CHANNEL = "C"
"""Axis of a TIFF file whose planes show different light, not different focus."""
WITHIN_PLANE = "YXS"
"""Axes of a plane: rows, columns and samples of a pixel."""
_DAMAGE = (ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, OSError)
"""What tifffile raises for damaged files, besides `struct.error` and RuntimeError."""


@dataclass(frozen=True, slots=True)
class Source:
    """Picture in a file: the whole file, or its ``page``, counted from 1."""

    path: Path
    page: int | None = None

    def __str__(self) -> str:
        """Return the name for messages."""
        return str(self.path) if self.page is None else f"{self.path}, page {self.page}"

    @property
    def name(self) -> str:
        """Name of the file, without folders, with the page."""
        return str(Source(Path(self.path.name), self.page))

    @property
    def stem(self) -> str:
        """Name for files made from the picture, without folders and suffix."""
        return self.path.stem if self.page is None else f"{self.path.stem}_{self.page:04d}"


def find_pages(path: Path) -> list[Source]:
    """Return the pictures in a file: each page of a TIFF file, or the file.

    Reduced pages (thumbnails, levels of a pyramid) and masks are passed over. Raise ReadError if
    the file is not an image, StackError if its pages are not planes along one axis.
    """
    if path.suffix.lower() in RAW_SUFFIXES or not path.is_file() or is_bmp(path):
        return [Source(path)]
    image = open_lazily(path)
    if loader_of(image) != TIFF.loader or pages_in(image) == 1:
        return [Source(path)]
    pages = _planes(path)
    return [Source(path)] if pages == [1] else [Source(path, page) for page in pages]


def _planes(path: Path) -> list[int]:
    """Return the pages that show a plane in full, counted from 1."""
    from tifffile import TiffFile, TiffPage  # most stacks do without

    try:
        with TiffFile(path) as tiff:
            found = [
                number
                for number, page in enumerate(tiff.pages, 1)
                if not (isinstance(page, TiffPage) and (page.is_reduced or page.is_mask))
            ]
            series = tiff.series[0]
            axes = dict(zip(series.axes, series.shape, strict=True))
    except (*_DAMAGE, struct.error, RuntimeError) as error:
        raise ReadError(f"{path}: has damaged pages ({error}); save the stack again") from error
    along = {axis: size for axis, size in axes.items() if axis not in WITHIN_PLANE and size > 1}
    if len(along) > 1 or CHANNEL in along:
        sizes = ", ".join(f"{axis} {size}" for axis, size in along.items())
        raise StackError(
            f"{path}: has pages along the axes {sizes}; expected planes of different focus only; "
            "save each channel and time as a file of its own"
        )
    return found or [1]
