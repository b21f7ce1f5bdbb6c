"""The few DICOM attributes a study needs, read tolerantly from untrusted files.

Only the attributes listed here are parsed; names, identifiers and dates that are not needed never
reach memory. A value that is malformed counts as absent.
"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from findings.errors import StudyError
from imaging.dicom_elements import number_of, pair_of, text_of, value_of, values_of
from imaging.dicom_grayscale import lut_of_sequence, padding_of, palette_of, window_of
from imaging.grayscale import LookUpTable, Window
from imaging.limits import LoadLimits, check_size
from imaging.pixel_decoding import TRUNCATED, PixelModule

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

DEFLATED = "1.2.840.10008.1.2.1.99"
_PREAMBLE = 128
_WANTED = (
    "SOPClassUID",
    "StudyInstanceUID",
    "StudyDate",
    "PatientID",
    "IssuerOfPatientID",
    "Modality",
    "SeriesDescription",
    "ProtocolName",
    "PatientBirthDate",
    "PatientAge",
    "PatientSex",
    "BodyPartExamined",
    "ViewPosition",
    "ViewCodeSequence",
    "PatientOrientation",
    "BurnedInAnnotation",
    "EstimatedRadiographicMagnificationFactor",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "PixelSpacing",
    "PixelSpacingCalibrationType",
    "PixelAspectRatio",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleIntercept",
    "RescaleSlope",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "VOILUTFunction",
    "WindowCenter",
    "WindowWidth",
    "PresentationLUTShape",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "PixelData",
)
NOT_DICOM = (
    "The file is not a DICOM file (its DICM marker is missing), PNG or JPEG; "
    "give a chest radiograph in one of these formats."
)
_NO_PICTURE = "The DICOM file holds no picture (no pixel data); give the file with the radiograph."
_DAMAGED = "The DICOM file is damaged and cannot be read; get a complete copy."
_UNSUPPORTED = "The DICOM file stores its pixels in a way that is not supported"


@dataclass(frozen=True, eq=False)
class DicomHeader:
    """What a DICOM file says of itself, as far as a study needs it; `None` = not stated."""

    transfer_syntax: str
    study_uid: str | None
    modality: str | None
    body_part: str | None
    descriptions: tuple[str, ...]
    """Series description and protocol name."""
    view_position: str | None
    view_codes: tuple[tuple[str, str], ...]
    """Coding scheme designator and code value."""
    patient_orientation: tuple[str, str] | None
    patient: str | None
    """Digest of the patient's identifier; comparable within this process only."""
    patient_issuer: str | None
    """Digest of who gave that identifier."""
    study_day: int | None
    """The study's date as a proleptic Gregorian ordinal."""
    age_years: int | None
    sex: str | None
    burned_in_annotation: bool | None
    pixel_spacing: tuple[float, float] | None
    imager_pixel_spacing: tuple[float, float] | None
    scanned_pixel_spacing: tuple[float, float] | None
    spacing_calibration: str | None
    pixel_aspect_ratio: tuple[float, float] | None
    magnification: float | None
    pixels: PixelModule
    slope: float
    intercept: float
    modality_lut: LookUpTable | None
    voi_lut: LookUpTable | None
    window: Window | None
    padding: tuple[float, float] | None
    presentation_inverse: bool
    palette: tuple[LookUpTable, LookUpTable, LookUpTable] | None


def is_dicom(start: bytes) -> bool:
    """True where the first bytes of a file carry the DICOM marker (PS3.10 section 7.1)."""
    return start[_PREAMBLE : _PREAMBLE + 4] == b"DICM"


def read_header(data: bytes, limits: LoadLimits) -> tuple[DicomHeader, bytes]:
    """The header and the pixel data, still encoded, of one DICOM file.

    Raises:
        StudyError: the file is no DICOM file, holds no picture, is damaged, describes a picture
            beyond the limits, or stores its pixels in an unsupported way.
    """
    if not is_dicom(data):
        raise StudyError(NOT_DICOM)
    with _quiet_parsing():
        try:
            dataset, syntax = _parse(data, limits)
            return _header(dataset, syntax, limits)
        except StudyError:
            raise
        # Whatever a parser of untrusted bytes trips over, the file is damaged; the original
        # message may quote patient data and is dropped.
        except (Exception, RecursionError, MemoryError):
            raise StudyError(_DAMAGED) from None


def read_elements(data: bytes, limits: LoadLimits, keywords: Sequence[str]) -> Dataset:
    """The named elements of one DICOM file, and no others.

    Raises `StudyError` where the file is no DICOM file, or is damaged.
    """
    if not is_dicom(data):
        raise StudyError(NOT_DICOM)
    with _quiet_parsing():
        try:
            return _parse(data, limits, keywords)[0]
        except StudyError:
            raise
        except (Exception, RecursionError, MemoryError):
            raise StudyError(_DAMAGED) from None


_PARSING = threading.Lock()


@contextmanager
def _quiet_parsing() -> Iterator[None]:
    """Keep pydicom from warning about values, which it quotes; they may identify a patient."""
    from pydicom import config

    with _PARSING, warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        disabled = config.logger.disabled
        config.logger.disabled = True
        try:
            yield
        finally:
            config.logger.disabled = disabled


def _parse(
    data: bytes, limits: LoadLimits, keywords: Sequence[str] = _WANTED
) -> tuple[Dataset, UID]:
    """The wanted elements of the data set and the transfer syntax they are written in."""
    from pydicom.filereader import read_dataset
    from pydicom.tag import Tag
    from pydicom.uid import UID

    stream = io.BytesIO(data)
    stream.seek(_PREAMBLE + 4)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
    syntax = UID(str(meta.TransferSyntaxUID))
    if not syntax.is_transfer_syntax:
        raise StudyError(f"{_UNSUPPORTED} (unknown transfer syntax); convert it first.")
    if syntax == DEFLATED:
        stream = io.BytesIO(_inflate(stream.read(), limits))
    wanted: list[Any] = [Tag(keyword) for keyword in keywords]
    return (
        read_dataset(stream, syntax.is_implicit_VR, syntax.is_little_endian, specific_tags=wanted),
        syntax,
    )


def _inflate(deflated: bytes, limits: LoadLimits) -> bytes:
    """Undo the deflated transfer syntax (PS3.5 A.5), refusing what swells beyond the limits."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(deflated, limits.max_file_bytes)
    if inflater.unconsumed_tail:
        raise StudyError("The DICOM file unpacks to more than is accepted; export it unpacked.")
    return inflated


def _header(dataset: Dataset, syntax: UID, limits: LoadLimits) -> tuple[DicomHeader, bytes]:
    encoded = value_of(dataset, "PixelData")
    if not isinstance(encoded, bytes) or not encoded:
        raise StudyError(_NO_PICTURE)
    frames = int(number_of(dataset, "NumberOfFrames") or 1)
    if frames > 1:
        raise StudyError(
            "The DICOM file holds several frames; a chest radiograph has one. "
            "Give the file with the single radiograph."
        )
    pixels = _pixel_module(dataset, limits)
    signed = pixels.pixel_representation == 1
    header = DicomHeader(
        transfer_syntax=str(syntax),
        study_uid=text_of(dataset, "StudyInstanceUID"),
        modality=text_of(dataset, "Modality"),
        body_part=text_of(dataset, "BodyPartExamined"),
        descriptions=tuple(
            text
            for keyword in ("SeriesDescription", "ProtocolName")
            if (text := text_of(dataset, keyword)) is not None
        ),
        view_position=text_of(dataset, "ViewPosition"),
        view_codes=_view_codes(dataset),
        patient_orientation=_orientation(dataset),
        patient=identifier_digest(dataset, "PatientID"),
        patient_issuer=identifier_digest(dataset, "IssuerOfPatientID"),
        study_day=_study_day(dataset),
        age_years=_age_years(dataset),
        sex=_sex(dataset),
        burned_in_annotation={"YES": True, "NO": False}.get(
            text_of(dataset, "BurnedInAnnotation") or ""
        ),
        pixel_spacing=pair_of(dataset, "PixelSpacing"),
        imager_pixel_spacing=pair_of(dataset, "ImagerPixelSpacing"),
        scanned_pixel_spacing=pair_of(dataset, "NominalScannedPixelSpacing"),
        spacing_calibration=text_of(dataset, "PixelSpacingCalibrationType"),
        pixel_aspect_ratio=pair_of(dataset, "PixelAspectRatio"),
        magnification=number_of(dataset, "EstimatedRadiographicMagnificationFactor"),
        pixels=pixels,
        slope=number_of(dataset, "RescaleSlope") or 1.0,
        intercept=number_of(dataset, "RescaleIntercept") or 0.0,
        modality_lut=lut_of_sequence(dataset, "ModalityLUTSequence", signed),
        voi_lut=lut_of_sequence(dataset, "VOILUTSequence", signed),
        window=window_of(dataset),
        padding=padding_of(dataset, pixels),
        presentation_inverse=text_of(dataset, "PresentationLUTShape") == "INVERSE",
        palette=palette_of(dataset),
    )
    return header, _one_frame(encoded) if syntax.is_encapsulated else encoded


def _one_frame(encapsulated: bytes) -> bytes:
    from pydicom.encaps import get_frame

    try:
        return bytes(get_frame(encapsulated, 0, number_of_frames=1))
    except Exception:
        raise StudyError(TRUNCATED) from None


def _pixel_module(dataset: Dataset, limits: LoadLimits) -> PixelModule:
    rows, columns = (int(number_of(dataset, keyword) or 0) for keyword in ("Rows", "Columns"))
    if rows < 1 or columns < 1:
        raise StudyError(_NO_PICTURE)
    check_size(columns, rows, limits)
    allocated = int(number_of(dataset, "BitsAllocated") or 0)
    stored = int(number_of(dataset, "BitsStored") or allocated)
    high = number_of(dataset, "HighBit")
    high_bit = stored - 1 if high is None else int(high)
    photometric = text_of(dataset, "PhotometricInterpretation") or "MONOCHROME2"
    samples = int(number_of(dataset, "SamplesPerPixel") or 1)
    if allocated not in (8, 16, 32) or not 1 <= stored <= high_bit + 1 <= allocated:
        raise StudyError(f"{_UNSUPPORTED} (bit depth); export it with 8 to 16 bits.")
    single = photometric in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
    coloured = photometric == "RGB" or photometric.startswith("YBR")
    if not (single and samples == 1) and not (coloured and samples == 3):
        raise StudyError(f"{_UNSUPPORTED} (photometric interpretation); export it in gray values.")
    try:
        return PixelModule(
            rows=rows,
            columns=columns,
            samples_per_pixel=samples,
            bits_allocated=allocated,
            bits_stored=stored,
            high_bit=high_bit,
            pixel_representation=int(number_of(dataset, "PixelRepresentation") or 0),
            planar_configuration=int(number_of(dataset, "PlanarConfiguration") or 0),
            photometric_interpretation=photometric,
        )
    except ValidationError:
        raise StudyError(_DAMAGED) from None


def _view_codes(dataset: Dataset) -> tuple[tuple[str, str], ...]:
    codes = []
    for item in values_of(dataset, "ViewCodeSequence")[:4]:
        scheme, code = text_of(item, "CodingSchemeDesignator"), text_of(item, "CodeValue")
        if scheme is not None and code is not None:
            codes.append((scheme, code))
    return tuple(codes)


def _orientation(dataset: Dataset) -> tuple[str, str] | None:
    values = [str(value).strip().upper() for value in values_of(dataset, "PatientOrientation")]
    return (values[0], values[1]) if len(values) == 2 and all(values) else None


_PROCESS_KEY = secrets.token_bytes(16)


def identifier_digest(dataset: Dataset, keyword: str) -> str | None:
    """An identifier as a digest under a key of this process alone.

    It tells whether two files name the same, and neither what that is nor anything tomorrow.
    """
    text = text_of(dataset, keyword)
    if text is None:
        return None
    named = text.encode("utf-8", "replace")
    return hashlib.blake2b(named, key=_PROCESS_KEY, digest_size=16).hexdigest()


def _study_day(dataset: Dataset) -> int | None:
    """The study's date as a number of the calendar (PS3.5 6.2, DA)."""
    text = text_of(dataset, "StudyDate") or ""
    try:
        return datetime.strptime(text, "%Y%m%d").toordinal()
    except ValueError:
        return None


def _sex(dataset: Dataset) -> str | None:
    sex = text_of(dataset, "PatientSex")
    return sex if sex in ("F", "M", "O") else None


def _age_years(dataset: Dataset) -> int | None:
    """Completed years from PatientAge, else from birth and study date; `None` if implausible."""
    age = re.fullmatch(r"(\d{1,3})([YMWD]?)", text_of(dataset, "PatientAge") or "")
    if age:
        days = {"Y": 365.25, "M": 30.44, "W": 7.0, "D": 1.0}[age[2] or "Y"]
        years = round(int(age[1]) * days / 365.25, 3)
    else:
        born, seen = (
            re.fullmatch(r"(\d{4})(\d{2})(\d{2})", text_of(dataset, keyword) or "")
            for keyword in ("PatientBirthDate", "StudyDate")
        )
        if not born or not seen:
            return None
        had_birthday = (seen[2], seen[3]) >= (born[2], born[3])
        years = int(seen[1]) - int(born[1]) - (0 if had_birthday else 1)
    return int(years) if 0 <= years <= 120 else None
