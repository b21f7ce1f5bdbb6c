"""Studies of several films and priors on the shelf: parted, ordered in time, chosen."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pydicom
import pytest

from agents.room import Room, Shelf
from agents.room.shelf import Prior
from agents.settings import Settings
from findings.errors import StudyError, UserInputError
from findings.labeler import label_report
from findings.vocabulary import Language
from imaging.study import View
from reporting.context import ReportContext
from reporting.draft import SectionName
from reporting.ledger import Ledger
from reporting.phraser import phrase_report

SAMPLE = Path(__file__).parents[2] / "docs" / "samples" / "normal.dcm"


def film(study: int, day: str, view: str = "PA", patient: str = "one") -> bytes:
    """A film of study `1.2.N`; each view has pixels of its own."""
    made = pydicom.dcmread(SAMPLE)
    made.StudyInstanceUID, made.StudyDate, made.PatientID = f"1.2.{study}", day, patient
    made.PatientBirthDate, made.ViewPosition = "", view
    if view != "PA":
        made.decompress()
        made.PixelData = made.pixel_array[::-1].tobytes()
    stream = io.BytesIO()
    made.save_as(stream)
    return stream.getvalue()


def packed(*films: bytes) -> bytes:
    """A ZIP of films with names and folders of its own, and a DICOMDIR."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("disc/DICOMDIR", b"\x00" * 128 + b"DICM")
        for number, content in enumerate(films):
            archive.writestr(f"disc/Doe^Jane/{number}.dcm", content)
    return stream.getvalue()


@pytest.fixture(scope="module")
def archive() -> bytes:
    return packed(
        film(1, "20190301"), film(3, "20240610", "LL"), film(3, "20240610"), film(2, "20231101")
    )


def test_a_zip_is_the_newest_study_with_its_lateral_and_the_others_are_priors(
    archive: bytes, tmp_path: Path
) -> None:
    room = Room(Settings(data_dir=tmp_path, cache_dir=tmp_path / "cache"), tmp_path / "room")
    study = room.shelf("a").add(archive)
    assert [image.view for image in room.films(study)] == [View.PA, View.LATERAL]
    assert [prior.days for prior in study.priors] == [222, 1928]
    nearest, other = (prior.name for prior in study.priors)
    assert study.prior == study.folder / nearest
    study.choose_prior(other)
    assert room.shelf("a").get(study.id).prior == study.folder / other
    assert len(room.films(study, other)) == 1
    for wrong in ("../prior", "prior-99", "draft"):
        with pytest.raises(UserInputError, match="no such prior"):
            room.films(study, wrong)
    kept = [path.name for path in study.folder.rglob("*")]
    assert not any("Doe" in name or "DICOMDIR" in name for name in kept)
    room.close()


def test_priors_may_be_given_one_after_another(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "a")
    study = shelf.add(film(3, "20240610"), film(1, "20200101"))
    assert [prior.days for prior in study.priors] == [1622]
    shelf.add_prior(study.id, film(2, "20240601"))
    shelf.add_prior(study.id, film(9, ""))
    assert [prior.days for prior in study.priors] == [9, 1622, None]
    shelf.drop_prior(study.id, study.folder / study.priors[0].name)
    assert [prior.days for prior in study.priors] == [1622, None]


def test_a_shelf_from_before_priors_were_counted_is_still_read(tmp_path: Path) -> None:
    study = Shelf(tmp_path, "a").add(film(3, "20240610"))
    (study.folder / "prior.dcm").write_bytes(film(1, "20200101"))
    assert study.priors == (Prior(name="prior.dcm"),)
    assert study.prior == study.folder / "prior.dcm"


def test_two_patients_in_one_zip_are_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "a")
    with pytest.raises(StudyError, match="more than one patient"):
        shelf.add(packed(film(1, "20200101", patient="Ana"), film(2, "20240101", patient="Bo")))
    assert shelf.all() == ()


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("unread", [(View.LATERAL,), (View.AP,), (View.LATERAL, View.UNKNOWN)])
def test_the_draft_says_which_films_were_not_analysed(
    language: Language, unread: tuple[View, ...]
) -> None:
    def technique(views: tuple[View, ...]) -> list[str]:
        context = ReportContext(language=language, view=View.PA, unread_views=views)
        sections = phrase_report(Ledger(), context)
        [own] = [s for s in sections if s.name is SectionName.TECHNIQUE]
        return [sentence.text for sentence in own.sentences]

    said = set(technique(unread)) - set(technique(()))
    assert len(said) == len({view is View.LATERAL for view in unread})
    for text in said:
        assert "analy" in text or "analiz" in text
        assert label_report(text, language) == ()
