"""Write images: all or nothing, never onto an input, metadata kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from drpl.core.frames import Metadata, Pixels
from drpl.errors import WriteError
from drpl.io.exif import append_exif
from drpl.io.formats import SAMPLE_TYPES, TIFF, WRITABLE, Writing
from drpl.io.partial import partial_file, place
from drpl.version import __version__

SOFTWARE = f"drpl {__version__}"
"""What the metadata name as the maker of the file."""
CLASSIC_TIFF = 3_000_000_000
"""Bytes of pixels up to which TIFF counts its offsets in 32 bits."""

# libvips would keep the file open after the check, and Windows then not rename it
pyvips.cache_set_max(0)


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
    check_place(path, inputs=inputs, overwrite=overwrite)
    if like is not None:
        _check_fits(path, form, like)


def check_place(
    path: Path, *, inputs: Sequence[Path] = (), overwrite: bool = False, folder_too: bool = False
) -> None:
    """Check that a file may be made here.

    Parameters
    ----------
    path : Path
    inputs, overwrite
        As of `check_output`.
    folder_too : bool
        Whether its folder will be made where it is not there.

    Raises
    ------
    WriteError
    """
    try:
        str(path).encode()
        if folder_too and not _exists(path.parent):
            _check_folder(path.parent)
        else:
            _check_file(path, inputs, overwrite)
    except OSError as error:
        raise WriteError(f"{path}: cannot be written ({error.strerror})") from error
    except ValueError as error:
        raise WriteError(f"{str(path)!a}: the name is not valid Unicode; choose another") from error


def _check_folder(folder: Path) -> None:
    """Check that a folder that is not there may be made."""
    above = next(path for path in folder.parents if _exists(path))
    if not above.is_dir():
        raise WriteError(f"{folder}: cannot be made a folder; {above} is a file")
    if not os.access(above, os.W_OK):
        raise WriteError(f"{folder}: cannot be made a folder; {above} is read-only")


def _check_file(path: Path, inputs: Sequence[Path], overwrite: bool) -> None:
    """Check that a file may be made in a folder that is there."""
    if not path.parent.is_dir():
        raise WriteError(
            f"{path}: its folder does not exist; create the folder {path.parent} first"
        )
    if path.is_dir():
        raise WriteError(f"{path}: is a folder; expected the name of a file")
    there = _exists(path)
    for source in inputs:
        if there and source.exists() and os.path.samefile(path, source):
            raise WriteError(f"{path}: is an input ({source}); give the result another name")
    if there and not overwrite:
        raise WriteError(f"{path}: exists already; give --overwrite or another name")
    if not os.access(path.parent, os.W_OK):
        raise WriteError(f"{path}: its folder is read-only; choose another folder")


def _exists(path: Path) -> bool:
    """Whether a file is there; unlike `Path.exists`, an impossible name is an error."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _format(path: Path) -> Writing:
    """Format by suffix."""
    form = WRITABLE.get(path.suffix.lower())
    if form is None:
        raise WriteError(
            f"{path}: format {path.suffix or 'without a suffix'!r} is not written; expected "
            f"{', '.join(WRITABLE)}"
        )
    return form


def _check_fits(path: Path, form: Writing, pixels: Pixels) -> None:
    """Check that a format can hold pixels of this depth and size, and alpha."""
    if pixels.dtype.name not in form.dtypes:
        raise WriteError(
            f"{path}: {path.suffix} does not hold {pixels.dtype.name} samples; write .tif"
            f"{' or .png' if pixels.dtype == np.uint16 else ''}, or convert the sources first"
        )
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4) and not form.alpha:
        raise WriteError(f"{path}: {path.suffix} does not hold transparency; write .png or .tif")
    height, width = pixels.shape[:2]
    if form.longest is not None and max(height, width) > form.longest:
        raise WriteError(
            f"{path}: the image has {width}x{height} pixels and {path.suffix} holds at most "
            f"{form.longest} a side; write .png or .tif"
        )


def write_image(
    path: str | Path,
    pixels: Pixels,
    *,
    metadata: Metadata | None = None,
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
) -> None:
    """Write an image atomically: the file is whole or not there.

    It is written under a hidden name beside its place, opened again and compared, flushed to the
    disk and only then renamed. What a killed writer of the same file left behind is removed.

    Parameters
    ----------
    path : str or Path
        The suffix decides the format.
    pixels : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
    metadata : Metadata, optional
        Profile, EXIF, XMP and resolution to carry over; ``Software`` becomes drpl, the orientation
        upright.
    inputs, overwrite
        As of `check_output`.

    Raises
    ------
    WriteError
        If the format cannot hold the pixels, or the file cannot be written.
    """
    path = Path(path)
    check_output(path, inputs=inputs, overwrite=overwrite, like=pixels)
    metadata = metadata or Metadata()
    try:
        with partial_file(path) as partial:
            _image(pixels, metadata).write_to_file(str(partial), **_options(path, pixels))
            if path.suffix.lower() in TIFF.suffixes:
                size = (pixels.shape[1], pixels.shape[0])
                append_exif(partial, metadata.exif, software=SOFTWARE, size=size)
            _check_written(partial, path, pixels)
            place(partial, path, overwrite=overwrite)
    except (pyvips.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error.detail).strip()
        raise WriteError(f"{path}: cannot be written ({' '.join(str(reason).split())})") from error


def write_text(
    path: str | Path, text: str, *, inputs: Sequence[Path] = (), overwrite: bool = False
) -> None:
    """Write a text file atomically: it is whole or not there.

    Raises
    ------
    WriteError
        If it is an input, exists already, or cannot be written.
    """
    path = Path(path)
    check_place(path, inputs=inputs, overwrite=overwrite)
    try:
        with partial_file(path) as partial:
            partial.write_text(text, encoding="utf-8")
            place(partial, path, overwrite=overwrite)
    except OSError as error:
        raise WriteError(f"{path}: cannot be written ({error.strerror or error})") from error


def _options(path: Path, pixels: Pixels) -> dict[str, Any]:
    """Options of the saver for these pixels."""
    options = dict(WRITABLE[path.suffix.lower()].options)
    if options.get("compression") == "deflate":
        options["predictor"] = "float" if pixels.dtype == np.float32 else "horizontal"
        options["bigtiff"] = pixels.nbytes > CLASSIC_TIFF
    return options


def _check_written(partial: Path, path: Path, pixels: Pixels) -> None:
    """Open the file again and compare its header with what was meant."""
    image = pyvips.Image.new_from_file(
        str(partial), access="sequential", fail_on="error", revalidate=True
    )
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels <= 2 and not WRITABLE[path.suffix.lower()].grey:
        channels += 2
    found = (image.height, image.width, image.bands, SAMPLE_TYPES.get(image.format))
    if found != (*pixels.shape[:2], channels, pixels.dtype.name):
        raise WriteError(f"{path}: came out wrong ({found}); nothing was kept; please report this")


def _image(pixels: Pixels, metadata: Metadata) -> Any:
    """Pixels and metadata as libvips holds them."""
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    grey = pixels.ndim == 2 or pixels.shape[2] <= 2
    names = {"uint8": ("b-w", "srgb"), "uint16": ("grey16", "rgb16"), "float32": ("b-w", "srgb")}
    interpretation = names[pixels.dtype.name][0 if grey else 1]
    xres, yres = metadata.resolution
    image = image.copy(interpretation=interpretation, xres=xres, yres=yres)
    value = pyvips.GValue
    for name, block in (
        ("icc-profile-data", metadata.icc),
        ("exif-data", metadata.exif),
        ("xmp-data", metadata.xmp),
    ):
        if block:
            image.set_type(value.blob_type, name, block)
    # the block's small picture shows one source
    if image.get_typeof("jpeg-thumbnail-data"):
        image.remove("jpeg-thumbnail-data")
    image.set_type(value.gint_type, "orientation", 1)
    image.set_type(value.gstr_type, "exif-ifd0-Software", SOFTWARE)
    return image


def make_folder(folder: Path) -> None:
    """Make a folder for results.

    Raises
    ------
    WriteError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be made a folder ({error.strerror})") from error
