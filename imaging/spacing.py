"""Millimetres per pixel of a projection radiograph, and how far to trust them.

DICOM PS3.3 10.7.1.3: ImagerPixelSpacing lies in the detector's plane, where the patient appears
magnified; PixelSpacing may have been corrected to the patient. The two are never mixed up here.
"""

from __future__ import annotations

from findings.claims import SpacingProvenance
from imaging.dicom_header import DicomHeader
from imaging.study import Spacing

PLAUSIBLE_MM = (0.03, 6.0)
"""Pixel sizes from fine detectors to thumbnails."""
PLAUSIBLE_FIELD_MM = (100.0, 600.0)
"""Extents of the whole picture; the largest detectors have 430 mm."""
SMALLEST_ADULT_FIELD_MM = 200.0
"""An adult chest does not fit into less."""

_IMPLAUSIBLE = "the stated pixel spacing is implausible and is not used"


def spacing_of(header: DicomHeader) -> tuple[Spacing | None, tuple[str, ...]]:
    """The spacing of the stored pixels, `None` where it is unknown, and notes on why.

    PixelSpacing counts as calibrated where the header says how it was calibrated or where it
    differs from ImagerPixelSpacing; else it is taken for the detector's.
    """
    stated = (
        header.pixel_spacing,
        header.imager_pixel_spacing,
        header.scanned_pixel_spacing,
    )
    pixel, imager, scanned = (
        pair if pair is not None and _plausible(pair, header) else None for pair in stated
    )
    notes = (_IMPLAUSIBLE,) if stated != (pixel, imager, scanned) else ()
    detector = imager or scanned
    corrected = pixel is not None and (
        header.spacing_calibration in ("GEOMETRY", "FIDUCIAL")
        or (detector is not None and _differ(pixel, detector))
    )
    chosen = pixel if corrected else detector or pixel
    if chosen is None:
        return None, notes
    row_mm, column_mm = chosen
    if corrected:
        return Spacing(
            row_mm=row_mm, column_mm=column_mm, provenance=SpacingProvenance.CALIBRATED
        ), notes
    factor = header.magnification
    # A factor of exactly 1 is the usual filler: no patient touches the detector all over.
    if factor is not None and 1.0 < factor <= 2.0:
        return Spacing(
            row_mm=row_mm / factor,
            column_mm=column_mm / factor,
            provenance=SpacingProvenance.DETECTOR_CORRECTED,
            magnification=factor,
        ), notes
    return Spacing(row_mm=row_mm, column_mm=column_mm, provenance=SpacingProvenance.DETECTOR), notes


def aspect_of(header: DicomHeader) -> float:
    """Height of a stored pixel over its width; 1 where unknown or implausible."""
    for pair in (
        header.pixel_spacing,
        header.imager_pixel_spacing,
        header.scanned_pixel_spacing,
        header.pixel_aspect_ratio,
    ):
        if pair is not None and min(pair) > 0:
            ratio = pair[0] / pair[1]
            return ratio if 1 / 3 <= ratio <= 3 else 1.0
    return 1.0


def _differ(first: tuple[float, float], second: tuple[float, float]) -> bool:
    return any(abs(a - b) > 0.005 * max(a, b) for a, b in zip(first, second, strict=True))


def _plausible(spacing: tuple[float, float], header: DicomHeader) -> bool:
    low, high = PLAUSIBLE_MM
    if not all(low <= value <= high for value in spacing):
        return False
    if not 1 / 3 <= spacing[0] / spacing[1] <= 3:
        return False
    extents = spacing[0] * header.pixels.rows, spacing[1] * header.pixels.columns
    adult = header.age_years is not None and header.age_years >= 18
    smallest = SMALLEST_ADULT_FIELD_MM if adult else PLAUSIBLE_FIELD_MM[0]
    return all(smallest <= extent <= PLAUSIBLE_FIELD_MM[1] for extent in extents)
