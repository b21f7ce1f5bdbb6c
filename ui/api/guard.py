"""Who may ask, how often, and how much may be sent."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import JSONResponse, Response

from agents.settings import ApiSettings

OPEN_PATHS: Final = ("/healthz", "/docs", "/openapi.json")
THIS_MACHINE: Final = "this machine"
"""The owner of what is given where no keys are set."""
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_MOST_OWNERS: Final = 10_000


@dataclass
class _Bucket:
    """Requests that an owner may still make; it fills up at a steady rate."""

    left: float
    filled: float


class Guard:
    """Middleware: checks the key, the rate and the announced size of every request.

    Without keys everyone who reaches the port is one owner; the command then binds to this
    machine alone. An owner is a digest of the key, never the key.
    """

    def __init__(self, settings: ApiSettings, most_bytes: int) -> None:
        self._keys = [key.get_secret_value().encode() for key in settings.keys]
        self._rate = settings.requests_per_minute
        self._most_bytes = most_bytes
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    async def __call__(
        self, request: Request, go_on: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Let a request through, or answer it here."""
        if request.url.path in OPEN_PATHS:
            return await go_on(request)
        if not self._keys and not _from_this_machine(request):
            return _refusal(403, "Without keys only pages and programs of this machine may ask.")
        owner = self._owner(request.headers.get("authorization", ""))
        if owner is None:
            return _refusal(401, "Send a valid key: Authorization: Bearer KEY.")
        if not self._may(owner):
            return _refusal(429, "Too many requests. Wait a minute.")
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most_bytes:
            return _refusal(413, "The request is too large. Send one study.")
        if "transfer-encoding" in request.headers:
            return _refusal(411, "Send the length of the request.")
        request.state.owner = owner
        return await go_on(request)

    def _owner(self, header: str) -> str | None:
        if not self._keys:
            return THIS_MACHINE
        scheme, _, key = header.partition(" ")
        given = key.strip().encode()
        # Every key is compared, in constant time, so that time tells nothing of them.
        known = [hmac.compare_digest(given, own) for own in self._keys]
        if scheme.lower() != "bearer" or not any(known):
            return None
        return hashlib.sha256(given).hexdigest()

    def _may(self, owner: str) -> bool:
        now = time.monotonic()
        with self._lock:
            if owner not in self._buckets and len(self._buckets) >= _MOST_OWNERS:
                self._buckets.clear()
            bucket = self._buckets.setdefault(owner, _Bucket(self._rate, now))
            gained = (now - bucket.filled) * self._rate / 60
            bucket.left, bucket.filled = min(self._rate, bucket.left + gained), now
            if bucket.left < 1:
                return False
            bucket.left -= 1
            return True


def _from_this_machine(request: Request) -> bool:
    """Whether the request names this machine, and was sent by no page of another.

    A page elsewhere could otherwise send requests through a browser here, or have its own name
    resolve to this machine and read the answers (DNS rebinding).
    """
    named = urlsplit(f"//{request.headers.get('host', '')}").hostname
    origin = request.headers.get("origin")
    sent_by = urlsplit(origin).hostname if origin is not None else named
    return named in _LOOPBACK and sent_by in _LOOPBACK


def _refusal(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status_code=status)
