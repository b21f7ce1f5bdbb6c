"""Pixels and sizes of a data set's image files: DICOM, PNG, JPEG, and JSRT's raw films."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from findings.errors import StudyError
from imaging.limits import LoadLimits

if TYPE_CHECKING:
    from imaging.study import FloatImage

_RAW_SUFFIX: Final = ".img"
_RAW_SIDE: Final = 2048
_RAW_WHITE: Final = 4095
_DAMAGED: Final = "An image of the data set is damaged or no radiograph; get a complete copy."


def read_pixels(path: Path) -> FloatImage:
    """Display pixels in [0, 1], bright = dense, float32 `(height, width)`.

    Raises:
        StudyError: the file cannot be read as a radiograph.
    """
    if path.suffix.lower() == _RAW_SUFFIX:
        return _read_raw(path)
    from imaging.loading import load_study

    return load_study(path, guess_views=False).frontal.display


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the header alone.

    Raises:
        StudyError: the header cannot be read.
    """
    if path.suffix.lower() == _RAW_SUFFIX:
        return _RAW_SIDE, _RAW_SIDE
    from PIL import Image

    from imaging.dicom_header import is_dicom, read_header

    limits = LoadLimits()
    try:
        with path.open("rb") as file:
            if is_dicom(file.read(132)):
                file.seek(0)
                pixels = read_header(file.read(limits.max_file_bytes), limits)[0].pixels
                return pixels.columns, pixels.rows
        with Image.open(path, formats=("PNG", "JPEG", "TIFF")) as opened:
            return opened.size
    # Parsers of untrusted bytes fail in many ways; each of them means a damaged file.
    except Exception:
        raise StudyError(_DAMAGED) from None


def _read_raw(path: Path) -> FloatImage:
    """A JSRT film: 2048 × 2048 big-endian 16-bit numbers of 12 bits, low values dense."""
    import numpy as np

    try:
        size = path.stat().st_size
        if size != 2 * _RAW_SIDE * _RAW_SIDE or size > LoadLimits().max_file_bytes:
            raise StudyError(_DAMAGED)
        stored = np.fromfile(path, dtype=">u2").reshape(_RAW_SIDE, _RAW_SIDE)
    except OSError:
        raise StudyError(_DAMAGED) from None
    pixels: FloatImage = np.minimum(stored, _RAW_WHITE).astype(np.float32)
    pixels /= np.float32(-_RAW_WHITE)
    pixels += 1
    return pixels
