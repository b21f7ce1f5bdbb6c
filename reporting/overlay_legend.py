"""The legend of the overlay: every positive finding with number, colour, place and probability."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from findings.catalogue import describe
from findings.claims import SpacingProvenance
from findings.evidence import RegionMask
from findings.regions import Region
from findings.vocabulary import Certainty, Finding
from reporting.draft import Draft
from reporting.labels import Labels, labels
from reporting.ledger import Decision, LedgerEntry
from reporting.render import measurement_name, measurement_value, place_name

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

Colour = tuple[int, int, int]

INK: Final[Colour] = (236, 239, 243)
FAINT: Final[Colour] = (156, 165, 176)
PANEL: Final[Colour] = (20, 24, 29)

# Okabe and Ito's palette (jfly.uni-koeln.de/color), lightened where it would sink into a film;
# numbers repeat what colours say, so that no reader depends on colour.
PALETTE: Final[tuple[Colour, ...]] = (
    (230, 159, 0),
    (240, 228, 66),
    (240, 110, 40),
    (60, 200, 150),
    (225, 150, 195),
    (120, 170, 255),
    (255, 255, 255),
)
ANATOMY: Final[dict[str, Colour]] = {
    "lungs": (86, 180, 233),
    "heart": (213, 160, 225),
    "measurement": (140, 240, 230),
}


STYLES: Final[dict[str, tuple[int, int]]] = {"solid": (0, 0), "dashed": (16, 9), "dotted": (4, 7)}
"""Dash and gap of a box's line: a definite finding, an uncertain one, an approximate place."""

KeyRow = tuple[str, Colour | None, str]
"""Text, colour of the line before it (if any), and the line's style."""


@dataclass(frozen=True)
class MarkedFinding:
    """A positive ledger entry as the picture marks it."""

    number: int
    colour: Colour
    label: str
    entry: LedgerEntry


@cache
def font(size: int) -> FreeTypeFont:
    """DejaVu Sans (its Latin part), so that pictures look alike on every machine.

    Pillow's built-in font has no accented letters, which Spanish needs.
    """
    from PIL import ImageFont

    file = resources.files("reporting").joinpath("data", "fonts", "DejaVuSans-latin.ttf")
    return ImageFont.truetype(io.BytesIO(file.read_bytes()), size)


def marked_findings(draft: Draft) -> tuple[MarkedFinding, ...]:
    """The positive entries, weightiest first, numbered and coloured."""
    positive = [
        entry
        for entry in draft.ledger
        if entry.decision in (Decision.PRESENT, Decision.UNCERTAIN)
        and entry.finding is not Finding.NO_FINDING
    ]
    positive.sort(key=lambda entry: (-describe(entry.finding).weight, entry.id))
    return tuple(
        MarkedFinding(
            number=number,
            colour=PALETTE[(number - 1) % len(PALETTE)],
            label=f"{number} {_name(entry, draft)} {entry.probability:.2f}",
            entry=entry,
        )
        for number, entry in enumerate(positive, start=1)
    )


def draw_legend(
    draw: ImageDraw,
    draft: Draft,
    findings: Sequence[MarkedFinding],
    left: int,
    top: int,
    width: int,
    bottom: int,
) -> None:
    """Draw the panel; rows that do not fit are counted instead."""
    words = labels(draft.language)
    x, y = left + 18, top + 18
    tail = _measurement_rows(draft, words) + _key_rows(draft, words)
    floor = bottom - 26 * len(tail) - (44 if draft.measurements else 0) - 40
    draw.text((x, y), words.overlay["positives"], font=font(24), fill=INK)
    y += 42
    if not findings:
        draw.text((x, y), words.overlay["none"], font=font(19), fill=FAINT)
        y += 34
    for index, finding in enumerate(findings):
        if y + 74 > floor:
            draw.text((x, y), f"+ {len(findings) - index}", font=font(20), fill=FAINT)
            y += 30
            break
        y = _finding_row(draw, draft, words, finding, x, y, width - 36)
    y += 8
    if draft.measurements:
        draw.line((x, y, left + width - 18, y), fill=(58, 66, 76), width=1)
        y += 12
        draw.text((x, y), words.overlay["measurements"], font=font(20), fill=INK)
        y += 32
    for text, colour, style in tail:
        if y + 26 > bottom - 6:
            break
        if colour is not None:
            dashed_line(draw, (x, y + 11), (x + 34, y + 11), colour, 4, *STYLES[style])
        offset = 46 if colour is not None else 0
        fitted = fit_text(text, 17, width - 36 - offset)
        draw.text((x + offset, y), fitted, font=font(17), fill=INK if colour is None else FAINT)
        y += 26


def fit_text(text: str, size: int, width: float) -> str:
    """The text, shortened with an ellipsis where it is wider than `width` pixels."""
    face = font(size)
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."


def dashed_line(
    draw: ImageDraw,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: Colour,
    width: int,
    dash: int,
    gap: int,
) -> None:
    """A straight line of dashes; a dash of 0 draws it whole."""
    length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
    if dash == 0 or length == 0:
        draw.line((*start, *end), fill=colour, width=width)
        return
    step_x, step_y = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    at = 0.0
    while at < length:
        stop = min(at + dash, length)
        draw.line(
            (
                start[0] + step_x * at,
                start[1] + step_y * at,
                start[0] + step_x * stop,
                start[1] + step_y * stop,
            ),
            fill=colour,
            width=width,
        )
        at += dash + gap


def _finding_row(
    draw: ImageDraw,
    draft: Draft,
    words: Labels,
    finding: MarkedFinding,
    x: int,
    y: int,
    width: int,
) -> int:
    entry = finding.entry
    draw.rounded_rectangle((x, y, x + 30, y + 28), radius=6, fill=finding.colour)
    number = str(finding.number)
    draw.text((x + 15, y + 14), number, font=font(18), fill=(0, 0, 0), anchor="mm")
    name = fit_text(_name(entry, draft), 20, width - 40)
    draw.text((x + 40, y + 2), name, font=font(20), fill=INK)
    doubt = {Certainty.POSSIBLE: "possible", Certainty.PROBABLE: "probable"}.get(entry.certainty)
    place = place_name(entry.side, entry.region, draft.language) or words.overlay["unplaced"]
    parts = [words.overlay[doubt]] if doubt else []
    note = fit_text(", ".join([*parts, place]), 16, width - 40)
    draw.text((x + 40, y + 28), note, font=font(16), fill=FAINT)
    bar = (x + 40, y + 53, x + width - 52, y + 59)
    draw.rounded_rectangle(bar, radius=3, fill=(50, 57, 66))
    filled = bar[0] + (bar[2] - bar[0]) * entry.probability
    if filled - bar[0] >= 4:
        draw.rounded_rectangle((bar[0], bar[1], filled, bar[3]), radius=3, fill=finding.colour)
    draw.text((x + width, y + 56), f"{entry.probability:.2f}", font=font(17), fill=INK, anchor="rm")
    return y + 74


def _measurement_rows(draft: Draft, words: Labels) -> list[KeyRow]:
    """The measurements, and where their millimetres hold if that is not the patient."""
    rows: list[KeyRow] = [
        (
            f"{measurement_name(item.name, draft.language)}: "
            f"{measurement_value(item, draft.language)}",
            None,
            "solid",
        )
        for item in draft.measurements[:8]
    ]
    if any(item.provenance == SpacingProvenance.DETECTOR for item in draft.measurements[:8]):
        rows.append((f"({words.overlay['detector_millimetres']})", None, "solid"))
    return rows


def _key_rows(draft: Draft, words: Labels) -> list[KeyRow]:
    masked = {
        item.region
        for item in draft.evidence
        if isinstance(item, RegionMask) and item.mask is not None and item.image == 0
    }
    rows: list[KeyRow] = []
    if masked & {Region.LEFT_LUNG, Region.RIGHT_LUNG, Region.LUNGS}:
        rows.append((words.overlay["lungs"], ANATOMY["lungs"], "solid"))
    if Region.CARDIAC_SILHOUETTE in masked:
        rows.append((words.overlay["heart"], ANATOMY["heart"], "solid"))
    if any(item.box is not None and item.finding is not None for item in draft.evidence):
        rows += [(words.overlay[style], INK, style) for style in STYLES]
    return rows


def _name(entry: LedgerEntry, draft: Draft) -> str:
    name = describe(entry.finding).name(draft.language)
    return name[:1].upper() + name[1:]
