"""Transforms of a stack, stored in a JSON file for inspection and reuse.

The format is::

    {"version": 1, "size": [width, height], "reference": 3,
     "sensor": {"hot": [[row, column], ...], "dead": [],
                "dust": [[row, column, radius, edge, depth], ...]},
     "frames": [{"name": "a.tif", "transform": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
                 "model": "affine", "residual": 0.2, "score": 0.99, "status": "aligned", "note": "",
                 "exposure": {"gain": [1.0], "offset": [0.0], "highlights": []}}, ...]}

``sensor`` lists row and column of pixels that are filled before warping, and spots of dust that are
evened out (`drpl.align.dust.FIELDS`); it, or each list, may be missing.
``transform`` maps pixel coordinates (x, y, 1) of the frame to those of the reference frame, row by
row; pixel centres lie at integers. ``residual`` is in pixels; it and ``score`` are null if unknown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from drpl.align.chain import STATUSES, Alignment
from drpl.align.dust import DEEPEST, FIELDS, SHARPEST
from drpl.align.exposure import Exposure
from drpl.align.geometry import Transform, corners
from drpl.align.sensor import SensorDefects
from drpl.core.documents import is_integer, is_number, read_json
from drpl.core.frames import Floats
from drpl.errors import AlignmentError
from drpl.io.write import write_text

VERSION = 1
"""Version of the format."""
FARTHEST = 10
"""Longer sides of the picture that a corner may be mapped away to."""
LARGEST_CHANGE = 1e6
"""Largest gain, and largest offset and highlight relative to white."""
TRANSFORMS = "transforms.json"
"""Name of the file, beside aligned frames."""


@dataclass(frozen=True, slots=True)
class StackTransforms:
    """Name, alignment and exposure of each frame of a stack; ``shape`` is (H, W) of the frames.

    Raise AlignmentError if names, alignments and exposures differ in number.
    """

    shape: tuple[int, int]
    names: tuple[str, ...]
    alignments: tuple[Alignment, ...]
    exposures: tuple[Exposure, ...]
    sensor: SensorDefects = field(default_factory=SensorDefects)

    def __post_init__(self) -> None:
        """Check that each frame has a name, an alignment and an exposure."""
        if not len(self.names) == len(self.alignments) == len(self.exposures):
            raise AlignmentError(
                f"found {len(self.names)} names, {len(self.alignments)} alignments and "
                f"{len(self.exposures)} exposures; expected one of each per frame"
            )


def write_transforms(
    path: str | Path, transforms: StackTransforms, *, overwrite: bool = False
) -> None:
    """Write the transforms of a stack atomically; raise WriteError if that fails.

    Names without folders let the file move to other machines.
    """
    statuses = [alignment.status for alignment in transforms.alignments]
    parts = zip(transforms.names, transforms.alignments, transforms.exposures, strict=True)
    content = {
        "version": VERSION,
        "size": [int(transforms.shape[1]), int(transforms.shape[0])],
        "reference": statuses.index("reference") if "reference" in statuses else None,
        "sensor": {
            "hot": transforms.sensor.hot.tolist(),
            "dead": transforms.sensor.dead.tolist(),
            "dust": transforms.sensor.dust.tolist(),
        },
        "frames": [_frame(*frame) for frame in parts],
    }
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n", overwrite=overwrite)


def _frame(name: str, alignment: Alignment, exposure: Exposure) -> dict[str, Any]:
    """Return the JSON entry of a frame."""
    return {
        "name": name,
        "transform": alignment.transform.tolist(),
        "model": alignment.motion,
        "residual": _number(alignment.residual),
        "score": _number(alignment.score),
        "status": alignment.status,
        "note": alignment.note,
        "exposure": {
            "gain": list(exposure.gain),
            "offset": list(exposure.offset),
            "highlights": list(exposure.highlights),
        },
    }


def _number(value: float) -> float | None:
    """Return a number for JSON, null if it is not finite."""
    return float(value) if math.isfinite(value) else None


def read_transforms(
    path: str | Path,
    *,
    names: Sequence[str] | None = None,
    count: int | None = None,
    shape: Sequence[int] | None = None,
) -> StackTransforms:
    """Read transforms from a file and check that they belong to a stack of ``names`` and ``shape``.

    None accepts any names, as for other channels or lighting, in the given ``count`` or any number,
    and any shape. Raise AlignmentError if the file is missing, damaged, of another version or of
    another stack.
    """
    path = Path(path)
    content = read_json(path, AlignmentError, wanted="transforms, as `drpl align` writes them")
    stored = _parsed(path, content)
    _check_stack(path, stored, names, count, shape)
    return stored


def _parsed(path: Path, content: Any) -> StackTransforms:
    """Convert the content of a file to types."""
    try:
        version = content["version"]
        if version != VERSION:
            raise AlignmentError(
                f"{path}: transforms are of version {version}; expected {VERSION}; align again"
            )
        width, height = content["size"]
        if not (is_integer(width, 1) and is_integer(height, 1)):
            raise ValueError("size is not [width, height] in pixels")
        frames = content["frames"]
        if [frame["status"] for frame in frames].count("reference") != 1:
            raise ValueError("not exactly one frame is the reference")
        return StackTransforms(
            (height, width),
            tuple(str(frame["name"]) for frame in frames),
            tuple(_alignment(frame, (height, width)) for frame in frames),
            tuple(_exposure(frame["exposure"]) for frame in frames),
            _sensor(content.get("sensor", {}), (height, width)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise AlignmentError(f"{path}: does not hold transforms ({reason}); align again") from error


def _alignment(frame: dict[str, Any], shape: tuple[int, int]) -> Alignment:
    """Convert the alignment of a frame's entry."""
    rows = frame["transform"]
    if [len(row) for row in rows] != [3, 3, 3] or not all(
        is_number(v) for row in rows for v in row
    ):
        raise ValueError(f"transform of {frame['name']} is not 3x3 finite numbers")
    transform = np.array(rows, np.float64)
    if not _is_plausible(transform, shape):
        raise ValueError(f"transform of {frame['name']} does not map the picture near itself")
    if frame["status"] not in STATUSES:
        raise ValueError(f"status of {frame['name']} is {frame['status']!r}")
    for key in ("residual", "score"):
        if frame[key] is not None and not is_number(frame[key]):
            raise ValueError(f"{key} of {frame['name']} is {frame[key]!r:.40}; expected a number")
    residual, score = (
        math.nan if frame[key] is None else float(frame[key]) for key in ("residual", "score")
    )
    motion, note = str(frame["model"]), str(frame["note"])
    return Alignment(transform, motion, residual, score, frame["status"], note)


def _is_plausible(transform: Transform, shape: tuple[int, int]) -> bool:
    """Return True if a transform can be inverted and maps corners to within `FARTHEST` sides."""
    with np.errstate(all="ignore"):
        x, y, w = transform @ np.append(corners(shape), np.ones((4, 1)), 1).T
        near = np.abs([x / w, y / w]) <= FARTHEST * max(shape)
        return bool((w > 0).all() and near.all() and abs(np.linalg.det(transform)) > 1e-6)


def _exposure(stored: dict[str, Any]) -> Exposure:
    """Convert the exposure of a frame's entry."""
    gain, offset, highlights = stored["gain"], stored["offset"], stored.get("highlights", [])
    for values in (gain, offset, highlights):
        if not isinstance(values, list) or not all(
            is_number(v, -LARGEST_CHANGE, LARGEST_CHANGE) for v in values
        ):
            raise ValueError("exposure does not hold lists of numbers, or their size is absurd")
    if not gain or len(gain) != len(offset) or min(gain) <= 0:
        raise ValueError("exposure does not hold as many gains, above 0, as offsets")
    if len(highlights) not in (0, len(gain)):
        raise ValueError("exposure does not hold as many highlights as gains")
    return Exposure(*(tuple(map(float, values)) for values in (gain, offset, highlights)))


def _sensor(stored: dict[str, Any], shape: tuple[int, int]) -> SensorDefects:
    """Convert the defects of the sensor; files of older versions have none."""
    kinds = {}
    for kind in ("hot", "dead"):
        places = np.array(stored.get(kind, []), np.int64).reshape(-1, 2)
        if ((places < 0) | (places >= shape)).any():
            raise ValueError(f"sensor has {kind} pixels outside of the frames")
        kinds[kind] = places
    return SensorDefects(kinds["hot"], kinds["dead"], _dust(stored.get("dust", []), shape))


def _dust(stored: list[list[float]], shape: tuple[int, int]) -> Floats:
    """Convert the spots of dust."""
    if not all(len(spot) == len(FIELDS) and all(map(is_number, spot)) for spot in stored):
        raise ValueError(f"sensor has dust without the numbers {', '.join(FIELDS)}")
    spots = np.array(stored, np.float64).reshape(-1, len(FIELDS))
    least = (0, 0, 0, SHARPEST, DEEPEST)
    most = (*shape, max(shape), max(shape), 0)
    if ((spots < least) | (spots > most)).any():
        raise ValueError("sensor has dust outside of the frames or of another size")
    return spots


def _check_stack(
    path: Path,
    stored: StackTransforms,
    names: Sequence[str] | None,
    count: int | None,
    shape: Sequence[int] | None,
) -> None:
    """Check that transforms belong to a stack of given names, count and shape."""
    expected = len(names) if names is not None else count
    if expected is not None and expected != len(stored.names):
        raise AlignmentError(
            f"{path}: holds transforms of {len(stored.names)} frames; the stack has {expected}"
        )
    if shape is not None and (int(shape[0]), int(shape[1])) != stored.shape:
        raise AlignmentError(
            f"{path}: is for frames of {stored.shape[1]}x{stored.shape[0]} pixels; the stack has "
            f"{shape[1]}x{shape[0]}"
        )
    for found, wanted in zip(stored.names, names or stored.names, strict=True):
        if found != wanted:
            raise AlignmentError(f"{path}: expects frame {found}, found {wanted}; align again")
