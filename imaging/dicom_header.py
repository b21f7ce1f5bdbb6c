"""The few DICOM attributes a study needs, read tolerantly from untrusted files.

Only the attributes listed here are parsed; names, identifiers and dates that are not needed never
reach memory. A value that is malformed counts as absent.
"""

from __future__ import annotations

import io
import math
import re
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from findings.errors import StudyError
from imaging.grayscale import LookUpTable, Window, WindowFunction
from imaging.limits import MAX_SIDE, LoadLimits
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


def _parse(data: bytes, limits: LoadLimits) -> tuple[Dataset, UID]:
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
    wanted: list[Any] = [Tag(keyword) for keyword in _WANTED]
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
    encoded = _value(dataset, "PixelData")
    if not isinstance(encoded, bytes) or not encoded:
        raise StudyError(_NO_PICTURE)
    frames = int(_number(dataset, "NumberOfFrames") or 1)
    if frames > 1:
        raise StudyError(
            "The DICOM file holds several frames; a chest radiograph has one. "
            "Give the file with the single radiograph."
        )
    pixels = _pixel_module(dataset, limits)
    signed = pixels.pixel_representation == 1
    header = DicomHeader(
        transfer_syntax=str(syntax),
        study_uid=_text(dataset, "StudyInstanceUID"),
        modality=_text(dataset, "Modality"),
        body_part=_text(dataset, "BodyPartExamined"),
        descriptions=tuple(
            text
            for keyword in ("SeriesDescription", "ProtocolName")
            if (text := _text(dataset, keyword)) is not None
        ),
        view_position=_text(dataset, "ViewPosition"),
        view_codes=_view_codes(dataset),
        patient_orientation=_orientation(dataset),
        age_years=_age_years(dataset),
        sex=_sex(dataset),
        burned_in_annotation={"YES": True, "NO": False}.get(
            _text(dataset, "BurnedInAnnotation") or ""
        ),
        pixel_spacing=_pair(dataset, "PixelSpacing"),
        imager_pixel_spacing=_pair(dataset, "ImagerPixelSpacing"),
        scanned_pixel_spacing=_pair(dataset, "NominalScannedPixelSpacing"),
        spacing_calibration=_text(dataset, "PixelSpacingCalibrationType"),
        pixel_aspect_ratio=_pair(dataset, "PixelAspectRatio"),
        magnification=_number(dataset, "EstimatedRadiographicMagnificationFactor"),
        pixels=pixels,
        slope=_number(dataset, "RescaleSlope") or 1.0,
        intercept=_number(dataset, "RescaleIntercept") or 0.0,
        modality_lut=_lut_of_sequence(dataset, "ModalityLUTSequence", signed),
        voi_lut=_lut_of_sequence(dataset, "VOILUTSequence", signed),
        window=_window(dataset),
        padding=_padding(dataset, pixels),
        presentation_inverse=_text(dataset, "PresentationLUTShape") == "INVERSE",
        palette=_palette(dataset),
    )
    return header, _one_frame(encoded) if syntax.is_encapsulated else encoded


def _one_frame(encapsulated: bytes) -> bytes:
    from pydicom.encaps import get_frame

    try:
        return bytes(get_frame(encapsulated, 0, number_of_frames=1))
    except Exception:
        raise StudyError(TRUNCATED) from None


def _pixel_module(dataset: Dataset, limits: LoadLimits) -> PixelModule:
    rows, columns = (int(_number(dataset, keyword) or 0) for keyword in ("Rows", "Columns"))
    if rows < 1 or columns < 1:
        raise StudyError(_NO_PICTURE)
    check_size(columns, rows, limits)
    allocated = int(_number(dataset, "BitsAllocated") or 0)
    stored = int(_number(dataset, "BitsStored") or allocated)
    high = _number(dataset, "HighBit")
    high_bit = stored - 1 if high is None else int(high)
    photometric = _text(dataset, "PhotometricInterpretation") or "MONOCHROME2"
    samples = int(_number(dataset, "SamplesPerPixel") or 1)
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
            pixel_representation=int(_number(dataset, "PixelRepresentation") or 0),
            planar_configuration=int(_number(dataset, "PlanarConfiguration") or 0),
            photometric_interpretation=photometric,
        )
    except ValidationError:
        raise StudyError(_DAMAGED) from None


def check_size(columns: int, rows: int, limits: LoadLimits) -> None:
    """Refuse a picture larger than the limits before any memory is spent on it.

    Raises:
        StudyError: it is larger.
    """
    if rows > MAX_SIDE or columns > MAX_SIDE or rows * columns > limits.max_pixels:
        raise StudyError(
            f"The picture claims {columns} × {rows} pixels, more than a radiograph has and than "
            "is accepted; check the file or export it smaller."
        )


def _value(dataset: Dataset, keyword: str) -> Any:
    """The value of an element, or `None` where it is absent or cannot be parsed."""
    try:
        return dataset.get(keyword)
    except Exception:
        return None


def _values(dataset: Dataset, keyword: str) -> list[Any]:
    value = _value(dataset, keyword)
    if value is None or isinstance(value, bytes):
        return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _text(dataset: Dataset, keyword: str) -> str | None:
    """The first value as upper-case text without surrounding blanks, at most 64 characters."""
    values = _values(dataset, keyword)
    text = str(values[0]).strip(" \0").upper()[:64] if values else ""
    return text or None


def _numbers(dataset: Dataset, keyword: str) -> list[float]:
    numbers: list[float] = []
    for value in _values(dataset, keyword):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            return []
        if not math.isfinite(number):
            return []
        numbers.append(number)
    return numbers


def _number(dataset: Dataset, keyword: str) -> float | None:
    numbers = _numbers(dataset, keyword)
    return numbers[0] if numbers else None


def _pair(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    numbers = _numbers(dataset, keyword)
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def _window(dataset: Dataset) -> Window | None:
    """The first window that is stated in full."""
    try:
        function = WindowFunction(_text(dataset, "VOILUTFunction") or "LINEAR")
    except ValueError:
        function = WindowFunction.LINEAR
    centers, widths = _numbers(dataset, "WindowCenter"), _numbers(dataset, "WindowWidth")
    for center, width in zip(centers, widths, strict=False):
        if width >= 1 or (width > 0 and function is not WindowFunction.LINEAR):
            return Window(center, width, function)
    return None


def _lut_of_sequence(dataset: Dataset, keyword: str, signed: bool) -> LookUpTable | None:
    items = _values(dataset, keyword)
    return _lut(items[0], "LUTDescriptor", "LUTData", signed) if items else None


def _lut(
    dataset: Dataset, descriptor_keyword: str, data_keyword: str, signed: bool
) -> LookUpTable | None:
    """A look-up table (PS3.3 C.11.1.1), or `None` where its parts do not fit together."""
    raw = _value(dataset, descriptor_keyword)
    if isinstance(raw, bytes) and len(raw) == 6:
        raw = np.frombuffer(raw, "<i2" if signed else "<u2").tolist()
    try:
        count, first, bits = (int(value) for value in raw)
    except (TypeError, ValueError):
        return None
    count = 65536 if count == 0 else count % 65536
    data = _value(dataset, data_keyword)
    try:
        if isinstance(data, bytes):
            wide = len(data) >= 2 * count
            entries = np.frombuffer(data, "<u2" if wide else "u1")
        else:
            entries = np.asarray(data, dtype=np.int64) & 0xFFFF
    except (TypeError, ValueError, OverflowError):
        return None
    if entries.ndim != 1 or entries.size < count or not 8 <= bits <= 16:
        return None
    return LookUpTable(first, entries[:count].astype(np.float32), bits)


def _palette(dataset: Dataset) -> tuple[LookUpTable, LookUpTable, LookUpTable] | None:
    tables = [
        _lut(
            dataset,
            f"{colour}PaletteColorLookupTableDescriptor",
            f"{colour}PaletteColorLookupTableData",
            False,
        )
        for colour in ("Red", "Green", "Blue")
    ]
    red, green, blue = tables
    if red is None or green is None or blue is None:
        return None
    return red, green, blue


def _padding(dataset: Dataset, pixels: PixelModule) -> tuple[float, float] | None:
    """The stored values that pad the image (PS3.3 C.7.5.1.1.2)."""

    def stored(keyword: str) -> float | None:
        raw = _value(dataset, keyword)
        if isinstance(raw, bytes) and len(raw) == 2:
            dtype = "<i2" if pixels.pixel_representation == 1 else "<u2"
            return float(np.frombuffer(raw, dtype)[0])
        return _number(dataset, keyword)

    first = stored("PixelPaddingValue")
    if first is None:
        return None
    last = stored("PixelPaddingRangeLimit")
    return (first, first) if last is None else (min(first, last), max(first, last))


def _view_codes(dataset: Dataset) -> tuple[tuple[str, str], ...]:
    codes = []
    for item in _values(dataset, "ViewCodeSequence")[:4]:
        scheme, code = _text(item, "CodingSchemeDesignator"), _text(item, "CodeValue")
        if scheme is not None and code is not None:
            codes.append((scheme, code))
    return tuple(codes)


def _orientation(dataset: Dataset) -> tuple[str, str] | None:
    values = [str(value).strip().upper() for value in _values(dataset, "PatientOrientation")]
    return (values[0], values[1]) if len(values) == 2 and all(values) else None


def _sex(dataset: Dataset) -> str | None:
    sex = _text(dataset, "PatientSex")
    return sex if sex in ("F", "M", "O") else None


def _age_years(dataset: Dataset) -> int | None:
    """Completed years from PatientAge, else from birth and study date; `None` if implausible."""
    age = re.fullmatch(r"(\d{1,3})([YMWD]?)", _text(dataset, "PatientAge") or "")
    if age:
        days = {"Y": 365.25, "M": 30.44, "W": 7.0, "D": 1.0}[age[2] or "Y"]
        years = round(int(age[1]) * days / 365.25, 3)
    else:
        born, seen = (
            re.fullmatch(r"(\d{4})(\d{2})(\d{2})", _text(dataset, keyword) or "")
            for keyword in ("PatientBirthDate", "StudyDate")
        )
        if not born or not seen:
            return None
        had_birthday = (seen[2], seen[3]) >= (born[2], born[3])
        years = int(seen[1]) - int(born[1]) - (0 if had_birthday else 1)
    return int(years) if 0 <= years <= 120 else None
