"""Web server of the service, which disconnects slow clients."""

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
"""Seconds within which a request must arrive, without its body."""
READ_SECONDS = 60.0
"""Seconds after which a client that reads nothing of a response is disconnected."""
LINGER = 64 * MEBIBYTE
"""Most bytes that a client may still send once its request is answered."""
CONNECTIONS = 512
"""Most connections at the same time."""
LONGEST_HEADERS = 32_768
"""Most bytes in the headers of a request."""


class PromptProtocol(H11Protocol):
    """HTTP/1.1 that waits neither for slow requests nor for clients that do not read."""

    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _unread = 0

    def connection_made(self, transport: Any) -> None:
        """Start the clock of the first request."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def _too_slow(self) -> None:
        """Refuse a request that takes too long and close the connection."""
        REFUSALS.note(408, "the request arrived too slowly", client=self._address())
        self.transport.close()

    def _address(self) -> str:
        """Return the address of the client."""
        return self.client[0] if self.client else "unknown"

    def send_400_response(self, msg: str) -> None:
        """Refuse data that are not HTTP."""
        REFUSALS.note(400, msg, client=self._address())
        super().send_400_response(msg)

    def pause_writing(self) -> None:
        """Start the clock of a client that does not read."""
        super().pause_writing()
        self._stalled = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the clock of a client that reads again."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def data_received(self, data: bytes) -> None:
        """Receive bytes; the clock runs until a request is complete, and once it is answered.

        A refused client may send on for a while, since most read the response only afterwards.
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
        """Stop all clocks."""
        for clock in (self._deadline, self._stalled):
            if clock is not None:
                clock.cancel()
        super().connection_lost(exc)


class Server(uvicorn.Server):
    """Server that calls back once it listens, and ends event streams before it shuts down."""

    def __init__(
        self, config: uvicorn.Config, service: Service, started: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._service = service
        self._started = started

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the event streams, then the server."""
        self._service.end()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and call back."""
        await super().startup(sockets)
        self._started()


def bind(settings: Settings) -> socket.socket:
    """Return a socket bound to host and port; raise ConfigError if, say, the port is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        # asyncio sends small responses at once only if it knows the protocol
        bound = socket.socket(family, kind, protocol)
        if sys.platform != "win32":  # there it would share a port that is in use
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise ConfigError(
            f"{settings.host}, port {settings.port}: cannot listen there ({error.strerror}); "
            "give another --port"
        ) from error
    return bound


def make_server(settings: Settings, started: Callable[[], None]) -> Server:
    """Return the web server of a new service; it calls ``started`` once it listens.

    Raise ConfigError or WriteError if the store cannot be used.
    """
    service = Service(settings)
    config = uvicorn.Config(
        create_app(service),
        http=PromptProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",  # `RefusalLog` logs refusals
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=LONGEST_HEADERS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
    )
    return Server(config, service, started)
