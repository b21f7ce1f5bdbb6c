"""Burned-in text: planted lines are found and covered, films without text are left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import pytest

from imaging.burned_in import detect_text_boxes, mask_text
from imaging.gate_data import gate_pictures, read_gray


def film(side: int = 700) -> np.ndarray[Any, Any]:
    """A smooth film-like picture with soft bands for ribs."""
    y, x = np.mgrid[:side, :side] / side
    picture = 0.35 + 0.25 * np.cos(6 * (x - 0.5)) + 0.06 * np.sin(40 * (y + 0.3 * (x - 0.5) ** 2))
    noise = np.random.default_rng(0).normal(0, 0.01, picture.shape)
    return np.clip(picture + noise, 0, 1).astype(np.float32)


def written(
    picture: np.ndarray[Any, Any], text: str, at: tuple[int, int], size: int, shade: int = 255
) -> tuple[np.ndarray[Any, Any], tuple[float, float, float, float]]:
    """The picture with text on it, and the box of the text."""
    canvas = PIL.Image.fromarray((picture * 255).astype(np.uint8))
    draw = PIL.ImageDraw.Draw(canvas)
    font = PIL.ImageFont.load_default(size)
    draw.text(at, text, fill=shade, font=font)
    return np.asarray(canvas, dtype=np.float32) / np.float32(255), draw.textbbox(at, text, font)


@pytest.mark.parametrize("text", ["DOE, JANE", "12.03.1961 10:22", "MERCY HOSPITAL ID 4711"])
@pytest.mark.parametrize("size", [14, 20, 32])
def test_text_is_found_and_covered(text: str, size: int) -> None:
    picture, (x0, y0, x1, y1) = written(film(), text, (40, 60), size)
    boxes = detect_text_boxes(picture)
    assert boxes
    covered = np.zeros(picture.shape, dtype=bool)
    for box in boxes:
        covered[int(box[1]) : int(np.ceil(box[3])), int(box[0]) : int(np.ceil(box[2]))] = True
    assert covered[int(y0) : int(y1), int(x0) : int(x1)].mean() > 0.8
    assert covered.mean() < 0.2
    masked = mask_text(picture, boxes)
    assert np.array_equal(masked[~covered], picture[~covered])
    ink = picture > film() + 0.2
    assert (masked[ink] < 0.9).mean() > 0.8
    assert not masked.flags.writeable


def test_black_text_on_a_bright_film() -> None:
    picture, _ = written(np.clip(film() + 0.4, 0, 1), "NAME: DOE JOHN", (100, 600), 22, shade=0)
    assert detect_text_boxes(picture)


def test_a_side_letter_and_a_plain_film_are_no_text() -> None:
    assert detect_text_boxes(film()) == ()
    assert detect_text_boxes(written(film(), "L", (600, 40), 40)[0]) == ()
    assert detect_text_boxes(np.zeros((50, 50), dtype=np.float32)) == ()


def test_films_without_text_are_left_alone(shared_data: Path) -> None:
    films = [p for p in gate_pictures(shared_data) if p.source == "openist" and p.split == "val"]
    assert len(films) == 30
    marked = sum(bool(detect_text_boxes(read_gray(film.path))) for film in films)
    assert marked <= 1
