"""What built an index of one language, and how its folder is replaced in one step.

A language's folder holds one folder for each build and a file `CURRENT` that names the one in
use. Replacing that file is the only step that a reader can see.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError

from findings.claims import Frozen
from findings.errors import IndexUnavailableError
from findings.vocabulary import Language

SCHEMA: Final = 1
"""Raised whenever files of an earlier build can no longer be read."""

MANIFEST: Final = "manifest.json"
POINTER: Final = "CURRENT"
BUILD_ADVICE: Final = "Run 'readingroom index build'."

_BUILD: Final = re.compile(r"build-[0-9a-z_]{4,32}")
_WORK: Final = ".building-"
_STALE_SECONDS: Final = 24 * 3600


class CorpusCount(Frozen):
    """A corpus, its version, and how much of it is in the index."""

    name: str
    version: str
    reports: int
    distinct: int


class StoredFile(Frozen):
    """Size and checksum of one file of a build."""

    size: int
    sha256: str


class LanguageManifest(Frozen):
    """What one language's index was built from and with."""

    index_schema: int
    builder: str
    language: Language
    form: Literal["prose", "claims"] = Field(
        description="embedded from the reports' own sentences, or from phrases of their claims"
    )
    corpora: tuple[CorpusCount, ...]
    encoder: str
    profile_layout: str
    entries: int
    text_vectors: int
    profile_vectors: int
    files: dict[str, StoredFile]

    @property
    def reports(self) -> int:
        """Reports in all, duplicates counted."""
        return sum(corpus.reports for corpus in self.corpora)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self.files.values())


def current_build(folder: Path) -> Path:
    """The build in use in a language's folder. Raises `IndexUnavailableError` without one."""
    name = _named(folder)
    if name is None or not (folder / name).is_dir():
        raise IndexUnavailableError(f"The index of prior reports is absent. {BUILD_ADVICE}")
    return folder / name


def _named(folder: Path) -> str | None:
    try:
        name = (folder / POINTER).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return name if _BUILD.fullmatch(name) else None


def read_manifest(build: Path, profile_layout: str, encoder: str | None) -> LanguageManifest:
    """The manifest of a build, checked against this version of the application.

    `encoder` is the version of the encoder at hand, if there is one. Raises
    `IndexUnavailableError` where the build is damaged or was made by something else.
    """
    try:
        manifest = LanguageManifest.model_validate_json((build / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise IndexUnavailableError(
            f"The index of prior reports is damaged or of another version. {BUILD_ADVICE}"
        ) from error
    for is_so, what in (
        (manifest.index_schema == SCHEMA, "another version of the application"),
        (manifest.profile_layout == profile_layout, "another vocabulary"),
        (encoder is None or manifest.encoder == encoder, "another sentence encoder"),
    ):
        if not is_so:
            raise IndexUnavailableError(
                f"The index of prior reports was built with {what}. {BUILD_ADVICE}"
            )
    for name, stored in manifest.files.items():
        file = build / name
        if Path(name).name != name or not file.is_file() or file.stat().st_size != stored.size:
            raise IndexUnavailableError(f"The index of prior reports is incomplete. {BUILD_ADVICE}")
    return manifest


def damaged_files(build: Path, manifest: LanguageManifest) -> tuple[str, ...]:
    """The files whose checksum is no longer the one recorded."""
    return tuple(
        name
        for name, stored in manifest.files.items()
        if describe_file(build / name).sha256 != stored.sha256
    )


def describe_file(path: Path) -> StoredFile:
    """Size and checksum of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return StoredFile(size=path.stat().st_size, sha256=digest)


@contextmanager
def new_build(folder: Path) -> Iterator[Path]:
    """A folder to build in; it becomes the build in use when the block ends without an error."""
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder, prefix=_WORK))
    try:
        yield work
        build = work.with_name("build-" + work.name.removeprefix(_WORK))
        work.chmod(0o755)
        work.rename(build)
        previous = _named(folder)
        pointer = folder / f".{POINTER}-{build.name}"
        with pointer.open("w", encoding="ascii") as stream:
            stream.write(build.name + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        pointer.replace(folder / POINTER)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for other in folder.iterdir():
        leftover = other.name.startswith(_WORK) or _BUILD.fullmatch(other.name)
        old = time.time() - other.stat().st_mtime > _STALE_SECONDS
        if other.name == previous or (leftover and old and other != build):
            # Where a reader still has files open (Windows), they stay until the next build.
            shutil.rmtree(other, ignore_errors=True)
