"""Progress of long work, and the time that its steps take."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Callback that receives the stage, the number of frames done and their total."""


class Clock:
    """Stopwatch that adds up the seconds of named steps in a dict, its own or a given one."""

    def __init__(self, seconds: dict[str, float] | None = None) -> None:
        self.seconds = {} if seconds is None else seconds
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Add the time since the last lap, in seconds, to a step."""
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now
