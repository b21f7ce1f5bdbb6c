"""Small fingerprints of radiographs, to find the same picture under another name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from findings.errors import StudyError
from imaging.limits import LoadLimits, check_size
from models.datasets.pixels import read_pixels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

THUMBNAIL: Final = 32
_HASHED: Final = 8
_JPEG: Final = (".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of a picture: the digest of its file, 64 bits of its look, a thumbnail."""

    sha256: str
    look: int
    """Signs of the lowest frequencies (a perceptual hash by discrete cosine transform)."""
    thumbnail: NDArray[np.uint8]
    """`(32, 32)`."""


def fingerprint(path: Path) -> Fingerprint:
    """Fingerprint an image file.

    Raises:
        StudyError: it is no readable radiograph.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        raise StudyError("An image of the data set cannot be opened; check its rights.") from None
    small = _thumbnail(path)
    return Fingerprint(digest.hexdigest(), perceptual_hash(small), small)


def perceptual_hash(thumbnail: NDArray[np.uint8]) -> int:
    """Which of the 8 × 8 lowest frequencies lie above their median, as 64 bits."""
    import numpy as np
    from scipy import fft

    spectrum = fft.dctn(thumbnail.astype(np.float64), norm="ortho")[:_HASHED, :_HASHED].ravel()
    # The first is the mean brightness, and says nothing of the look.
    bits = spectrum[1:] > np.median(spectrum[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _thumbnail(path: Path) -> NDArray[np.uint8]:
    import numpy as np
    from PIL import Image

    if path.suffix.lower() in _JPEG:
        try:
            with Image.open(path, formats=("JPEG",)) as opened:
                check_size(*opened.size, LoadLimits())
                # A JPEG decoder can decode at a fraction of the size in a fraction of the time.
                opened.draft("L", (4 * THUMBNAIL, 4 * THUMBNAIL))
                small = opened.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
                return np.asarray(small)
        except StudyError:
            raise
        # Decoders of untrusted bytes fail in many ways; each of them means a damaged file.
        except Exception:
            raise StudyError("An image of the data set is damaged or cut off.") from None
    pixels = read_pixels(path)
    picture = Image.fromarray((pixels * 255).round().astype(np.uint8))
    return np.asarray(picture.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))
