"""The overlay picture: the film with outlines, boxes, measurements, side markers and a legend."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from findings.evidence import Box, Detection, MeasurementEvidence, RegionMask, RunLengthMask
from findings.regions import Region
from imaging.study import StudyImage
from reporting.draft import Draft, DraftStatus, NamedMeasurement
from reporting.labels import labels
from reporting.ledger import Decision, LedgerEntry
from reporting.overlay_legend import (
    ANATOMY,
    INK,
    PANEL,
    STYLES,
    MarkedFinding,
    dashed_line,
    draw_legend,
    font,
    marked_findings,
)
from reporting.overlay_placement import LabelPlacer, Rectangle
from reporting.render import measurement_name, measurement_value

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

HEIGHT = 1100
STRIP_HEIGHT = 46
LEGEND_WIDTH = 380
MAX_FILM_WIDTH = 1300
MIN_FILM_WIDTH = 420

_LUNGS = (Region.LEFT_LUNG, Region.RIGHT_LUNG, Region.LUNGS)
_OUTLINED = (*_LUNGS, Region.CARDIAC_SILHOUETTE)
_DRAWN_MEASUREMENTS = frozenset({"cardiothoracic_ratio"})
"""Regions whose own outline is drawn, so that a finding there needs no box."""


@dataclass(frozen=True)
class Film:
    """Where the film lies on the canvas: `canvas = offset + scale · display pixel`."""

    scale: float
    left: float
    top: float
    width: int
    height: int

    @property
    def frame(self) -> Rectangle:
        """The film's rectangle on the canvas."""
        return (self.left, self.top, self.left + self.width, self.top + self.height)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """A display point on the canvas, kept inside the film."""
        x0, y0, x1, y1 = self.frame
        return (
            min(max(self.left + x * self.scale, x0), x1 - 1),
            min(max(self.top + y * self.scale, y0), y1 - 1),
        )

    def box(self, box: Box) -> Rectangle:
        """A display box on the canvas."""
        return (*self.point(box[0], box[1]), *self.point(box[2], box[3]))


def draw_overlay(image: StudyImage, draft: Draft) -> Image:
    """Draw what the draft found on the image it was found in.

    Returns an RGB picture 1100 px high, whatever the size of the film. Positive findings have a
    number, a colour and, where they are localised, a box (solid: definite; dashed: uncertain;
    dotted: the region as a whole, or a box from activation maps). Sides are the patient's.
    """
    from PIL import Image as PillowImage
    from PIL import ImageDraw as PillowDraw

    film, area_width = _fit(image)
    canvas = PillowImage.new("RGB", (area_width + LEGEND_WIDTH, HEIGHT), (0, 0, 0))
    canvas.paste(_grey(image, film), (int(film.left), int(film.top)))
    _draw_anatomy(canvas, film, draft)
    draw = PillowDraw.Draw(canvas)
    findings = marked_findings(draft)
    placer = LabelPlacer(film.frame)
    _draw_side_markers(draw, film, draft, placer)
    named = _draw_measurements(draw, film, draft, placer)
    _draw_findings(draw, film, draft, findings, placer)
    for extent, text in named:
        _label(draw, placer, extent, text, ANATOMY["measurement"])
    _draw_strip(draw, draft, area_width + LEGEND_WIDTH)
    draw.rectangle((area_width, STRIP_HEIGHT, area_width + LEGEND_WIDTH, HEIGHT), fill=PANEL)
    draw_legend(draw, draft, findings, area_width, STRIP_HEIGHT, LEGEND_WIDTH, HEIGHT)
    return canvas


def overlay_png(image: StudyImage, draft: Draft) -> bytes:
    """The overlay as PNG bytes."""
    buffer = io.BytesIO()
    draw_overlay(image, draft).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _fit(image: StudyImage) -> tuple[Film, int]:
    height = HEIGHT - STRIP_HEIGHT
    scale = min(height / image.height, MAX_FILM_WIDTH / image.width)
    width, shown = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    area = max(width, MIN_FILM_WIDTH)
    left, top = (area - width) // 2, STRIP_HEIGHT + (height - shown) // 2
    return Film(scale=scale, left=left, top=top, width=width, height=shown), area


def _grey(image: StudyImage, film: Film) -> Image:
    import numpy as np
    from PIL import Image as PillowImage

    from imaging.burned_in import detect_text_boxes, mask_text

    # Burned-in text may name the patient; the overlay is made to be passed on.
    shown = mask_text(image.display, detect_text_boxes(image.display))
    pixels = np.nan_to_num(shown, nan=0.0, posinf=1.0, neginf=0.0)
    eight_bit = (np.clip(pixels, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    kinds = PillowImage.Resampling
    resampling = kinds.LANCZOS if film.scale < 1 else kinds.BICUBIC
    grey = PillowImage.fromarray(eight_bit).resize((film.width, film.height), resampling)
    return grey.convert("RGB")


def _draw_anatomy(canvas: Image, film: Film, draft: Draft) -> None:
    for item in draft.evidence:
        if not isinstance(item, RegionMask) or item.mask is None or item.image != 0:
            continue
        if item.region in _LUNGS:
            _blend_mask(canvas, film, item.mask, ANATOMY["lungs"])
        elif item.region is Region.CARDIAC_SILHOUETTE:
            _blend_mask(canvas, film, item.mask, ANATOMY["heart"])


def _blend_mask(
    canvas: Image, film: Film, mask: RunLengthMask, colour: tuple[int, int, int]
) -> None:
    """A faint tint inside and a clear line along the edge."""
    import numpy as np
    from PIL import Image as PillowImage
    from PIL import ImageFilter

    from imaging.masks import decode_mask

    picture = PillowImage.fromarray(decode_mask(mask).astype(np.uint8) * 255)
    picture = picture.resize((film.width, film.height), PillowImage.Resampling.BILINEAR)
    solid = picture.filter(ImageFilter.GaussianBlur(1.5)).point(lambda v: 255 if v > 127 else 0)
    region = np.asarray(solid) > 0
    inner = region.copy()
    for shift in (-2, 2):
        for axis in (0, 1):
            inner &= np.roll(region, shift, axis=axis)
    alpha = np.where(region & ~inner, 175, np.where(region, 16, 0)).astype(np.uint8)
    stencil = PillowImage.fromarray(alpha)
    canvas.paste(colour, (int(film.left), int(film.top)), stencil)


def _draw_side_markers(draw: ImageDraw, film: Film, draft: Draft, placer: LabelPlacer) -> None:
    words = labels(draft.language).overlay
    x0, y0, x1, _ = film.frame
    size = 34 if film.width >= 200 else 18
    for text, x in ((words["right_marker"], x0 + 8), (words["left_marker"], x1 - size - 8)):
        area = (x, y0 + 8, x + size, y0 + 8 + size)
        draw.rectangle(area, fill=(0, 0, 0), outline=INK, width=2)
        draw.text(
            ((area[0] + area[2]) / 2, (area[1] + area[3]) / 2),
            text,
            font=font(round(size * 0.72)),
            fill=INK,
            anchor="mm",
        )
        placer.reserve(area)


def _draw_measurements(
    draw: ImageDraw, film: Film, draft: Draft, placer: LabelPlacer
) -> list[tuple[Rectangle, str]]:
    """The lines of the measurements that bear on the report, with end ticks.

    Returns the last line of each, with its name and value; the panel lists all measurements.
    """
    colour = ANATOMY["measurement"]
    named_lines: list[tuple[Rectangle, str]] = []
    for item in draft.evidence:
        if not isinstance(item, MeasurementEvidence) or item.image != 0:
            continue
        if item.measurement.name not in _DRAWN_MEASUREMENTS:
            continue
        points = [film.point(x, y) for x, y in item.landmarks]
        extent: Rectangle | None = None
        for start, end in zip(points[::2], points[1::2], strict=False):
            draw.line((*start, *end), fill=(0, 0, 0), width=7)
            draw.line((*start, *end), fill=colour, width=3)
            for end_point in (start, end):
                _tick(draw, start, end, end_point, colour)
            x0, x1 = sorted((start[0], end[0]))
            y0, y1 = sorted((start[1], end[1]))
            extent = (x0, y0 - 6, x1, y1 + 6)
            placer.avoid(extent)
        if extent is not None:
            named = NamedMeasurement.of(item.measurement, item.id)
            name = measurement_name(named.name, draft.language)
            named_lines.append((extent, f"{name} {measurement_value(named, draft.language)}"))
    return named_lines


def _tick(
    draw: ImageDraw,
    start: tuple[float, float],
    end: tuple[float, float],
    at: tuple[float, float],
    colour: tuple[int, int, int],
) -> None:
    """A short bar across the end of a line."""
    length = max(1.0, ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5)
    across = (-(end[1] - start[1]) / length * 9, (end[0] - start[0]) / length * 9)
    bar = (at[0] - across[0], at[1] - across[1], at[0] + across[0], at[1] + across[1])
    draw.line(bar, fill=(0, 0, 0), width=7)
    draw.line(bar, fill=colour, width=3)


def _draw_findings(
    draw: ImageDraw,
    film: Film,
    draft: Draft,
    findings: Sequence[MarkedFinding],
    placer: LabelPlacer,
) -> None:
    drawn: list[tuple[MarkedFinding, Rectangle, str]] = []
    for finding in findings:
        for box, style in _boxes(draft, finding.entry):
            drawn.append((finding, film.box(box), style))
    for finding, area, style in drawn:
        _draw_box(draw, area, finding.colour, style)
        placer.avoid(area)
    labelled: set[int] = set()
    for finding, area, _ in drawn:
        text = str(finding.number) if finding.number in labelled else finding.label
        labelled.add(finding.number)
        _label(draw, placer, area, text, finding.colour)


def _boxes(draft: Draft, entry: LedgerEntry) -> list[tuple[Box, str]]:
    """Boxes that carry a positive entry, with the style of their line; the region where none."""
    evidence = {item.id: item for item in draft.evidence}
    firm = entry.decision is Decision.PRESENT
    found: list[tuple[Box, str]] = []
    for key in entry.evidence:
        item = evidence.get(key)
        if item is None or item.box is None or item.image != 0 or item.kind == "region_mask":
            continue
        weak = isinstance(item, Detection) and item.weak
        found.append((item.box, "dotted" if weak else "solid" if firm else "dashed"))
    if found or entry.region is None:
        return found
    return [
        (item.box, "outlined" if item.mask is not None and item.region in _OUTLINED else "dotted")
        for item in draft.evidence
        if isinstance(item, RegionMask) and item.region is entry.region and item.image == 0
    ][:1]


def _draw_box(draw: ImageDraw, area: Rectangle, colour: tuple[int, int, int], style: str) -> None:
    x0, y0, x1, y1 = area
    if style not in STYLES:
        return
    dash, gap = STYLES[style]
    for width, ink in ((5, (0, 0, 0)), (3, colour)):
        for start, end in (
            ((x0, y0), (x1, y0)),
            ((x1, y0), (x1, y1)),
            ((x1, y1), (x0, y1)),
            ((x0, y1), (x0, y0)),
        ):
            dashed_line(draw, start, end, ink, width, dash, gap)


def _label(
    draw: ImageDraw,
    placer: LabelPlacer,
    target: Rectangle,
    text: str,
    colour: tuple[int, int, int],
) -> None:
    """Text on a dark plate with a coloured edge, near its target and clear of other labels."""
    face = font(19)
    left, top, right, bottom = face.getbbox(text)
    area = placer.place(target, right - left + 14, bottom - top + 12)
    draw.rectangle(area, fill=(12, 14, 17), outline=colour, width=2)
    draw.text((area[0] + 7 - left, area[1] + 6 - top), text, font=face, fill=colour)


def _draw_strip(draw: ImageDraw, draft: Draft, width: int) -> None:
    words = labels(draft.language).overlay
    signed = draft.status is DraftStatus.SIGNED
    draw.rectangle((0, 0, width, STRIP_HEIGHT), fill=(58, 44, 8))
    draw.rectangle((0, STRIP_HEIGHT - 2, width, STRIP_HEIGHT), fill=(230, 159, 0))
    text = words["strip_signed" if signed else "strip"]
    draw.text((14, STRIP_HEIGHT / 2 - 1), text, font=font(22), fill=(255, 214, 120), anchor="lm")
