"""Equal encoding: results coded as the coarsest JPEG file among those of others."""

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
"""Pillow's numbers of chroma samplings."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a JPEG file is coded.

    Attributes
    ----------
    tables : tuple of tuples of 64 ints
        Of quantisation, by their number in the file.
    sampling : int
        One of `SAMPLINGS`; -1 for grey.
    """

    tables: tuple[tuple[int, ...], ...]
    sampling: int

    @property
    def coarseness(self) -> tuple[float, int]:
        """Sort key: mean step of quantisation, then chroma sampling."""
        return float(np.mean(self.tables)), self.sampling

    def __str__(self) -> str:
        """As a report says it."""
        quality = _quality(self.tables)
        tables = "tables of their own" if quality is None else f"quality {quality}"
        return f"JPEG, {tables}, {SAMPLINGS.get(self.sampling, 'grey')}"


def read_encoding(path: Path) -> Encoding | None:
    """How a file is coded, or None if it is no JPEG file.

    Raises
    ------
    ReadError
        If it cannot be read, or has a chroma sampling that is not written.
    """
    try:
        with Image.open(path) as image:
            if not isinstance(image, JpegImageFile):
                return None
            tables = _tables(image)
            grey, sampling = image.mode == "L", get_sampling(image)
    except UnidentifiedImageError:
        return None  # of a format that Pillow does not know
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error})") from error
    if sampling not in SAMPLINGS and not grey:
        raise ReadError(
            f"{path}: has an unusual chroma sampling, which others cannot be coded with; expected "
            f"{', '.join(SAMPLINGS.values())}"
        )
    return Encoding(tables, sampling)


def _tables(image: JpegImageFile) -> tuple[tuple[int, ...], ...]:
    """Quantisation tables of an open file."""
    return tuple(tuple(image.quantization[key]) for key in sorted(image.quantization))


def coarsest(paths: Iterable[Path]) -> Encoding | None:
    """The coarsest encoding of the JPEG files among some; None if there are none."""
    found = [encoding for path in paths if (encoding := read_encoding(path)) is not None]
    return max(found, key=lambda encoding: encoding.coarseness, default=None)


def encode(pixels: Bytes, encoding: Encoding) -> bytes:
    """An image as the bytes of a JPEG file.

    Parameters
    ----------
    pixels : uint8 array (H, W) or (H, W, 3)
    encoding : Encoding
    """
    stream = io.BytesIO()
    tables = [list(table) for table in encoding.tables]
    Image.fromarray(pixels).save(stream, "JPEG", qtables=tables, subsampling=encoding.sampling)
    return stream.getvalue()


def recoded(pixels: Bytes, encoding: Encoding) -> Bytes:
    """An image as it comes back from a JPEG file."""
    with Image.open(io.BytesIO(encode(pixels, encoding))) as image:
        return np.asarray(image, np.uint8)


def read_coded(path: Path, encoding: Encoding | None) -> Bytes:
    """A file's picture coded as wanted; as it is if it is coded so already, or None is wanted."""
    pixels = read_bytes(path)
    if encoding is None or read_encoding(path) == encoding:
        return pixels
    return recoded(pixels, encoding)


@lru_cache
def _quality(tables: tuple[tuple[int, ...], ...]) -> int | None:
    """Quality by which the tables of the standard are scaled to these, or None."""
    for quality in range(100, 0, -1):
        stream = io.BytesIO()
        Image.new("RGB", (8, 8)).save(stream, "JPEG", quality=quality)
        with Image.open(stream) as image:
            if isinstance(image, JpegImageFile) and _tables(image)[: len(tables)] == tables:
                return quality
    return None
