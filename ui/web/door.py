"""The page's door: who a browser is, which hosts are answered, and what the page may load.

A browser is known by a random cookie that scripts cannot read; its studies lie under the cookie's
digest. Without a password only this machine's own names are answered, so that no page elsewhere
can reach the room by having its name resolve to this machine. The content security policy lets the
page load and send nothing outside its own address.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import urlsplit

COOKIE: Final = "reading_room"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{32,64}")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_YEAR: Final = 31_536_000
POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; media-src 'none'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""Gradio builds its components from texts, hence the two unsafe words; the hosts stay closed."""
_HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Door:
    """ASGI middleware around the page."""

    def __init__(self, app: App, only_this_machine: bool = True) -> None:
        self._app = app
        self._only_this_machine = only_this_machine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, with the cookie and the headers on its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if self._only_this_machine and not _from_this_machine(headers):
            await _refuse(send)
            return
        new = None if browser_of(headers.get(b"cookie", "")) else secrets.token_urlsafe(32)
        if new is not None:
            cookie = headers.get(b"cookie", "")
            kept = [(n, v) for n, v in scope["headers"] if n != b"cookie"]
            with_it = f"{cookie}; {COOKIE}={new}" if cookie else f"{COOKIE}={new}"
            scope = {**scope, "headers": [*kept, (b"cookie", with_it.encode("latin-1"))]}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in _HEADERS}
                sent = [(n, v) for n, v in message["headers"] if n.lower() not in own]
                if new is not None:
                    secure = "; Secure" if scope.get("scheme") == "https" else ""
                    value = f"{COOKIE}={new}; Path=/; Max-Age={_YEAR}; HttpOnly; SameSite=Strict"
                    sent.append((b"set-cookie", f"{value}{secure}".encode()))
                message = {**message, "headers": [*sent, *_HEADERS]}
            await send(message)

        await self._app(scope, receive, answer)


def browser_of(cookies: str) -> str | None:
    """The browser's token in a cookie header; `None` where there is none of the right form."""
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel is not None and _TOKEN.fullmatch(morsel.value) else None


def _from_this_machine(headers: dict[bytes, str]) -> bool:
    try:
        named = urlsplit(f"//{headers.get(b'host', '')}").hostname
        origin = headers.get(b"origin")
        sent_by = urlsplit(origin).hostname if origin is not None else named
    except ValueError:
        return False
    return named in _LOOPBACK and sent_by in _LOOPBACK


async def _refuse(send: Send) -> None:
    head = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS]
    await send({"type": "http.response.start", "status": 403, "headers": head})
    text = b"Without a password only pages of this machine may ask."
    await send({"type": "http.response.body", "body": text})
