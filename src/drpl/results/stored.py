"""Stored results: finished results opened again from their folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.align.plan import Plan
from drpl.align.prepare import prepared_frame
from drpl.align.transforms import TRANSFORMS, StackTransforms, read_transforms, write_transforms
from drpl.core.composite import Prepared
from drpl.core.documents import is_integer, is_number, kind_of, read_json
from drpl.core.frames import Pixels
from drpl.core.luma import Levels
from drpl.core.options import SCALES, FusionOptions
from drpl.core.tiling import Window
from drpl.errors import ReadError
from drpl.io.stacks import Stack
from drpl.io.write import write_text
from drpl.results.edits import Edits, check_edits, parse_edits
from drpl.results.report import VERSION, as_json, describe_edits
from drpl.results.result import FusionResult

FUSED, REPORT, MAPS = "fused.tif", "report.json", "maps"
"""Names of picture, report and folder of maps within the folder of a result."""
_KINDS = {
    "size": list,
    "source_size": list,
    "window": dict,
    "rejected": list,
    "focus_order": list,
    "decision_scale": int,
    "frames": list,
    "options": dict,
    "method": dict,
    "seconds": dict,
}
"""Types of the fields of a report that are used when it is opened again."""
STRIP = 4_000_000
"""Pixels of an index map to count at a time; counting converts them to 64 bits."""


def read_report(folder: Path) -> dict[str, Any]:
    """Read the report from the folder of a result.

    Raise ReadError if it is missing, damaged or of another version.
    """
    path = folder / REPORT
    report = read_json(path, ReadError, wanted="a report; fuse again")
    version = report.get("report")
    if not is_integer(version, VERSION, VERSION):
        raise ReadError(f"{path}: is of version {version!r:.40}; expected {VERSION}: fuse again")
    for name, kind in _KINDS.items():
        if name not in report or type(report[name]) is not kind:
            raise ReadError(
                f"{path}: {name} is {kind_of(report.get(name))}; expected a report; fuse again"
            )
    if not _is_sound(report):
        raise ReadError(f"{path}: a size, place or frame is not sound; fuse again")
    return report


def _is_sound(report: dict[str, Any]) -> bool:
    """Return True if the fields that a plan and a window are made of can be used."""
    count, places = len(report["frames"]), (report["window"].get(key) for key in ("left", "top"))
    sizes, order = (report["size"], report["source_size"]), report["focus_order"]
    value_range = report["options"].get("value_range")
    return (
        all(len(size) == 2 and all(is_integer(side, 1) for side in size) for size in sizes)
        and all(is_integer(place, 0) for place in places)
        and all(is_integer(number, 0) for number in (*order, *report["rejected"]))
        and sorted(order) == list(range(count))
        and report["decision_scale"] in SCALES
        and all(isinstance(frame, dict) for frame in report["frames"])
        and all(is_number(value) for value in report["seconds"].values())
        and (value_range is None or is_number(value_range))
    )


def store_result(
    folder: Path, result: FusionResult, report: dict[str, Any], names: Sequence[str]
) -> None:
    """Complete a folder with picture and maps so that `StoredResult` can open it.

    Raise WriteError if a file cannot be written.
    """
    write_text(folder / REPORT, as_json(report | {"output": FUSED}), overwrite=True)
    write_transforms(folder / TRANSFORMS, result.plan.transforms(names))


@dataclass(frozen=True)
class StoredResult:
    """A result in a folder: `FUSED`, `REPORT`, `MAPS` and `drpl.align.transforms.TRANSFORMS`.

    The fields of ``report`` are those of `drpl.results.report.build_report`; it has alignment and
    exposure of each frame rounded, ``known`` has them exactly.
    """

    folder: Path
    report: dict[str, Any]
    known: StackTransforms

    @classmethod
    def open(cls, folder: Path) -> StoredResult:
        """Open the result in a folder.

        Raise ReadError for a bad report (see `read_report`), AlignmentError for bad transforms.
        """
        return cls(folder, read_report(folder), read_transforms(folder / TRANSFORMS))

    @cached_property
    def plan(self) -> Plan:
        """Plan that the stack was fused by."""
        return Plan(
            self.known.shape,
            self.known.alignments,
            self.known.exposures,
            self.report["decision_scale"],
            tuple(self.report["focus_order"]),
            Levels(),  # of no use: all is decided
            self.known.sensor,
        )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = self.report["size"]
        return width, height

    @property
    def window(self) -> Window:
        """Rows and columns of the reference frame that the result shows."""
        (width, height), corner = self.size, self.report["window"]
        left, top = corner["left"], corner["top"]
        return slice(top, top + height), slice(left, left + width)

    def frame(self, stack: Stack, number: int) -> Prepared:
        """Read a frame of the stack, registered, exposed and cropped as it was fused."""
        options = FusionOptions(value_range=self.report["options"].get("value_range"))
        return prepared_frame(stack, self.plan, options, number, window=self.window)

    def parse_edits(self, text: str, name: str) -> Edits:
        """Parse an edit list; raise ConfigError if it is invalid or for another result."""
        edits = parse_edits(text.encode(), name=name)
        check_edits(edits, self.known.alignments, self.window)
        return edits

    def result(
        self,
        fused: Pixels,
        index_map: NDArray[np.unsignedinteger[Any]],
        confidence: NDArray[np.uint8],
    ) -> FusionResult:
        """Return the result with other planes, such as retouched ones; without masks and slabs."""
        return FusionResult(
            fused,
            index_map,
            confidence,
            None,
            self.plan,
            self.window,
            self.report["seconds"],
            self.report["method"],
        )

    def retouched_report(
        self, edits: Edits, index_map: NDArray[np.unsignedinteger[Any]]
    ) -> dict[str, Any]:
        """Return the report of the retouched result: with its edits and coverage."""
        frames = self.report["frames"]
        strips = np.array_split(index_map, max(1, index_map.size // STRIP))
        counts = [np.bincount(strip.ravel(), minlength=len(frames)) for strip in strips]
        shares = [round(float(pixels) / index_map.size, 6) for pixels in np.sum(counts, axis=0)]
        pairs = zip(frames, shares, strict=True)
        return self.report | {
            "edits": describe_edits(edits, len(frames)),
            "frames": [frame | {"coverage": share} for frame, share in pairs],
        }
