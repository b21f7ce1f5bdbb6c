"""From a path to a study: a DICOM file, a PNG or JPEG, or a folder that holds one study.

What a file is, its content decides, never its name. Messages name no path: a path may name the
patient.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from findings.errors import StudyError
from imaging.dicom import DicomPicture, read_dicom
from imaging.dicom_header import NOT_DICOM, is_dicom
from imaging.limits import LoadLimits
from imaging.raster import is_raster, read_raster
from imaging.study import Study, StudyImage, View
from imaging.view_guess import with_guessed_view

_START = 132
_EMPTY = "The file is empty; get a complete copy."
_ORDER = {View.PA: 0, View.AP: 1, View.UNKNOWN: 2, View.LATERAL: 3}


def load_study(
    path: Path,
    *,
    indication: str | None = None,
    prior: Path | None = None,
    prior_report: str | None = None,
    limits: LoadLimits | None = None,
    guess_views: bool = True,
) -> Study:
    """Load one study, its frontal image first.

    Args:
        path: a DICOM Part 10 file, a PNG or JPEG, or a folder of them that is one study.
        indication: why the examination was made, as the user gives it.
        prior: the patient's earlier study, in the same forms.
        prior_report: text of the earlier report.
        limits: bounds on size and time.
        guess_views: guess from the picture a view that the tags do not state.

    Raises:
        StudyError: nothing readable is there, or more than one study, or a file is damaged, too
            large or no radiograph, or the prior is another patient's or later than the study. The
            message says which, without naming file or patient.
    """
    limits = limits or LoadLimits()
    found = _find(Path(path), limits)
    study = _study(found, limits, guess_views)
    earlier = None
    if prior is not None:
        found_before = _find(Path(prior), limits)
        earlier = _study(found_before, limits, guess_views)
        _require_prior(found_before, found)
        study = replace(study, warnings=(*study.warnings, *_doubts(earlier, study)))
    return replace(study, indication=indication, prior=earlier, prior_report=prior_report)


@dataclass(frozen=True)
class _Found:
    """The readable pictures of a folder and what was wrong with the rest."""

    dicoms: tuple[DicomPicture, ...]
    rasters: tuple[StudyImage, ...]
    failures: tuple[StudyError, ...]


def _find(path: Path, limits: LoadLimits) -> _Found:
    try:
        if path.is_dir():
            return _read_folder(path, limits)
        if path.is_file():
            found = _read_files([path], limits)
            if found.failures:
                raise found.failures[0]
            return found
        raise StudyError("There is no such file or folder; check the path to the study.")
    except OSError:
        raise StudyError(
            "The study cannot be read from disk; check that it exists and may be read."
        ) from None


def _require_prior(before: _Found, now: _Found) -> None:
    """Refuse a prior whose tags say that it is another patient's, or taken after the study.

    Identifiers of two known issuers are not compared: a patient may have one at each.
    """
    for earlier in before.dicoms:
        for later in now.dicoms:
            issuers = {earlier.patient_issuer, later.patient_issuer}
            comparable = len(issuers) == 1 or None in issuers
            known = None not in (earlier.patient, later.patient)
            if known and comparable and earlier.patient != later.patient:
                raise StudyError(
                    "The prior is another patient's by its PatientID, so nothing may be compared "
                    "with it; give a prior of the same patient, or none."
                )
            if (
                earlier.study_day is not None
                and later.study_day is not None
                and earlier.study_day > later.study_day
            ):
                raise StudyError(
                    "The prior was taken after the study by its StudyDate; exchange the two, or "
                    "give an earlier study."
                )


def _doubts(before: Study, now: Study) -> Iterator[str]:
    """What speaks against the prior without settling it."""
    if {before.patient_sex, now.patient_sex} == {"F", "M"}:
        yield "the prior disagrees with the study on the patient's sex; check whose it is"
    if before.study_key == now.study_key:
        yield "the prior is the same picture as the study"


def _study(found: _Found, limits: LoadLimits, guess_views: bool) -> Study:
    if not found.dicoms and not found.rasters:
        if found.failures:
            raise found.failures[0]
        raise StudyError("The folder holds no DICOM, PNG or JPEG picture; give one study.")
    uids = {picture.study_uid for picture in found.dicoms}
    if len(uids) > 1:
        raise StudyError(
            f"The folder holds {len(uids)} studies, and which to read is not for the program to "
            "choose; give a folder or file of one study."
        )
    images: Sequence[StudyImage] = [picture.image for picture in found.dicoms] or found.rasters
    images = _distinct(images)
    if len(images) > limits.max_images:
        raise StudyError(
            f"The study holds {len(images)} images, more than the {limits.max_images} accepted; "
            "give a folder with the radiographs only."
        )
    if guess_views:
        images = [with_guessed_view(image) for image in images]
    images = sorted(images, key=lambda image: _ORDER[image.view])
    return Study(
        images=tuple(images),
        study_key=study_key(images),
        patient_age_years=_first(picture.age_years for picture in found.dicoms),
        patient_sex=_first(picture.sex for picture in found.dicoms),
        warnings=_warnings(found),
    )


def study_key(images: Sequence[StudyImage]) -> str:
    """A stable id from the pixels alone, the same in whatever order the files come."""
    digests = sorted(image.digest for image in images)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


def _warnings(found: _Found) -> tuple[str, ...]:
    warnings = []
    if found.failures:
        warnings.append(f"{len(found.failures)} further file(s) held no readable picture")
    if found.dicoms and found.rasters:
        warnings.append(f"{len(found.rasters)} PNG or JPEG beside the DICOM files left out")
    ages = {picture.age_years for picture in found.dicoms} - {None}
    sexes = {picture.sex for picture in found.dicoms} - {None}
    if len(ages) > 1 or len(sexes) > 1:
        warnings.append("the files of the study disagree on the patient's age or sex")
    return tuple(warnings)


def _distinct(images: Sequence[StudyImage]) -> list[StudyImage]:
    return list({image.digest: image for image in images}.values())


_Value = TypeVar("_Value")


def _first(values: Iterator[_Value | None]) -> _Value | None:
    return next((value for value in values if value is not None), None)


def _read_folder(folder: Path, limits: LoadLimits) -> _Found:
    files: list[Path] = []
    for parent, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            # A DICOMDIR lists other files and holds no picture (PS3.3 annex F).
            if name.startswith(".") or name.upper() == "DICOMDIR":
                continue
            if len(files) == limits.max_files:
                raise StudyError(
                    f"The folder holds more than {limits.max_files} files; "
                    "give the folder of one study."
                )
            files.append(Path(parent) / name)
    return _read_files(files, limits)


def _read_files(files: Sequence[Path], limits: LoadLimits) -> _Found:
    dicoms: list[DicomPicture] = []
    rasters: list[StudyImage] = []
    failures: list[StudyError] = []
    alone = len(files) == 1
    for file in files:
        try:
            with file.open("rb") as stream:
                start = stream.read(_START)
            if is_dicom(start):
                dicoms.append(read_dicom(_bytes(file, limits), limits))
            elif is_raster(start):
                rasters.append(read_raster(_bytes(file, limits), limits))
            elif alone:
                raise StudyError(NOT_DICOM if start else _EMPTY)
        except StudyError as error:
            failures.append(error)
        # A whole archive, or a series of slices, is refused before all of it is in memory.
        if max(len(dicoms), len(rasters)) > 2 * limits.max_images:
            break
    return _Found(tuple(dicoms), tuple(rasters), tuple(failures))


def _bytes(file: Path, limits: LoadLimits) -> bytes:
    if file.stat().st_size > limits.max_file_bytes:
        raise StudyError(
            f"The file is larger than the {limits.max_file_bytes // 2**20} MiB accepted; "
            "give a single radiograph."
        )
    return file.read_bytes()
