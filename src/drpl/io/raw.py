"""Camera RAW files, developed with LibRaw in the same way for every frame of a stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from drpl.core.frames import Frame, Metadata
from drpl.errors import BackendUnavailable, ReadError
from drpl.io.exif import read_tiff_exif

SRGB_CURVE = (2.4, 12.92)
"""Exponent and slope at black of the sRGB curve, in LibRaw's notation."""
NOTE = "developed with the camera's white balance, without auto-brightness, in 16-bit sRGB"


def read_raw(path: Path, *, max_pixels: int, half: bool = False) -> Frame:
    """Develop a RAW file to linear light, coded with the sRGB curve.

    Parameters
    ----------
    path : Path
    max_pixels : int
        Most pixels in a file; larger files are refused before they are decoded.
    half : bool
        True to develop at half size, one pixel from 2x2 photosites, which is much faster.

    Returns
    -------
    Frame
        uint16, shape (H, W) or (H, W, 3), upright, with the sRGB profile.

    Raises
    ------
    BackendUnavailable
        If rawpy is not installed.
    ReadError
        If the file is damaged, too large, or not supported by LibRaw.

    Notes
    -----
    No step depends on the content, or the frames of a stack would not match: brightness is not
    adjusted, and the white level and white balance are the camera's. Before the sRGB curve, values
    are proportional to light; networks are trained on coded images and viewers expect them. In 16
    bits the curve keeps every step of a 14-bit sensor.
    """
    rawpy = _rawpy()
    try:
        with rawpy.imread(str(path)) as raw:
            width, height = raw.sizes.width, raw.sizes.height
            if width * height > max_pixels:
                raise ReadError(
                    f"{path}: has {width}x{height} pixels; expected at most {max_pixels:,}"
                )
            pixels = raw.postprocess(
                use_camera_wb=True,
                no_auto_bright=True,
                adjust_maximum_thr=0.0,
                output_bps=16,
                output_color=rawpy.ColorSpace.sRGB,
                gamma=SRGB_CURVE,
                half_size=half,
            )
    except rawpy.LibRawError as error:
        raise ReadError(
            f"{path}: cannot be developed ({_reason(error)}); convert it to DNG or 16-bit TIFF"
        ) from error
    if pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    metadata = Metadata(icc=pyvips.Image.profile_load("srgb"), exif=read_tiff_exif(path))
    return Frame(np.ascontiguousarray(pixels), str(path), path, metadata, (NOTE,))


def _rawpy() -> Any:
    """Import the optional library."""
    try:
        import rawpy
    except ImportError as error:
        raise BackendUnavailable(
            "RAW files need rawpy, which is not installed; run: pip install 'drpl[raw]'"
        ) from error
    return rawpy


def _reason(error: Exception) -> str:
    """Return LibRaw's message."""
    message = error.args[0] if error.args else "no detail"
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message)
