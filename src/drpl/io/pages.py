"""Pages of TIFF files: each is a frame, as microscope programs save focal stacks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from drpl.io.bmp import is_bmp
from drpl.io.formats import RAW_SUFFIXES, TIFF
from drpl.io.planes import find_planes
from drpl.io.read import loader_of, open_lazily, pages_in


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
    pages = find_planes(path)
    return [Source(path)] if len(pages) == 1 else [Source(path, page) for page in pages]
