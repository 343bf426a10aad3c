"""Equal encoding: recode fused images like the coarsest JPEG file among the peers' images."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from drpl.bench.scenes import Bytes, read_bytes
from drpl.errors import ReadError

SAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
"""Chroma samplings by Pillow's number."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """JPEG parameters of a file.

    ``tables`` are the quantisation tables, 64 values each, in the order of their numbers in the
    file; ``sampling`` is the chroma sampling, a key of `SAMPLINGS`, or -1 for grey.
    """

    tables: tuple[tuple[int, ...], ...]
    sampling: int

    @property
    def coarseness(self) -> tuple[float, int]:
        """Sort key: mean quantisation step, then chroma sampling."""
        return float(np.mean(self.tables)), self.sampling

    def __str__(self) -> str:
        """Describe the encoding for reports."""
        quality = _quality(self.tables)
        tables = "tables of their own" if quality is None else f"quality {quality}"
        return f"JPEG, {tables}, {SAMPLINGS.get(self.sampling, 'grey')}"


def read_encoding(path: Path) -> Encoding | None:
    """Read the encoding of a JPEG file; return None for other formats.

    Raise ReadError if the file cannot be read, or has a chroma sampling that Pillow does not write.
    """
    try:
        with Image.open(path) as image:
            if not isinstance(image, JpegImageFile):
                return None
            tables = _tables(image)
            grey, sampling = image.mode == "L", get_sampling(image)
    except UnidentifiedImageError:  # a format that Pillow does not know is no JPEG
        return None
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error})") from error
    if sampling not in SAMPLINGS and not grey:
        raise ReadError(
            f"{path}: has an unusual chroma sampling, in which other images cannot be encoded; "
            f"expected {', '.join(SAMPLINGS.values())}"
        )
    return Encoding(tables, sampling)


def _tables(image: JpegImageFile) -> tuple[tuple[int, ...], ...]:
    """Return the quantisation tables of an open file."""
    return tuple(tuple(image.quantization[key]) for key in sorted(image.quantization))


def coarsest(paths: Iterable[Path]) -> Encoding | None:
    """Return the coarsest encoding among the JPEG files; None if there is no JPEG file."""
    found = [encoding for path in paths if (encoding := read_encoding(path)) is not None]
    return max(found, key=lambda encoding: encoding.coarseness, default=None)


def encode(pixels: Bytes, encoding: Encoding) -> bytes:
    """Encode an image, shape (H, W) or (H, W, 3), as a JPEG file in memory."""
    stream = io.BytesIO()
    tables = [list(table) for table in encoding.tables]
    Image.fromarray(pixels).save(stream, "JPEG", qtables=tables, subsampling=encoding.sampling)
    return stream.getvalue()


def recoded(pixels: Bytes, encoding: Encoding) -> Bytes:
    """Encode an image as JPEG and decode it again."""
    with Image.open(io.BytesIO(encode(pixels, encoding))) as image:
        return np.asarray(image, np.uint8)


def read_coded(path: Path, encoding: Encoding | None) -> Bytes:
    """Read an image and recode it, unless it has that encoding already or ``encoding`` is None."""
    pixels = read_bytes(path)
    if encoding is None or read_encoding(path) == encoding:
        return pixels
    return recoded(pixels, encoding)


@lru_cache
def _quality(tables: tuple[tuple[int, ...], ...]) -> int | None:
    """Return the libjpeg quality (1 to 100) that gives these tables, or None."""
    for quality in range(100, 0, -1):
        stream = io.BytesIO()
        Image.new("RGB", (8, 8)).save(stream, "JPEG", quality=quality)
        with Image.open(stream) as image:
            if isinstance(image, JpegImageFile) and _tables(image)[: len(tables)] == tables:
                return quality
    return None
