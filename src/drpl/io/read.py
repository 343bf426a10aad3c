"""Source images: pixels in the dtype of the file, upright, with profile and metadata."""

from __future__ import annotations

import logging
import re
import struct
import zlib
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from drpl.core.frames import Frame, Metadata
from drpl.core.options import MAX_PIXELS
from drpl.errors import ReadError
from drpl.io.bmp import bmp_like, is_bmp, read_bmp
from drpl.io.exif import capture_time, read_tiff_exif, read_tiff_iptc
from drpl.io.formats import AVIF, BMP, LOADERS, RAW_SUFFIXES, SAMPLE_TYPES, TIFF, WEBP
from drpl.io.iptc import unwrapped
from drpl.io.planes import find_planes
from drpl.io.raw import read_raw

MAX_TEXT = 32_000_000
"""Most bytes that the text of a PNG file may unpack to; libvips unpacks it to open the file."""
_log = logging.getLogger(__name__)

# libvips's cache of operations would keep files open, and no operation comes twice
pyvips.cache_set_max(0)


def read_frame(path: str | Path, *, page: int | None = None, max_pixels: int = MAX_PIXELS) -> Frame:
    """Read one source image.

    The EXIF orientation is applied, palettes and single bits are expanded, CMYK is converted to
    sRGB (and noted in ``notes``), and RAW files are developed. Nothing else changes: the dtype is
    the file's, and values are not rescaled.

    Parameters
    ----------
    path : str or Path
    page : int, optional
        Page of a TIFF file of several planes, from 1; see `drpl.io.pages.find_pages`.
    max_pixels : int
        Most pixels in a file; larger files are refused before they are decoded.

    Returns
    -------
    Frame
        Pixels of dtype uint8, uint16 or float32.

    Raises
    ------
    ReadError
        If the file is missing, not an image of a supported kind, damaged, truncated or too large.
    BackendUnavailable
        If the file is RAW and rawpy is not installed.
    """
    path = Path(path)
    _check_file(path)
    if path.suffix.lower() in RAW_SUFFIXES:
        return read_raw(path, max_pixels=max_pixels)
    if is_bmp(path):
        return read_bmp(path, max_pixels=max_pixels)
    image, notes = _as_rgb(_open(path, max_pixels, page))
    for note in notes:
        _log.warning("%s: %s", path, note)
    # turned here: libvips reads a sequential image from top to bottom only
    pixels = _turned(_decode(image, path), _field(image, "orientation") or 1)
    return Frame(pixels, str(path), path, _metadata(image.autorot(), path), notes)


def read_header(
    path: str | Path, *, page: int | None = None, max_pixels: int = MAX_PIXELS
) -> NDArray[Any]:
    """Read the shape and dtype of a source image without decoding it.

    Parameters
    ----------
    path : str or Path
    page : int, optional
        See `read_frame`.
    max_pixels : int
        Most pixels in a file; larger files are refused.

    Returns
    -------
    ndarray
        Zeros that take no memory, in the shape and dtype that `read_frame` returns. RAW files have
        to be developed for this.

    Raises
    ------
    ReadError, BackendUnavailable
        For the reasons of `read_frame`, except damage after the header.
    """
    path = Path(path)
    _check_file(path)
    if path.suffix.lower() in RAW_SUFFIXES:
        pixels = read_raw(path, max_pixels=max_pixels).pixels
        return np.broadcast_to(np.zeros((), pixels.dtype), pixels.shape)
    if is_bmp(path):
        return bmp_like(path, max_pixels=max_pixels)
    image = _as_rgb(_open(path, max_pixels, page))[0].autorot()
    shape = (image.height, image.width) + ((image.bands,) if image.bands > 1 else ())
    return np.broadcast_to(np.zeros((), SAMPLE_TYPES[image.format]), shape)


def read_capture_time(path: str | Path) -> datetime | None:
    """Read the time when a picture was taken, without decoding it.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    datetime or None
        Time by the camera's clock, without a time zone; None if the file does not record it.

    Raises
    ------
    ReadError
        If the file is missing or not an image.
    """
    return capture_time(read_exif(path))


def read_exif(path: str | Path) -> bytes | None:
    """Read the EXIF block of a picture, or of its first page, without decoding it.

    Raise ReadError if the file is missing or not an image.
    """
    path = Path(path)
    _check_file(path)
    if path.suffix.lower() in RAW_SUFFIXES:
        return read_tiff_exif(path)
    if is_bmp(path):
        return None
    return _metadata(_load(path, None), path).exif


def _known() -> str:
    """Return the formats that are read, for messages."""
    return ", ".join([*LOADERS.values(), BMP.name]) + " or camera RAW"


def _check_file(path: Path) -> None:
    """Check that a file exists and can be opened."""
    try:
        str(path).encode()
        if path.exists() and not path.is_file():
            raise ReadError(f"{path}: is not a file; expected an image")
        path.open("rb").close()
    except FileNotFoundError as error:
        raise ReadError(f"{path}: no such file; expected an image") from error
    except OSError as error:
        raise ReadError(
            f"{path}: cannot be opened ({error.strerror}); check its permissions"
        ) from error
    except ValueError as error:
        raise ReadError(f"{str(path)!a}: the name is not valid Unicode; rename the file") from error


def _check_text(path: Path) -> None:
    """Refuse a small PNG file whose compressed text would take gigabytes."""
    left = MAX_TEXT
    with path.open("rb") as stream:
        if stream.read(8) != b"\x89PNG\r\n\x1a\n":
            return
        while len(head := stream.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind in (b"zTXt", b"iTXt"):
                left -= _text_bytes(kind, stream.read(min(length, left + 1)), left + 1)
                length = 0
            if left < 0:
                raise ReadError(
                    f"{path}: has text that unpacks to more than {MAX_TEXT:,} bytes; save the "
                    "picture without it"
                )
            stream.seek(length + 4, 1)


def _text_bytes(kind: bytes, chunk: bytes, limit: int) -> int:
    """Return the bytes that a chunk of text unpacks to, counted up to a limit."""
    packed = chunk.partition(b"\0")[2][1:]  # after the keyword and the method
    if kind == b"iTXt":
        packed = packed[1:].split(b"\0", 2)[-1]  # after the language and the translated keyword
    try:
        unpacked = zlib.decompressobj().decompress(packed, limit)
    except zlib.error:  # plain text, or damage that stops libvips too
        return len(chunk)
    return max(len(chunk), len(unpacked))


def _load(path: Path, page: int | None) -> Any:
    """Open a file as a lazy image; nothing is decoded yet."""
    _check_text(path)
    pages = {} if page is None else {"page": page - 1}
    try:
        return pyvips.Image.new_from_file(str(path), access="sequential", fail_on="error", **pages)
    except pyvips.Error as error:
        raise ReadError(f"{path}: is not an image that can be read; expected {_known()}") from error


def _open(path: Path, max_pixels: int, page: int | None = None) -> Any:
    """Open a file as a lazy image and check its header."""
    image = _load(path, page)
    _check_header(image, path, max_pixels)
    if page is not None or pages_in(image) == 1:
        return image
    planes = find_planes(path) if loader_of(image) == TIFF.loader else []
    if len(planes) == 1:
        return _open(path, max_pixels, planes[0])
    raise ReadError(f"{path}: holds {pages_in(image)} pages; expected one image in a file")


def open_lazily(path: Path) -> Any:
    """Open a file that libvips reads, or its first page, without decoding or checking it.

    Raise ReadError if it is missing or not an image.
    """
    _check_file(path)
    return _load(path, None)


def pages_in(image: Any) -> int:
    """Return the number of pages in the file of an image."""
    return int(_field(image, "n-pages") or 1)


def _decode(image: Any, path: Path) -> NDArray[Any]:
    """Decode the pixels of a lazy image."""
    try:
        # pyvips returns a scalar for a single pixel
        shape = (image.height, image.width, image.bands)[: 3 if image.bands > 1 else 2]
        return np.asarray(image.numpy()).reshape(shape)
    except pyvips.Error as error:
        if "has not been built in" in str(error.detail):
            raise ReadError(
                f"{path}: is compressed with {_field(image, 'heif-compression')} (HEIC), which "
                "this libvips cannot decode; convert it to TIFF, PNG or AVIF"
            ) from error
        raise ReadError(
            f"{path}: is damaged or cut short ({_reason(error)}); copy it again from the camera"
        ) from error


def _reason(error: pyvips.Error) -> str:
    """Return the first line of libvips's message."""
    return str(error.detail).strip().splitlines()[0] if error.detail else "no detail"


def _field(image: Any, name: str) -> Any:
    """Return a metadata field, or None if the image lacks it."""
    return image.get(name) if image.get_typeof(name) else None


def loader_of(image: Any) -> str:
    """Return the name of the libvips loader that opened an image."""
    return str(_field(image, "vips-loader")).removesuffix("_source")


def _check_header(image: Any, path: Path, max_pixels: int) -> None:
    """Check the format, size and sample type before decoding."""
    loader = loader_of(image)
    if loader not in LOADERS:
        raise ReadError(f"{path}: has a format that is not read ({loader}); expected {_known()}")
    if image.width * image.height > max_pixels:
        raise ReadError(
            f"{path}: has {image.width}x{image.height} pixels; expected at most {max_pixels:,}"
        )
    if image.format not in SAMPLE_TYPES:
        raise ReadError(
            f"{path}: has samples of type {image.format}; expected 8 or 16 bits or 32-bit float"
        )
    space = image.interpretation
    if space in ("lab", "labq", "xyz") or (space == "cmyk" and image.format == "float"):
        raise ReadError(
            f"{path}: has colours in {space}, {image.format}; expected grey or RGB, or CMYK of 8 "
            "or 16 bits; convert it to 16-bit RGB"
        )


def _as_rgb(image: Any) -> tuple[Any, tuple[str, ...]]:
    """Convert CMYK to sRGB; return the image and notes on the conversion."""
    if image.interpretation != "cmyk":
        return image, ()
    by = "its profile" if _field(image, "icc-profile-data") else "a common profile, having none"
    depth = 16 if image.format == "ushort" else 8
    options = {"embedded": True, "input_profile": "cmyk", "depth": depth}
    return image.icc_transform("srgb", **options), (f"converted from CMYK to sRGB by {by}",)


def _turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return pixels upright, given the EXIF orientation, 1 to 8, that they are stored in."""
    if orientation in (5, 6, 7, 8):  # columns are stored as rows
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _metadata(image: Any, path: Path) -> Metadata:
    """Return the metadata of a file, with the orientation set to upright."""
    tiff = loader_of(image) == TIFF.loader
    xmp = _field(image, "xmp-data")
    return Metadata(
        icc=_field(image, "icc-profile-data"),
        exif=read_tiff_exif(path) if tiff else _field(image, "exif-data"),
        xmp=xmp and re.sub(rb'(tiff:Orientation(?:="|>))[2-8]', rb"\g<1>1", xmp),
        iptc=read_tiff_iptc(path) if tiff else unwrapped(_field(image, "iptc-data") or b""),
        resolution=_resolution(image),
    )


def _resolution(image: Any) -> tuple[float, float]:
    """Return pixels per millimetre; for WebP and AVIF, libvips leaves them in the EXIF fields."""
    if loader_of(image) not in (WEBP.loader, AVIF.loader):
        return image.xres, image.yres
    unit = str(_field(image, "exif-ifd0-ResolutionUnit") or "2").split()[0]
    sides = []
    for axis in "XY":
        words = str(_field(image, f"exif-ifd0-{axis}Resolution") or "").split()
        try:
            sides.append(float(Fraction(words[0])) / (10 if unit == "3" else 25.4))
        except (IndexError, ValueError, ZeroDivisionError):
            return image.xres, image.yres
    return sides[0], sides[1]
