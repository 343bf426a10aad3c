"""Provenance of pictures: the program that wrote them, and reports of fusions beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drpl.core.documents import parse_json
from drpl.errors import ReadError
from drpl.io.exif import software
from drpl.io.formats import WRITABLE
from drpl.io.read import read_exif
from drpl.version import __version__

WRITER = f"drpl {__version__}"
"""Metadata field ``Software`` of pictures that drpl writes."""
FUSED_BY = f"{WRITER} fuse"
"""Metadata field ``Software`` of pictures that a fusion writes."""
REPORT_SUFFIX = ".json"
MOST_BYTES = 64_000_000
"""Largest file that is read as a report."""


def is_result(path: Path) -> bool:
    """Return True if a picture is the result of a fusion, by its metadata or a report beside it."""
    if path.suffix.lower() not in WRITABLE:
        return False
    if any(path.name in _pictures(report) for report in _report_names(path)):
        return True
    try:
        words = software(read_exif(path)).split()
    except ReadError:
        return False
    return len(words) == 3 and (words[0], words[2]) == ("drpl", "fuse")


def report_beside(picture: Path) -> Path:
    """Return the file for the report of a picture: the same name with `REPORT_SUFFIX`.

    The picture's suffix is kept, as in ``sharp.tif.json``, where the shorter name is the report of
    another picture.
    """
    short, long = _report_names(picture)
    written = _pictures(short)
    return short if not written or picture.name in written else long


def _report_names(picture: Path) -> tuple[Path, Path]:
    """Return the names that the report of a picture may have."""
    return picture.with_suffix(REPORT_SUFFIX), picture.with_name(picture.name + REPORT_SUFFIX)


def _pictures(path: Path) -> set[str]:
    """Return the names of the pictures that a report is about; none if it is not a report."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return set()
        report = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    if not isinstance(report, dict) or not {"report", "output", "frames"} <= set(report):
        return set()
    slabs = report.get("slabs")
    entries: list[Any] = slabs if isinstance(slabs, list) else []
    files = [report["output"], *(s.get("file") for s in entries if isinstance(s, dict))]
    return {Path(file.replace("\\", "/")).name for file in files if isinstance(file, str)}
