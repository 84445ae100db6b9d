"""Who may ask: Host and Origin, the token, how often; and the headers that every answer carries."""

import hmac
import ipaddress
import time
import urllib.parse
from collections.abc import Collection

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

LOCAL = ("localhost", "127.0.0.1", "::1")
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
SUBPROTOCOL, TOKEN_PREFIX = "dfuse", "token."  # browsers can send a token with a WebSocket in no other way


class Guard:
    """Refuses requests that come by another name or from another page, and adds HEADERS to every answer.

    A page elsewhere may have a name that leads to this machine (DNS rebinding), so the name has to be one of ours; and
    it may send requests here by itself, so an Origin, if there is one, has to be one of ours too.

    Args:
        app: what answers the others.
        hosts: names and addresses by which the server may be called.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]):
        self.app, self.hosts = app, frozenset(host.lower() for host in (*LOCAL, *hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        reason = self.refusal(HTTPConnection(scope))
        if reason is None:
            await self.app(scope, receive, with_headers)
        elif scope["type"] == "http":
            await problem(403, reason)(scope, receive, with_headers)
        else:
            await WebSocket(scope, receive, send).close(1008, reason)

    def refusal(self, request: HTTPConnection) -> str | None:
        """Returns why a request is refused; None if it is not."""
        if _host_of(f"//{request.headers.get('host', '')}") not in self.hosts:
            return "This server is not called by that name."
        origin = request.headers.get("origin")
        if origin is not None and _host_of(origin) not in self.hosts:
            return "Another page may not ask."
        if request.headers.get("sec-fetch-site") == "cross-site" and request.url.path != "/":
            return "Another page may not ask."
        return None


class RateLimit:
    """Tells whether something comes too often: more than `burst` at once, or `rate` a second for long."""

    def __init__(self, rate: float, burst: float):
        self.rate, self.burst = rate, burst
        self._left, self._last = burst, time.monotonic()

    def take(self) -> bool:
        """Counts one; returns False where it is one too many."""
        now = time.monotonic()
        self._left = min(self.burst, self._left + self.rate * (now - self._last))
        self._last = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def is_allowed(request: HTTPConnection, token: str | None) -> bool:
    """Tells whether a request carries the token, if there is one; takes as long for every wrong one."""
    if token is None:
        return True
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        given = ""
        for word in request.headers.get("sec-websocket-protocol", "").split(","):
            if word.strip().startswith(TOKEN_PREFIX):
                given = word.strip().removeprefix(TOKEN_PREFIX)
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())


def is_local(host: str) -> bool:
    """Tells whether an address to listen at is of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def problem(status: int, detail: str, **headers: str) -> JSONResponse:
    """Returns an answer that says what is wrong."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse({"detail": detail}, status, headers=named)


def _host_of(url: str) -> str:
    try:
        return (urllib.parse.urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
