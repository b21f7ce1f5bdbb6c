"""How a radiograph lies on the display, and which view it is, as its tags say.

Frontal radiographs are shown as if facing the patient: rows run to the patient's left, columns to
the feet (PatientOrientation `L\\F`, DICOM PS3.3 C.7.6.1.1.1).
"""

from __future__ import annotations

import re

import numpy as np

from imaging.geometry import IDENTITY, Affine, Size, flip_horizontal, flip_vertical, transpose
from imaging.study import FloatImage, View

_VIEW_POSITIONS = {
    "PA": View.PA,
    "AP": View.AP,
    "LL": View.LATERAL,
    "RL": View.LATERAL,
    "LAT": View.LATERAL,
    "LATERAL": View.LATERAL,
    "LLAT": View.LATERAL,
    "RLAT": View.LATERAL,
}
_VIEW_CODES = {
    ("SCT", "272479007"): View.PA,
    ("SCT", "399348003"): View.AP,
    ("SCT", "399067008"): View.LATERAL,
    ("SCT", "399173006"): View.LATERAL,
    ("SCT", "399198007"): View.LATERAL,
    ("SRT", "R-40888"): View.PA,
    ("SRT", "R-10206"): View.AP,
    ("SRT", "R-102CD"): View.LATERAL,
    ("SRT", "R-10236"): View.LATERAL,
    ("SRT", "R-10232"): View.LATERAL,
}
"""Codes of context group CID 4010 in SNOMED CT and in their older SRT form."""

_VIEW_WORDS = (
    (re.compile(r"\b(PA|P\.A\.|POSTERO-?ANTERIOR)\b"), View.PA),
    (re.compile(r"\b(AP|A\.P\.|ANTERO-?POSTERIOR)\b"), View.AP),
    (re.compile(r"\b(LAT|LATERAL|LL|PERFIL)\b"), View.LATERAL),
)


def view_from_tags(
    view_position: str | None,
    view_codes: tuple[tuple[str, str], ...],
    descriptions: tuple[str, ...],
    patient_orientation: tuple[str, str] | None,
) -> View:
    """The view that the tags state, the most specific tag first; UNKNOWN where none does.

    Args:
        view_position: ViewPosition (0018,5101).
        view_codes: scheme and value of each item of ViewCodeSequence (0054,0220).
        descriptions: SeriesDescription, ProtocolName. One that names several views states none.
        patient_orientation: directions of rows and columns, PatientOrientation (0020,0020).
    """
    if view_position in _VIEW_POSITIONS:
        return _VIEW_POSITIONS[view_position]
    for code in view_codes:
        if code in _VIEW_CODES:
            return _VIEW_CODES[code]
    for description in descriptions:
        named = {view for words, view in _VIEW_WORDS if words.search(description)}
        if len(named) == 1:
            return named.pop()
    if patient_orientation is not None and any(
        direction[0] in "AP" for direction in patient_orientation
    ):
        return View.LATERAL
    return View.UNKNOWN


def states_side(patient_orientation: tuple[str, str] | None) -> bool:
    """True where PatientOrientation says which way the patient's left lies."""
    return _axes(patient_orientation) is not None


def to_display(patient_orientation: tuple[str, str] | None, size: Size) -> Affine:
    """The map from stored pixels to the display; the identity where the tag does not say.

    Args:
        patient_orientation: directions of rows and columns.
        size: of the stored picture.
    """
    axes = _axes(patient_orientation)
    if axes is None:
        return IDENTITY
    along_row, along_column = axes
    placed = IDENTITY
    if along_row in "HF":
        placed = transpose()
        size = (size[1], size[0])
        along_row, along_column = along_column, along_row
    if along_row == "R":
        placed = placed.then(flip_horizontal(size))
    if along_column == "H":
        placed = placed.then(flip_vertical(size))
    return placed


def place(pixels: FloatImage, patient_orientation: tuple[str, str] | None) -> FloatImage:
    """The picture as `to_display` lays it."""
    axes = _axes(patient_orientation)
    if axes is None:
        return pixels
    along_row, along_column = axes
    if along_row in "HF":
        pixels = pixels.T
        along_row, along_column = along_column, along_row
    if along_row == "R":
        pixels = np.fliplr(pixels)
    if along_column == "H":
        pixels = np.flipud(pixels)
    return pixels


def _axes(patient_orientation: tuple[str, str] | None) -> tuple[str, str] | None:
    """Main directions of rows and columns where they span the frontal plane, else `None`."""
    if patient_orientation is None:
        return None
    main = patient_orientation[0][0], patient_orientation[1][0]
    sides = sum(direction in "LR" for direction in main)
    ends = sum(direction in "HF" for direction in main)
    return main if sides == ends == 1 else None
