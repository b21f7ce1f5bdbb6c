"""Studies on disk: one folder each, under an owner's folder, named by neither patient nor file."""

from __future__ import annotations

import hashlib
import io
import re
import secrets
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from findings.errors import StudyError, UserInputError
from reporting.files import DRAFT_FILE, read_draft

MOST_BYTES: Final = 256 * 2**20
_MOST_FILES: Final = 400
_MOST_UNPACKED: Final = 1024 * 2**20
_ID: Final = re.compile(r"[0-9a-f]{16}")
_KINDS: Final = ((b"\x89PNG", ".png"), (b"\xff\xd8\xff", ".jpg"))


@dataclass(frozen=True)
class ShelvedStudy:
    """Where one study, its prior and its draft lie."""

    id: str
    folder: Path

    @property
    def study(self) -> Path:
        """The study's file, or the folder of its files."""
        return next(iter(sorted(self.folder.glob("study*"))))

    @property
    def prior(self) -> Path | None:
        """The prior study, if one was given."""
        return next(iter(sorted(self.folder.glob("prior*"))), None)

    @property
    def draft_folder(self) -> Path:
        """Where the draft is written."""
        return self.folder / "draft"

    @property
    def thread(self) -> str:
        """The draft's thread in the checkpoints; empty where there is none."""
        path = self.folder / "thread"
        return path.read_text("utf-8") if path.is_file() else ""

    def keep_thread(self, thread: str) -> None:
        """Remember the draft's thread, so that it can be signed later."""
        (self.folder / "thread").write_text(thread, "utf-8")

    @property
    def indication(self) -> str | None:
        """Why the study was done, as it was given for the draft; it is never logged."""
        path = self.folder / "indication"
        return path.read_text("utf-8") if path.is_file() else None

    def keep_indication(self, text: str | None) -> None:
        """Remember the indication: whoever signs gives the same one again."""
        path = self.folder / "indication"
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text, "utf-8")

    @property
    def drafted(self) -> bool:
        """Whether a draft is there."""
        return (self.draft_folder / DRAFT_FILE).is_file()


class Shelf:
    """One owner's studies. Owners never see each other's: the folder's name is a digest."""

    def __init__(self, root: Path, owner: str) -> None:
        digest = hashlib.sha256(owner.encode()).hexdigest()[:32]
        self.folder = root / digest
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def add(self, content: bytes, prior: bytes | None = None) -> ShelvedStudy:
        """Keep a study: a DICOM file, a ZIP of them, a PNG or a JPEG. Its file name is not kept.

        Raises:
            UserInputError: it is empty or too large.
            StudyError: the ZIP is damaged, or unpacks to far too much.
        """
        study_id = secrets.token_hex(8)
        folder = self.folder / study_id
        folder.mkdir(mode=0o700)
        try:
            _put(folder, "study", content)
            if prior is not None:
                _put(folder, "prior", prior)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return ShelvedStudy(study_id, folder)

    def add_prior(self, study_id: str, content: bytes) -> ShelvedStudy:
        """Keep a prior of a study, in place of the one it had. Raises as `add` does."""
        study = self.get(study_id)
        fresh = study.folder / "fresh"
        fresh.mkdir(mode=0o700)
        try:
            _put(fresh, "prior", content)
            for old in study.folder.glob("prior*"):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
            for new in fresh.iterdir():
                new.rename(study.folder / new.name)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return study

    def get(self, study_id: str) -> ShelvedStudy:
        """The study of that id. Raises `UserInputError` where this owner has none."""
        folder = self.folder / study_id
        if not _ID.fullmatch(study_id) or not folder.is_dir():
            raise UserInputError("There is no study of that id here.")
        return ShelvedStudy(study_id, folder)

    def all(self) -> tuple[ShelvedStudy, ...]:
        """Every study, the oldest first."""
        found = [p for p in self.folder.iterdir() if _ID.fullmatch(p.name)]
        found.sort(key=lambda path: path.stat().st_ctime_ns)
        return tuple(ShelvedStudy(path.name, path) for path in found)

    def remove(self, study_id: str) -> None:
        """Remove a study with all that was made of it, unless its report is signed.

        Raises `UserInputError` where there is none, or it is signed.
        """
        study = self.get(study_id)
        if study.drafted and read_draft(study.draft_folder / DRAFT_FILE).status == "signed":
            raise UserInputError("The report of this study is signed, and is kept.")
        shutil.rmtree(study.folder)


def _put(folder: Path, name: str, content: bytes) -> None:
    if not content:
        raise UserInputError("The file is empty. Give a DICOM file, a ZIP of them, PNG or JPEG.")
    if len(content) > MOST_BYTES:
        raise UserInputError(f"The file is larger than {MOST_BYTES >> 20} MB. Give one study.")
    if content.startswith(b"PK\x03\x04"):
        _unpack(folder / name, content)
        return
    suffix = next((kind for start, kind in _KINDS if content.startswith(start)), ".dcm")
    (folder / f"{name}{suffix}").write_bytes(content)


def _unpack(folder: Path, content: bytes) -> None:
    """The files of a ZIP, numbered: neither their names nor their folders are trusted or kept."""
    folder.mkdir(mode=0o700)
    left = _MOST_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = [member for member in archive.infolist() if not member.is_dir()]
            if len(files) > _MOST_FILES:
                raise StudyError(f"The ZIP holds more than {_MOST_FILES} files. Give one study.")
            for number, member in enumerate(files):
                with archive.open(member) as stream:
                    data = stream.read(left + 1)
                left -= len(data)
                if left < 0:
                    raise StudyError("The ZIP unpacks to more than 1 GB. Give one study.")
                (folder / f"{number:04d}").write_bytes(data)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise StudyError(
            f"The ZIP cannot be unpacked ({type(error).__name__}). Give the files themselves."
        ) from None
