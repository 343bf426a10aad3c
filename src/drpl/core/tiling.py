"""Geometry of tiles: the windows that each one reads, writes and crops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Window = tuple[slice, slice]
"""Rows and columns, half-open, in pixels."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Tile of a canvas: the window it is computed from, context included, and the one it yields.

    ``crop`` holds the rows and columns of the written window within the read window.
    """

    read: Window
    write: Window
    crop: Window

    def scaled(self, factor: int) -> Tile:
        """Return the tile on a reduced canvas; the factor must divide all of its bounds."""

        def shrink(window: Window) -> Window:
            rows, cols = (slice(s.start // factor, s.stop // factor) for s in window)
            return rows, cols

        return Tile(shrink(self.read), shrink(self.write), shrink(self.crop))


def cover(height: int, width: int, *, tile: int, context: int) -> Iterator[Tile]:
    """Yield tiles, row by row, whose written windows cover a canvas exactly once.

    ``tile`` is the side of a written window; the last of a row or column may be smaller.
    ``context`` pixels around it are read too, up to the edges of the canvas.
    """
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            rows = _span(top, tile, context, height)
            cols = _span(left, tile, context, width)
            yield Tile(*zip(rows, cols, strict=True))


def _span(start: int, tile: int, context: int, length: int) -> tuple[slice, slice, slice]:
    """Return the read, write and crop slices along one axis."""
    stop = min(start + tile, length)
    first, last = max(0, start - context), min(length, stop + context)
    return slice(first, last), slice(start, stop), slice(start - first, stop - first)


def cover_evenly(
    region: Window,
    height: int,
    width: int,
    *,
    tile: int,
    context: int,
    multiple: int,
    at_least: int = 1,
) -> list[Tile]:
    """Return tiles of one size, row by row, that cover a region of a canvas exactly once.

    All read windows have the same size, so that a network is planned for one shape; at the edges of
    the canvas they are moved inwards.

    Parameters
    ----------
    region : pair of slices
        Rows and columns to write, starting at multiples of ``multiple``.
    height, width : int
        Size of the canvas in pixels, multiples of ``multiple``.
    tile : int
        Largest side of a written window in pixels; the actual sides divide the region evenly.
    context : int
        Least number of pixels to read around each written window, up to the edges of the canvas;
        a multiple of ``multiple``.
    multiple : int
        Number that all bounds of read windows are multiples of.
    at_least : int
        Number of tiles to aim for where fewer would suffice, as long as each stays larger than
        its context.
    """
    cols = _even_spans(region[1], tile, context, width, multiple)
    extent = region[0].stop - region[0].start
    shared = extent // max(1, at_least // len(cols))
    side = min(tile, max(shared, 2 * context, multiple))
    rows = _even_spans(region[0], side, context, height, multiple)
    return [Tile(*zip(row, col, strict=True)) for row in rows for col in cols]


def _even_spans(
    region: slice, tile: int, context: int, length: int, multiple: int
) -> list[tuple[slice, slice, slice]]:
    """Return the read, write and crop slices of each tile along one axis."""
    extent = region.stop - region.start
    step = -(-extent // max(1, -(-extent // tile)))
    step += -step % multiple
    reach = min(length, step + 2 * context)
    spans = []
    for start in range(region.start, region.stop, step):
        stop = min(start + step, region.stop)
        first = min(max(0, start - context), length - reach)
        read, crop = slice(first, first + reach), slice(start - first, stop - first)
        spans.append((read, slice(start, stop), crop))
    return spans


def mirrored(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Return indices into an axis for the positions [start, stop), which may lie outside it.

    Outside, the axis is mirrored with its edge repeated, as often as needed: any length works, 1
    included.
    """
    position = np.arange(start, stop) % (2 * length)
    return np.where(position < length, position, 2 * length - 1 - position)
