"""Transforms of a stack, stored in a JSON file for inspection and reuse.

The format is::

    {"version": 1, "size": [width, height], "reference": 3,
     "sensor": {"hot": [[row, column], ...], "dead": []},
     "frames": [{"name": "a.tif", "transform": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
                 "model": "affine", "residual": 0.2, "score": 0.99, "status": "aligned", "note": "",
                 "exposure": {"gain": [1.0], "offset": [0.0], "highlights": []}}, ...]}

``sensor`` lists row and column of pixels that are filled before warping; it may be missing.
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
from drpl.align.exposure import Exposure
from drpl.align.sensor import SensorDefects
from drpl.errors import AlignmentError
from drpl.io.write import write_text

VERSION = 1
"""Version of the format."""
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
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AlignmentError(
            f"{path}: cannot be read as transforms ({error}); expected a file that drpl wrote"
        ) from error
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
        width, height = (int(side) for side in content["size"])
        frames = content["frames"]
        return StackTransforms(
            (height, width),
            tuple(str(frame["name"]) for frame in frames),
            tuple(_alignment(frame) for frame in frames),
            tuple(_exposure(frame["exposure"]) for frame in frames),
            _sensor(content.get("sensor", {}), (height, width)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AlignmentError(
            f"{path}: does not hold transforms ({type(error).__name__}: {error}); align again"
        ) from error


def _alignment(frame: dict[str, Any]) -> Alignment:
    """Convert the alignment of a frame's entry."""
    transform = np.array(frame["transform"], np.float64)
    if transform.shape != (3, 3) or not np.isfinite(transform).all():
        raise ValueError(f"transform of {frame['name']} is not 3x3 finite numbers")
    if frame["status"] not in STATUSES:
        raise ValueError(f"status of {frame['name']} is {frame['status']!r}")
    residual, score = (
        math.nan if frame[key] is None else float(frame[key]) for key in ("residual", "score")
    )
    motion, note = str(frame["model"]), str(frame["note"])
    return Alignment(transform, motion, residual, score, frame["status"], note)


def _exposure(stored: dict[str, Any]) -> Exposure:
    """Convert the exposure of a frame's entry."""
    gain, offset = (tuple(float(value) for value in stored[key]) for key in ("gain", "offset"))
    if not gain or len(gain) != len(offset) or not all(map(math.isfinite, gain + offset)):
        raise ValueError("exposure does not hold as many gains as offsets, all finite")
    highlights = tuple(float(value) for value in stored.get("highlights", ()))
    if len(highlights) not in (0, len(gain)) or not all(map(math.isfinite, highlights)):
        raise ValueError("exposure does not hold as many highlights as gains, all finite")
    return Exposure(gain, offset, highlights)


def _sensor(stored: dict[str, Any], shape: tuple[int, int]) -> SensorDefects:
    """Convert the defects of the sensor; files of older versions have none."""
    kinds = {}
    for kind in ("hot", "dead"):
        places = np.array(stored.get(kind, []), np.int64).reshape(-1, 2)
        if ((places < 0) | (places >= shape)).any():
            raise ValueError(f"sensor has {kind} pixels outside of the frames")
        kinds[kind] = places
    return SensorDefects(**kinds)


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
