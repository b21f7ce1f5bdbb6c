"""Bounds on what the loader reads, so that a hostile or broken study costs little."""

from __future__ import annotations

from pydantic import Field

from findings.claims import Frozen
from findings.errors import StudyError

MAX_SIDE = 16384
"""Most rows or columns of one image; the run-length masks have the same bound."""


class LoadLimits(Frozen):
    """How much the loader is willing to read for one study."""

    max_file_bytes: int = Field(default=256 * 2**20, gt=0)
    max_pixels: int = Field(default=64_000_000, gt=0, description="rows × columns of one image")
    max_files: int = Field(default=2000, gt=0, description="files looked at in a folder")
    max_images: int = Field(default=12, gt=0, description="images kept in one study")
    decode_seconds: float = Field(default=30.0, gt=0, description="time to decompress one image")
    decode_bytes: int = Field(
        default=3 * 2**30, gt=0, description="address space of the decompressing process"
    )


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
