"""One PNG or JPEG file to one radiograph ready for display.

Such a file says nothing of view, side or spacing; what it shows is taken as it is seen.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np

from findings.errors import StudyError
from imaging.dicom import pixel_digest
from imaging.grayscale import is_coloured, luminance, stretch
from imaging.limits import LoadLimits, check_size
from imaging.pixel_decoding import StoredPixels
from imaging.study import FloatImage, StudyImage

if TYPE_CHECKING:
    from PIL.Image import Image

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_TOO_LARGE = (
    "The picture claims more pixels than a radiograph has and than is accepted; check the file or "
    "export it smaller."
)
_DAMAGED = "The PNG or JPEG picture is damaged or cut off; get a complete copy."


def is_raster(start: bytes) -> bool:
    """True where the first bytes of a file are those of a PNG or JPEG picture."""
    return start.startswith(_SIGNATURES)


def read_raster(data: bytes, limits: LoadLimits) -> StudyImage:
    """Read the radiograph in a PNG or JPEG file, turned upright by its EXIF orientation.

    Gray values are taken as display values; 16-bit ones are stretched between robust percentiles
    unless they fill their range. Transparent parts become black.

    Raises:
        StudyError: the file is damaged or larger than the limits.
    """
    import PIL.Image
    import PIL.ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PIL.Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as opened:
                check_size(*opened.size, limits)
                depth = 16 if opened.mode.startswith("I") else 8
                picture = PIL.ImageOps.exif_transpose(opened)
                picture.load()
                stored = _pixels(picture)
    except StudyError:
        raise
    except PIL.Image.DecompressionBombError:
        raise StudyError(_TOO_LARGE) from None
    # Decoders of untrusted bytes fail in many ways; each of them means a damaged file.
    except Exception:
        raise StudyError(_DAMAGED) from None
    display, coloured, notes = _display(stored, depth)
    display.flags.writeable = False
    return StudyImage(
        display=display,
        digest=pixel_digest(stored),
        bits_stored=depth,
        colour_source=coloured,
        notes=notes,
    )


def _pixels(picture: Image) -> StoredPixels:
    """Gray H×W or RGB H×W×3 values, 8 or 16 bits, transparency laid on black."""
    import PIL.Image

    if picture.mode.startswith("I"):
        gray: StoredPixels = np.clip(np.asarray(picture), 0, 65535).astype(np.uint16)
        return gray
    if picture.mode in ("1", "L"):
        return np.asarray(picture.convert("L"))
    if "transparency" in picture.info or picture.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        layered = picture.convert("RGBA")
        black = PIL.Image.new("RGBA", layered.size, (0, 0, 0, 255))
        return np.asarray(PIL.Image.alpha_composite(black, layered).convert("RGB"))
    return np.asarray(picture.convert("RGB"))


def _display(stored: StoredPixels, depth: int) -> tuple[FloatImage, bool, tuple[str, ...]]:
    if stored.ndim == 3:
        colour = stored.astype(np.float32) / np.float32(255)
        return np.clip(luminance(colour), 0.0, 1.0), is_coloured(colour), ()
    values = stored.astype(np.float32)
    if depth == 8:
        return values / np.float32(255), False, ()
    # 12-bit values in 16-bit files are common: such a picture would be nearly black.
    if float(values.max()) >= 0.9 * 65535:
        return values / np.float32(65535), False, ()
    return stretch(values), False, ("window made from the pixel values",)
