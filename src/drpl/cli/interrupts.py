"""Ctrl-C at any moment: one line on stderr, and exit code 130."""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False  # as `typing` has it: the handler is to be in place soon
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, NoReturn

EXIT_CODE = 130
LINE = "drpl: interrupted"
SOON = 1.0
"""Seconds within which a second interrupt counts as the first."""
LATER = 0.02
"""Seconds after which an interrupt is repeated that came where it could not be raised."""


class Interrupts:
    """Handling of SIGINT; libraries may swallow KeyboardInterrupt or turn it into other errors."""

    def __init__(self) -> None:
        self.happened = False
        self._first = 0.0
        self._repeated = False
        # under nohup, for example, SIGINT is ignored and stays so
        self._ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def end_at_once(self) -> None:
        """Let SIGINT end the process at once: while nothing is at stake."""
        if self._ours:
            signal.signal(signal.SIGINT, _leave)

    def unwind(self) -> None:
        """Let SIGINT raise KeyboardInterrupt, so that files are closed and removed."""
        if self._ours:
            signal.signal(signal.SIGINT, self._interrupt)
            sys.unraisablehook = self._reraise

    def ignore(self) -> None:
        """Ignore SIGINT: all is done, and Python removes handlers before it ends."""
        if self._ours:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def finish(self) -> NoReturn:
        """End an interrupted process after it was unwound, without waiting for its threads."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _leave()

    def _interrupt(self, *_: Any) -> None:
        """Note the signal and raise KeyboardInterrupt; a second Ctrl-C ends the process at once.

        Wrappers of commands send a signal twice, so one that comes soon after the first is ignored.
        """
        now = time.monotonic()
        if self.happened and not self._repeated:
            if now - self._first < SOON:
                return
            _leave()
        self.happened, self._first, self._repeated = True, now, False
        raise KeyboardInterrupt

    def _reraise(self, found: sys.UnraisableHookArgs) -> None:
        """Send a KeyboardInterrupt that came where none can be raised once more."""
        if found.exc_type is KeyboardInterrupt:
            from threading import Timer

            self._repeated = True
            Timer(LATER, os.kill, (os.getpid(), signal.SIGINT)).start()
        else:
            sys.__unraisablehook__(found)


def _leave(_signal: int = 0, _frame: FrameType | None = None) -> NoReturn:
    """Print the line and end the process."""
    try:
        sys.stdout.flush()
        sys.stderr.write(f"{LINE}\n")
        sys.stderr.flush()
    except (OSError, ValueError, RuntimeError):  # closed, or interrupted while it was written to
        pass
    os._exit(EXIT_CODE)
