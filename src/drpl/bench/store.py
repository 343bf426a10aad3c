"""Scores on disk: appended scene by scene, so that a killed run goes on where it was."""

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
from drpl.errors import ConfigError, ReadError, WriteError
from drpl.io.write import make_folder, write_text

SCORES, ABOUT = "scores.csv", "about.json"
LABELS = ("set", "scene", "kind", "method")
COLUMNS = (*LABELS, *METRIC_COLUMNS)
HEADER: Row = {name: name for name in COLUMNS}
TOLD = ("command", "coding", "commit")
"""What `ABOUT` tells besides what scores depend on: of the commit, only its code."""
Key = tuple[str, str]
"""Data set and name of a scene."""


@dataclass(frozen=True)
class ScoreStore:
    """The folder of a run.

    Attributes
    ----------
    folder : Path
    """

    folder: Path

    def begin(
        self, about: dict[str, Any], expected: Mapping[Key, Sequence[str]], *, overwrite: bool
    ) -> int:
        """Make the folder ready; how many scenes are done there.

        Parameters
        ----------
        about : dict
            Resolved settings and what else scores depend on.
        expected : mapping
            Methods of each scene of the run, in its order.
        overwrite : bool
            Whether what is there may be replaced; else it is gone on with.

        Raises
        ------
        ConfigError
            If the folder was made with other settings.
        WriteError
            If files cannot be made there.
        """
        make_folder(self.folder)
        about = json.loads(json.dumps(about))
        done: list[Row] = []
        if not overwrite and self._is_there():
            other = _differences(self.about(), about)
            if other:
                raise ConfigError(
                    f"{self.folder}: was made with other settings ({'; '.join(other)}); give "
                    "another folder, the same settings, or --overwrite to begin anew"
                )
            done = _whole_scenes(self.rows(), expected)
        # the scores first: old ones never stand beside new settings
        write_text(self.folder / SCORES, _text([HEADER, *done]), overwrite=True)
        write_text(self.folder / ABOUT, json.dumps(about, indent=2) + "\n", overwrite=True)
        return len({_key(row) for row in done})

    def _is_there(self) -> bool:
        """Whether a run was begun here."""
        return any((self.folder / name).exists() for name in (SCORES, ABOUT))

    def about(self) -> dict[str, Any]:
        """What was written of the run.

        Raises
        ------
        ReadError
            If it is not there or damaged.
        """
        path = self.folder / ABOUT
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ReadError(
                f"{path}: cannot be read ({error}); expected a folder of `drpl bench quality`; "
                "begin one with --overwrite"
            ) from error
        return found

    def rows(self) -> list[Row]:
        """All whole rows, in the order of the run.

        Raises
        ------
        ReadError
            If they are not there or damaged.
        """
        path = self.folder / SCORES
        try:
            text = path.read_text(encoding="utf-8")
            # a kill may have cut the last line short
            table = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))
            if tuple(table.fieldnames or ()) != COLUMNS:
                raise ReadError(f"{path}: has other columns; expected {', '.join(COLUMNS)}")
            return [_row(line) for line in table]
        except (OSError, ValueError) as error:
            raise ReadError(f"{path}: cannot be read ({error}); begin with --overwrite") from error

    def append(self, rows: Sequence[Row]) -> None:
        """Add the rows of one scene, and wait until they are on disk.

        Raises
        ------
        WriteError
        """
        path = self.folder / SCORES
        try:
            with path.open("a", encoding="utf-8", newline="") as stream:
                stream.write(_text(rows))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise WriteError(f"{path}: cannot be written ({error.strerror})") from error


def _whole_scenes(rows: Sequence[Row], expected: Mapping[Key, Sequence[str]]) -> list[Row]:
    """The rows of the first scenes that are there with every method."""
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(_key(row), []).append(row)
    whole: list[Row] = []
    for key, methods in expected.items():
        if [row["method"] for row in found.get(key, [])] != list(methods):
            break
        whole += found[key]
    return whole


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What two runs differ in, in words."""
    flat = [_flat({k: v for k, v in about.items() if k not in TOLD}) for about in (found, wanted)]
    return [
        f"{name} was {flat[0].get(name)}, now {flat[1].get(name)}"
        for name in dict.fromkeys([*flat[0], *flat[1]])
        if flat[0].get(name) != flat[1].get(name)
    ]


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table with the tables in it opened."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= _flat(value) if isinstance(value, dict) else {name: value}
    return flat


def _key(row: Row) -> Key:
    """Whose scores a row holds."""
    return str(row["set"]), str(row["scene"])


def _row(line: Mapping[str, str]) -> Row:
    """A line of the file; an empty cell is NaN."""
    labels: Row = {name: line[name] for name in LABELS}
    return labels | {name: float(line[name] or "nan") for name in METRIC_COLUMNS}


def _text(rows: Sequence[Row]) -> str:
    """Rows as lines; numbers as exact as they are."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows)
    return stream.getvalue()


def _cell(value: str | float) -> str:
    """A cell; NaN is empty."""
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else repr(float(value))
