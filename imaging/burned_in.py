"""Text burned into the pixels: found by its letters standing in a line, and covered.

Names, dates and hospital labels drawn on a film identify the patient as much as tags do. Single
side letters (L, R) are no text in this sense and stay.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from findings.evidence import Box
from imaging.study import FloatImage, Mask

_WORKING_SIDE = 1024
"""Longer side in pixels at which letters are looked for."""
_STROKE = 11
"""Strokes thinner than this many pixels stand out against an opening of the picture."""
_CONTRAST = 0.22
_LETTER_HEIGHT = (6, 48)
_FEWEST_LETTERS = 4


@dataclass(frozen=True)
class _Letter:
    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def height(self) -> int:
        return self.y1 - self.y0

    @property
    def width(self) -> int:
        return self.x1 - self.x0


def detect_text_boxes(display: FloatImage) -> tuple[Box, ...]:
    """Boxes around lines of burned-in text, in display pixels, from top to bottom.

    Letters are thin, of even brightness, sharp-edged and stand side by side at one height;
    bones, wires and catheters are not all of that. Lines shorter than four letters pass.

    Args:
        display: H×W in [0, 1].
    """
    import PIL.Image

    scale = min(1.0, _WORKING_SIDE / max(display.shape))
    size = (max(1, round(display.shape[1] * scale)), max(1, round(display.shape[0] * scale)))
    working = np.asarray(display, dtype=np.float32)
    if scale < 1:
        picture = PIL.Image.fromarray(np.ascontiguousarray(working))
        working = np.asarray(picture.resize(size, PIL.Image.Resampling.BOX), dtype=np.float32)
    lines: list[list[_Letter]] = []
    for polarity in (working, np.float32(1) - working):
        lines += _lines(_letters(polarity))
    boxes = [_around(line, scale, display.shape) for line in lines]
    return tuple(sorted(_merged(boxes), key=lambda box: (box[1], box[0])))


def mask_text(display: FloatImage, boxes: Sequence[Box]) -> FloatImage:
    """A copy with each box filled by the median of a thin ring around it."""
    masked = np.array(display, dtype=np.float32)
    height, width = masked.shape
    for box in boxes:
        x0, y0 = max(0, int(np.floor(box[0]))), max(0, int(np.floor(box[1])))
        x1, y1 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
        if x0 >= x1 or y0 >= y1:
            continue
        margin = 3
        around = display[max(0, y0 - margin) : y1 + margin, max(0, x0 - margin) : x1 + margin]
        inside = (y1 - y0) * (x1 - x0)
        ring = np.sort(
            np.concatenate(
                [
                    display[max(0, y0 - margin) : y0, x0:x1].ravel(),
                    display[y1 : y1 + margin, x0:x1].ravel(),
                    display[y0:y1, max(0, x0 - margin) : x0].ravel(),
                    display[y0:y1, x1 : x1 + margin].ravel(),
                ]
            )
        )
        masked[y0:y1, x0:x1] = ring[ring.size // 2] if around.size > inside else 0.0
    masked.flags.writeable = False
    return masked


def _letters(picture: FloatImage) -> list[_Letter]:
    """Connected bright strokes that could be letters."""
    from scipy import ndimage

    background = ndimage.maximum_filter(ndimage.minimum_filter(picture, _STROKE), _STROKE)
    strokes: Mask = picture - background > _CONTRAST
    labels, _ = ndimage.label(strokes, structure=np.ones((3, 3)))
    letters: list[_Letter] = []
    for index, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        found = _Letter(columns.start, rows.start, columns.stop, rows.stop)
        low, high = _LETTER_HEIGHT
        if low <= found.height <= high and found.width <= 30 * found.height:
            inside = labels[rows, columns] == index
            letters += _as_letters(found, inside, picture[rows, columns][inside])
    return letters


def _as_letters(found: _Letter, inside: Mask, values: FloatImage) -> list[_Letter]:
    """The letter, or the touching letters, that a connected stroke is; none if it is neither."""
    ratio = found.width / found.height
    ink = float(inside.mean())
    if not ratio >= 0.08 or ink < 0.12 or (ink > 0.92 and ratio > 0.4):
        return []
    # The thin strokes of small letters are blurred into their surroundings.
    evenness = 0.5 if found.height < 20 else 0.3
    if np.percentile(values, 75) - np.percentile(values, 25) > evenness:
        return []
    if ratio <= 1.6:
        return [found]
    # Touching letters: a row through them crosses a stroke or two for each.
    crossings = np.count_nonzero(inside[:, 1:] & ~inside[:, :-1]) / found.height
    if crossings < ratio or ink > 0.8:
        return []
    count = max(2, round(ratio / 0.75))
    edges = np.linspace(found.x0, found.x1, count + 1).astype(int).tolist()
    return [_Letter(x0, found.y0, x1, found.y1) for x0, x1 in itertools.pairwise(edges)]


def _lines(letters: Sequence[_Letter]) -> list[list[_Letter]]:
    """Runs of letters side by side at one height."""
    lines: list[list[_Letter]] = []
    for letter in sorted(letters, key=lambda one: one.x0):
        best: list[_Letter] | None = None
        for line in lines:
            if _follows(line[-1], letter) and (best is None or line[-1].x1 > best[-1].x1):
                best = line
        if best is None:
            lines.append([letter])
        else:
            best.append(letter)
    return [_with_neighbours(line, letters) for line in lines if _is_text(line)]


def _with_neighbours(line: Sequence[_Letter], letters: Sequence[_Letter]) -> list[_Letter]:
    """The line with the short words, initials and digits before, between and after its letters."""
    height = float(np.median([letter.height for letter in line]))
    top, bottom = (
        float(np.median([letter.y0 for letter in line])),
        float(np.median([letter.y1 for letter in line])),
    )
    grown = list(line)
    beside = [
        letter
        for letter in letters
        if min(bottom, letter.y1) - max(top, letter.y0) >= 0.5 * min(height, letter.height)
        and letter.height <= 1.8 * height
    ]
    reach = 2.5 * height
    left, right = min(one.x0 for one in line) - reach, max(one.x1 for one in line) + reach
    while near := [one for one in beside if one.x1 >= left and one.x0 <= right]:
        beside = [one for one in beside if not (one.x1 >= left and one.x0 <= right)]
        grown += near
        left = min(left, min(one.x0 for one in near) - reach)
        right = max(right, max(one.x1 for one in near) + reach)
    return grown


def _follows(before: _Letter, letter: _Letter) -> bool:
    tallest, lowest = max(before.height, letter.height), min(before.height, letter.height)
    gap = letter.x0 - before.x1
    overlap = min(before.y1, letter.y1) - max(before.y0, letter.y0)
    return (
        tallest <= 1.6 * lowest
        and -0.2 * tallest <= gap <= 1.1 * tallest
        and overlap >= 0.6 * lowest
    )


def _is_text(line: Sequence[_Letter]) -> bool:
    if len(line) < _FEWEST_LETTERS:
        return False
    heights = np.array([letter.height for letter in line])
    bottoms = np.array([letter.y1 for letter in line])
    # Capitals and digits share one height and one base line.
    even = np.mean(np.abs(heights - np.median(heights)) <= 0.2 * np.median(heights) + 1)
    steps = np.diff([letter.x0 for letter in line])
    return bool(
        even >= 0.6
        and np.median(np.abs(bottoms - np.median(bottoms))) <= 0.15 * np.median(heights) + 1
        and steps.max() <= 4 * np.median(heights)
    )


def _around(line: Sequence[_Letter], scale: float, shape: tuple[int, ...]) -> Box:
    margin = 0.3 * max(letter.height for letter in line)
    return (
        max(0.0, (min(letter.x0 for letter in line) - margin) / scale),
        max(0.0, (min(letter.y0 for letter in line) - margin) / scale),
        min(float(shape[1]), (max(letter.x1 for letter in line) + margin) / scale),
        min(float(shape[0]), (max(letter.y1 for letter in line) + margin) / scale),
    )


def _merged(boxes: Sequence[Box]) -> list[Box]:
    """Boxes that overlap become one."""
    merged: list[Box] = []
    for box in sorted(boxes):
        grown = box
        apart = []
        for other in merged:
            if (
                grown[0] < other[2]
                and other[0] < grown[2]
                and grown[1] < other[3]
                and other[1] < grown[3]
            ):
                grown = (
                    min(grown[0], other[0]),
                    min(grown[1], other[1]),
                    max(grown[2], other[2]),
                    max(grown[3], other[3]),
                )
            else:
                apart.append(other)
        merged = [*apart, grown]
    return merged
