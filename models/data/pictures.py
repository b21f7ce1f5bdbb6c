"""Read one image of a data set: a JPEG at once, anything else (DICOM, 16-bit PNG) by its reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.preprocessing import read_display

_JPEG = frozenset({".jpg", ".jpeg"})


def read_film(path: Path) -> NDArray[np.float32]:
    """Display pixels in [0, 1], float32 ``(height, width)``, bright where the chest is dense.

    Raises:
        StudyError: the file cannot be read as a radiograph.
    """
    if path.suffix.lower() in _JPEG:
        return read_display(path)
    from models.datasets.pixels import read_pixels

    return read_pixels(path)
