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

from pydantic import TypeAdapter

from findings.claims import Frozen
from findings.errors import StudyError, UserInputError
from imaging.examinations import Examination, days_between, examinations
from reporting.files import DRAFT_FILE, read_draft

MOST_BYTES: Final = 256 * 2**20
_MOST_FILES: Final = 400
_MOST_UNPACKED: Final = 1024 * 2**20
_ID: Final = re.compile(r"[0-9a-f]{16}")
_EARLIER: Final = "earlier.json"
_COMPARED: Final = "compared"
_DRAFTED_WITH: Final = "drafted-with"
_MOST_PRIORS: Final = 30
_KINDS: Final = ((b"\x89PNG", ".png"), (b"\xff\xd8\xff", ".jpg"))


class Prior(Frozen):
    """An earlier study of the patient: its name on the shelf, and how much earlier it is."""

    name: str
    days: int | None = None
    """Days from it to the study; `None` where a date is unknown, negative where it is later."""


_PRIORS: Final = TypeAdapter(tuple[Prior, ...])


@dataclass(frozen=True)
class ShelvedStudy:
    """Where one study, its priors and its draft lie."""

    id: str
    folder: Path

    @property
    def study(self) -> Path:
        """The study's file, or the folder of its files."""
        return next(iter(sorted(self.folder.glob("study*"))))

    @property
    def priors(self) -> tuple[Prior, ...]:
        """The earlier studies that were given, the nearest in time first."""
        file = self.folder / _EARLIER
        if file.is_file():
            return _PRIORS.validate_json(file.read_bytes())
        return tuple(Prior(name=path.name) for path in sorted(self.folder.glob("prior*")))

    @property
    def prior(self) -> Path | None:
        """The prior that the study is compared with: the chosen one, else the nearest in time."""
        names = [prior.name for prior in self.priors]
        chosen = self._noted(_COMPARED)
        return self.folder / (chosen if chosen in names else names[0]) if names else None

    def prior_named(self, name: str) -> Path:
        """The prior of that name. Raises `UserInputError` where there is none of it."""
        if name not in {prior.name for prior in self.priors}:
            raise UserInputError("This study has no such prior. Give one with “Add prior”.")
        return self.folder / name

    def choose_prior(self, name: str) -> None:
        """Compare the study with this prior. Raises `UserInputError` where there is none of it."""
        (self.folder / _COMPARED).write_text(self.prior_named(name).name, "utf-8")

    @property
    def drafted_with(self) -> str:
        """The name of the prior that the draft was compared with; empty where with none."""
        return self._noted(_DRAFTED_WITH)

    def keep_drafted_with(self, prior: Path | None) -> None:
        """Remember which prior the draft is compared with."""
        (self.folder / _DRAFTED_WITH).write_text(prior.name if prior else "", "utf-8")

    def _noted(self, name: str) -> str:
        path = self.folder / name
        return path.read_text("utf-8") if path.is_file() else ""

    @property
    def draft_folder(self) -> Path:
        """Where the draft is written."""
        return self.folder / "draft"

    @property
    def thread(self) -> str:
        """The draft's thread in the checkpoints; empty where there is none."""
        return self._noted("thread")

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

        Of several studies in a ZIP the newest is kept as the study, the others as its priors.

        Raises:
            UserInputError: it is empty or too large.
            StudyError: the ZIP is damaged, unpacks to far too much, holds several patients, or
                studies of which the newest cannot be told.
        """
        study_id = secrets.token_hex(8)
        folder = self.folder / study_id
        folder.mkdir(mode=0o700)
        try:
            _put(folder, "study", content)
            study = ShelvedStudy(study_id, folder)
            _part(study.study, folder)
            if prior is not None:
                _put(folder, f"prior-{_next(folder):02d}", prior)
                _part_priors(folder)
            _order_priors(study)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return study

    def add_prior(self, study_id: str, content: bytes) -> ShelvedStudy:
        """Keep one more prior of a study, or each of the studies in a ZIP as one.

        Raises as `add` does, and `UserInputError` where the study has many already.
        """
        study = self.get(study_id)
        if len(study.priors) >= _MOST_PRIORS:
            raise UserInputError(f"A study takes {_MOST_PRIORS} priors.")
        fresh = study.folder / "fresh"
        fresh.mkdir(mode=0o700)
        try:
            _put(fresh, "prior-01", content)
            _part_priors(fresh)
            for new in sorted(fresh.iterdir()):
                new.rename(study.folder / f"prior-{_next(study.folder):02d}{new.suffix}")
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        _order_priors(study)
        return study

    def drop_prior(self, study_id: str, prior: Path) -> None:
        """Take a prior away that turned out to be none."""
        study = self.get(study_id)
        shutil.rmtree(prior) if prior.is_dir() else prior.unlink(missing_ok=True)
        _order_priors(study)

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


def _part(study: Path, folder: Path) -> None:
    """Leave the newest examination of an unpacked ZIP where it is; the others become priors."""
    if not study.is_dir():
        return
    for older in examinations(sorted(study.iterdir()))[1:]:
        place = folder / f"prior-{_next(folder):02d}"
        place.mkdir(mode=0o700)
        for file in older.files:
            file.rename(place / file.name)


def _part_priors(folder: Path) -> None:
    for prior in sorted(folder.glob("prior-*")):
        _part(prior, folder)


def _next(folder: Path) -> int:
    """The number of the next prior in a folder."""
    taken = (re.match(r"prior-(\d+)", path.name) for path in folder.glob("prior-*"))
    return 1 + max((int(found[1]) for found in taken if found), default=0)


def _order_priors(study: ShelvedStudy) -> None:
    """Note the study's priors, the nearest in time first; those without a date come last."""
    own = _newest(study.study)
    found: list[Prior] = []
    for path in sorted(study.folder.glob("prior*")):
        then = _newest(path)
        days = days_between(then, own) if own and then else None
        found.append(Prior(name=path.name, days=days))
    found.sort(key=lambda p: (p.days is None, (p.days or 0) < 0, abs(p.days or 0)))
    file = study.folder / _EARLIER
    if found:
        file.write_bytes(_PRIORS.dump_json(tuple(found)))
    else:
        file.unlink(missing_ok=True)


def _newest(path: Path) -> Examination | None:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    try:
        return next(iter(examinations(files)), None)
    except StudyError:
        return None


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
            # A DICOMDIR lists other files and holds no picture (PS3.3 annex F).
            films = [f for f in files if f.filename.rpartition("/")[2].upper() != "DICOMDIR"]
            for number, member in enumerate(films):
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
