"""The journal of a batch: what is done, and which results are its own."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drpl.core.options import EFFORT, FusionOptions
from drpl.errors import WriteError
from drpl.files.find import size_and_time

if TYPE_CHECKING:
    from drpl.files.find import BatchItem


FIELDS = {"step", "output", "sources", "options", "own", "result"}


class Journal:
    """What a batch has done: a line of JSON for each step, on disk before it is relied on.

    Parameters
    ----------
    path : Path
        Begun if need be. A last line that was cut short is not counted.
    options : FusionOptions
        How stacks are fused now; what was fused otherwise counts as not done.

    Raises
    ------
    WriteError
        If it cannot be read or written.
    """

    def __init__(self, path: Path, options: FusionOptions) -> None:
        self._path = path
        self._options = {name: v for name, v in asdict(options).items() if name not in EFFORT}
        self._last: dict[str, dict[str, Any]] = {}
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            if text and not text.endswith("\n"):
                with path.open("a", encoding="utf-8") as stream:
                    stream.write("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise WriteError(f"{path}: cannot be used as a journal ({error})") from error
        for line in text.splitlines():
            entry = _entry(line)
            if entry is not None:
                self._last[entry["output"]] = entry

    def is_done(self, item: BatchItem) -> bool:
        """Whether the result is there, made of the sources as they are, with these options."""
        entry = self._last.get(str(item.output), {})
        made = (entry.get("step"), entry.get("sources"), entry.get("options"))
        return made == ("done", item.state(), self._options) and os.path.exists(item.output)

    def begin(self, item: BatchItem, *, overwrite: bool) -> bool:
        """Note that a stack is begun; returns whether files that are there may be replaced.

        Those of an earlier run may, unless someone changed the picture since.
        """
        may = overwrite or self._is_own(item)
        there = os.path.exists(item.output) or os.path.exists(item.report)
        self._write("begun", item, own=may or not there, sources=item.state())
        return may

    def end(self, status: str, item: BatchItem) -> None:
        """Note what became of a stack that was begun, with its sources as they were then."""
        begun = self._last[str(item.output)]
        own = status == "done" or begun["own"]
        self._write(status, item, own=own, sources=begun["sources"])

    def _is_own(self, item: BatchItem) -> bool:
        """Whether what lies at the place of a result is of an earlier run."""
        entry = self._last.get(str(item.output))
        if entry is None or not entry["own"]:
            return False
        # killed while at it: what is there now was not there before, or might be replaced then too
        killed = entry["step"] == "begun"
        return (
            killed
            or not os.path.exists(item.output)
            or entry["result"] == size_and_time(item.output)
        )

    def _write(self, step: str, item: BatchItem, *, own: bool, sources: list[list[Any]]) -> None:
        """Add a line, and wait until it is on disk."""
        entry: dict[str, Any] = {
            "step": step,
            "output": str(item.output),
            "sources": sources,
            "options": self._options,
            "own": own,
            "result": size_and_time(item.output),
        }
        try:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise WriteError(f"{self._path}: cannot be written ({error.strerror})") from error
        self._last[entry["output"]] = entry


def _entry(line: str) -> dict[str, Any] | None:
    """A line of the journal, or None if it was cut short."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and set(entry) >= FIELDS else None
