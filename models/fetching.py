"""Getting an artefact's download: from a local file, through pip, or over https, resumed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from findings.errors import WeightsError
from models.artefacts import Artefact

_CHUNK: Final = 1 << 20
_PIP_SECONDS: Final = 1800
_IDLE_SECONDS: Final = 60
_LARGEST_UNPINNED: Final = 2 << 30
"""Bytes that a download without a stated size may have."""

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all (0: not known) of the file at hand."""


def file_sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def again(artefact: Artefact) -> str:
    """The advice where a download failed."""
    what = "the wheel" if artefact.requirement else f"the file {artefact.file_name}"
    return (
        f"Run 'readingroom models pull {artefact.name}' again; without a network, download {what} "
        "elsewhere and give its folder with --from."
    )


@contextmanager
def fetched(
    artefact: Artefact, home: Path, override: str | None, progress: Progress | None
) -> Iterator[Path]:
    """The download as a local file, unchecked; deleted afterwards if it was downloaded.

    `override` is a folder, a file, or a file: or https: address to take it from. A download that
    was cut off stays under `home` and is gone on with. Raises `WeightsError`.
    """
    local = None if override is None else _local_file(artefact, override)
    if local is not None:
        yield local
        return
    downloads = home / ".downloads"
    downloads.mkdir(exist_ok=True)
    target = downloads / (
        f"{artefact.sha256}.whl" if artefact.pinned else f"{artefact.name}-{artefact.version}"
    )
    if not (artefact.pinned and target.is_file() and file_sha256(target) == artefact.sha256):
        url = override or (artefact.source if artefact.requirement is None else None)
        if url is None:
            _pip_download(artefact, target)
        else:
            _url_download(artefact, url, target, progress)
    try:
        yield target
    finally:
        target.unlink(missing_ok=True)


def copy(
    source: IO[bytes],
    target: IO[bytes],
    name: str,
    limit: int,
    progress: Progress | None,
    done: int = 0,
    total: int | None = None,
) -> None:
    """Copy until the source ends, at most `limit` bytes in all. Raises `WeightsError`."""
    while block := source.read(_CHUNK):
        done += len(block)
        if done > limit:
            raise WeightsError(
                f"A file of '{name}' is larger than it may be, so it is not used. "
                "Pull it again, or from another source."
            )
        target.write(block)
        if progress is not None:
            progress(done, limit if total is None else total)


def _local_file(artefact: Artefact, override: str) -> Path | None:
    """The local file that an override names; None where the override is a remote URL."""
    parts = urllib.parse.urlsplit(override)
    if parts.scheme == "https":
        return None
    path = Path(urllib.request.url2pathname(parts.path)) if parts.scheme == "file" else None
    path = path or Path(override).expanduser()
    if path.is_dir() and artefact.requirement is not None:
        name, version = artefact.requirement.split("==")
        path = next(iter(sorted(path.glob(f"{name.replace('-', '_')}-{version}-*.whl"))), path)
    elif path.is_dir():
        path = path / artefact.file_name
    if not path.is_file():
        needed = (
            f"the wheel of {artefact.requirement}"
            if artefact.requirement
            else f"the file {artefact.file_name}"
        )
        raise WeightsError(
            f"The source given for '{artefact.name}' holds no such download. It needs {needed}."
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
                timeout=_PIP_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise WeightsError(
                f"pip could not download {requirement} ({type(error).__name__}). " + again(artefact)
            ) from error
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise WeightsError(
                f"pip could not download {requirement}: {(lines or ['no reason given'])[-1]}. "
                + again(artefact)
            )
        wheels[0].replace(target)


def _url_download(artefact: Artefact, url: str, target: Path, progress: Progress | None) -> None:
    """Download over https, going on where an earlier attempt stopped.

    Where no checksum would notice two halves of different files, the server must confirm that the
    file is still the same one (RFC 9110, If-Range with a strong entity tag); else it starts anew.
    """
    part, tag_file = target.with_suffix(".part"), target.with_suffix(".tag")
    limit = artefact.size or _LARGEST_UNPINNED
    have = part.stat().st_size if part.is_file() else 0
    tag = tag_file.read_text(encoding="ascii", errors="ignore") if tag_file.is_file() else ""
    if have >= limit or not (artefact.pinned or tag):
        part.unlink(missing_ok=True)
        have = 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and tag:
        headers["If-Range"] = tag
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_IDLE_SECONDS
        ) as answer:
            if urllib.parse.urlsplit(answer.url).scheme != "https":
                raise WeightsError(
                    f"The source of '{artefact.name}' leads to an address that is not https, so it "
                    "is not used. " + again(artefact)
                )
            resumed = have > 0 and answer.status == 206
            have = have if resumed else 0
            length = answer.headers.get("Content-Length", "")
            total = artefact.size or (have + int(length) if length.isdecimal() else 0)
            if not resumed:
                strong = answer.headers.get("ETag", "")
                tag_file.write_text(
                    strong if strong.startswith('"') and strong.isascii() else "", encoding="ascii"
                )
            with part.open("ab" if resumed else "wb") as stream:
                copy(answer, stream, artefact.name, limit, progress, have, total)
            if total and part.stat().st_size < total:
                raise WeightsError(
                    f"The download of '{artefact.name}' was cut short; what came is kept. "
                    + again(artefact)
                )
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise WeightsError(
            f"'{artefact.name}' could not be downloaded ({type(error).__name__}). "
            + again(artefact)
        ) from error
    tag_file.unlink(missing_ok=True)
    part.replace(target)
