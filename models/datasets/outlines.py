"""Masks as data sets hand them out: picture files, and run lengths in a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from findings.errors import StudyError
from imaging.limits import LoadLimits, check_size
from models.datasets.record import Outline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BRIGHT: Final = 127
_DAMAGED: Final = "A mask of the data set is damaged or of an unusable kind; get a complete copy."


@dataclass(frozen=True)
class FileOutline(Outline):
    """A mask in a PNG, GIF, JPEG or TIFF picture: above 127 is inside."""

    path: Path

    def read(self) -> NDArray[np.bool_]:
        """See `Outline`."""
        import numpy as np
        from PIL import Image

        try:
            with Image.open(self.path, formats=("PNG", "GIF", "JPEG", "TIFF")) as opened:
                check_size(*opened.size, LoadLimits())
                return np.asarray(opened.convert("L")) > _BRIGHT
        except StudyError:
            raise
        # Decoders of untrusted bytes fail in many ways; each of them means a damaged file.
        except Exception:
            raise StudyError(_DAMAGED) from None


@dataclass(frozen=True)
class RunLengthOutline(Outline):
    """Run lengths of the SIIM-ACR tables, one text for each mask; together they are their union.

    Pairs of numbers: how many pixels to skip since the end of the run before, and how many to
    mark. Pixels are counted down the first column, then down the second, and so on; the first
    number counts from the first pixel.
    """

    runs: tuple[str, ...]
    width: int
    height: int

    def read(self) -> NDArray[np.bool_]:
        """See `Outline`."""
        import numpy as np

        marked = np.zeros(self.width * self.height, dtype=np.bool_)
        for text in self.runs:
            numbers = _numbers(text)
            position = 0
            for skip, length in zip(numbers[::2], numbers[1::2], strict=True):
                start, position = position + skip, position + skip + length
                if position > marked.size:
                    raise StudyError(_DAMAGED)
                marked[start:position] = True
        return marked.reshape(self.width, self.height).T


def _numbers(text: str) -> list[int]:
    words = text.split()
    if len(words) % 2 or not all(word.isascii() and word.isdigit() for word in words):
        raise StudyError(_DAMAGED)
    # A number of many digits would cost time to convert and can only be wrong.
    if any(len(word) > 9 for word in words):
        raise StudyError(_DAMAGED)
    return [int(word) for word in words]
