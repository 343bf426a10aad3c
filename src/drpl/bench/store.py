"""Scores on disk, appended scene by scene, so that an interrupted run can continue."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drpl.bench.scoring import METRIC_COLUMNS, Row
from drpl.core.documents import read_json
from drpl.errors import ConfigError, ReadError, WriteError
from drpl.io.write import make_folder, write_text

SCORES, ABOUT = "scores.csv", "about.json"
LABELS = ("set", "scene", "kind", "method")
"""Columns of `SCORES` that are not scores; ``method`` names the entry or reference."""
COLUMNS = (*LABELS, *METRIC_COLUMNS)
HEADER: Row = {name: name for name in COLUMNS}
DESCRIPTIVE = ("command", "coding", "commit")
"""Keys of `ABOUT` that scores do not depend on; a hash of the code stands for the commit."""
Key = tuple[str, str]
"""Data set and name of a scene."""


@dataclass(frozen=True)
class ScoreStore:
    """Folder of a run, which holds `SCORES` and `ABOUT`."""

    folder: Path

    def begin(
        self, about: dict[str, Any], expected: Mapping[Key, Sequence[str]], *, overwrite: bool
    ) -> int:
        """Prepare the folder, and count the leading scenes that have complete scores already.

        ``about`` holds settings, provenance and inputs of the run; ``expected`` holds the names in
        the ``method`` column for each scene, in the order of the run. ``overwrite`` replaces a run
        in the folder, which is else continued. Raise ConfigError if it has other settings,
        WriteError if files cannot be written there.
        """
        make_folder(self.folder)
        about = json.loads(json.dumps(about))
        done: list[Row] = []
        if not overwrite and any((self.folder / name).exists() for name in (SCORES, ABOUT)):
            other = _differences(self.about(), about)
            if other:
                raise ConfigError(
                    f"{self.folder}: was made with other settings ({'; '.join(other)}); give "
                    "another folder, the same settings, or --overwrite to start over"
                )
            done = _whole_scenes(self.rows(), expected)
        # scores first, so that old ones never stand beside new settings
        write_text(self.folder / SCORES, _text([HEADER, *done]), overwrite=True)
        write_text(self.folder / ABOUT, json.dumps(about, indent=2) + "\n", overwrite=True)
        return len({_key(row) for row in done})

    def about(self) -> dict[str, Any]:
        """Read settings and provenance of the run; raise ReadError if that fails."""
        wanted = "a folder of `drpl bench quality`; begin one with --overwrite"
        return read_json(self.folder / ABOUT, ReadError, wanted=wanted)

    def rows(self) -> list[Row]:
        """Read all complete rows, in the order of the run; raise ReadError if that fails."""
        path = self.folder / SCORES
        try:
            text = path.read_text(encoding="utf-8")
            # a kill may have cut the last line
            table = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))
            if tuple(table.fieldnames or ()) != COLUMNS:
                raise ReadError(f"{path}: has other columns; expected {', '.join(COLUMNS)}")
            return [_row(line) for line in table]
        except (OSError, ValueError) as error:
            raise ReadError(f"{path}: cannot be read ({error}); begin with --overwrite") from error

    def append(self, rows: Sequence[Row]) -> None:
        """Append the rows of one scene, flushed to the disk; raise WriteError if that fails."""
        path = self.folder / SCORES
        try:
            with path.open("a", encoding="utf-8", newline="") as stream:
                stream.write(_text(rows))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise WriteError(f"{path}: cannot be written ({error.strerror})") from error


def _whole_scenes(rows: Sequence[Row], expected: Mapping[Key, Sequence[str]]) -> list[Row]:
    """Return the rows of the leading scenes that have a row for every expected name."""
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(_key(row), []).append(row)
    whole: list[Row] = []
    for key, names in expected.items():
        if [row["method"] for row in found.get(key, [])] != list(names):
            break
        whole += found[key]
    return whole


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Describe each value that differs between two runs and affects scores."""
    old, new = (
        _flat({k: v for k, v in about.items() if k not in DESCRIPTIVE}) for about in (found, wanted)
    )
    return [
        f"{name} was {old.get(name)}, now {new.get(name)}"
        for name in old | new
        if old.get(name) != new.get(name)
    ]


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten nested tables into one, by their innermost keys."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= _flat(value) if isinstance(value, dict) else {name: value}
    return flat


def _key(row: Row) -> Key:
    """Return the scene of a row."""
    return str(row["set"]), str(row["scene"])


def _row(line: Mapping[str, str]) -> Row:
    """Parse a line of the file; an empty cell is NaN."""
    labels: Row = {name: line[name] for name in LABELS}
    return labels | {name: float(line[name] or "nan") for name in METRIC_COLUMNS}


def _text(rows: Sequence[Row]) -> str:
    """Format rows as CSV lines, with numbers at full precision."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows)
    return stream.getvalue()


def _cell(value: str | float) -> str:
    """Format a cell; NaN becomes empty."""
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else repr(float(value))
