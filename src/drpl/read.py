"""Read source images: pixels in their own dtype, upright, with profile and metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from drpl.errors import ReadError
from drpl.stack import Frame, Metadata

MAX_PIXELS = 400_000_000
"""Pixels that a file may announce before it is decoded (guards against decompression bombs)."""
LOADERS = {"jpegload": "JPEG", "pngload": "PNG", "tiffload": "TIFF", "webpload": "WebP"}
"""Formats that are read, by the name of libvips's loader; the content decides, not the name."""
SAMPLE_TYPES = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}


def read_frame(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Frame:
    """Read one source image.

    The EXIF orientation is applied, palettes and single bits are expanded, CMYK and Lab are
    converted to sRGB; everything else is left alone.

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
    """
    path = Path(path)
    if not path.exists():
        raise ReadError(f"{path}: no such file; expected an image")
    if not path.is_file():
        raise ReadError(f"{path}: is not a file; expected an image")
    try:
        image = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="error")
    except pyvips.Error as error:
        raise ReadError(f"{path}: is not an image that can be read; expected {_known()}") from error
    _check_header(image, path, max_pixels)
    metadata = _metadata(image)
    try:
        pixels = np.asarray(_upright(image).numpy())
    except pyvips.Error as error:
        raise ReadError(
            f"{path}: is damaged or cut short ({_reason(error)}); copy it again from the camera"
        ) from error
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    return Frame(pixels, str(path), path, metadata)


def _known() -> str:
    """Formats, for messages."""
    return ", ".join(LOADERS.values())


def _reason(error: pyvips.Error) -> str:
    """First line of libvips's own words."""
    return str(error.detail).strip().splitlines()[0] if error.detail else "no detail"


def _field(image: Any, name: str) -> Any:
    """A metadata field or None."""
    return image.get(name) if image.get_typeof(name) else None


def _check_header(image: Any, path: Path, max_pixels: int) -> None:
    """Check format, size and sample type before anything is decoded."""
    loader = str(_field(image, "vips-loader")).removesuffix("_source")
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


def _upright(image: Any) -> Any:
    """Apply the orientation and convert what is neither grey nor RGB."""
    image = image.autorot()
    if image.interpretation == "cmyk":
        return image.icc_transform("srgb", embedded=True, input_profile="cmyk", depth=8)
    if image.interpretation in ("lab", "labs", "labq"):
        return image.colourspace("srgb")
    return image


def _metadata(image: Any) -> Metadata:
    """What the file says besides its pixels; a CMYK or Lab profile no longer fits them."""
    profile = (
        None if image.interpretation in ("cmyk", "lab", "labs", "labq") else "icc-profile-data"
    )
    return Metadata(
        icc=_field(image, profile) if profile else None,
        exif=_field(image, "exif-data"),
        xmp=_field(image, "xmp-data"),
        resolution=(image.xres, image.yres),
    )
