"""De-identification of everything that leaves: DICOM data sets, free text, facts for prompts.

Data sets follow the Basic Application Level Confidentiality Profile (DICOM PS3.15 annex E), here
as a list of what is kept: any attribute that is not named stays behind, so a private or unknown
one cannot leak. Text is scrubbed of the obvious; it is no substitute for not sending text.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from findings.claims import Frozen, SpacingProvenance
from imaging.study import Study

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PIXEL_GROUP = 0x0028
"""How pixels are stored and shown; kept but for what a person may have typed into it."""
_FREE_TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT", "UI", "UN", "SQ"})
_KEPT = (
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "Modality",
    "PresentationIntentType",
    "PatientSex",
    "PatientAge",
    "BodyPartExamined",
    "ViewPosition",
    "PatientOrientation",
    "Laterality",
    "ImageLaterality",
    "SamplesPerPixel",
    "ImagerPixelSpacing",
    "EstimatedRadiographicMagnificationFactor",
    "DistanceSourceToDetector",
    "DistanceSourceToPatient",
    "SeriesNumber",
    "InstanceNumber",
    "PixelData",
)
_REPLACED_UIDS = (
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
)
_EMPTIED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
)
"""Type 2 attributes: they have to be there and may be empty."""
_OLDEST_TOLD = 89
"""Ages above identify (45 CFR 164.514(b)(2)(i)(C))."""
_ROOT = "2.25."
"""Root of UIDs made from a UUID (PS3.5 B.2)."""


def deidentified(dataset: Dataset, *, salt: bytes) -> Dataset:
    """A copy that keeps only what display and measurement need.

    UIDs are replaced by ones derived from them and `salt`, so files of a study stay together and
    cannot be traced back without it. Pixels are not touched: text burned into them is the business
    of `imaging.burned_in`.

    Args:
        dataset: any image data set.
        salt: at least 16 secret bytes.

    Raises:
        ValueError: the salt is too short.
    """
    if len(salt) < 16:
        raise ValueError("the salt of de-identification needs at least 16 bytes")
    from pydicom.dataset import Dataset
    from pydicom.tag import Tag

    kept = {Tag(keyword) for keyword in _KEPT}
    result = Dataset()
    for element in dataset:
        of_pixels = element.tag.group == _PIXEL_GROUP and element.VR not in _FREE_TEXT
        if element.tag in kept or of_pixels:
            result.add(element)
    for keyword in ("VOILUTSequence", "ModalityLUTSequence"):
        if keyword in dataset:
            setattr(result, keyword, [_table(item) for item in dataset[keyword].value])
    for keyword in _EMPTIED:
        setattr(result, keyword, "")
    for keyword in _REPLACED_UIDS:
        if keyword in dataset:
            setattr(result, keyword, replaced_uid(str(dataset[keyword].value), salt))
    result.PatientAge = _age_told(str(dataset.get("PatientAge", "")))
    result.PatientIdentityRemoved = "YES"
    result.DeidentificationMethod = "Reading Room: attributes kept by list"
    return result


def _table(item: Dataset) -> Dataset:
    from pydicom.dataset import Dataset

    table = Dataset()
    for keyword in ("LUTDescriptor", "LUTData", "ModalityLUTType"):
        if keyword in item:
            table.add(item[keyword])
    return table


def _age_told(age: str) -> str:
    years = re.fullmatch(r"(\d{3})Y", age)
    if years and int(years[1]) > _OLDEST_TOLD:
        return f"{_OLDEST_TOLD + 1:03d}Y"
    return age if re.fullmatch(r"\d{3}[DWMY]", age) else ""


def replaced_uid(uid: str, salt: bytes) -> str:
    """Another valid UID, always the same for the same UID and salt."""
    digest = hashlib.sha256(salt + uid.encode()).digest()
    return _ROOT + str(int.from_bytes(digest[:16], "big"))


_MONTHS = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|"
    r"enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre"
)
_NAME = r"[A-ZÁÉÍÓÚÑÜ][\w'’-]+"
_NAMES = rf"{_NAME}(?:\s+(?:(?:de|del|la|van|von)\s+)*(?:[A-Z]\.\s*)?{_NAME}){{0,3}}"
_SCRUBBED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"), "[email]"),
    (re.compile(r"\bhttps?://\S+", re.I), "[address]"),
    (
        re.compile(
            r"(?i:\b(?:mrn|medical record(?: number)?|patient id|pat\.? ?id|accession(?: number)?|"
            r"acc(?:ession)? ?(?:no|#)|case (?:no|number)|nhc|historia(?: clínica)?|dni|nie|"
            r"ssn|nhs(?: number| no)?)\b)\s*[.:#nº°]*\s*[A-Z0-9][\w/-]{2,}"
        ),
        "[number]",
    ),
    (re.compile(r"\b\d{3}-\d{2}-\d{4}\b"), "[number]"),
    (re.compile(r"\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ]\d{1,2}:\d{2}(?::\d{2})?)?\b"), "[date]"),
    (re.compile(r"\b\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})\b"), "[date]"),
    (
        re.compile(
            rf"\b\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+|de\s+)?(?:{_MONTHS})\b"
            r"(?:,?\s+(?:de\s+|del\s+)?\d{4})?",
            re.I,
        ),
        "[date]",
    ),
    (
        re.compile(rf"\b(?:{_MONTHS})\s+\d{{1,2}}(?:st|nd|rd|th)?(?:,?\s+\d{{4}})?\b", re.I),
        "[date]",
    ),
    (re.compile(rf"\b(?:{_MONTHS})\s+(?:de\s+|del\s+|of\s+)?(?:19|20)\d{{2}}\b", re.I), "[date]"),
    (re.compile(r"(?<![\w.])\+?\(?\d{2,4}\)?[ .-]\d{3,4}[ .-]\d{3,4}\b"), "[phone]"),
    (re.compile(r"(?<![\w.])\+\d{8,15}\b"), "[phone]"),
    (
        re.compile(
            r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Sr|Sra|Srta|Dra|Don|Doña|D\.ª)\b\.?\s+" + _NAMES
        ),
        "[name]",
    ),
    (
        re.compile(
            r"(?i:\b(?:patient(?: name)?|name|paciente|nombre|"
            r"(?:dictated|signed|read|reported|informado|firmado) (?:by|por))\s*:\s*)"
            + rf"{_NAME}(?:[ ,^]+{_NAME}){{0,3}}"
        ),
        "[name]",
    ),
    (re.compile(r"\b[A-Z][\w'’-]+\^[A-Z][\w'’-]*(?:\^[\w'’-]*)*"), "[name]"),
    (re.compile(rf"\b{_NAME},?\s+(?:M\.?D\.?|FRCR|D\.?O\.?)(?![\w])"), "[name]"),
    (re.compile(r"\b\d{7,}\b"), "[number]"),
)


def scrubbed(text: str) -> str:
    """The text with names after titles, record numbers, dates, phones and addresses replaced.

    Bare names without a title or label are not recognised.
    """
    for pattern, replacement in _SCRUBBED:
        text = pattern.sub(replacement, text)
    return text


class PromptFacts(Frozen):
    """What a language model may know of a study besides the ledger."""

    age: str | None
    """Completed years, or `90 or over`."""
    sex: str | None
    view: str
    images: int
    spacing_provenance: SpacingProvenance
    indication: str | None
    """As the user gave it, scrubbed."""
    prior_available: bool


def prompt_facts(study: Study) -> PromptFacts:
    """The safe subset of what is known of a study."""
    age = study.patient_age_years
    spacing = study.frontal.spacing
    return PromptFacts(
        age=None if age is None else "90 or over" if age > _OLDEST_TOLD else str(age),
        sex=study.patient_sex,
        view=study.frontal.view.value,
        images=len(study.images),
        spacing_provenance=SpacingProvenance.NONE if spacing is None else spacing.provenance,
        indication=None if study.indication is None else scrubbed(study.indication),
        prior_available=study.prior is not None or study.prior_report is not None,
    )
