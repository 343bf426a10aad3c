"""Edit lists: strokes of a brush whose colour is a frame; their file, as docs/edits.md says."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drpl.align.chain import Alignment
from drpl.core.tiling import Window
from drpl.errors import ConfigError

VERSION = 1
FIELDS = ("edits", "size", "strokes")
STROKE_FIELDS = ("frame", "radius", "softness", "points")
LONGEST_SIDE = 1_000_000
"""Pixels; more than any picture has."""
MOST_STROKES, MOST_POINTS = 10_000, 200_000
"""More than a hand draws; a file with more is refused before it costs memory."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A disc that is swept along points and takes what it covers from one frame.

    Attributes
    ----------
    frame : int
        Place of the frame in the order of the sources, from 0.
    radius : float
        Of the disc, in pixels, from 1 to the longer side of the picture.
    softness : float
        Share of the radius, in [0, 1], over which the edge is soft.
    points : tuple of pairs of float
        x (to the right) and y (down), in pixels of the result; centres of pixels are at whole
        numbers.
    """

    frame: int
    radius: float
    softness: float
    points: tuple[tuple[float, float], ...]

    def window(self, height: int, width: int, *, margin: int = 0) -> Window:
        """Rows and columns of a picture that the disc can touch, and some around; may be empty."""
        xs, ys = zip(*self.points, strict=True)
        reach = self.radius + margin
        return span_near(ys, reach, height), span_near(xs, reach, width)


def span_near(places: Sequence[float], reach: float, length: int) -> slice:
    """Whole numbers, from 0 and below a length, that some places reach; may be empty."""
    start = max(0, math.floor(min(places) - reach))
    stop = min(length, math.ceil(max(places) + reach) + 1)
    return slice(min(start, length), max(min(start, length), stop))


@dataclass(frozen=True, slots=True)
class Edits:
    """Strokes on a result, in the order that they were drawn.

    Attributes
    ----------
    size : tuple of two ints
        Width and height of the result, in pixels.
    strokes : tuple of Stroke
    name : str
        What messages call it.
    sha256 : str
        Hash of the file's bytes; empty where there is none.
    """

    size: tuple[int, int]
    strokes: tuple[Stroke, ...]
    name: str = field(default="edits", compare=False)
    sha256: str = field(default="", compare=False)

    def counts(self, frames: int) -> list[int]:
        """Number of strokes of each frame."""
        numbers = [stroke.frame for stroke in self.strokes]
        return [numbers.count(frame) for frame in range(frames)]


def read_edits(path: str | Path) -> Edits:
    """Read an edit list.

    Parameters
    ----------
    path : str or Path
        JSON file, as docs/edits.md describes.

    Raises
    ------
    ConfigError
        If it cannot be read, or is not an edit list in every detail.
    """
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: the edits cannot be read ({_reason(error)})") from error
    return parse_edits(content, name=str(path))


def _reason(error: Exception) -> str:
    """What the system says."""
    return str(getattr(error, "strerror", None) or error)


def parse_edits(content: bytes, *, name: str = "edits") -> Edits:
    """An edit list from the bytes of its file.

    Parameters
    ----------
    content : bytes
        JSON.
    name : str
        What messages call it.

    Raises
    ------
    ConfigError
        If it is not an edit list in every detail.
    """
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: is not JSON ({error}); expected edits of drpl") from error
    try:
        size, strokes = _parsed(tree)
    except _Unfit as error:
        raise ConfigError(f"{name}: {error}") from error
    return Edits(size, strokes, name, hashlib.sha256(content).hexdigest())


class _Unfit(Exception):
    """What is wrong with an edit list, without its name."""


def _parsed(tree: Any) -> tuple[tuple[int, int], tuple[Stroke, ...]]:
    """Size and strokes from the content of a file."""
    if isinstance(tree, dict) and "edits" in tree and not _is_whole(tree["edits"], 1, VERSION):
        raise _Unfit(f"version of the edits is {tree['edits']!r:.40}; this drpl knows {VERSION}")
    _check_fields(tree, FIELDS, "the file")
    size, strokes = tree["size"], tree["strokes"]
    if not (_is_pair(size) and all(_is_whole(side, 1, LONGEST_SIDE) for side in size)):
        raise _Unfit(f"size is {size!r:.40}; expected [width, height] in pixels")
    if not isinstance(strokes, list) or len(strokes) > MOST_STROKES:
        raise _Unfit(f"strokes are no list of at most {MOST_STROKES}")
    parsed = tuple(_stroke(stroke, number, size) for number, stroke in enumerate(strokes, 1))
    points = sum(len(stroke.points) for stroke in parsed)
    if points > MOST_POINTS:
        raise _Unfit(f"the strokes have {points} points; expected at most {MOST_POINTS}")
    return (size[0], size[1]), parsed


def _stroke(tree: Any, number: int, size: list[int]) -> Stroke:
    """A stroke, numbered from 1 for messages."""
    said = f"stroke {number}"
    _check_fields(tree, STROKE_FIELDS, said)
    longest = max(size)
    if not _is_whole(tree["frame"], 0):
        raise _Unfit(f"{said}: frame is {tree['frame']!r:.40}; expected a whole number from 0")
    if not _is_within(tree["radius"], 1, longest):
        raise _Unfit(f"{said}: radius is {tree['radius']!r:.40}; expected 1 to {longest} pixels")
    if not _is_within(tree["softness"], 0, 1):
        raise _Unfit(f"{said}: softness is {tree['softness']!r:.40}; expected 0 to 1")
    points = tree["points"]
    if not isinstance(points, list) or not points:
        raise _Unfit(f"{said}: has no points; expected [[x, y], ...]")
    for point in points:
        # a hand may leave the picture, but not by far
        if not (_is_pair(point) and all(_is_within(at, -longest, 2 * longest) for at in point)):
            raise _Unfit(
                f"{said}: a point is {point!r:.60}; expected [x, y] in pixels, in the picture or "
                "near it"
            )
    places = tuple((float(x), float(y)) for x, y in points)
    return Stroke(tree["frame"], float(tree["radius"]), float(tree["softness"]), places)


def _check_fields(tree: Any, known: Sequence[str], said: str) -> None:
    """Exactly the known fields are there."""
    if not isinstance(tree, dict):
        raise _Unfit(f"{said} is no JSON object; expected one with {', '.join(known)}")
    for name in tree:
        if name not in known:
            raise _Unfit(f"{said} has an unknown field {name!r:.40}; known: {', '.join(known)}")
    for name in known:
        if name not in tree:
            raise _Unfit(f"{said} has no field {name!r}; expected {', '.join(known)}")


def _is_pair(value: Any) -> bool:
    """Whether a value is a list of two."""
    return isinstance(value, list) and len(value) == 2


def _is_whole(value: Any, low: int, high: float = math.inf) -> bool:
    """Whether a value is a whole number within bounds; True is none."""
    return type(value) is int and low <= value <= high


def _is_within(value: Any, low: float, high: float) -> bool:
    """Whether a value is a number within bounds; NaN is not."""
    return type(value) in (int, float) and low <= value <= high


def check_edits(edits: Edits, alignments: Sequence[Alignment], window: Window) -> None:
    """Check that edits belong to a result.

    Parameters
    ----------
    edits : Edits
    alignments : sequence of Alignment
        Of all frames of the stack.
    window : tuple of two slices
        Rows and columns of the reference frame that the result shows.

    Raises
    ------
    ConfigError
        If the size differs, or a stroke is of a frame that is not there or was left out.
    """
    rows, cols = window
    size = (cols.stop - cols.start, rows.stop - rows.start)
    if edits.size != size:
        found, expected = (f"{width}x{height}" for width, height in (edits.size, size))
        raise ConfigError(
            f"{edits.name}: the edits are of a picture of {found} pixels; the result has "
            f"{expected}: fuse with the options that it was retouched with (crop, reference)"
        )
    for number, stroke in enumerate(edits.strokes, 1):
        said = f"{edits.name}: stroke {number} is of frame {stroke.frame}"
        if stroke.frame >= len(alignments):
            raise ConfigError(f"{said}; expected a frame of the stack, 0 to {len(alignments) - 1}")
        if alignments[stroke.frame].status == "rejected":
            raise ConfigError(
                f"{said}, which was left out ({alignments[stroke.frame].note}); draw it from "
                "another frame, or keep frames that do not fit (unaligned keep)"
            )


def edits_as_json(edits: Edits) -> str:
    """Edits as the text of a file; reading it gives the same edits."""
    strokes = [
        {
            "frame": stroke.frame,
            "radius": stroke.radius,
            "softness": stroke.softness,
            "points": [list(point) for point in stroke.points],
        }
        for stroke in edits.strokes
    ]
    tree = {"edits": VERSION, "size": list(edits.size), "strokes": strokes}
    return json.dumps(tree, allow_nan=False) + "\n"


def changed_window(before: Edits, after: Edits) -> Window | None:
    """Where two states of retouching one result may differ; None is nowhere.

    Parameters
    ----------
    before, after : Edits
        Of the same size. Strokes that both begin with do not count.

    Returns
    -------
    tuple of two slices, or None
        Rows and columns of the result.
    """
    pairs = zip(before.strokes, after.strokes, strict=False)
    same = next((n for n, (a, b) in enumerate(pairs) if a != b), None)
    if same is None:
        same = min(len(before.strokes), len(after.strokes))
    width, height = after.size
    strokes = (*before.strokes[same:], *after.strokes[same:])
    windows = [stroke.window(height, width) for stroke in strokes]
    windows = [(r, c) for r, c in windows if r.start < r.stop and c.start < c.stop]
    if not windows:
        return None
    rows, cols = zip(*windows, strict=True)
    return _around(rows), _around(cols)


def _around(spans: Sequence[slice]) -> slice:
    """The shortest span that holds some."""
    return slice(min(span.start for span in spans), max(span.stop for span in spans))
