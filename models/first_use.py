"""Checksums of downloads whose publisher states none: recorded when first pulled, then required.

The record lies beside the pulled artefacts and outlives them, so that a file that was changed at
its source is refused even where the first copy has been deleted.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from findings.claims import Frozen
from findings.errors import WeightsError

RECORD: Final = "first-use.json"


class FirstUse(Frozen):
    """What was pulled first under one name and version."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    source: str
    revision: str = ""
    """The commit, where the source is a repository."""


class _Record(Frozen):
    entries: dict[str, FirstUse] = Field(default_factory=dict)


def recorded(home: Path, name: str) -> FirstUse | None:
    """What was pulled first under that name; `None` where nothing was. Raises `WeightsError`."""
    return _read(home).entries.get(name)


def record(home: Path, name: str, first: FirstUse) -> None:
    """Keep this as what was pulled first, in place of any earlier record."""
    entries = {**_read(home).entries, name: first}
    partial = home / f".{RECORD}.{os.getpid()}"
    partial.write_text(_Record(entries=entries).model_dump_json(indent=1) + "\n", encoding="utf-8")
    partial.replace(home / RECORD)


def _read(home: Path) -> _Record:
    try:
        return _Record.model_validate_json((home / RECORD).read_bytes())
    except FileNotFoundError:
        return _Record()
    except (OSError, ValidationError) as error:
        raise WeightsError(
            f"The record of first-seen checksums cannot be read ({type(error).__name__}), so no "
            f"unpinned download can be trusted. Restore or delete models/{RECORD} in the cache."
        ) from error
