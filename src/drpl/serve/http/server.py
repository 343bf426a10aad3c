"""A web server around the service: one socket, slow clients sent away."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from drpl.errors import ConfigError
from drpl.serve.http.app import create_app
from drpl.serve.http.refusals import REFUSALS
from drpl.serve.http.service import Service
from drpl.serve.settings import MEBIBYTE, Settings

HEADER_SECONDS = 10.0
"""Seconds in which a request must be there, but for its body."""
READ_SECONDS = 60.0
"""Seconds after which a client is given up that takes nothing of an answer."""
LINGER = 64 * MEBIBYTE
"""Bytes that a client may still send when its request is answered already."""
CONNECTIONS = 512
LONGEST_HEADERS = 32_768
"""Bytes."""


class PromptProtocol(H11Protocol):
    """HTTP/1.1 that waits neither for slow requests nor for answers that nobody takes."""

    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _unread = 0

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def _too_slow(self) -> None:
        """End the connection."""
        REFUSALS.note(408, "the request came too slowly", client=self._address())
        self.transport.close()

    def _address(self) -> str:
        """Of the client."""
        return self.client[0] if self.client else "unknown"

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        REFUSALS.note(400, msg, client=self._address())
        super().send_400_response(msg)

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read."""
        super().pause_writing()
        self._stalled = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def data_received(self, data: bytes) -> None:
        """Take bytes; the clock runs while no request is complete, or it is answered already.

        Who was refused may go on sending for a while, since most read the answer only then.
        """
        super().data_received(data)
        answered = self.conn.our_state is h11.DONE
        self._unread = self._unread + len(data) if answered else 0
        if self._unread > LINGER:
            self.transport.close()
        waiting = answered or self.conn.their_state is h11.IDLE
        if not waiting and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        elif waiting and self._deadline is None:
            self._deadline = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        for clock in (self._deadline, self._stalled):
            if clock is not None:
                clock.cancel()
        super().connection_lost(exc)


class Server(uvicorn.Server):
    """A server that says when it listens, and lets those go who watch when it ends."""

    def __init__(
        self, config: uvicorn.Config, service: Service, started: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._service = service
        self._say = started

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what waits for news, then all."""
        self._service.end()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._say()


def bind(settings: Settings) -> socket.socket:
    """A socket at the address.

    Raises
    ------
    ConfigError
        If it cannot be had, as when the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        # with the protocol, which asyncio wants to know before it sends small answers at once
        found = socket.socket(family, kind, protocol)
        if sys.platform != "win32":  # where it would take a port that another listens on
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        raise ConfigError(
            f"{settings.host}, port {settings.port}: cannot be listened on ({error.strerror}); "
            "give another --port"
        ) from error
    return found


def make_server(settings: Settings, started: Callable[[], None]) -> Server:
    """The service with its web server, which calls ``started`` once it listens.

    Raises
    ------
    ConfigError, WriteError
        If the store cannot be used.
    """
    service = Service(settings)
    config = uvicorn.Config(
        create_app(service),
        http=PromptProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",  # refusals are logged by us, and counted
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=LONGEST_HEADERS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
    )
    return Server(config, service, started)
