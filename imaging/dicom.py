"""One DICOM file to one radiograph ready for display."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from findings.errors import StudyError
from imaging.dicom_header import DicomHeader, read_header
from imaging.geometry import Affine, resize
from imaging.grayscale import GrayscaleTransform, is_coloured, luminance
from imaging.limits import LoadLimits
from imaging.orientation import place, states_side, to_display, view_from_tags
from imaging.pixel_decoding import StoredPixels, read_encapsulated, read_native
from imaging.spacing import aspect_of, spacing_of
from imaging.study import FloatImage, Source, Spacing, StudyImage, View

_SQUARE_ENOUGH = 0.01
"""Pixels whose sides differ by less than this share are shown as they are."""


@dataclass(frozen=True)
class DicomPicture:
    """A radiograph with what its file says of the study.

    The UID, whose study it is, and the day stay inside the loader.
    """

    image: StudyImage
    study_uid: str | None
    patient: str | None
    patient_issuer: str | None
    study_day: int | None
    age_years: int | None
    sex: str | None


def read_dicom(data: bytes, limits: LoadLimits) -> DicomPicture:
    """Read the radiograph in a DICOM file.

    Args:
        data: the whole file.
        limits: bounds on size and time.

    Raises:
        StudyError: the file is no DICOM file, holds no single picture, is damaged, too large, or
            stores its pixels in an unsupported way.
    """
    header, encoded = read_header(data, limits)
    stored = _stored_pixels(header, encoded, limits)
    coloured = False
    if header.palette is not None and header.pixels.photometric_interpretation == "PALETTE COLOR":
        stored, coloured = _from_palette(header, stored)
    elif stored.ndim == 3:
        stored, coloured = _from_colour(header, stored)
    display, notes = _grayscale(header).apply(stored)

    size = (header.pixels.columns, header.pixels.rows)
    display = place(display, header.patient_orientation)
    placed = to_display(header.patient_orientation, size)
    spacing, spacing_notes = spacing_of(header)
    aspect = aspect_of(header)
    if placed.a == 0:  # rows and columns have changed places
        aspect = 1 / aspect
        spacing = None if spacing is None else _transposed(spacing)
    display, squared, spacing = _square(display, aspect, spacing)
    view = view_from_tags(
        header.view_position, header.view_codes, header.descriptions, header.patient_orientation
    )
    display = np.ascontiguousarray(display, dtype=np.float32)
    display.flags.writeable = False
    image = StudyImage(
        display=display,
        view=view,
        view_source=Source.UNKNOWN if view is View.UNKNOWN else Source.TAG,
        spacing=spacing,
        to_stored=placed.then(squared).inverse(),
        laterality_source=(
            Source.TAG if states_side(header.patient_orientation) else Source.UNKNOWN
        ),
        modality=header.modality,
        body_part=header.body_part,
        digest=pixel_digest(stored),
        bits_stored=header.pixels.bits_stored,
        inverted_source=_is_inverted(header),
        colour_source=coloured,
        burned_in_annotation=header.burned_in_annotation,
        notes=(*notes, *spacing_notes),
    )
    return DicomPicture(
        image=image,
        study_uid=header.study_uid,
        patient=header.patient,
        patient_issuer=header.patient_issuer,
        study_day=header.study_day,
        age_years=header.age_years,
        sex=header.sex,
    )


def pixel_digest(stored: StoredPixels) -> str:
    """SHA-256 over type, shape and values of the stored pixels."""
    digest = hashlib.sha256(f"{stored.dtype.str}{stored.shape}".encode())
    digest.update(np.ascontiguousarray(stored).data)
    return digest.hexdigest()


def _stored_pixels(header: DicomHeader, encoded: bytes, limits: LoadLimits) -> StoredPixels:
    from pydicom.uid import UID

    syntax = UID(header.transfer_syntax)
    if syntax.is_encapsulated:
        return read_encapsulated(header.pixels, encoded, header.transfer_syntax, limits)
    stored = read_native(header.pixels, encoded, little_endian=syntax.is_little_endian)
    if stored.ndim == 3 and header.pixels.photometric_interpretation.startswith("YBR"):
        if header.pixels.photometric_interpretation != "YBR_FULL" or stored.dtype != np.uint8:
            raise StudyError(
                "The DICOM file stores colour in a way that is not supported; "
                "export it in gray values."
            )
        from pydicom.pixels.processing import convert_color_space

        stored = convert_color_space(stored, "YBR_FULL", "RGB")
    return stored


def _from_colour(header: DicomHeader, stored: StoredPixels) -> tuple[StoredPixels, bool]:
    """Gray values of an RGB picture, same range, and whether it holds real colour."""
    colour = stored.astype(np.float32)
    coloured = is_coloured(colour / np.float32(2**header.pixels.bits_stored - 1))
    return np.rint(luminance(colour)).astype(stored.dtype), coloured


def _from_palette(header: DicomHeader, stored: StoredPixels) -> tuple[StoredPixels, bool]:
    assert header.palette is not None
    indices = stored.astype(np.float32)
    top = np.float32(2 ** max(table.bits for table in header.palette) - 1)
    colour = np.stack([table.apply(indices) for table in header.palette], axis=-1) / top
    gray = np.rint(luminance(colour) * 65535.0).astype(np.uint16)
    return gray, is_coloured(colour)


def _is_inverted(header: DicomHeader) -> bool:
    """True where the least value is to be shown white (PS3.3 C.7.6.3.1.2, C.11.6.1.2)."""
    return header.pixels.photometric_interpretation == "MONOCHROME1" or header.presentation_inverse


def _grayscale(header: DicomHeader) -> GrayscaleTransform:
    photometric = header.pixels.photometric_interpretation
    if photometric == "PALETTE COLOR":
        return GrayscaleTransform(full_range=(0.0, 65535.0))
    if header.pixels.samples_per_pixel == 3:
        return GrayscaleTransform(full_range=(0.0, 2.0**header.pixels.bits_stored - 1))
    eight_bits = header.pixels.bits_stored <= 8 and header.pixels.pixel_representation == 0
    rescaled = header.modality_lut is not None or (header.slope, header.intercept) != (1.0, 0.0)
    return GrayscaleTransform(
        slope=header.slope,
        intercept=header.intercept,
        modality_lut=header.modality_lut,
        voi_lut=header.voi_lut,
        window=header.window,
        inverted=_is_inverted(header),
        padding=header.padding,
        full_range=(
            (0.0, 2.0**header.pixels.bits_stored - 1) if eight_bits and not rescaled else None
        ),
    )


def _transposed(spacing: Spacing) -> Spacing:
    return spacing.model_copy(update={"row_mm": spacing.column_mm, "column_mm": spacing.row_mm})


def _square(
    display: FloatImage, aspect: float, spacing: Spacing | None
) -> tuple[FloatImage, Affine, Spacing | None]:
    """Make pixels square by interpolating along their longer side.

    Args:
        display: the picture.
        aspect: height of a pixel over its width.
        spacing: of the picture as it is.

    Returns:
        The picture with square pixels, the map to it, and its spacing.
    """
    rows, columns = display.shape
    if abs(aspect - 1) <= _SQUARE_ENOUGH:
        return display, Affine(), spacing
    size = (columns, round(rows * aspect)) if aspect > 1 else (round(columns / aspect), rows)
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(display)).resize(size, Image.Resampling.BILINEAR)
    if spacing is not None:
        spacing = spacing.model_copy(
            update={
                "row_mm": spacing.row_mm * rows / size[1],
                "column_mm": spacing.column_mm * columns / size[0],
            }
        )
    return np.asarray(picture, dtype=np.float32), resize((columns, rows), size), spacing
