"""Which presets there are, and what each says of itself; nothing heavy is imported to know it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from textwrap import shorten
from typing import Any

from findings.errors import SettingsError
from models.training.roles import Role

PRESETS = Path(__file__).parents[1] / "presets"

_LONGEST_SUMMARY = 100


@dataclass(frozen=True, slots=True)
class PresetEntry:
    """A preset that comes with the project; ``summary`` is its file's first sentence."""

    role: Role
    name: str
    summary: str


def list_presets() -> list[PresetEntry]:
    """Every preset, role by role."""
    return [
        PresetEntry(role, path.stem.removeprefix(f"{role}-"), _first_sentence(path))
        for role in Role
        for path in sorted(PRESETS.glob(f"{role}-*.toml"))
    ]


def preset_path(role: Role, name: str) -> Path:
    """The file of a preset, by its name or the path of a TOML file.

    Raises:
        SettingsError: there is no such preset.
    """
    path = Path(name) if name.endswith(".toml") else PRESETS / f"{role}-{name}.toml"
    if not path.is_file():
        known = [entry.name for entry in list_presets() if entry.role is role]
        raise SettingsError(f"there is no preset {name!r} for {role}: use one of {known}")
    return path


def read_table(path: Path) -> dict[str, Any]:
    """A preset's file as TOML gives it.

    Raises:
        SettingsError: the file is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the preset {path.name} cannot be used: {error}") from error


def _first_sentence(path: Path) -> str:
    """The first sentence of the comment that a file begins with, cut where it is long."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = " ".join(
        line.lstrip("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines)
    )
    sentence, stop, _ = comment.partition(". ")
    return shorten(sentence + stop.strip(), _LONGEST_SUMMARY, placeholder=" …")
