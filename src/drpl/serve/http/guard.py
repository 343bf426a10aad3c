"""Guard before all routes: host, token, origin, size and speed of requests; response headers."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import re
import socket
import time
from urllib.parse import parse_qs, urlsplit

from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from drpl.serve.http.refusals import Refused, header, note_refusal
from drpl.serve.settings import MEBIBYTE, Settings, is_loopback

COOKIE = "drpl_token"
SAFE_METHODS = ("GET", "HEAD")
METHODS = (*SAFE_METHODS, "POST", "PUT", "DELETE")
UPLOAD = re.compile(r"/api/v1/jobs/[^/]+/frames")
EDITS, LONGEST_EDITS = re.compile(r"/api/v1/jobs/[^/]+/edits"), 8 * MEBIBYTE
"""Edit lists may be longer than other JSON; `drpl.results.edits` limits their points."""
GRACE, SLOWEST = 15.0, 16_384
"""Seconds of grace for a body, and the least bytes a second, on average, after them."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]


class Guard:
    """Application that refuses unsafe requests to another application."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._hosts = known_hosts(settings.host) | {name.lower() for name in settings.names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and pass it on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sender = _with_headers(scope, send)
        try:
            self._check_host(scope)
            token = self._check_token(scope)
            if token is not None:
                await _welcome(sender, token)
                return
            _check_origin(scope)
            limit = self._limit(scope)
            _check_length(scope, limit)
        except Refused as error:
            note_refusal(scope, error.status_code, error.detail)
            await refuse(sender, error)
            return
        await self._app(scope, _limited(receive, limit), sender)

    def _check_host(self, scope: Scope) -> None:
        """Refuse unknown host names, which DNS rebinding may have pointed at this machine."""
        try:
            name = urlsplit(f"//{header(scope, b'host') or ''}").hostname or ""
        except ValueError:
            name = ""
        if name in self._hosts:
            return
        bound_to_all = not is_loopback(self._settings.host)
        if is_loopback(name) or (bound_to_all and _is_address(name)):
            return
        raise Refused(421, "the Host header names an unknown host; allow it by drpl serve --name")

    def _check_token(self, scope: Scope) -> str | None:
        """Refuse a request without the token; return the token if the address carries it."""
        token = self._settings.token
        if not token:
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"))
        sent = query.get("token", [""])[0]
        if sent and scope["method"] == "GET" and _same(sent, token):
            return token
        bearer = (header(scope, b"authorization") or "").removeprefix("Bearer ")
        if _same(bearer, token) or _same(_cookie(scope), token):
            return None
        raise Refused(401, "a token is required; open the address that drpl serve printed")

    def _limit(self, scope: Scope) -> int:
        """Return the most bytes that the body of a request may have."""
        if scope["method"] == "PUT" and UPLOAD.fullmatch(scope["path"]):
            return self._settings.max_bytes
        return LONGEST_EDITS if EDITS.fullmatch(scope["path"]) else MEBIBYTE


def known_hosts(host: str) -> set[str]:
    """Return the host names by which clients may address the service."""
    name = socket.gethostname().lower()
    others = set() if is_loopback(host) else {name, f"{name}.local", host.lower()}
    return {"localhost", *others}


def _is_address(name: str) -> bool:
    """Return True if a host is an IP address, which cannot be rebound."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same(sent: str, token: str) -> bool:
    """Compare a token in constant time."""
    return hmac.compare_digest(sent.encode("utf-8", "replace"), token.encode())


def _cookie(scope: Scope) -> str:
    """Return the token in the cookies; empty if there is none."""
    # the standard library's parser stops at malformed cookies of other services on this host
    return cookie_parser(header(scope, b"cookie") or "").get(COOKIE, "")


def _check_origin(scope: Scope) -> None:
    """Refuse unknown methods, and changes that pages of other sites request."""
    method = scope["method"]
    if method not in METHODS:
        raise Refused(405, f"method {method} is not supported")
    if method in SAFE_METHODS:
        return
    origin, site = header(scope, b"origin"), header(scope, b"sec-fetch-site")
    if origin is not None and origin != f"{scope['scheme']}://{header(scope, b'host')}":
        raise Refused(403, "the Origin header names another site")
    if site not in (None, "same-origin", "none"):
        raise Refused(403, "the request comes from another site")


def _check_length(scope: Scope, limit: int) -> None:
    """Refuse a request that announces too large a body."""
    length = header(scope, b"content-length")
    if length is not None and int(length) > limit:
        raise Refused(413, f"the body has {int(length):,} bytes; expected at most {limit:,}")


def _limited(receive: Receive, limit: int) -> Receive:
    """Return a receiver that refuses a body once it is too large or too slow."""
    began, received, more = time.monotonic(), 0, True

    async def limited() -> Message:
        nonlocal received, more
        if not more:
            return await receive()
        left = began + GRACE + received / SLOWEST - time.monotonic()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, left))
        except TimeoutError as error:
            raise Refused(408, "the body arrived too slowly") from error
        received += len(message.get("body", b""))
        more = message.get("more_body", False)
        if received > limit:
            raise Refused(413, f"the body is too large; expected at most {limit:,} bytes")
        return message

    return limited


def _with_headers(scope: Scope, send: Send) -> Send:
    """Return a sender that adds the headers of every response."""
    caching = b"no-store" if scope["path"].startswith("/api/") else b"no-cache"

    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [pair for pair in message["headers"] if pair[0] != b"cache-control"]
            message["headers"] = [*own, *HEADERS, (b"cache-control", caching)]
        await send(message)

    return sender


async def _welcome(send: Send, token: str) -> None:
    """Set the token as a cookie and redirect to the page without it in the address."""
    cookie = f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/"
    headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def refuse(send: Send, error: Refused) -> None:
    """Send a refusal as a response."""
    body = json.dumps({"error": error.detail}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": error.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
