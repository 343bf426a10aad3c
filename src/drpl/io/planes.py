"""Planes in a TIFF file of several pages."""

from __future__ import annotations

import logging
import struct
from pathlib import Path

from drpl.errors import ReadError, StackError

CHANNEL = "C"
"""Axis of a TIFF file whose planes show different light, not different focus."""
WITHIN_PLANE = "YXS"
"""Axes of a plane: rows, columns and samples of a pixel."""
_DAMAGE = (ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, OSError)
"""Errors of tifffile on damaged files, besides `struct.error` and RuntimeError."""
# what it says of damaged files is raised, or does not matter
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def find_planes(path: Path) -> list[int]:
    """Return the pages of a TIFF file that show a plane in full, counted from 1.

    Thumbnails, levels of a pyramid and masks do not. Raise ReadError if the pages are damaged,
    StackError if they are not planes along one axis.
    """
    from tifffile import TiffFile, TiffPage  # most stacks do without

    try:
        with TiffFile(path) as tiff:
            found = [
                number
                for number, page in enumerate(tiff.pages, 1)
                if not (isinstance(page, TiffPage) and (page.is_reduced or page.is_mask))
            ]
            series = tiff.series[0]
            axes = dict(zip(series.axes, series.shape, strict=True))
    except (*_DAMAGE, struct.error, RuntimeError) as error:
        raise ReadError(f"{path}: has damaged pages ({error}); save the stack again") from error
    along = {axis: size for axis, size in axes.items() if axis not in WITHIN_PLANE and size > 1}
    if len(along) > 1 or CHANNEL in along:
        sizes = ", ".join(f"{axis} {size}" for axis, size in along.items())
        raise StackError(
            f"{path}: has pages along the axes {sizes}; expected planes of different focus only; "
            "save each channel and time as a file of its own"
        )
    return found or [1]
