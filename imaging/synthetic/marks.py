"""Marks on the film: the lead side marker, the word SYNTHETIC, and the collimator's border."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imaging.synthetic.raster import Map

SYNTHETIC_MARK = "SYNTHETIC"


def letters(text: str, height: int) -> NDArray[np.float32]:
    """``text`` as coverage from 0 to 1, in Pillow's own font, ``height`` pixels tall."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=height * 1.3)
    left, top, right, bottom = (round(v) for v in font.getbbox(text))
    sheet = Image.new("L", (right - left + 2, bottom - top + 2))
    ImageDraw.Draw(sheet).text((1 - left, 1 - top), text, fill=255, font=font)
    return np.asarray(sheet, dtype=np.float32) / 255.0


def side_marker(size: int, letter: str) -> Map:
    """A lead letter on its own side: the patient's left is on the right of the screen."""
    sheet = np.zeros((size, size), dtype=np.float32)
    mark = letters(letter, round(size * 0.036))
    row = round(size * 0.085)
    margin = round(size * 0.055)
    column = size - margin - mark.shape[1] if letter == "L" else margin
    sheet[row : row + mark.shape[0], column : column + mark.shape[1]] = mark
    return sheet


def stamp_synthetic(pixels: NDArray[np.uint16], white: int) -> None:
    """Write SYNTHETIC, white on black, into the upper left corner of ``pixels``."""
    size = pixels.shape[0]
    mark = letters(SYNTHETIC_MARK, max(9, round(size * 0.014)))
    edge = max(2, size // 200)
    height, width = mark.shape
    pixels[: height + 2 * edge, : width + 2 * edge] = 0
    area = pixels[edge : edge + height, edge : edge + width]
    area[:] = np.rint(mark * white).astype(np.uint16)


def collimation(size: int, rng: np.random.Generator) -> Map:
    """1 inside the exposed field; on two films of five a narrow unexposed border."""
    field = np.ones((size, size), dtype=np.float32)
    if rng.random() > 0.4:
        return field
    for axis in (0, 1):
        first, last = (float(rng.uniform(0.0, 0.016)) * size for _ in range(2))
        at = np.arange(size) + 0.5
        edge = np.clip((at - first) / 1.5, 0, 1) * np.clip((size - last - at) / 1.5, 0, 1)
        field *= np.expand_dims(edge.astype(np.float32), 1 - axis)
    return field
