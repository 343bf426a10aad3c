"""Layers of the viewer: pictures cut into tiles, at levels from one tile up to full size."""

from __future__ import annotations

import json
import logging
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from drpl.core.frames import Pixels

log = logging.getLogger(__name__)
TILE = 256
"""Side of a tile in pixels."""
INFO = "layer.json"
PROFILE = "icc-profile-data"
PHOTO, EXACT = ".jpg[Q=92,subsample_mode=off]", ".png[compression=6]"


def write_layer(image: Any, folder: Path, *, exact: bool = False, nearest: bool = False) -> None:
    """Cut a picture into tiles; the folder appears atomically and replaces an older one.

    The picture, a `pyvips.Image`, has 8 bits and no transparency and is read from top to bottom.
    Tiles are PNG files if ``exact``, else JPEG. With ``nearest``, smaller levels take one pixel of
    four instead of their mean.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        image.dzsave(
            str(partial / "tiles"),
            tile_size=TILE,
            overlap=0,
            depth="onetile",
            suffix=EXACT if exact else PHOTO,
            region_shrink="nearest" if nearest else "mean",
            keep="none",
        )
        info = {
            "width": image.width,
            "height": image.height,
            "tile": TILE,
            "levels": _levels(image.width, image.height),
            "suffix": ".png" if exact else ".jpg",
        }
        (partial / INFO).write_text(json.dumps(info), encoding="utf-8")
        if folder.exists():
            folder.rename(partial / "older")
        partial.rename(folder)
        shutil.rmtree(folder / "older", ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _levels(width: int, height: int) -> int:
    """Return the number of levels: full size, then halved until one tile is enough."""
    return 1 + max(0, math.ceil(math.log2(max(width, height) / TILE)))


def read_info(folder: Path) -> dict[str, Any] | None:
    """Read size, levels and tile format of a layer; None if there is no layer."""
    try:
        found: dict[str, Any] = json.loads((folder / INFO).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def tile_file(folder: Path, level: int, column: int, row: int) -> Path | None:
    """Return the file of a tile; None if there is no such tile."""
    info = read_info(folder)
    if info is None:
        return None
    path = folder / "tiles_files" / str(level) / f"{column}_{row}{info['suffix']}"
    return path if path.is_file() else None


def open_map(path: Path) -> Any:
    """Open a picture file unchanged, for reading from top to bottom."""
    return pyvips.Image.new_from_file(str(path), access="sequential", fail_on="error")


def read_profile(path: Path) -> bytes | None:
    """Read the colour profile of a picture file; None if it has none."""
    image = open_map(path)
    return image.get(PROFILE) if image.get_typeof(PROFILE) else None


def plain(pixels: Pixels) -> Any:
    """Convert pixels to a pyvips image."""
    return pyvips.Image.new_from_array(np.ascontiguousarray(pixels))


def pixels_shown(pixels: Pixels, icc: bytes | None) -> Any:
    """Convert pixels to an image for display; see `as_shown`.

    Pixels of shape (H, W) or (H, W, C) are uint8, uint16 or float32 in [0, 1]; without a colour
    profile, they are sRGB or grey.
    """
    names = ("grey16", "rgb16") if pixels.dtype == np.uint16 else ("b-w", "srgb")
    grey = pixels.ndim == 2 or pixels.shape[2] <= 2
    image = plain(pixels).copy(interpretation=names[0 if grey else 1])
    if icc:
        image.set_type(pyvips.GValue.blob_type, PROFILE, icc)
    return as_shown(image)


def as_shown(image: Any) -> Any:
    """Return a lazy image for display: 8 bits, sRGB or grey, on white."""
    if image.format == "float":
        image = (image * 255).rint().cast("uchar")
        image = image.copy(interpretation="b-w" if image.bands <= 2 else "srgb")
    if image.hasalpha():
        image = image.flatten(background=65535 if image.format == "ushort" else 255)
    if image.get_typeof(PROFILE):
        try:
            return image.icc_transform("srgb", embedded=True, depth=8)
        except pyvips.Error:
            log.info("ignored a colour profile that does not fit its picture")
    if image.format == "ushort":
        image = (image >> 8).cast("uchar")
        image = image.copy(interpretation="b-w" if image.bands == 1 else "srgb")
    return image


def open_index(path: Path) -> Any:
    """Open an index map as RGB: red the low byte, green the high byte."""
    image = open_map(path)
    low, high = (image & 255).cast("uchar"), (image.cast("ushort") >> 8).cast("uchar")
    return low.bandjoin([high, low.linear(0, 0).cast("uchar")]).copy(interpretation="srgb")
