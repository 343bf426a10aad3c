"""What is refused: a status, one sentence, and a line in the log; a flood of them only counts."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import Scope

log = logging.getLogger("drpl.serve")
SHOWN, PERIOD = 20, 10.0
"""Refusals that are logged one by one in so many seconds."""
LONGEST = 300
"""Letters of one that are logged: some are the client's."""


class Refused(HTTPException):
    """A request that is not done, and why.

    Parameters
    ----------
    status : int
        Of HTTP.
    words : str
        One sentence for the client.
    retry_after : int, optional
        Seconds after which it may be tried again.
    """

    def __init__(self, status: int, words: str, retry_after: int | None = None) -> None:
        headers = {"Connection": "close"} if status == 408 else {}
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        super().__init__(status, words, headers)


class RefusalLog:
    """Logs refusals; of many in a short time most are only counted."""

    def __init__(self) -> None:
        self._since = 0.0
        self._count = 0

    def note(self, status: int, words: str, *, client: str, asked: str = "") -> None:
        """Log a refusal.

        Parameters
        ----------
        status : int
        words : str
        client : str
            Its address.
        asked : str
            Method and path, as far as they are known.
        """
        now = time.monotonic()
        if now - self._since > PERIOD:
            if self._count > SHOWN:
                log.warning("refused %d more", self._count - SHOWN)
            self._since, self._count = now, 0
        self._count += 1
        if self._count <= SHOWN:
            told = "".join(c if c.isprintable() else "?" for c in words[:LONGEST])
            log.warning("refused %d: %s from %s: %s", status, ascii(asked)[:120], client, told)


REFUSALS = RefusalLog()
"""Of this process, as its log is."""


def note_refusal(scope: Scope, status: int, words: str) -> None:
    """Log that a request was refused."""
    client = scope.get("client") or ("unknown", 0)
    REFUSALS.note(status, words, client=client[0], asked=f"{scope['method']} {scope['path']}")


def header(scope: Scope, name: bytes) -> str | None:
    """A header of a request."""
    values: Mapping[bytes, bytes] = dict(scope["headers"])
    found = values.get(name)
    return None if found is None else found.decode("latin-1")
