"""Pictures as tiles, for a viewer: levels from one tile up to full size."""

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
INFO = "layer.json"
PROFILE = "icc-profile-data"
PHOTO, EXACT = ".jpg[Q=92,subsample_mode=off]", ".png[compression=6]"


def write_layer(image: Any, folder: Path, *, exact: bool = False, nearest: bool = False) -> None:
    """Cut a picture into tiles; the folder appears whole or not at all, in place of an older one.

    Parameters
    ----------
    image : pyvips.Image
        8 bits, without transparency. It is read from top to bottom, a few rows held at a time.
    folder : Path
    exact : bool
        PNG tiles in place of JPEG.
    nearest : bool
        Whether smaller levels take one pixel of four instead of their mean.
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
    """How often a picture is halved until it fits one tile, and once more."""
    return 1 + max(0, math.ceil(math.log2(max(width, height) / TILE)))


def read_info(folder: Path) -> dict[str, Any] | None:
    """Size and levels of a layer, or None where there is none."""
    try:
        found: dict[str, Any] = json.loads((folder / INFO).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def tile_file(folder: Path, level: int, column: int, row: int) -> Path | None:
    """File of a tile, or None where there is none."""
    info = read_info(folder)
    if info is None:
        return None
    path = folder / "tiles_files" / str(level) / f"{column}_{row}{info['suffix']}"
    return path if path.is_file() else None


def open_photo(path: Path) -> Any:
    """A picture file as a viewer shows it: 8 bits, sRGB or grey, on white."""
    return as_shown(open_map(path))


def open_map(path: Path) -> Any:
    """A picture file as it is, read from top to bottom."""
    return pyvips.Image.new_from_file(str(path), access="sequential", fail_on="error")


def read_profile(path: Path) -> bytes | None:
    """The colour profile of a picture file."""
    image = open_map(path)
    return image.get(PROFILE) if image.get_typeof(PROFILE) else None


def plain(pixels: Pixels) -> Any:
    """Pixels as pyvips has them."""
    return pyvips.Image.new_from_array(np.ascontiguousarray(pixels))


def pixels_shown(pixels: Pixels, icc: bytes | None) -> Any:
    """Pixels as a viewer shows them, see `open_photo`."""
    names = ("grey16", "rgb16") if pixels.dtype == np.uint16 else ("b-w", "srgb")
    grey = pixels.ndim == 2 or pixels.shape[2] <= 2
    image = plain(pixels).copy(interpretation=names[0 if grey else 1])
    if icc:
        image.set_type(pyvips.GValue.blob_type, PROFILE, icc)
    return as_shown(image)


def as_shown(image: Any) -> Any:
    """A lazy image, 8 bits, sRGB or grey, on white."""
    if image.format == "float":
        image = (image * 255).rint().cast("uchar")
        image = image.copy(interpretation="b-w" if image.bands <= 2 else "srgb")
    if image.hasalpha():
        image = image.flatten(background=65535 if image.format == "ushort" else 255)
    if image.get_typeof(PROFILE):
        try:
            return image.icc_transform("srgb", embedded=True, depth=8)
        except pyvips.Error:
            log.info("a colour profile does not fit its picture, and is not used")
    if image.format == "ushort":
        image = (image >> 8).cast("uchar")
        image = image.copy(interpretation="b-w" if image.bands == 1 else "srgb")
    return image


def open_index(path: Path) -> Any:
    """An index map as red (low byte) and green (high byte)."""
    image = open_map(path)
    low, high = (image & 255).cast("uchar"), (image.cast("ushort") >> 8).cast("uchar")
    return low.bandjoin([high, low.linear(0, 0).cast("uchar")]).copy(interpretation="srgb")
