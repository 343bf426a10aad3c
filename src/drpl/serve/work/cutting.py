"""Renewal of the tiles that show a part of a picture, at all levels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels
from drpl.core.tiling import Window
from drpl.serve.work.layers import TILE, read_info

Source = Callable[[Window], Pixels]
"""Reader of a window of a picture."""
STRIP = 4_000_000
"""Pixels shrunk at a time."""


def cut_tiles(
    source: Source,
    folder: Path,
    window: Window,
    show: Callable[[Pixels], Any],
    *,
    nearest: bool = False,
) -> None:
    """Renew the tiles of a layer that show a part of the picture, each atomically.

    `drpl.serve.work.layers.write_layer` wrote the layer, for a picture of this size; if there is
    none, raise FileNotFoundError. ``show`` converts pixels to a pyvips image of 8 bits. With
    ``nearest``, smaller levels take one pixel of each block instead of its mean.
    """
    info = read_info(folder)
    if info is None:
        raise FileNotFoundError(f"{folder}: holds no layer")
    for level in range(info["levels"]):
        shrink = 1 << (info["levels"] - 1 - level)
        for row in _places(window[0], shrink):
            for column in _places(window[1], shrink):
                part = (
                    _span(row, shrink, info["height"]),
                    _span(column, shrink, info["width"]),
                )
                small = _shrunk(source, part, shrink, nearest)
                target = folder / "tiles_files" / str(level) / f"{column}_{row}{info['suffix']}"
                _write(show(small), target)


def _places(span: slice, shrink: int) -> Iterator[int]:
    """Return the rows or columns of tiles that touch a span."""
    side = TILE * shrink
    return iter(range(span.start // side, -(-span.stop // side)))


def _span(place: int, shrink: int, length: int) -> slice:
    """Return the rows or columns of the picture that a tile shows."""
    side = TILE * shrink
    return slice(place * side, min((place + 1) * side, length))


def _shrunk(source: Source, part: Window, shrink: int, nearest: bool) -> Pixels:
    """Return a part of a picture, shrunk strip by strip; sizes are rounded up."""
    rows, cols = part
    if shrink == 1:
        return source(part)
    step = max(1, STRIP // ((cols.stop - cols.start) * shrink)) * shrink
    strips = []
    for top in range(rows.start, rows.stop, step):
        strip = source((slice(top, min(top + step, rows.stop)), cols))
        strips.append(strip[::shrink, ::shrink] if nearest else _means(strip, shrink))
    return np.concatenate(strips)


def _means(pixels: Pixels, shrink: int) -> Pixels:
    """Return the means of square blocks; the edge is repeated to complete the last ones."""
    height, width = pixels.shape[:2]
    down, right = -height % shrink, -width % shrink
    padded = cv2.copyMakeBorder(
        np.ascontiguousarray(pixels), 0, down, 0, right, cv2.BORDER_REPLICATE
    )
    size = (padded.shape[1] // shrink, padded.shape[0] // shrink)
    return cv2.resize(padded, size, interpolation=cv2.INTER_AREA)


def _write(image: Any, target: Path) -> None:
    """Replace a tile atomically."""
    partial = target.with_name(f".partial-{target.name}")
    if target.suffix == ".png":
        image.pngsave(str(partial), compression=6, keep="none")
    else:
        image.jpegsave(str(partial), Q=92, subsample_mode="off", keep="none")
    os.replace(partial, target)


def index_pixels(index: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.uint8]:
    """Return an index map as RGB pixels: red the low byte, green the high byte."""
    wide = index.astype(np.uint16)
    planes = (wide & 255, wide >> 8, np.zeros_like(wide))
    return np.dstack(planes).astype(np.uint8)
