"""The audit log: an append-only file of events, each chained to the one before by its hash.

`audit.jsonl` holds one JSON object per line. `hash` is the SHA-256 of the canonical JSON (sorted
keys, no spaces, UTF-8) of the other fields, `prev` among them, so that a changed, removed, added
or reordered line breaks every line after it. A cut-off end cannot be seen from the file alone:
keep the last hash elsewhere (the draft's signature does) and pass it to `verify_chain`.

Events carry no patient data: only names of nodes and models, versions, digests, counts and times.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from findings.claims import Frozen
from findings.errors import ReportError, UserInputError

AUDIT_FILE: Final = "audit.jsonl"
GENESIS: Final = "0" * 64
MAX_LINE_BYTES: Final = 16_384

_VALUE = re.compile(r"[\w.+:/@ -]{0,200}", re.ASCII)

Detail = str | int | float | bool | None


class AuditEvent(Frozen):
    """One line of the log."""

    index: int = Field(ge=0)
    time: str
    """UTC, ISO 8601."""
    event: str = Field(pattern=r"^[a-z][a-z0-9_.]{0,63}$")
    details: dict[str, Detail] = Field(default_factory=dict)
    prev: str = Field(pattern=r"^[0-9a-f]{64}$")
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")


def append(
    path: Path,
    event: str,
    details: Mapping[str, Detail] | None = None,
    *,
    time: datetime | None = None,
) -> AuditEvent:
    """Add one event to the log and return it as written; the file is made where there is none.

    Details are short: numbers, and strings of letters, digits and ``. _ - + : / @`` up to 200
    characters. Raises `UserInputError` for anything else, and `ReportError` where the end of the
    file is not a valid line.
    """
    kept = dict(details or {})
    for key, value in kept.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", key) or (
            isinstance(value, str) and not _VALUE.fullmatch(value)
        ):
            raise UserInputError(
                "An audit detail is not a short plain value. Log names, versions, digests, counts "
                "and times only."
            )
    with _locked(path) as descriptor:
        last = _last_event(path)
        fields = {
            "index": 0 if last is None else last.index + 1,
            "time": (time or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds"),
            "event": event,
            "details": kept,
            "prev": GENESIS if last is None else last.hash,
        }
        try:
            record = AuditEvent.model_validate({**fields, "hash": _digest(fields)})
        except (ValidationError, ValueError):
            raise UserInputError(
                "The audit event's name or a detail cannot be logged. Use a lower-case name and "
                "finite numbers."
            ) from None
        line = _canonical(record.model_dump()) + b"\n"
        if len(line) > MAX_LINE_BYTES:
            raise UserInputError("The audit event has too many details. Log fewer of them.")
        os.write(descriptor, line)
    return record


def read_events(path: Path) -> Iterator[AuditEvent]:
    """The events in order, unchecked. Raises `ReportError` at the first line that is no event."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            yield _parsed(line, f"line {number}")


def verify_chain(path: Path, last_hash: str | None = None) -> int:
    """Check the whole log and return how many events it holds.

    Raises `ReportError` naming the first line that does not fit; with `last_hash`, also where the
    log ends before or after it.
    """
    prev = GENESIS
    count = 0
    for event in read_events(path):
        fields = event.model_dump(exclude={"hash"})
        if event.index != count or event.prev != prev or event.hash != _digest(fields):
            raise ReportError(
                f"The audit log was changed: line {count + 1} does not follow from those before "
                "it. What it says from there on cannot be trusted."
            )
        prev = event.hash
        count += 1
    if last_hash is not None and prev != last_hash:
        raise ReportError(
            "The audit log does not end where it should: lines were cut off or added. Compare it "
            "with a backup."
        )
    return count


def _canonical(fields: Mapping[str, object]) -> bytes:
    return json.dumps(
        fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8")


def _digest(fields: Mapping[str, object]) -> str:
    return hashlib.sha256(_canonical(fields)).hexdigest()


def _parsed(line: bytes, where: str) -> AuditEvent:
    try:
        if not line.endswith(b"\n"):
            raise ValueError("cut off")
        return AuditEvent.model_validate_json(line, strict=True)
    except (ValidationError, ValueError):
        raise ReportError(
            f"The audit log cannot be read: {where} is not a whole event. Compare it with a backup."
        ) from None


def _last_event(path: Path) -> AuditEvent | None:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return None
        file.seek(max(0, size - MAX_LINE_BYTES))
        tail = file.read()
    return _parsed(tail[:-1].rsplit(b"\n", 1)[-1] + tail[-1:], "its last line")


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open for appending, held against other processes until done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        try:
            import fcntl
        except ImportError:  # Windows: one writer at a time is the caller's duty
            pass
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
