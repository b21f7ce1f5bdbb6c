"""One question with one picture to a model behind an OpenAI-compatible endpoint.

The answer is untrusted: bounded in bytes and in time, and handed on as text only. Redirects are not
followed, so that pixels go nowhere but to the configured address.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import random
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from findings.errors import BackendError, SettingsError

if TYPE_CHECKING:
    import httpx

LARGEST_ANSWER: Final = 256 * 1024
"""Bytes of an answer that are read before it is given up."""
TRIES: Final = 3
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 8.0
_BUSY: Final = frozenset({408, 409, 429, 500, 502, 503, 504})


def is_this_machine(host: str) -> bool:
    """Whether a host's name or address is the loopback's."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Endpoint:
    """Where the model is and how long one question may take, every try together."""

    base_url: str
    model: str
    api_key: str = field(repr=False)
    seconds: float

    def __post_init__(self) -> None:
        """Raises `SettingsError` where the address is none."""
        try:
            parts = urlsplit(self.base_url)
            usable = parts.scheme in ("http", "https") and parts.hostname and not parts.username
            _ = parts.port
        except ValueError:
            usable = False
        if not usable or not self.model:
            raise SettingsError(
                "vision_language.base_url must be an http or https address without a user name, "
                "and vision_language.model must name a model."
            )

    @property
    def host(self) -> str:
        """The machine that is asked."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def loopback(self) -> bool:
        """Whether that machine is this one."""
        return is_this_machine(self.host)

    @property
    def encrypted(self) -> bool:
        """Whether what is sent is encrypted on its way."""
        return urlsplit(self.base_url).scheme == "https"


def ask(
    endpoint: Endpoint, instruction: str, question: str, png: bytes, schema: dict[str, Any]
) -> str:
    """The model's answer to a question about a picture; it is asked to keep to the JSON schema.

    Tried again, after a wait that grows and varies, where the server is busy or the line breaks.
    Raises `BackendError` where no answer comes in time.
    """
    import httpx

    until = monotonic() + endpoint.seconds
    request = _request(endpoint, instruction, question, png, schema)
    client = httpx.Client(
        follow_redirects=False,
        trust_env=not endpoint.loopback,  # a proxy has no business between this machine and itself
        headers={"Authorization": f"Bearer {endpoint.api_key}", "Accept-Encoding": "identity"},
    )
    failure = "it did not answer in time"
    with client:
        for attempt in range(TRIES):
            if monotonic() >= until:
                break
            try:
                status, body, wanted = _post(client, endpoint, request, until)
            except httpx.TransportError as error:
                failure, wanted = f"the line broke ({type(error).__name__})", None
            else:
                if status == 200:
                    return _content(body)
                failure = f"it answered with status {status}"
                if status not in _BUSY:
                    break
            wait = _wait(attempt, wanted)
            if attempt + 1 == TRIES or monotonic() + wait >= until:
                break
            sleep(wait)
    raise BackendError(
        f"The vision-language model could not be asked: {failure}. Check that its server runs and "
        "that vision_language.base_url, model and api_key are right."
    )


def _request(
    endpoint: Endpoint, instruction: str, question: str, png: bytes, schema: dict[str, Any]
) -> dict[str, Any]:
    picture = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    return {
        "model": endpoint.model,
        "temperature": 0.0,
        "seed": 0,
        "max_tokens": 1024,
        "messages": [
            {"role": "system", "content": instruction},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": picture}},
                    {"type": "text", "text": question},
                ],
            },
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "chest_radiograph", "strict": True, "schema": schema},
        },
    }


def _post(
    client: httpx.Client, endpoint: Endpoint, request: dict[str, Any], until: float
) -> tuple[int, bytes, str | None]:
    """Status, body and Retry-After of one try. Raises `httpx.TransportError`, `BackendError`."""
    import httpx

    left = max(until - monotonic(), 0.01)
    address = endpoint.base_url.rstrip("/") + "/chat/completions"
    body = bytearray()
    with client.stream(
        "POST", address, json=request, timeout=httpx.Timeout(left, connect=min(5.0, left))
    ) as answer:
        for block in answer.iter_raw():  # as it comes: a trickle must not be waited for
            body += block
            if len(body) > LARGEST_ANSWER:
                raise BackendError(
                    "The vision-language model's answer is longer than any report, so it is not "
                    "used."
                )
            if monotonic() > until:
                raise httpx.ReadTimeout("the answer trickles")
        return answer.status_code, bytes(body), answer.headers.get("Retry-After")


def _wait(attempt: int, wanted: str | None) -> float:
    """Seconds before the next try: doubled each time, varied, and never less than asked for."""
    grown = min(_FIRST_WAIT * 2.0**attempt, _LONGEST_WAIT) * random.uniform(0.5, 1.5)
    asked = float(wanted) if wanted is not None and wanted.isdecimal() and len(wanted) < 5 else 0.0
    return max(grown, asked)


def _content(body: bytes) -> str:
    """The text of the first choice. Raises `BackendError` where the answer is none."""
    try:
        text = json.loads(body)["choices"][0]["message"]["content"]
        if isinstance(text, str):
            return text
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        pass
    raise BackendError(
        "The vision-language server's answer is not a chat completion, so it is not used. "
        "Check that vision_language.base_url ends in /v1 of an OpenAI-compatible server."
    )
