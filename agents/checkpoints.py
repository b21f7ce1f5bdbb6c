"""Checkpoints in SQLite: what a killed run goes on from.

Values are msgpack. Only the closed list of the state's own types is brought back to life; nothing
is pickled, and a type outside the list stays plain data. The file is readable by its owner alone:
it holds the paths of studies.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from agents.state import STATE_TYPES
from findings.claims import Frozen
from findings.errors import ResourceError

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
    from langgraph.checkpoint.sqlite import SqliteSaver


_MOST_PRUNED: Final = 50
"""Threads removed at one time, so that nobody waits for it."""
_UUID_EPOCH: Final = datetime(1582, 10, 15, tzinfo=UTC)


class UnfinishedDraft(Frozen):
    """A draft that stopped before its review."""

    thread_id: str
    next_node: str


def serializer() -> JsonPlusSerializer:
    """The serializer of checkpoints: the state's own types, no pickle, no constructors by name."""
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    return JsonPlusSerializer(
        pickle_fallback=False,
        allowed_json_modules=None,
        allowed_msgpack_modules=[(kind.__module__, kind.__name__) for kind in STATE_TYPES],
    )


@contextmanager
def open_checkpoints(file: Path) -> Iterator[SqliteSaver]:
    """The checkpoint store at `file`, made where it is absent. Raises `ResourceError`."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(file, check_same_thread=False, timeout=30.0)
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        connection.execute("PRAGMA secure_delete = ON")
    except (OSError, sqlite3.Error) as error:
        raise ResourceError(
            f"The checkpoint file cannot be opened ({type(error).__name__}). "
            "Check that the cache folder may be written, or remove checkpoints.sqlite from it."
        ) from error
    with closing(connection):
        saver = SqliteSaver(connection, serde=serializer())
        saver.jsonplus_serde = serializer()
        yield saver


def forget_history(saver: SqliteSaver, thread_id: str) -> None:
    """Keep only the last checkpoint of a thread: what it needs to go on, not how it came there."""
    with saver.cursor() as cursor:
        last = cursor.execute(
            "SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = '' "
            "ORDER BY checkpoint_id DESC LIMIT 1",
            (thread_id,),
        ).fetchone()
        if last is None:
            return
        for table in ("checkpoints", "writes"):
            cursor.execute(
                f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_id <> ?",
                (thread_id, last[0]),
            )


def prune(saver: SqliteSaver, days: int, now: datetime | None = None) -> int:
    """Remove threads that were last touched more than `days` ago, the oldest first.

    At most fifty at one time. Returns how many were removed. A draft that was waiting for its
    sign-off that long can be read, and no longer be signed or resumed.
    """
    until = _first_id((now or datetime.now(UTC)) - timedelta(days=days))
    with saver.cursor() as cursor:
        old = cursor.execute(
            "SELECT thread_id FROM checkpoints GROUP BY thread_id HAVING MAX(checkpoint_id) < ? "
            "ORDER BY MAX(checkpoint_id) LIMIT ?",
            (until, _MOST_PRUNED),
        ).fetchall()
    for (thread_id,) in old:
        saver.delete_thread(thread_id)
    return len(old)


def _first_id(moment: datetime) -> str:
    """The least id of a checkpoint made at that moment: they are UUIDs of version 6, by time."""
    ticks = (moment - _UUID_EPOCH) // timedelta(microseconds=1) * 10
    return str(UUID(int=(ticks >> 12) << 80 | 0x6 << 76 | (ticks & 0xFFF) << 64))
