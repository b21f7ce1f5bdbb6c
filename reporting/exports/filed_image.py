"""The DICOM image that a report is about, without its pixels: what the report is filed with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from findings.errors import StudyError, UserInputError
from imaging.study import StudyImage

if TYPE_CHECKING:
    from pydicom import Dataset

_MOST_FILES: Final = 400
_FILED_WITH: Final = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "AccessionNumber",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)


def filed_image(source: Path | None, image: StudyImage | None) -> Dataset:
    """The DICOM header of the film that was read.

    A study of several films is searched for the one whose pixels are those of `image`: a lateral
    beside it is not what the measurements and boxes are of.

    Raises `UserInputError` where the source holds no DICOM image.
    """
    found = list(_images(source))
    if not found:
        raise UserInputError(
            "A DICOM structured report refers to DICOM images, and the study is none. Export "
            "another format, or give the study's DICOM files."
        )
    read = next((d for path, d in found if _is(path, image)), None) if len(found) > 1 else None
    return _filed(read if read is not None else found[0][1])


def _images(source: Path | None) -> Iterator[tuple[Path, Dataset]]:
    import pydicom
    from pydicom.errors import InvalidDicomError

    if source is None:
        return
    files = sorted(source.iterdir())[:_MOST_FILES] if source.is_dir() else (source,)
    for file in files:
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True)
        except (InvalidDicomError, OSError, ValueError, AttributeError):
            continue
        if "Rows" in header and "SOPInstanceUID" in header and "StudyInstanceUID" in header:
            yield file, header


def _is(path: Path, image: StudyImage | None) -> bool:
    """Whether the file's pixels are the image's."""
    from imaging.dicom import read_dicom
    from imaging.limits import LoadLimits

    if image is None:
        return False
    try:
        return read_dicom(path.read_bytes(), LoadLimits()).image.digest == image.digest
    except (StudyError, OSError):
        return False


def _filed(film: Dataset) -> Dataset:
    """The film with empty values where a required tag of patient or study is missing."""
    for keyword in _FILED_WITH:
        if keyword not in film:
            setattr(film, keyword, "")
    return film
