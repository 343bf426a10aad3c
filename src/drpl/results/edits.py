"""Edit lists: brush strokes that take pixels from chosen frames; the format is in docs/edits.md."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drpl.align.chain import Alignment
from drpl.core.documents import is_integer, is_number, parse_json
from drpl.core.tiling import Window
from drpl.errors import ConfigError

VERSION = 1
"""Version of the file format."""
FIELDS = ("edits", "size", "strokes")
"""Fields of an edit list."""
STROKE_FIELDS = ("frame", "radius", "softness", "points")
"""Fields of a stroke."""
LONGEST_SIDE = 1_000_000
"""Longest side of a result, in pixels, that an edit list may have."""
MOST_STROKES, MOST_POINTS = 10_000, 200_000
"""Most strokes, and most points of all strokes, in an edit list; keeps memory bounded."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A disc swept along points; the pixels it covers are taken from one frame.

    Frames are numbered in the order of the sources, from 0. The radius is in pixels, from 1 to the
    longer side of the result; ``softness`` is the width of the soft edge as a share of the radius,
    in [0, 1]. Points are x (to the right) and y (down) in pixels of the result, whose centres are
    at whole numbers.
    """

    frame: int
    radius: float
    softness: float
    points: tuple[tuple[float, float], ...]

    def window(self, height: int, width: int, *, margin: int = 0) -> Window:
        """Return the rows and columns of a picture that the stroke can reach; may be empty.

        A margin in pixels is added on all sides.
        """
        xs, ys = zip(*self.points, strict=True)
        reach = self.radius + margin
        return span_near(ys, reach, height), span_near(xs, reach, width)


def span_near(places: Sequence[float], reach: float, length: int) -> slice:
    """Return the indices of an axis of ``length`` within ``reach`` of some places; may be empty."""
    start = max(0, math.floor(min(places) - reach))
    stop = min(length, math.ceil(max(places) + reach) + 1)
    return slice(min(start, length), max(min(start, length), stop))


@dataclass(frozen=True, slots=True)
class Edits:
    """Strokes on a result, in the order of drawing.

    ``size`` is the width and height of the result in pixels; ``name`` is for messages: the path of
    the file, if there is one; ``sha256`` is the hash of its bytes, or empty.
    """

    size: tuple[int, int]
    strokes: tuple[Stroke, ...]
    name: str = field(default="edits", compare=False)
    sha256: str = field(default="", compare=False)

    def counts(self, frames: int) -> list[int]:
        """Return the number of strokes of each of ``frames`` frames."""
        numbers = [stroke.frame for stroke in self.strokes]
        return [numbers.count(frame) for frame in range(frames)]


def read_edits(path: str | Path) -> Edits:
    """Read an edit list from a JSON file; see `parse_edits`.

    Raise ConfigError if the file cannot be read, or any part of it is invalid.
    """
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: the edits cannot be read ({reason})") from error
    return parse_edits(content, name=str(path))


def parse_edits(content: bytes, *, name: str = "edits") -> Edits:
    """Parse the JSON of an edit list, as docs/edits.md describes; ``name`` is for messages.

    Raise ConfigError if any part of the list is invalid.
    """
    try:
        tree = parse_json(content)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}; expected an edit list in JSON") from error
    try:
        size, strokes = _parse_tree(tree)
    except _Invalid as error:
        raise ConfigError(f"{name}: {error}") from error
    return Edits(size, strokes, name, hashlib.sha256(content).hexdigest())


class _Invalid(Exception):
    """Fault of an edit list, without the list's name."""


def _parse_tree(tree: Any) -> tuple[tuple[int, int], tuple[Stroke, ...]]:
    """Return size and strokes from the decoded JSON."""
    if isinstance(tree, dict) and "edits" in tree and not is_integer(tree["edits"], 1, VERSION):
        raise _Invalid(f"the edits have version {tree['edits']!r:.40}; expected {VERSION}")
    _check_fields(tree, FIELDS, "the file")
    size, strokes = tree["size"], tree["strokes"]
    if not (_is_pair(size) and all(is_integer(side, 1, LONGEST_SIDE) for side in size)):
        raise _Invalid(f"size is {size!r:.40}; expected [width, height] in pixels")
    if not isinstance(strokes, list) or len(strokes) > MOST_STROKES:
        raise _Invalid(f"strokes are not a list of at most {MOST_STROKES}")
    parsed = tuple(_parse_stroke(stroke, number, size) for number, stroke in enumerate(strokes, 1))
    points = sum(len(stroke.points) for stroke in parsed)
    if points > MOST_POINTS:
        raise _Invalid(f"the strokes have {points} points; expected at most {MOST_POINTS}")
    return (size[0], size[1]), parsed


def _parse_stroke(tree: Any, number: int, size: list[int]) -> Stroke:
    """Return a stroke; ``number``, from 1, names it in messages."""
    name = f"stroke {number}"
    _check_fields(tree, STROKE_FIELDS, name)
    longest = max(size)
    if not is_integer(tree["frame"], 0):
        raise _Invalid(f"{name}: frame is {tree['frame']!r:.40}; expected a whole number from 0")
    if not is_number(tree["radius"], 1, longest):
        raise _Invalid(f"{name}: radius is {tree['radius']!r:.40}; expected 1 to {longest} pixels")
    if not is_number(tree["softness"], 0, 1):
        raise _Invalid(f"{name}: softness is {tree['softness']!r:.40}; expected 0 to 1")
    points = tree["points"]
    if not isinstance(points, list) or not points:
        raise _Invalid(f"{name}: has no points; expected [[x, y], ...]")
    for point in points:
        # a stroke may leave the picture by at most its longer side
        if not (_is_pair(point) and all(is_number(at, -longest, 2 * longest) for at in point)):
            raise _Invalid(
                f"{name}: a point is {point!r:.60}; expected [x, y] in pixels, in the picture or "
                "near it"
            )
    places = tuple((float(x), float(y)) for x, y in points)
    return Stroke(tree["frame"], float(tree["radius"]), float(tree["softness"]), places)


def _check_fields(tree: Any, known: Sequence[str], name: str) -> None:
    """Check that a JSON object has exactly the known fields."""
    if not isinstance(tree, dict):
        raise _Invalid(f"{name} is not a JSON object; expected one with {', '.join(known)}")
    for key in tree:
        if key not in known:
            raise _Invalid(f"{name} has an unknown field {key!r:.40}; known: {', '.join(known)}")
    for key in known:
        if key not in tree:
            raise _Invalid(f"{name} has no field {key!r}; expected {', '.join(known)}")


def _is_pair(value: Any) -> bool:
    """Return True for a list of two."""
    return isinstance(value, list) and len(value) == 2


def check_edits(edits: Edits, alignments: Sequence[Alignment], window: Window) -> None:
    """Check that edits belong to a result.

    ``alignments`` are those of all frames; ``window`` holds the rows and columns of the reference
    frame that the result shows. Raise ConfigError if the size differs, or a stroke takes from a
    frame that does not exist or was left out.
    """
    rows, cols = window
    size = (cols.stop - cols.start, rows.stop - rows.start)
    if edits.size != size:
        found, expected = (f"{width}x{height}" for width, height in (edits.size, size))
        raise ConfigError(
            f"{edits.name}: the edits are for a result of {found} pixels; this one has {expected}: "
            "fuse with the crop and the reference frame that were used when it was retouched"
        )
    for number, stroke in enumerate(edits.strokes, 1):
        start = f"{edits.name}: stroke {number} takes from frame {stroke.frame}"
        if stroke.frame >= len(alignments):
            raise ConfigError(f"{start}; expected a frame of the stack, 0 to {len(alignments) - 1}")
        if alignments[stroke.frame].status == "rejected":
            raise ConfigError(
                f"{start}, which was left out ({alignments[stroke.frame].note}); choose another "
                "frame, or keep frames that do not fit (unaligned keep)"
            )


def edits_as_json(edits: Edits) -> str:
    """Return edits as the text of a file; `parse_edits` returns equal ones from it."""
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
    """Return the window where a result may differ between two states of its edits.

    Strokes that both begin with are ignored; None if nothing differs.
    """
    pairs = zip(before.strokes, after.strokes, strict=False)
    shorter = min(len(before.strokes), len(after.strokes))
    same = next((n for n, (a, b) in enumerate(pairs) if a != b), shorter)
    width, height = after.size
    strokes = (*before.strokes[same:], *after.strokes[same:])
    windows = [stroke.window(height, width) for stroke in strokes]
    windows = [(r, c) for r, c in windows if r.start < r.stop and c.start < c.stop]
    if not windows:
        return None
    rows, cols = zip(*windows, strict=True)
    return _enclosing(rows), _enclosing(cols)


def _enclosing(spans: Sequence[slice]) -> slice:
    """Return the shortest span that encloses all spans."""
    return slice(min(span.start for span in spans), max(span.stop for span in spans))
