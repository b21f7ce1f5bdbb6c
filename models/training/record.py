"""The record beside a run's checkpoint: what was trained on what, by which version of the code."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from findings.errors import SettingsError
from models.training.roles import Role

RECORD = "run.json"
CHECKPOINTS = "last.ckpt"

_GIT_SECONDS = 10


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Session(_Frozen):
    """One start of the run: the first, or a resumption."""

    started: datetime
    command: str
    code: str
    torch: str
    processes: int
    data_sha256: str


class RunRecord(_Frozen):
    """A run's preset as its file says, and every session of it."""

    role: Role
    preset: str
    settings: dict[str, Any]
    sessions: tuple[Session, ...]


def code_version() -> str:
    """The distribution's version, and the commit where the code lies in a git working tree."""
    root = Path(__file__).parents[2]
    try:
        release = version("readingroom")
    except PackageNotFoundError:
        release = "unknown"
    if not (root / ".git").exists():
        return release
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"],
            # Without it git would lock its index against whoever commits meanwhile.
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return release
    return f"{release}+{done.stdout.strip()}" if done.returncode == 0 else release


def data_digest(data: Path, out: Path) -> str:
    """SHA-256 over the names and sizes of the files in ``data``, leaving ``out`` aside.

    It tells whether two sessions had the same folder before them without reading every image.
    """
    lines = sorted(_listed(data, out.resolve()))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _listed(data: Path, out: Path) -> Iterator[str]:
    for folder, below, files in os.walk(data):
        here = Path(folder)
        below[:] = [name for name in below if (here / name).resolve() != out]
        for name in files:
            path = here / name
            if path.is_file():
                yield f"{path.relative_to(data).as_posix()} {path.stat().st_size}"


def now(command: str, processes: int, data: Path, out: Path) -> Session:
    """The session that begins now."""
    import torch

    return Session(
        started=datetime.now(UTC).replace(microsecond=0),
        command=command,
        code=code_version(),
        torch=torch.__version__,
        processes=processes,
        data_sha256=data_digest(data, out),
    )


def read_record(out: Path) -> RunRecord | None:
    """The record in ``out``; None where there is none.

    Raises:
        SettingsError: it is damaged.
    """
    path = out / RECORD
    if not path.is_file():
        return None
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise SettingsError(
            f"{RECORD} in the folder of --out cannot be read, so it is not known whose run lies "
            "there: choose another folder"
        ) from error


def write_record(record: RunRecord, out: Path) -> None:
    """Write the record, whole or not at all."""
    draft = out / f"{RECORD}.unfinished"
    draft.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.replace(out / RECORD)


def claim_folder(
    out: Path, role: Role, preset: str, settings: dict[str, Any], resume: bool
) -> tuple[Session, ...]:
    """See that ``out`` may take this run; gives the sessions that it has had there.

    Raises:
        SettingsError: it holds a run that would be overwritten, or one of another preset.
    """
    record = read_record(out)
    trained = record is not None or (out / "weights").exists() or any(_checkpoints(out))
    if trained and not resume:
        whose = f"a run of {record.role} {record.preset!r}" if record else "a trained network"
        raise SettingsError(
            f"the folder of --out already holds {whose}, which is never overwritten: give "
            "--resume to go on with it, or another folder"
        )
    if record is None:
        return ()
    if record.role is not role:
        raise SettingsError(
            f"the folder of --out holds a run of the {record.role}, not of the {role}: give "
            "another folder"
        )
    differing = sorted(_differing(record.settings, settings))
    if differing:
        raise SettingsError(
            f"the folder of --out holds a run of the preset {record.preset!r}, and the settings "
            f"{', '.join(differing[:5])} differ now: give the preset as it was, or another folder"
        )
    return record.sessions


def _checkpoints(out: Path) -> Iterator[Path]:
    yield from out.glob(CHECKPOINTS)
    yield from out.glob(f"*/{CHECKPOINTS}")


def _differing(before: dict[str, Any], after: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name in before.keys() | after.keys():
        one, other = before.get(name), after.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differing(one, other, f"{prefix}{name}.")
        elif one != other:
            yield f"{prefix}{name}"
