"""Write images: all or nothing, never onto an input, metadata kept."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from drpl.errors import WriteError
from drpl.stack import Metadata, Pixels
from drpl.version import __version__


@dataclass(frozen=True, slots=True)
class Format:
    """What a file format can hold, and how it is written.

    Attributes
    ----------
    dtypes : tuple of str
    alpha : bool
    options : dict
        Of libvips's saver.
    """

    dtypes: tuple[str, ...]
    alpha: bool
    options: dict[str, Any]


# without optimize_coding: it would hold the whole picture's coefficients for 6 % of the file
_JPEG = Format(("uint8",), False, {"Q": 95, "subsample_mode": "off"})
_TIFF = Format(("uint8", "uint16", "float32"), True, {"compression": "deflate"})
FORMATS = {
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".png": Format(("uint8", "uint16"), True, {"compression": 6}),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".webp": Format(("uint8",), True, {"lossless": True}),
}
"""Formats by suffix."""


def check_output(
    path: Path, *, inputs: Sequence[Path] = (), overwrite: bool = False, like: Pixels | None = None
) -> None:
    """Check before any work that a file can be written.

    Parameters
    ----------
    path : Path
    inputs : sequence of Path
        Files that must not be touched, by whatever name or link.
    overwrite : bool
        Whether an existing file may be replaced.
    like : ndarray, optional
        Pixels that the format must be able to hold.

    Raises
    ------
    WriteError
    """
    form = _format(path)
    if not path.parent.is_dir():
        raise WriteError(
            f"{path}: its folder does not exist; create the folder {path.parent} first"
        )
    if path.is_dir():
        raise WriteError(f"{path}: is a folder; expected the name of a file")
    for source in inputs:
        if path.exists() and source.exists() and os.path.samefile(path, source):
            raise WriteError(f"{path}: is an input ({source}); give the result another name")
    if path.exists() and not overwrite:
        raise WriteError(f"{path}: exists already; give --overwrite or another name")
    if like is not None:
        _check_fits(path, form, like)


def _format(path: Path) -> Format:
    """Format by suffix."""
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise WriteError(
            f"{path}: format {path.suffix or 'without a suffix'!r} is not written; expected "
            f"{', '.join(FORMATS)}"
        )
    return form


def _check_fits(path: Path, form: Format, pixels: Pixels) -> None:
    """Check that a format can hold pixels without loss of depth or alpha."""
    if pixels.dtype.name not in form.dtypes:
        raise WriteError(
            f"{path}: {path.suffix} does not hold {pixels.dtype.name} samples; write .tif"
            f"{' or .png' if pixels.dtype == np.uint16 else ''}, or convert the sources first"
        )
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4) and not form.alpha:
        raise WriteError(f"{path}: {path.suffix} does not hold transparency; write .png or .tif")


def write_image(
    path: str | Path,
    pixels: Pixels,
    *,
    metadata: Metadata | None = None,
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
) -> None:
    """Write an image atomically: the file is whole or not there.

    Parameters
    ----------
    path : str or Path
        The suffix decides the format.
    pixels : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
    metadata : Metadata, optional
        Profile, EXIF, XMP and resolution to carry over; TIFF takes no EXIF (libvips cannot).
    inputs, overwrite
        As of `check_output`.

    Raises
    ------
    WriteError
        If the format cannot hold the pixels, or the file cannot be written.
    """
    path = Path(path)
    check_output(path, inputs=inputs, overwrite=overwrite, like=pixels)
    image = _image(pixels, metadata or Metadata())
    partial = path.with_name(f".{secrets.token_hex(4)}.partial{path.suffix}")
    options = dict(FORMATS[path.suffix.lower()].options)
    if "compression" in options and options["compression"] == "deflate":
        options["predictor"] = "float" if pixels.dtype == np.float32 else "horizontal"
    try:
        image.write_to_file(str(partial), **options)
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(path)
    except (pyvips.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error.detail).strip()
        raise WriteError(f"{path}: cannot be written ({' '.join(str(reason).split())})") from error
    finally:
        partial.unlink(missing_ok=True)


def _image(pixels: Pixels, metadata: Metadata) -> Any:
    """Pixels and metadata as libvips holds them."""
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    grey = pixels.ndim == 2 or pixels.shape[2] <= 2
    names = {"uint8": ("b-w", "srgb"), "uint16": ("grey16", "rgb16"), "float32": ("b-w", "srgb")}
    interpretation = names[pixels.dtype.name][0 if grey else 1]
    xres, yres = metadata.resolution
    image = image.copy(interpretation=interpretation, xres=xres, yres=yres)
    blob = pyvips.GValue.blob_type
    for name, block in (
        ("icc-profile-data", metadata.icc),
        ("exif-data", metadata.exif),
        ("xmp-data", metadata.xmp),
    ):
        if block is not None:
            image.set_type(blob, name, block)
    if metadata.exif is not None:
        image.set_type(pyvips.GValue.gint_type, "orientation", 1)
        image.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Software", f"drpl {__version__}")
    return image
