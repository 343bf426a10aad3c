"""Develop camera RAW files with LibRaw: the same way for every frame of a stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from drpl.core.frames import Frame, Metadata
from drpl.errors import BackendUnavailable, ReadError
from drpl.io.exif import read_tiff_exif

SRGB_CURVE = (2.4, 12.92)
NOTE = "developed with the camera's white balance, without auto-brightness, in 16-bit sRGB"


def read_raw(path: Path, *, max_pixels: int, half: bool = False) -> Frame:
    """Develop a RAW file: linear light, coded once with the sRGB curve.

    Parameters
    ----------
    path : Path
    max_pixels : int
        Refuse files of more pixels before decoding them.
    half : bool
        Develop at half size, by 2x2 photosites a pixel and much faster.

    Returns
    -------
    Frame
        uint16, upright, with the sRGB profile.

    Raises
    ------
    BackendUnavailable
        If rawpy is not installed.
    ReadError
        If the file is damaged, unknown to LibRaw or too large.

    Notes
    -----
    No step looks at the content, else the frames of a stack would not fit together: no automatic
    brightness, white level and white balance as the camera says. Values are proportional to light
    up to the sRGB curve, which the networks were trained on and viewers expect; inverting it gives
    linear values. In 16 bits the curve loses nothing that a 14-bit sensor sees.
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
    """The optional library."""
    try:
        import rawpy
    except ImportError as error:
        raise BackendUnavailable(
            "RAW files need rawpy, which is not installed; run: pip install 'drpl[raw]'"
        ) from error
    return rawpy


def _reason(error: Exception) -> str:
    """LibRaw's own words."""
    words = error.args[0] if error.args else "no detail"
    return words.decode(errors="replace") if isinstance(words, bytes) else str(words)
