"""Writing of images and text: atomic, never over an input, with metadata kept."""

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
from drpl.io.iptc import wrapped
from drpl.io.partial import partial_file, place
from drpl.io.provenance import WRITER

CLASSIC_TIFF = 3_000_000_000
"""Most bytes of pixels in a TIFF with 32-bit offsets; larger images become BigTIFF."""

# libvips's cache would keep the checked file open, and Windows cannot rename an open file
pyvips.cache_set_max(0)


def check_output(
    path: Path,
    *,
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
    like: Pixels | None = None,
    quality: int | None = None,
) -> None:
    """Check that an image can be written, before any work is done.

    Parameters
    ----------
    path : Path
    inputs : sequence of Path
        Files that must not be overwritten under any name or link.
    overwrite : bool
        True if an existing file may be replaced.
    like : ndarray, optional
        Pixels whose shape and dtype the format must hold.
    quality : int, optional
        See `write_image`.

    Raises
    ------
    WriteError
        If the suffix is not written, the format cannot hold the pixels or has no quality, or
        `check_place` refuses.
    """
    writing = _writing(path)
    if quality is not None and writing.lossy is None:
        lossy = ", ".join(suffix for suffix, held in WRITABLE.items() if held.lossy is not None)
        raise WriteError(f"{path}: {path.suffix} has no quality; leave it out, or write {lossy}")
    check_place(path, inputs=inputs, overwrite=overwrite)
    if like is not None:
        _check_fits(path, writing, like)


def check_place(
    path: Path, *, inputs: Sequence[Path] = (), overwrite: bool = False, folder_too: bool = False
) -> None:
    """Check that a file may be created at a path.

    Parameters
    ----------
    path : Path
    inputs, overwrite
        See `check_output`.
    folder_too : bool
        True if a missing folder will be created.

    Raises
    ------
    WriteError
        If the file is an input, exists already or cannot be created.
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
    """Check that a missing folder may be created."""
    above = next(path for path in folder.parents if _exists(path))
    if not above.is_dir():
        raise WriteError(f"{folder}: the folder cannot be created; {above} is a file")
    if not os.access(above, os.W_OK):
        raise WriteError(f"{folder}: the folder cannot be created; {above} is read-only")


def _check_file(path: Path, inputs: Sequence[Path], overwrite: bool) -> None:
    """Check that a file may be created in an existing folder."""
    if not path.parent.is_dir():
        raise WriteError(
            f"{path}: its folder does not exist; create the folder {path.parent} first"
        )
    if path.is_dir():
        raise WriteError(f"{path}: is a folder; expected the name of a file")
    exists = _exists(path)
    for source in inputs:
        if exists and source.exists() and os.path.samefile(path, source):
            raise WriteError(f"{path}: is an input ({source}); give the result another name")
    if exists and not overwrite:
        raise WriteError(f"{path}: exists already; give --overwrite or another name")
    if not os.access(path.parent, os.W_OK):
        raise WriteError(f"{path}: its folder is read-only; choose another folder")


def _exists(path: Path) -> bool:
    """Return True if a file exists; unlike `Path.exists`, raise OSError for an impossible name."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _writing(path: Path) -> Writing:
    """Return the limits and options of the format by suffix."""
    writing = WRITABLE.get(path.suffix.lower())
    if writing is None:
        found = f"format {path.suffix!r} is not written" if path.suffix else "has no suffix"
        raise WriteError(f"{path}: {found}; expected {', '.join(WRITABLE)}")
    return writing


def _check_fits(path: Path, writing: Writing, pixels: Pixels) -> None:
    """Check that a format can hold the dtype, alpha and size of the pixels."""
    if pixels.dtype.name not in writing.dtypes:
        raise WriteError(
            f"{path}: {path.suffix} does not hold {pixels.dtype.name} samples; write .tif"
            f"{' or .png' if pixels.dtype == np.uint16 else ''}, or convert the sources first"
        )
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4) and not writing.alpha:
        raise WriteError(f"{path}: {path.suffix} does not hold transparency; write .png or .tif")
    height, width = pixels.shape[:2]
    if writing.longest is not None and max(height, width) > writing.longest:
        raise WriteError(
            f"{path}: the image has {width}x{height} pixels and {path.suffix} holds at most "
            f"{writing.longest} a side; write .png or .tif"
        )


def write_image(
    path: str | Path,
    pixels: Pixels,
    *,
    metadata: Metadata | None = None,
    software: str = WRITER,
    quality: int | None = None,
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
) -> None:
    """Write an image atomically: a failure leaves no incomplete file.

    The image goes to a hidden file beside the target, whose header is read back and compared. The
    file is flushed to disk and only then renamed. Files left by killed writers of the same target
    are removed.

    Parameters
    ----------
    path : str or Path
        Target; the suffix selects the format.
    pixels : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
    metadata : Metadata, optional
        Profile, EXIF, XMP and resolution to keep, and IPTC in JPEG and TIFF. The orientation is
        set to upright.
    software : str
        Metadata field ``Software``, in ASCII.
    quality : int, optional
        1 to 100, for formats that lose detail; by default 95 in JPEG and no loss in others.
    inputs, overwrite
        See `check_output`.

    Raises
    ------
    WriteError
        If the format cannot hold the pixels, or the file cannot be written.
    """
    path = Path(path)
    check_output(path, inputs=inputs, overwrite=overwrite, like=pixels, quality=quality)
    metadata = metadata or Metadata()
    try:
        with partial_file(path) as partial:
            _image(pixels, metadata, software).write_to_file(
                str(partial), **_options(path, pixels, quality)
            )
            if path.suffix.lower() in TIFF.suffixes:
                size = (pixels.shape[1], pixels.shape[0])
                append_exif(
                    partial, metadata.exif, iptc=metadata.iptc, software=software, size=size
                )
            _check_written(partial, path, pixels)
            place(partial, path, overwrite=overwrite)
    except (pyvips.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error.detail).strip()
        raise WriteError(f"{path}: cannot be written ({' '.join(str(reason).split())})") from error


def write_text(
    path: str | Path, text: str, *, inputs: Sequence[Path] = (), overwrite: bool = False
) -> None:
    """Write a text file atomically, in UTF-8: a failure leaves no incomplete file.

    Parameters
    ----------
    path : str or Path
    text : str
    inputs, overwrite
        See `check_output`.

    Raises
    ------
    WriteError
        If the file is an input, exists already, or cannot be written.
    """
    path = Path(path)
    check_place(path, inputs=inputs, overwrite=overwrite)
    try:
        with partial_file(path) as partial:
            partial.write_text(text, encoding="utf-8")
            place(partial, path, overwrite=overwrite)
    except OSError as error:
        raise WriteError(f"{path}: cannot be written ({error.strerror or error})") from error


def _options(path: Path, pixels: Pixels, quality: int | None) -> dict[str, Any]:
    """Return the saver's options for the pixels."""
    writing = WRITABLE[path.suffix.lower()]
    options = dict(writing.options)
    if quality is not None and writing.lossy is not None:
        options = {**writing.lossy, "Q": quality}
    if options.get("compression") == "deflate":
        options["predictor"] = "float" if pixels.dtype == np.float32 else "horizontal"
        options["bigtiff"] = pixels.nbytes > CLASSIC_TIFF
    return options


def _check_written(partial: Path, path: Path, pixels: Pixels) -> None:
    """Read the file's header back and compare it with the pixels."""
    image = pyvips.Image.new_from_file(
        str(partial), access="sequential", fail_on="error", revalidate=True
    )
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels <= 2 and not WRITABLE[path.suffix.lower()].grey:
        channels += 2
    found = (image.height, image.width, image.bands, SAMPLE_TYPES.get(image.format))
    expected = (*pixels.shape[:2], channels, pixels.dtype.name)
    if found != expected:
        raise WriteError(
            f"{path}: was written incorrectly: found {found}, expected {expected}; nothing was "
            "kept; please report this"
        )


def _image(pixels: Pixels, metadata: Metadata, software: str) -> Any:
    """Return pixels and metadata as a libvips image."""
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    grey = pixels.ndim == 2 or pixels.shape[2] <= 2
    names = {"uint8": ("b-w", "srgb"), "uint16": ("grey16", "rgb16"), "float32": ("b-w", "srgb")}
    interpretation = names[pixels.dtype.name][0 if grey else 1]
    xres, yres = metadata.resolution
    image = image.copy(interpretation=interpretation, xres=xres, yres=yres)
    value = pyvips.GValue
    iptc = wrapped(metadata.iptc) if metadata.iptc else None
    for name, block in (
        ("icc-profile-data", metadata.icc),
        ("exif-data", metadata.exif),
        ("xmp-data", metadata.xmp),
        ("iptc-data", iptc),
    ):
        if block:
            image.set_type(value.blob_type, name, block)
    # the EXIF thumbnail shows a source, not the result
    if image.get_typeof("jpeg-thumbnail-data"):
        image.remove("jpeg-thumbnail-data")
    image.set_type(value.gint_type, "orientation", 1)
    image.set_type(value.gstr_type, "exif-ifd0-Software", software)
    return image


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents.

    Raises
    ------
    WriteError
        If the folder cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder}: the folder cannot be created ({error.strerror})") from error
