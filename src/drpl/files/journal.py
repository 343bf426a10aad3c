"""Journal of a batch: which stacks are done, and which results the batch owns."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drpl.core.documents import parse_json
from drpl.core.options import EFFORT
from drpl.errors import WriteError
from drpl.files.find import BatchItem, size_and_time

FIELDS = {"step", "output", "sources", "options", "own", "result"}
"""Fields of an entry."""


class Journal:
    """Log of a batch: a line of JSON for each step, flushed to disk before the work goes on.

    The file is created if missing; an incomplete last line is ignored. A result fused with other
    options is not done, `EFFORT` apart. Raise WriteError if the file cannot be read or written.
    """

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self._path = path
        self._options = {name: v for name, v in options.items() if name not in EFFORT}
        self._last: dict[str, dict[str, Any]] = {}
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            if text and not text.endswith("\n"):
                with path.open("a", encoding="utf-8") as stream:
                    stream.write("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise WriteError(f"{path}: cannot be used as a journal ({error})") from error
        for line in text.splitlines():
            entry = _parse_entry(line)
            if entry is not None:
                self._last[entry["output"]] = entry

    def is_done(self, item: BatchItem) -> bool:
        """Return True if the result exists, made from the current sources with these options."""
        entry = self._last.get(str(item.output), {})
        made = (entry.get("step"), entry.get("sources"), entry.get("options"))
        return made == ("done", item.state(), self._options) and os.path.exists(item.output)

    def begin(self, item: BatchItem, *, overwrite: bool) -> bool:
        """Log the start of a stack; return True if existing results may be replaced.

        Results of an earlier run may be replaced, unless the picture has changed since.
        """
        replaceable = overwrite or self._is_own(item)
        exists = os.path.exists(item.output) or os.path.exists(item.report)
        self._write("begun", item, own=replaceable or not exists, sources=item.state())
        return replaceable

    def end(self, status: str, item: BatchItem) -> None:
        """Log the status of a stack that ended, with its sources as they were at the start."""
        begun = self._last[str(item.output)]
        own = status == "done" or begun["own"]
        self._write(status, item, own=own, sources=begun["sources"])

    def _is_own(self, item: BatchItem) -> bool:
        """Return True if the files at the place of a result are from an earlier run."""
        entry = self._last.get(str(item.output))
        if entry is None or not entry["own"]:
            return False
        # a run killed in between may have written the picture after its last entry
        killed = entry["step"] == "begun"
        unchanged = entry["result"] == size_and_time(item.output)
        return killed or unchanged or not os.path.exists(item.output)

    def _write(self, step: str, item: BatchItem, *, own: bool, sources: list[list[Any]]) -> None:
        """Append an entry and flush it to disk."""
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


def _parse_entry(line: str) -> dict[str, Any] | None:
    """Return the entry of a line; None if the line is incomplete."""
    try:
        entry = parse_json(line)
    except ValueError:
        return None
    known = isinstance(entry, dict) and set(entry) >= FIELDS
    return entry if known and isinstance(entry["output"], str) else None
