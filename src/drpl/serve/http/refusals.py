"""Refusals: a status, one sentence, and a line in the log; a flood of them is only counted."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import Scope

log = logging.getLogger("drpl.serve")
SHOWN, PERIOD = 20, 10.0
"""Most refusals logged one by one within a period, and its seconds."""
LONGEST = 300
"""Most characters of a refusal that are logged; clients choose some of them."""


class Refused(HTTPException):
    """Refusal of a request, with one sentence for the client.

    ``retry_after`` is the time in seconds after which the client may try again.
    """

    def __init__(self, status: int, words: str, retry_after: int | None = None) -> None:
        headers = {"Connection": "close"} if status == 408 else {}
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        super().__init__(status, words, headers)


class RefusalLog:
    """Log of refusals; of many in a short time, most are only counted."""

    def __init__(self) -> None:
        self._since = 0.0
        self._count = 0

    def note(self, status: int, words: str, *, client: str, request: str = "") -> None:
        """Log a refusal with the client's address and, if known, the request's method and path."""
        now = time.monotonic()
        if now - self._since > PERIOD:
            if self._count > SHOWN:
                log.warning("refused %d more", self._count - SHOWN)
            self._since, self._count = now, 0
        self._count += 1
        if self._count <= SHOWN:
            printable = "".join(c if c.isprintable() else "?" for c in words[:LONGEST])
            log.warning(
                "refused %d: %s from %s: %s", status, ascii(request)[:120], client, printable
            )


REFUSALS = RefusalLog()
"""Log of refusals of this process."""


def note_refusal(scope: Scope, status: int, words: str) -> None:
    """Log that a request was refused."""
    client = scope.get("client") or ("unknown", 0)
    REFUSALS.note(status, words, client=client[0], request=f"{scope['method']} {scope['path']}")


def header(scope: Scope, name: bytes) -> str | None:
    """Return the value of a header of a request; None if it is missing."""
    values: Mapping[bytes, bytes] = dict(scope["headers"])
    found = values.get(name)
    return None if found is None else found.decode("latin-1")
