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


def mirrored(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Indices into an axis of ``length`` for positions that may lie outside of it.

    Outside, the axis is mirrored with its edge repeated, as often as needed, so that it works for
    a length of 1 too.
    """
    position = np.arange(start, stop) % (2 * length)
    return np.where(position < length, position, 2 * length - 1 - position)
