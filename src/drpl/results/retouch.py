"""Retouching: strokes of an edit list replayed on a fused result from its registered frames.

The core of a stroke shows the frame's pixels unchanged; nothing changes outside its disc. The soft
edge in between is blended in a Laplacian pyramid, with as many levels as fit into the edge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.align.prepare import RegisteredFrames
from drpl.compose.blend import LEVELS, blend_pyramids, pyramid_reach
from drpl.core.composite import Coverage, Prepared
from drpl.core.frames import Pixels, Plane, full_scale
from drpl.core.progress import Progress
from drpl.core.tiling import Window, cover
from drpl.errors import ConfigError
from drpl.results.edits import Edits, Stroke, span_near
from drpl.results.result import FusionResult

Reader = Callable[[int], Prepared]
"""Callback that returns a frame by its number, registered, exposed and of the result's size."""
TILE = 512
"""Side in pixels of the tiles that a stroke is blended in; a multiple of ``2 ** LEVELS``."""


def retouch_result(result: FusionResult, edits: Edits, frames: RegisteredFrames) -> None:
    """Replay strokes on a result in place; see `retouch`."""
    retouch(
        result.fused,
        result.index_map,
        result.confidence,
        edits,
        partial(frames.frame, window=result.window),
        white=full_scale(result.fused, frames.options.value_range),
        progress=frames.progress,
    )


def retouch(
    fused: Pixels,
    index_map: NDArray[np.unsignedinteger[Any]],
    confidence: NDArray[np.uint8],
    edits: Edits,
    read: Reader,
    *,
    white: float,
    progress: Progress | None = None,
) -> None:
    """Replay strokes, checked by `drpl.results.edits.check_edits`, on a result in place.

    Strokes that take from one frame are drawn together where the order allows it, so frames are
    read as rarely as possible. One frame is held at a time.

    Parameters
    ----------
    fused : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        Fused image, unretouched or with all strokes before those of ``edits``.
    index_map, confidence : ndarray, shape (H, W), unsigned
        Maps, set to the stroke's frame and to 255 where that has more than half the weight.
    read : Reader
        Its arrays are not changed. A stroke takes nothing where a frame does not show the scene.
    white : float
        Value of white; see `drpl.core.frames.full_scale`.
    progress : callable, optional
        Receives the number of runs of strokes drawn; see `frame_runs`.

    Raises
    ------
    ConfigError
        If the edits are for another size.
    ReadError, StackError
        If a frame cannot be read.
    """
    height, width = fused.shape[:2]
    if edits.size != (width, height):
        raise ConfigError(
            f"{edits.name}: the edits are for {edits.size[0]}x{edits.size[1]} pixels; the picture "
            f"has {width}x{height}"
        )
    runs = frame_runs(edits.strokes, height, width)
    for done, run in enumerate(runs):
        if progress is not None:
            progress("retouch", done, len(runs))
        _, frame, covered, _ = read(run[0].frame)
        for stroke in run:
            # all tiles are blended before one is written, since each reads beyond its own pixels
            for window, pixels, taken in _blended_tiles(stroke, fused, frame, covered, white):
                fused[window] = pixels
                index_map[window][taken] = stroke.frame
                confidence[window][taken] = 255
        del frame, covered  # frees them before the next frame is read
    if progress is not None:
        progress("retouch", len(runs), len(runs))


def frame_runs(strokes: Sequence[Stroke], height: int, width: int) -> list[list[Stroke]]:
    """Group strokes, in the order of drawing, by frame as far as the picture stays the same.

    A stroke joins the last run of its frame unless a later run comes near it.
    """
    runs: list[list[tuple[Stroke, Window]]] = []
    for stroke in strokes:
        near = stroke.window(height, width, margin=_context(stroke))
        for run in reversed(runs):
            if run[0][0].frame == stroke.frame:
                run.append((stroke, near))
                break
            if any(_overlap(near, other) for _, other in run):
                runs.append([(stroke, near)])
                break
        else:
            runs.append([(stroke, near)])
    return [[stroke for stroke, _ in run] for run in runs]


def _overlap(one: Window, other: Window) -> bool:
    """Return True if two windows share a pixel."""
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))


def _edge(stroke: Stroke) -> float:
    """Return the width of a stroke's edge in pixels, at least one."""
    return max(1.0, stroke.softness * stroke.radius)


def _levels(stroke: Stroke) -> int:
    """Return the levels of the deepest pyramid that spreads by a third of the edge at most."""
    fitting = (n for n in range(LEVELS, 0, -1) if 3 * _spread(n) <= _edge(stroke))
    return next(fitting, 0)


def _spread(levels: int) -> float:
    """Return the pixels to each side over which a pyramid spreads a step in any direction."""
    # the kernel is square, so it reaches farthest along the diagonals
    return math.sqrt(2) * pyramid_reach(levels)


def _context(stroke: Stroke) -> int:
    """Return the pixels around a window that its blended pixels depend on."""
    return 8 << _levels(stroke)


def _blended_tiles(
    stroke: Stroke, before: Pixels, frame: Pixels, covered: Coverage | None, white: float
) -> list[tuple[Window, Pixels, NDArray[np.bool_]]]:
    """Return the tiles that a stroke changes: window, pixels, mask of weights above one half."""
    height, width = before.shape[:2]
    levels, context = _levels(stroke), _context(stroke)
    rows, cols = stroke.window(height, width)
    # aligned to the coarsest level, so that the pyramids of all tiles have the same grid
    top, left = (span.start - span.start % 2**levels for span in (rows, cols))
    found = []
    for part in cover(rows.stop - top, cols.stop - left, tile=TILE, context=0):
        inner = _shifted(part.write, top, left)
        read = _grown(inner[0], context, height), _grown(inner[1], context, width)
        weight = _weight(stroke, read, levels)
        if covered is not None:
            weight *= covered[read]
        if not weight.any():
            continue
        crop = _shifted(inner, -read[0].start, -read[1].start)
        pixels = blend_pyramids(before[read], frame[read], weight, white=white, levels=levels)
        found.append((inner, pixels[crop], weight[crop] > 0.5))
    return found


def _shifted(window: Window, down: int, right: int) -> Window:
    """Return a window shifted by rows and columns."""
    rows, cols = window
    return (
        slice(rows.start + down, rows.stop + down),
        slice(cols.start + right, cols.stop + right),
    )


def _grown(span: slice, by: int, length: int) -> slice:
    """Return a span extended at both ends, clipped to an axis of ``length``."""
    return slice(max(0, span.start - by), min(length, span.stop + by))


def _weight(stroke: Stroke, window: Window, levels: int) -> Plane:
    """Return the weight of a stroke's frame in a window, before the pyramid spreads it."""
    spread = _spread(levels)
    outer, ramp = stroke.radius - spread, _edge(stroke) - 2 * spread
    distance = _distance(stroke, window)
    ramped = (np.float32(outer) - distance) / np.float32(ramp)
    return np.asarray(np.clip(ramped, 0, 1), np.float32)


def _distance(stroke: Stroke, window: Window) -> Plane:
    """Return the distance of a window's pixels from the stroke's line; inf far outside the disc."""
    rows, cols = window
    squares = np.full((rows.stop - rows.start, cols.stop - cols.start), np.inf, np.float32)
    segments = pairwise(stroke.points) if len(stroke.points) > 1 else [stroke.points * 2]
    for (x0, y0), (x1, y1) in segments:
        down, right = (
            slice(max(near.start, span.start), near.stop)
            for near, span in (
                (span_near((y0, y1), stroke.radius, rows.stop), rows),
                (span_near((x0, x1), stroke.radius, cols.stop), cols),
            )
        )
        if down.start >= down.stop or right.start >= right.stop:
            continue
        # coordinates relative to the segment keep float32 precise
        y = (np.arange(down.start, down.stop) - y0).astype(np.float32)[:, None]
        x = (np.arange(right.start, right.stop) - x0).astype(np.float32)
        dy, dx = np.float32(y1 - y0), np.float32(x1 - x0)
        length = dy * dy + dx * dx
        along = np.clip((y * dy + x * dx) / (length or np.float32(1)), 0, 1)
        nearby = squares[_shifted((down, right), -rows.start, -cols.start)]
        np.minimum(nearby, (y - along * dy) ** 2 + (x - along * dx) ** 2, out=nearby)
    return np.asarray(np.sqrt(squares), np.float32)
