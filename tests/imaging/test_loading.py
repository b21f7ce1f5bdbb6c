"""Studies from files and folders: grouping, order, refusals, and what messages may not say."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from findings.errors import StudyError
from imaging.limits import LoadLimits
from imaging.loading import load_study
from imaging.study import View
from tests.imaging.conftest import DicomMaker


def pixels(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 4000, (80, 60)).astype(np.uint16)


def test_a_folder_is_one_study_with_the_frontal_first(
    tmp_path: Path, made_dicom: DicomMaker
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.dcm").write_bytes(made_dicom(pixels(1), ViewPosition="LL"))
    (tmp_path / "sub/b").write_bytes(
        made_dicom(pixels(2), ViewPosition="PA", PatientAge="044Y", PatientSex="F")
    )
    (tmp_path / "sub/copy-of-b").write_bytes(
        made_dicom(pixels(2), ViewPosition="PA", PatientAge="044Y", PatientSex="F")
    )
    study = load_study(tmp_path)
    assert [image.view for image in study.images] == [View.PA, View.LATERAL]
    assert (study.patient_age_years, study.patient_sex) == (44, "F")
    alone = load_study(tmp_path / "sub/b")
    assert alone.study_key != study.study_key
    assert alone.images[0].digest == study.images[0].digest


def test_the_key_depends_on_pixels_alone(tmp_path: Path, made_dicom: DicomMaker) -> None:
    for folder, names in (("one", "ab"), ("two", "ba")):
        (tmp_path / folder).mkdir()
        for name, seed in zip(names, (1, 2), strict=True):
            (tmp_path / folder / name).write_bytes(made_dicom(pixels(seed)))
    one, two = load_study(tmp_path / "one"), load_study(tmp_path / "two")
    assert one.study_key == two.study_key


def test_two_studies_in_a_folder_are_refused(tmp_path: Path, made_dicom: DicomMaker) -> None:
    (tmp_path / "a.dcm").write_bytes(made_dicom(pixels(1)))
    (tmp_path / "b.dcm").write_bytes(made_dicom(pixels(2), StudyInstanceUID="1.2.3.5"))
    with pytest.raises(StudyError, match="2 studies"):
        load_study(tmp_path)


def test_what_is_no_picture_is_left_out_and_said(tmp_path: Path, made_dicom: DicomMaker) -> None:
    (tmp_path / "a.dcm").write_bytes(made_dicom(pixels(1)))
    (tmp_path / "broken.dcm").write_bytes(made_dicom(pixels(2))[:-100])
    (tmp_path / "notes.txt").write_text("nothing to see")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    PIL.Image.fromarray(pixels(3).astype(np.uint8)).save(tmp_path / "screenshot.png")
    study = load_study(tmp_path)
    assert len(study.images) == 1
    assert len(study.warnings) == 2


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    for seed in (1, 2):
        PIL.Image.fromarray(pixels(seed).astype(np.uint8)).save(tmp_path / f"{seed}.png")
    assert len(load_study(tmp_path).images) == 2


def test_prior_and_indication_are_kept(tmp_path: Path, made_dicom: DicomMaker) -> None:
    (tmp_path / "new.dcm").write_bytes(made_dicom(pixels(1)))
    (tmp_path / "old.dcm").write_bytes(made_dicom(pixels(2)))
    study = load_study(
        tmp_path / "new.dcm",
        indication="cough",
        prior=tmp_path / "old.dcm",
        prior_report="Clear.",
    )
    assert study.prior is not None
    assert study.prior.study_key == load_study(tmp_path / "old.dcm").study_key
    assert (study.indication, study.prior_report) == ("cough", "Clear.")


@pytest.mark.parametrize(("content", "said"), [(b"", "is empty"), (b"hello", "not a DICOM")])
def test_what_is_no_picture_is_named_for_what_it_is(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "film.dcm").write_bytes(content)
    with pytest.raises(StudyError, match=said):
        load_study(tmp_path / "film.dcm")


@pytest.mark.parametrize(
    ("now", "before", "refused"),
    [
        ({"PatientID": "A7"}, {"PatientID": "B9"}, "another patient"),
        ({"PatientID": "A7"}, {"PatientID": " a7 "}, None),
        ({"PatientID": "A7"}, {"PatientID": ""}, None),
        (
            {"PatientID": "A7", "IssuerOfPatientID": "North"},
            {"PatientID": "B9", "IssuerOfPatientID": "South"},
            None,
        ),
        ({"StudyDate": "20240102"}, {"StudyDate": "20240103"}, "after the study"),
        ({"StudyDate": "20240102"}, {"StudyDate": "20240102"}, None),
        ({"StudyDate": "20240102"}, {"StudyDate": "2024"}, None),
    ],
)
def test_a_prior_is_the_same_patients_and_earlier(
    tmp_path: Path,
    made_dicom: DicomMaker,
    now: dict[str, str],
    before: dict[str, str],
    refused: str | None,
) -> None:
    (tmp_path / "new.dcm").write_bytes(made_dicom(pixels(1), **now))
    (tmp_path / "old.dcm").write_bytes(made_dicom(pixels(2), **before))
    if refused is None:
        assert load_study(tmp_path / "new.dcm", prior=tmp_path / "old.dcm").prior is not None
        return
    with pytest.raises(StudyError, match=refused) as error:
        load_study(tmp_path / "new.dcm", prior=tmp_path / "old.dcm")
    assert "A7" not in str(error.value) and "B9" not in str(error.value)


def test_a_doubtful_prior_is_kept_with_a_warning(tmp_path: Path, made_dicom: DicomMaker) -> None:
    for sex in "FM":
        (tmp_path / sex).write_bytes(made_dicom(pixels(1), PatientSex=sex))
    sex, same = load_study(tmp_path / "F", prior=tmp_path / "M").warnings
    assert "sex" in sex and "same picture" in same


def test_limits_bound_files_images_and_bytes(tmp_path: Path, made_dicom: DicomMaker) -> None:
    for seed in range(6):
        (tmp_path / f"{seed}.dcm").write_bytes(made_dicom(pixels(seed)))
    with pytest.raises(StudyError, match="more than 3 files"):
        load_study(tmp_path, limits=LoadLimits(max_files=3))
    with pytest.raises(StudyError, match="images"):
        load_study(tmp_path, limits=LoadLimits(max_images=2))
    with pytest.raises(StudyError, match="larger than"):
        load_study(tmp_path / "0.dcm", limits=LoadLimits(max_file_bytes=500))


@pytest.mark.parametrize("kind", ["missing", "empty file", "empty folder", "loop"])
def test_nothing_to_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "study"
    match kind:
        case "empty file":
            path.touch()
        case "empty folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
    with pytest.raises(StudyError):
        load_study(path)


NAME = "Zwetschgenbaum"


def test_messages_name_neither_path_nor_patient(
    tmp_path: Path,
    made_dicom: DicomMaker,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    tags = {
        "PatientName": f"{NAME}^Anna",
        "PatientID": NAME,
        "InstitutionName": NAME,
        "SeriesDescription": NAME,
        "ViewPosition": NAME,
        "BodyPartExamined": NAME,
        "PatientAge": NAME,
        "PatientBirthDate": NAME,
        "WindowCenter": "0",
    }
    good = made_dicom(pixels(1), **tags)
    seconds = made_dicom(pixels(2), **tags, StudyInstanceUID=f"1.2.{NAME}")
    frames = made_dicom(pixels(1), **tags, NumberOfFrames=3)
    mode = made_dicom(pixels(1), **tags, PhotometricInterpretation=NAME.upper())
    # Writing such files made pydicom complain in words; only what loading says is judged.
    caplog.clear()
    recwarn.clear()
    (folder / f"{NAME}.dcm").write_bytes(good)
    study = load_study(folder)
    said = [repr(study.warnings), repr(study.images[0].notes), study.study_key]
    broken = {
        "cut.dcm": good[: len(good) - 50],
        "half.dcm": good[: len(good) // 4],
        "text.dcm": NAME.encode(),
        "picture.png": b"\x89PNG\r\n\x1a\n" + NAME.encode() * 30,
        "frames.dcm": frames,
        "mode.dcm": mode,
    }
    for name, data in broken.items():
        file = folder / f"{NAME}-{name}"
        file.write_bytes(data)
        with pytest.raises(StudyError) as caught:
            load_study(file)
        said += [str(caught.value), repr(caught.value.__cause__)]
        file.unlink()
    (folder / "second.dcm").write_bytes(seconds)
    for path in (folder, folder / "absent.dcm"):
        with pytest.raises(StudyError) as caught:
            load_study(path)
        said.append(str(caught.value))
    shutil.rmtree(folder)
    out = capfd.readouterr()
    said += [caplog.text, out.out, out.err, *(str(warning.message) for warning in recwarn.list)]
    assert NAME.lower() not in "\n".join(said).lower()
