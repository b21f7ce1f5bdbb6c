"""The tables of one index: reports, the examinations behind each, and sentences. SQLite, read-only.

A report stands for every examination that was reported in the same words (or, in a corpus of
labels, with the same findings and places); its members keep their ids and patients apart.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from findings.claims import Claim, Frozen
from retrieval.corpora.report import CorpusReport, ReportView, fold

Vector = NDArray[np.float32]

TABLES: Final = "reports.sqlite"
VIEW_BITS: Final = {view: 1 << place for place, view in enumerate(ReportView)}

_SCHEMA: Final = """
CREATE TABLE report (entry INTEGER PRIMARY KEY, source TEXT NOT NULL, display TEXT NOT NULL,
                     count INTEGER NOT NULL, claims TEXT NOT NULL);
CREATE TABLE member (entry INTEGER NOT NULL, report_id TEXT NOT NULL, patient TEXT NOT NULL,
                     views INTEGER NOT NULL);
CREATE TABLE sentence (key BLOB PRIMARY KEY, frequency REAL NOT NULL, vector BLOB NOT NULL)
WITHOUT ROWID;
"""
_CLAIMS: Final = TypeAdapter(tuple[Claim, ...])


class Entry:
    """Reports with the same content, while an index is being built."""

    __slots__ = ("claims", "first", "members", "views")

    def __init__(self, first: CorpusReport, claims: tuple[Claim, ...]) -> None:
        self.first = first
        self.claims = claims
        self.members: list[tuple[str, str, int]] = []
        self.views = 0

    def add(self, report: CorpusReport) -> None:
        """Count one more examination with this content."""
        views = sum(VIEW_BITS[view] for view in report.views)
        self.members.append((report.report_id, report.patient, views))
        self.views |= views


class StoredReport(Frozen):
    """A report as it was stored."""

    source: str
    display: str
    count: int
    claims: tuple[Claim, ...]


def sentence_key(sentence: str) -> bytes:
    """What equal sentences share, whatever their punctuation and case."""
    return blake2b(fold(sentence).encode(), digest_size=16).digest()


def write_tables(
    folder: Path, entries: Sequence[Entry], sentences: Iterable[tuple[bytes, float, Vector]]
) -> None:
    """Write the tables of one index into `folder`."""
    with sqlite3.connect(folder / TABLES) as tables:
        tables.executescript(_SCHEMA)
        tables.executemany(
            "INSERT INTO report VALUES (?, ?, ?, ?, ?)",
            (
                (
                    number,
                    entry.first.source,
                    entry.first.display,
                    len(entry.members),
                    _CLAIMS.dump_json(entry.claims, exclude_defaults=True).decode(),
                )
                for number, entry in enumerate(entries)
            ),
        )
        tables.executemany(
            "INSERT INTO member VALUES (?, ?, ?, ?)",
            (
                (number, *member)
                for number, entry in enumerate(entries)
                for member in sorted(entry.members)
            ),
        )
        tables.executemany(
            "INSERT INTO sentence VALUES (?, ?, ?)",
            ((key, share, vector.astype("<f4").tobytes()) for key, share, vector in sentences),
        )
        tables.execute("CREATE INDEX member_of ON member (entry)")
    tables.close()


class Tables:
    """The tables opened for reading. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Open at once, so that a build that replaces this one does not matter to the reader."""
        uri = (folder / TABLES).resolve().as_uri() + "?mode=ro&immutable=1"
        self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        self._lock = threading.Lock()

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        # One look-up takes microseconds; a connection for each thread would gain nothing.
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def report(self, entry: int) -> StoredReport:
        """The report of an entry."""
        (row,) = self._rows(
            "SELECT source, display, count, claims FROM report WHERE entry = ?", entry
        )
        return StoredReport(
            source=row[0], display=row[1], count=row[2], claims=_CLAIMS.validate_json(row[3])
        )

    def member(
        self, entry: int, view: ReportView | None, patient: str | None, report_id: str | None
    ) -> str | None:
        """The id of the first examination of an entry that has the view and is not excluded.

        A report by the excluded patient, or the excluded report, is passed over; `None` where
        nothing else is left.
        """
        bit = 0 if view is None else VIEW_BITS[view]
        rows = self._rows(
            "SELECT report_id FROM member WHERE entry = ? AND (? = 0 OR views & ?) "
            "AND patient IS NOT ? AND report_id IS NOT ? LIMIT 1",
            *(entry, bit, bit, patient, report_id),
        )
        return str(rows[0][0]) if rows else None

    def sentence(self, sentence: str) -> tuple[float, Vector] | None:
        """The share of reports that have a sentence, and its vector; `None` if none has it."""
        rows = self._rows(
            "SELECT frequency, vector FROM sentence WHERE key = ?", sentence_key(sentence)
        )
        return (float(rows[0][0]), np.frombuffer(rows[0][1], dtype="<f4")) if rows else None


class EmbeddingCache:
    """Sentence vectors kept between builds, so that a build that was killed goes on."""

    def __init__(self, folder: Path, encoder_version: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(folder / f"embeddings-{encoder_version}.sqlite")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS sentence (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
        )

    def get(self, keys: Sequence[bytes]) -> Iterator[tuple[bytes, Vector]]:
        """Those of `keys` that are there."""
        for key in keys:
            row = self._connection.execute(
                "SELECT vector FROM sentence WHERE key = ?", (key,)
            ).fetchone()
            if row is not None:
                yield key, np.frombuffer(row[0], dtype="<f4")

    def put(self, vectors: Iterable[tuple[bytes, Vector]]) -> None:
        """Keep some vectors; they survive a kill once this returns."""
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO sentence VALUES (?, ?)",
                ((key, vector.astype("<f4").tobytes()) for key, vector in vectors),
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
