"""Image file formats: the one table of what is read and written.

To add a format, add an entry to `FORMATS`; all other lists of formats and suffixes follow from it.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import pyvips


@dataclass(frozen=True, slots=True)
class Writing:
    """Limits and options for writing a format.

    Attributes
    ----------
    suffixes : tuple of str
        Suffixes that select the format for writing, in lower case with the dot.
    dtypes : tuple of str
        Sample types that the format holds, from "uint8", "uint16" and "float32".
    alpha : bool
        True if the format holds transparency.
    grey : bool
        True if the format holds grey images; otherwise grey is written as RGB.
    options : dict
        Keyword arguments of libvips's saver.
    longest : int or None
        Longest side in pixels, where the format's limit is below libvips's own.
    lossy : dict or None
        Keyword arguments that replace ``options`` together with a quality ``Q``; None if the format
        has no quality.
    encoder_bytes : float
        Memory of the encoder in bytes per pixel, at most; it needs more for pictures full of noise.
    """

    suffixes: tuple[str, ...]
    dtypes: tuple[str, ...]
    alpha: bool
    grey: bool
    options: dict[str, Any]
    longest: int | None = None
    lossy: dict[str, Any] | None = None
    encoder_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Format:
    """An image file format.

    Attributes
    ----------
    name : str
        Name in messages.
    suffixes : tuple of str
        Suffixes that mark a file as an image of this format, in lower case with the dot.
    loader : str or None
        libvips's loader; None if another library reads the format.
    writing : Writing or None
        Limits and options for writing; None if the format is only read.
    module : str
        Library that reads the format in place of libvips.
    decoder_bytes : float
        Memory of the decoder in bytes per pixel, beyond the picture and a turned copy.
    """

    name: str
    suffixes: tuple[str, ...]
    loader: str | None
    writing: Writing | None = None
    module: str = ""
    decoder_bytes: float = 0.0

    def available(self) -> bool:
        """Return True if this installation has the library that reads the format."""
        if self.loader is None:
            return importlib.util.find_spec(self.module) is not None
        return bool(pyvips.type_find("VipsOperation", self.loader))


JPEG = Format(
    "JPEG",
    (".jpg", ".jpeg", ".jpe", ".jfif"),
    "jpegload",
    Writing(
        (".jpg", ".jpeg"),
        ("uint8",),
        alpha=False,
        grey=True,
        # no optimize_coding: it holds all coefficients in memory to save 6 % of the file
        options={"Q": 95, "subsample_mode": "off"},
        longest=65500,
        lossy={"subsample_mode": "off"},
    ),
)
PNG = Format(
    "PNG",
    (".png",),
    "pngload",
    Writing((".png",), ("uint8", "uint16"), alpha=True, grey=True, options={"compression": 6}),
)
TIFF = Format(
    "TIFF",
    (".tif", ".tiff"),
    "tiffload",
    Writing(
        (".tif", ".tiff"),
        ("uint8", "uint16", "float32"),
        alpha=True,
        grey=True,
        options={"compression": "deflate"},
    ),
)
WEBP = Format(
    "WebP",
    (".webp",),
    "webpload",
    Writing(
        (".webp",),
        ("uint8",),
        alpha=True,
        grey=False,
        options={"lossless": True},
        longest=16383,
        lossy={},
        encoder_bytes=42.0,
    ),
    decoder_bytes=9.0,
)
AVIF = Format(
    "AVIF",
    (".avif", ".heic", ".heif"),
    "heifload",
    Writing(
        (".avif",),
        ("uint8",),
        alpha=True,
        grey=False,
        # more effort takes seven times as long to save 2 % of the file
        options={"lossless": True, "effort": 1},
        lossy={"effort": 1, "subsample_mode": "off"},
        encoder_bytes=53.0,
    ),
    decoder_bytes=16.0,
)
"""AVIF; the loader also reads HEIC where libvips was built with a decoder for it."""
BMP = Format("BMP", (".bmp", ".dib"), None, module="PIL")
RAW = Format(
    "RAW",
    tuple(
        f".{name}"
        for name in [
            "3fr",
            "arw",
            "cr2",
            "cr3",
            "crw",
            "dng",
            "erf",
            "fff",
            "iiq",
            "kdc",
            "mef",
            "mos",
            "mrw",
            "nef",
            "nrw",
            "orf",
            "pef",
            "raf",
            "raw",
            "rw2",
            "rwl",
            "sr2",
            "srf",
            "srw",
            "x3f",
        ]
    ),
    None,
    module="rawpy",
)
"""Camera RAW, recognised by suffix: many RAW files are TIFF files that begin with a preview."""

FORMATS = (JPEG, PNG, TIFF, WEBP, AVIF, BMP, RAW)
"""Every format; except for RAW, the content of a file decides its format, not the suffix."""
LOADERS = {form.loader: form.name for form in FORMATS if form.loader}
"""Names of the formats that libvips reads, by loader."""
RAW_SUFFIXES = frozenset(RAW.suffixes)
"""Suffixes of camera RAW files."""
READABLE = frozenset(suffix for form in FORMATS for suffix in form.suffixes)
"""Suffixes that mark images in folders and patterns; a file named explicitly may have any."""
DECODERS = {suffix: form.decoder_bytes for form in FORMATS for suffix in form.suffixes}
"""Memory of decoders in bytes per pixel, by suffix."""
WRITABLE = {
    suffix: form.writing for form in FORMATS if form.writing for suffix in form.writing.suffixes
}
"""Limits and options for writing, by suffix."""
SAMPLE_TYPES = {"uchar": "uint8", "ushort": "uint16", "float": "float32"}
"""NumPy dtypes of the sample types that are read and written, by libvips's name."""
