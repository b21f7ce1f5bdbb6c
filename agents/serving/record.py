"""The record of the server that runs on this machine: at most one, known by the lock it holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout
from pydantic import ValidationError

from agents.serving.environment import Device
from findings.claims import Frozen
from findings.errors import BackendError

_RECORD: Final = "server.json"
_LOCK: Final = "server.lock"
_PATIENCE: Final = 0.5
"""Seconds: someone may just be looking whether a server runs."""


class Served(Frozen):
    """One name that clients may ask for, and what stands behind it."""

    name: str
    kind: str
    """`base`, `adapter` or `merged`."""
    prompt: str = ""
    """File name of the prompt that it was tuned with; empty for a base model."""
    version: str = ""
    licence: str = ""
    sha256: str = ""


class ServerRecord(Frozen):
    """A running server, as the process that started it tells of it."""

    pid: int
    """Of the process that started it, and that stops it when interrupted."""
    address: str
    device: Device
    served: tuple[Served, ...]
    tools: str = ""
    """The parser of its tool calls; empty: it makes none."""

    def named(self, name: str) -> Served | None:
        """What stands behind a name, if it is served."""
        return next((one for one in self.served if one.name == name), None)


def serving_folder(cache_dir: Path) -> Path:
    """Where the server's record and log lie."""
    return cache_dir / "serving"


def running_server(cache_dir: Path) -> ServerRecord | None:
    """The server that this application started and that still runs; `None` where there is none."""
    folder = serving_folder(cache_dir)
    try:
        record = ServerRecord.model_validate_json((folder / _RECORD).read_bytes())
        with FileLock(folder / _LOCK).acquire(timeout=0):
            return None  # a server that was killed left its record behind
    except Timeout:
        return record
    except (OSError, ValidationError):
        return None


def server_at(cache_dir: Path, address: str) -> ServerRecord | None:
    """The running server of this application, where it is the one at this address."""
    record = running_server(cache_dir)
    return record if record is not None and record.address == address else None


@contextmanager
def sole_server(cache_dir: Path) -> Iterator[Path]:
    """Be the one server of this machine's user; gives the folder of its record and log.

    Raises `BackendError` where another one runs.
    """
    folder = serving_folder(cache_dir)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout as error:
        raise BackendError(
            "A language model server runs or starts already. 'readingroom llm status' shows it, "
            "'readingroom llm stop' ends it."
        ) from error
    try:
        yield folder
    finally:
        (folder / _RECORD).unlink(missing_ok=True)
        lock.release()


def write_record(folder: Path, record: ServerRecord) -> None:
    """Tell of a server that is healthy now."""
    partial = folder / f".{_RECORD}.{os.getpid()}"
    partial.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / _RECORD)
