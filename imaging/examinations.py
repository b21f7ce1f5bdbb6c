"""Which files belong to which examination of a patient, and when each was made.

Only what files a study is read, by `imaging.dicom_header`; ids and dates stay in memory, and what
leaves is the order and the days between.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from findings.errors import StudyError
from imaging.dicom_elements import text_of
from imaging.dicom_header import identifier_digest, is_dicom, read_elements
from imaging.limits import LoadLimits

_START = 132
_WANTED = ("StudyInstanceUID", "StudyDate", "StudyTime", "PatientID")


@dataclass(frozen=True)
class Examination:
    """The files of one study."""

    files: tuple[Path, ...]
    made: date | None = None
    """The day of the study; `None` where no file tells."""
    order: str = field(default="", repr=False)
    """Date and time as DICOM writes them: sorts by age. Empty where unknown."""
    patients: frozenset[str] = field(default=frozenset(), repr=False)
    """Digests of the patient ids that the files name."""


def examinations(
    files: Sequence[Path], limits: LoadLimits | None = None
) -> tuple[Examination, ...]:
    """The files as examinations, the newest first.

    What is no DICOM file, or names no study, goes with the newest examination.

    Raises:
        StudyError: the files are of several patients, or of several studies of which the newest
            cannot be told.
    """
    limits = limits or LoadLimits()
    filed: dict[str, list[tuple[Path, str, str]]] = {}
    loose: list[Path] = []
    for file in files:
        study, patient, order = _filing(file, limits)
        if study:
            filed.setdefault(study, []).append((file, patient, order))
        else:
            loose.append(file)
    found = [_examination(own) for own in filed.values()]
    if len(frozenset[str]().union(*(one.patients for one in found))) > 1:
        raise StudyError("The files are of more than one patient. Give those of one patient.")
    found.sort(key=lambda one: one.order, reverse=True)
    if len(found) > 1 and not found[0].order > found[1].order:
        raise StudyError(
            f"The files are of {len(found)} studies, and their dates do not tell which is the "
            "newest. Give the current study by itself, then its priors."
        )
    if not found:
        return (Examination(tuple(loose)),) if loose else ()
    newest = found[0]
    whole = Examination((*newest.files, *loose), newest.made, newest.order, newest.patients)
    return (whole, *found[1:])


def days_between(earlier: Examination, later: Examination) -> int | None:
    """Days from one examination to the other; `None` where a date is unknown."""
    if earlier.made is None or later.made is None:
        return None
    return (later.made - earlier.made).days


def _examination(own: Sequence[tuple[Path, str, str]]) -> Examination:
    order = max(order for _, _, order in own)
    return Examination(
        files=tuple(file for file, _, _ in own),
        made=_day(order),
        order=order,
        patients=frozenset(patient for _, patient, _ in own if patient),
    )


def _filing(file: Path, limits: LoadLimits) -> tuple[str, str, str]:
    """Study, digest of the patient, and time of one file; each empty where unknown."""
    try:
        with file.open("rb") as stream:
            if not is_dicom(stream.read(_START)):
                return "", "", ""
        if file.stat().st_size > limits.max_file_bytes:
            return "", "", ""
        header = read_elements(file.read_bytes(), limits, _WANTED)
    except (StudyError, OSError):
        return "", "", ""  # the loader says what is wrong with it
    study, day, time = (
        text_of(header, keyword) or "" for keyword in ("StudyInstanceUID", "StudyDate", "StudyTime")
    )
    order = f"{day}{re.sub(r'[^0-9]', '', time)[:6]}" if _day(day) else ""
    return study, identifier_digest(header, "PatientID") or "", order


def _day(order: str) -> date | None:
    read = re.match(r"(\d{4})(\d{2})(\d{2})", order)
    try:
        return date(int(read[1]), int(read[2]), int(read[3])) if read else None
    except ValueError:
        return None
