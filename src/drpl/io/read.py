"""Read source images: pixels in their own dtype, upright, with profile and metadata."""

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
from drpl.errors import ReadError
from drpl.io.exif import capture_time, read_tiff_exif
from drpl.io.formats import AVIF, LOADERS, RAW_SUFFIXES, SAMPLE_TYPES, TIFF, WEBP
from drpl.io.raw import read_raw

MAX_PIXELS = 400_000_000
"""Pixels that a file may announce before it is decoded (guards against decompression bombs)."""
MOST_TEXT = 32_000_000
"""Bytes that the text in a PNG file may unpack to: libvips unpacks all when it opens the file."""
_log = logging.getLogger(__name__)

# libvips would keep files open for calls like earlier ones, of which there are none
pyvips.cache_set_max(0)


def read_frame(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Frame:
    """Read one source image.

    The EXIF orientation is applied, palettes and single bits are expanded, CMYK is converted to
    sRGB (which ``notes`` says), RAW files are developed; everything else is left alone. The dtype
    is that of the file and values are never rescaled.

    Parameters
    ----------
    path : str or Path
    max_pixels : int
        Refuse files of more pixels before decoding them.

    Returns
    -------
    Frame

    Raises
    ------
    ReadError
        If the file is missing, not an image of a known format, damaged, cut short or too large.
    BackendUnavailable
        If the file is RAW and rawpy is not installed.
    """
    path = Path(path)
    _check_file(path)
    if path.suffix.lower() in RAW_SUFFIXES:
        return read_raw(path, max_pixels=max_pixels)
    image = _open(path, max_pixels)
    upright, notes = _upright(image)
    for note in notes:
        _log.warning("%s: %s", path, note)
    pixels = _decode(upright, path)
    return Frame(pixels, str(path), path, _metadata(upright, path), notes)


def read_header(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Read what kind of pixels a source image has, without decoding it.

    Parameters
    ----------
    path : str or Path
    max_pixels : int
        Refuse files of more pixels.

    Returns
    -------
    ndarray
        A stand-in of the shape and dtype that `read_frame` gives: zeros that take no memory. RAW
        files are developed to find out.

    Raises
    ------
    ReadError, BackendUnavailable
        As `read_frame`, but for damage behind the header.
    """
    path = Path(path)
    _check_file(path)
    if path.suffix.lower() in RAW_SUFFIXES:
        pixels = read_raw(path, max_pixels=max_pixels).pixels
        return np.broadcast_to(np.zeros((), pixels.dtype), pixels.shape)
    image = _upright(_open(path, max_pixels))[0]
    shape = (image.height, image.width) + ((image.bands,) if image.bands > 1 else ())
    return np.broadcast_to(np.zeros((), SAMPLE_TYPES[image.format]), shape)


def read_capture_time(path: str | Path) -> datetime | None:
    """Read when a picture was taken, without decoding it.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    datetime or None
        By the camera's clock; None where the file does not tell.

    Raises
    ------
    ReadError
        If the file is missing or not an image.
    """
    path = Path(path)
    _check_file(path)
    if path.suffix.lower() in RAW_SUFFIXES:
        return capture_time(read_tiff_exif(path))
    return capture_time(_metadata(_open(path, MAX_PIXELS), path).exif)


def _known() -> str:
    """Formats, for messages."""
    return ", ".join(LOADERS.values()) + " or camera RAW"


def _check_file(path: Path) -> None:
    """Check that there is a file that can be opened."""
    try:
        str(path).encode()
        if path.exists() and not path.is_file():
            raise ReadError(f"{path}: is not a file; expected an image")
        path.open("rb").close()
    except FileNotFoundError as error:
        raise ReadError(f"{path}: no such file; expected an image") from error
    except OSError as error:
        raise ReadError(f"{path}: cannot be opened ({error.strerror}); check its rights") from error
    except ValueError as error:
        raise ReadError(f"{str(path)!a}: the name is not valid Unicode; rename the file") from error


def _check_text(path: Path) -> None:
    """Refuse a PNG file of few bytes whose text would take gigabytes."""
    left = MOST_TEXT
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
                    f"{path}: has text that unpacks to more than {MOST_TEXT:,} bytes; save the "
                    "picture without it"
                )
            stream.seek(length + 4, 1)


def _text_bytes(kind: bytes, chunk: bytes, most: int) -> int:
    """Bytes that a chunk of text takes, counted up to a limit."""
    packed = chunk.partition(b"\0")[2][1:]  # behind keyword and method
    if kind == b"iTXt":
        packed = packed[1:].split(b"\0", 2)[-1]  # behind the language and the keyword in it
    try:
        unpacked = zlib.decompressobj().decompress(packed, most)
    except zlib.error:  # it was not packed, or libvips will not unpack it either
        return len(chunk)
    return max(len(chunk), len(unpacked))


def _load(path: Path) -> Any:
    """A lazy image of a file; nothing is decoded yet."""
    _check_text(path)
    try:
        return pyvips.Image.new_from_file(str(path), access="sequential", fail_on="error")
    except pyvips.Error as error:
        raise ReadError(f"{path}: is not an image that can be read; expected {_known()}") from error


def _open(path: Path, max_pixels: int) -> Any:
    """A lazy image whose header was checked."""
    image = _load(path)
    _check_header(image, path, max_pixels)
    return image


def _decode(image: Any, path: Path) -> NDArray[Any]:
    """The pixels of a lazy image."""
    try:
        # pyvips makes a bare number of a single pixel
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
    """First line of libvips's own words."""
    return str(error.detail).strip().splitlines()[0] if error.detail else "no detail"


def _field(image: Any, name: str) -> Any:
    """A metadata field or None."""
    return image.get(name) if image.get_typeof(name) else None


def _loader(image: Any) -> str:
    """Name of libvips's loader."""
    return str(_field(image, "vips-loader")).removesuffix("_source")


def _check_header(image: Any, path: Path, max_pixels: int) -> None:
    """Check format, size and sample type before anything is decoded."""
    loader = _loader(image)
    if loader not in LOADERS:
        raise ReadError(f"{path}: has a format that is not read ({loader}); expected {_known()}")
    if image.width * image.height > max_pixels:
        raise ReadError(
            f"{path}: has {image.width}x{image.height} pixels; expected at most {max_pixels:,}"
        )
    if (_field(image, "n-pages") or 1) > 1:
        raise ReadError(
            f"{path}: holds {_field(image, 'n-pages')} pages; expected one image in a file"
        )
    if image.format not in SAMPLE_TYPES:
        raise ReadError(
            f"{path}: has samples of type {image.format}; expected 8 or 16 bits or 32-bit float"
        )
    space = image.interpretation
    if space in ("lab", "labq", "xyz") or (space == "cmyk" and image.format == "float"):
        raise ReadError(
            f"{path}: has colours as {space}, {image.format}; expected grey or RGB, or CMYK of 8 "
            "or 16 bits; convert it to 16-bit RGB"
        )


def _upright(image: Any) -> tuple[Any, tuple[str, ...]]:
    """Apply the orientation, convert CMYK, and say so."""
    image = image.autorot()
    depth = 16 if image.format == "ushort" else 8
    if image.interpretation == "cmyk":
        by = "its profile" if _field(image, "icc-profile-data") else "a common profile, having none"
        options = {"embedded": True, "input_profile": "cmyk", "depth": depth}
        return image.icc_transform("srgb", **options), (f"converted from CMYK to sRGB by {by}",)
    return image, ()


def _metadata(image: Any, path: Path) -> Metadata:
    """What the file says besides its pixels, the orientation set to upright."""
    tiff = _loader(image) == TIFF.loader
    xmp = _field(image, "xmp-data")
    return Metadata(
        icc=_field(image, "icc-profile-data"),
        exif=read_tiff_exif(path) if tiff else _field(image, "exif-data"),
        xmp=xmp and re.sub(rb'(tiff:Orientation(?:="|>))[2-8]', rb"\g<1>1", xmp),
        resolution=_resolution(image),
    )


def _resolution(image: Any) -> tuple[float, float]:
    """Pixels per millimetre; of WebP and AVIF libvips leaves them in the EXIF fields."""
    if _loader(image) not in (WEBP.loader, AVIF.loader):
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
