"""Files of several examinations and films, told apart by their headers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from findings.errors import StudyError
from imaging.examinations import days_between, examinations

SAMPLE = Path(__file__).parents[2] / "docs" / "samples" / "normal.dcm"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a film of a study (`1.2.N`), of a day and a patient."""

    def made(study: int, day: str, patient: str = "one", time: str = "") -> Path:
        film = pydicom.dcmread(SAMPLE)
        film.StudyInstanceUID = f"1.2.{study}"
        film.StudyDate, film.StudyTime, film.PatientID = day, time, patient
        path = tmp_path / f"{len(list(tmp_path.iterdir())):02d}"
        film.save_as(path)
        return path

    return made


def test_the_newest_examination_comes_first_with_what_names_none(
    write: Write, tmp_path: Path
) -> None:
    old, new, lateral = write(1, "20200101"), write(2, "20240301"), write(2, "20240301")
    (tmp_path / "note").write_text("no film")
    found = examinations([old, new, lateral, tmp_path / "note"])
    assert [one.files for one in found] == [(new, lateral, tmp_path / "note"), (old,)]
    assert days_between(found[1], found[0]) == 1521
    assert "2024" not in repr(found[0]).replace("datetime.date(2024, 3, 1)", "")


def test_on_one_day_the_hour_tells(write: Write) -> None:
    early, late = write(1, "20240301", time="080000"), write(2, "20240301", time="173000.5")
    assert [one.files for one in examinations([early, late])] == [(late,), (early,)]


@pytest.mark.parametrize("days", [("", ""), ("20240301", "20240301"), ("2024-13-01", "x")])
def test_the_newest_is_not_guessed(write: Write, days: tuple[str, str]) -> None:
    with pytest.raises(StudyError, match="2 studies"):
        examinations([write(1, days[0]), write(2, days[1])])


def test_an_undated_study_is_the_older_one(write: Write) -> None:
    undated, dated = write(1, ""), write(2, "20240301")
    found = examinations([undated, dated])
    assert found[0].files == (dated,) and days_between(found[1], found[0]) is None


def test_several_patients_are_refused_without_being_named(write: Write) -> None:
    with pytest.raises(StudyError, match="more than one patient") as refused:
        examinations([write(1, "20200101", "Ana"), write(2, "20240301", "Bo")])
    assert "Ana" not in str(refused.value)


def test_what_is_no_dicom_is_one_examination(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\x89PNG")
    (tmp_path / "b").write_bytes(b"\x00" * 128 + b"DICM\xff\xff")
    found = examinations(sorted(tmp_path.iterdir()))
    assert len(found) == 1 and len(found[0].files) == 2
    assert examinations([]) == ()
