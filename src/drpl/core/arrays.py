"""Arrays as users pass them, taken as the frames of a focal stack."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import FULL_SCALE, Pixels, check_alike, check_count, check_frame, check_shape
from drpl.errors import StackError

MODES = ("L", "LA", "RGB", "RGBA", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Modes of Pillow images whose values are those of a picture."""
WIDEST = np.iinfo(np.uint16).max
"""Largest value of an integer frame."""
_log = logging.getLogger(__name__)


def as_list(sources: Any) -> list[Any]:
    """Return the frames of a sequence, of another iterable, or of an array (Z, Y, X[, C]).

    Raise StackError for paths, mappings, and arrays that are a single picture.
    """
    if isinstance(sources, (str, bytes, os.PathLike)):
        raise _paths("sources", sources)
    if hasattr(sources, "ndim") and hasattr(sources, "shape"):
        _check_axes(tuple(sources.shape))
    elif isinstance(sources, Mapping) or not isinstance(sources, Iterable):
        raise StackError(
            f"the sources are of type {type(sources).__name__}; expected a sequence of arrays, or "
            "an array whose first axis is that of the frames"
        )
    return list(sources)


def as_frames(sources: Iterable[Any], names: list[str]) -> tuple[list[Pixels], np.dtype[Any]]:
    """Convert sources to frames that can be fused, and check them.

    Returns the frames, contiguous and uint8, uint16 or float32, and the dtype for the result; see
    `drpl.fuse`. Arrays that are fine are not copied. Raise StackError if the sources are not a
    stack.
    """
    arrays = [_as_array(source, name) for source, name in zip(sources, names, strict=True)]
    check_count(len(arrays))
    kinds = {array.dtype for array in arrays}
    frames = [_as_float(array, name) for array, name in zip(arrays, names, strict=True)]
    changed = sorted(str(kind) for kind in kinds if kind.kind == "f" and kind != np.float32)
    if changed:
        _log.warning("the sources are of %s; they are fused as float32", " and ".join(changed))
    for frame, name in zip(frames, names, strict=True):
        check_shape(frame, name)
        check_alike(frames[0], frame, (names[0], name))
    given = frames[0].dtype
    if given not in FULL_SCALE:
        frames = _narrowed(frames, names)
    for frame, name in zip(frames, names, strict=True):
        check_frame(frame, name)
    return [np.ascontiguousarray(frame) for frame in frames], given


def restored(pixels: Pixels, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return pixels in the dtype of the sources, see `as_frames`."""
    if pixels.dtype == dtype:
        return pixels
    top = min(np.iinfo(dtype).max, np.iinfo(pixels.dtype).max)
    return np.minimum(pixels, top).astype(dtype)


def _paths(name: str, found: Any) -> StackError:
    """Return the error for a path in place of an array."""
    return StackError(
        f"{name}: found the path {str(found)!r:.60}; expected arrays. For files, use "
        'drpl.fuse_files(["a.tif", "b.tif"], "fused.tif")'
    )


def _check_axes(shape: tuple[int, ...]) -> None:
    """Check that a single array is a stack, by its shape."""
    if len(shape) == 3 and shape[2] <= 4:
        what = "is one picture (Y, X, C), or a stack of frames at most 4 pixels wide"
    elif len(shape) == 4 and shape[3] > 4 >= shape[1]:
        what = "has the channels before the rows; move them with np.moveaxis(array, 1, -1)"
    elif len(shape) == 4 and shape[3] > 4:
        what = f"has {shape[3]} channels"
    elif len(shape) not in (3, 4):
        what = f"has {len(shape)} axes"
    else:
        return
    raise StackError(
        f"the sources are one array of shape {shape}, which {what}; expected the axes (Z, Y, X) or "
        "(Z, Y, X, C) with 1 to 4 channels, or a list of frames"
    )


def _as_array(source: Any, name: str) -> NDArray[Any]:
    """Return a source as an array of numbers in native byte order."""
    if isinstance(source, (str, bytes, os.PathLike)):
        raise _paths(name, source)
    if isinstance(source, np.ma.MaskedArray):
        raise StackError(f"{name}: is a masked array; fill it first: array.filled(0)")
    mode = getattr(source, "mode", None)
    if isinstance(mode, str) and type(source).__module__.startswith("PIL.") and mode not in MODES:
        raise StackError(
            f"{name}: is a Pillow image of mode {mode}; convert it first: image.convert('RGB')"
        )
    try:
        array = np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise StackError(
            f"{name}: {type(source).__name__} cannot be taken as an array ({error}); pass a NumPy "
            "array"
        ) from error
    if array.dtype.kind not in "uif":
        hint = "; pass array.astype(np.uint8) * 255" if array.dtype.kind == "b" else ""
        raise StackError(
            f"{name}: sample type is {array.dtype!s:.60}; expected integers or floats{hint}"
        )
    channels_first = array.ndim == 3 and array.shape[2] > 4 >= array.shape[0]
    if channels_first:
        raise StackError(
            f"{name}: shape is {array.shape}; expected the channels last: np.moveaxis(array, 0, -1)"
        )
    return np.asarray(array, array.dtype.newbyteorder("="))


def _as_float(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return float64 and float16 as float32, and integers as they are."""
    if array.dtype.kind != "f" or array.dtype == np.float32:
        return array
    with np.errstate(over="ignore", under="ignore"):
        narrowed = array.astype(np.float32)
    beyond = np.isinf(narrowed) & np.isfinite(array)
    if beyond.any():
        raise StackError(
            f"{name}: holds {array[beyond][0]:g}, too large for float32; divide the values first"
        )
    return narrowed


def _narrowed(frames: list[NDArray[Any]], names: list[str]) -> list[Pixels]:
    """Return integers in the smallest of uint8 and uint16 that holds the values of all frames."""
    for frame, name in zip(frames, names, strict=True):
        if frame.size and (frame.min() < 0 or frame.max() > WIDEST):
            raise StackError(
                f"{name}: holds {frame.dtype} values from {frame.min()} to {frame.max()}; expected "
                f"0 to {WIDEST}: shift or scale them, or pass float32"
            )
    kept = frames[0].dtype == np.int16
    small = not kept and all(frame.max(initial=0) <= np.iinfo(np.uint8).max for frame in frames)
    return [frame.astype(np.uint8 if small else np.uint16) for frame in frames]
