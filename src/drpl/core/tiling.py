"""Pure geometry of tiles: what to read, what to write, what to cut off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Window = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile of a canvas.

    Attributes
    ----------
    read : pair of slices
        Rows and columns of the canvas that the tile is computed from.
    write : pair of slices
        Rows and columns of the canvas that it is right for.
    crop : pair of slices
        The same within the tile.
    """

    read: Window
    write: Window
    crop: Window

    def scaled(self, factor: int) -> Tile:
        """The tile on a canvas smaller by a whole factor that divides all of its bounds."""

        def shrink(window: Window) -> Window:
            rows, cols = (slice(s.start // factor, s.stop // factor) for s in window)
            return rows, cols

        return Tile(shrink(self.read), shrink(self.write), shrink(self.crop))


def cover(height: int, width: int, *, tile: int, context: int) -> Iterator[Tile]:
    """Tiles whose written windows cover a canvas once, row by row.

    Parameters
    ----------
    height, width : int
        Of the canvas, in pixels.
    tile : int
        Side of the written window; the last of a row or column may be smaller.
    context : int
        Pixels read around it, as far as the canvas goes.

    Yields
    ------
    Tile
    """
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            rows = _span(top, tile, context, height)
            cols = _span(left, tile, context, width)
            yield Tile(*((r, c) for r, c in zip(rows, cols, strict=True)))


def _span(start: int, tile: int, context: int, length: int) -> tuple[slice, slice, slice]:
    """Read, write and crop along one axis."""
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
    """Tiles of one size that cover a region of a canvas once, row by row.

    Every tile reads a window of the same size, which at the edges of the canvas is moved inwards:
    what runs on the tiles is planned for one size.

    Parameters
    ----------
    region : pair of slices
        What is to be written; begins at multiples of ``multiple``.
    height, width : int
        Of the canvas, multiples of ``multiple``.
    tile : int
        Largest side of a written window; the sides taken divide the region evenly.
    context : int
        Pixels read around it at least, as far as the canvas goes; a multiple of ``multiple``.
    multiple : int
        Every read window begins and ends at a multiple of it.
    at_least : int
        Number of tiles to aim at in a region that fewer would do for, as long as they are larger
        than their context.

    Returns
    -------
    list of Tile
    """
    cols = _even_spans(region[1], tile, context, width, multiple)
    extent = region[0].stop - region[0].start
    shared = extent // max(1, at_least // len(cols))
    side = min(tile, max(shared, 2 * context, multiple))
    rows = _even_spans(region[0], side, context, height, multiple)
    return [Tile(*((r, c) for r, c in zip(row, col, strict=True))) for row in rows for col in cols]


def _even_spans(
    region: slice, tile: int, context: int, length: int, multiple: int
) -> list[tuple[slice, slice, slice]]:
    """Read, write and crop of each tile along one axis."""
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
    """Indices into an axis of ``length`` for positions that may lie outside of it.

    Outside, the axis is mirrored with its edge repeated, as often as needed, so that it works for
    a length of 1 too.
    """
    position = np.arange(start, stop) % (2 * length)
    return np.where(position < length, position, 2 * length - 1 - position)
