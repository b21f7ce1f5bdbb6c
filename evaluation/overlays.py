"""Montages of real films with what people drew and what the experts found: good, middling, bad.

They show films of other publishers, so they go to a folder that the repository does not track.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from evaluation.experts.classifier import by_finding, films_of
from evaluation.experts.readings import Film, Readings, Which, view_of, wanted
from evaluation.experts.segmenter import Compared, compare, masked_records
from evaluation.experts.sides import boxed_records
from findings.errors import SettingsError, StudyError
from findings.evidence import Box, Detection
from findings.vocabulary import Finding
from imaging.geometry import box_iou
from models.data.finding_sources import NIH_COLUMNS, read_nih
from models.preprocessing import read_display
from tools.contract import Role

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

PANEL: Final = 360
CAPTION: Final = 20
DRAWN: Final = (86, 180, 233)
FOUND: Final = (230, 159, 0)
_IGNORED: Final = ("out", "runs")
_README: Final = """Films with what people drew (blue) and what the experts found (orange).

The films belong to the publishers of the data sets they come from, each under its own licence
(see the README of the data folder; some are research-only or non-commercial, some state none).
Look at them here; do not publish, commit or pass on these pictures.
"""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Panel:
    """One film of a montage."""

    display: NDArray[np.float32]
    caption: str
    outlines: tuple[tuple[NDArray[np.bool_], tuple[int, int, int]], ...] = ()
    boxes: tuple[tuple[Box, tuple[int, int, int]], ...] = ()


def write_overlays(
    data: Path, out: Path, readings: Readings, split: Which = "val", most: int = 3
) -> list[Path]:
    """Write a montage per source of outlines, per boxed finding and per labelled finding.

    ``most`` films of each kind: the best, those in the middle, the worst.

    Raises:
        SettingsError: ``out`` lies among the repository's own files.
        StudyError: nothing to show in the data folder.
    """
    check_untracked(out)
    montages = {
        **_outlines(data, split, readings, most),
        **_boxes(data, split, readings, most),
        **_labels(data, split, readings, most),
    }
    if not montages:
        raise StudyError(
            "The data folder holds no film with masks, boxes or labels of this split, so there is "
            "nothing to show. Give a folder laid out like the project's data."
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / "README.txt").write_text(_README, encoding="utf-8")
    written = []
    for name, rows in montages.items():
        path = out / f"{name}.png"
        montage(rows).save(path)
        written.append(path)
    return written


def check_untracked(out: Path) -> None:
    """Refuse folders whose pictures could be committed by mistake.

    Raises:
        SettingsError: the folder lies in the repository and is not one that it ignores.
    """
    root = Path(__file__).resolve().parent.parent
    folder = out.resolve()
    if not (root / ".git").exists() or not folder.is_relative_to(root):
        return
    if folder.relative_to(root).parts[:1] not in {(name,) for name in _IGNORED}:
        raise SettingsError(
            "Pictures of real films must not lie among the repository's files. Give a folder "
            "outside it, or one under out/ or runs/, which are never committed."
        )


def montage(rows: Sequence[tuple[str, Sequence[Panel]]]) -> Image:
    """Rows of films under their titles."""
    from PIL import Image, ImageDraw

    width = PANEL * max(len(panels) for _, panels in rows)
    height = sum(PANEL + 2 * CAPTION for _ in rows)
    canvas = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(canvas)
    for number, (title, panels) in enumerate(rows):
        top = number * (PANEL + 2 * CAPTION)
        draw.text((6, top + 4), title, fill=(255, 255, 255))
        for column, panel in enumerate(panels):
            x, y = column * PANEL, top + CAPTION
            canvas.paste(_film(panel), (x, y))
            draw.text((x + 6, y + PANEL + 4), panel.caption, fill=(200, 200, 200))
    return canvas


def best_middle_worst(
    items: Iterable[Item], score: Callable[[Item], float], most: int
) -> list[tuple[str, list[Item]]]:
    """The items of the highest, middle and lowest scores; none twice, empty groups left out."""
    ranked = sorted(items, key=score, reverse=True)
    best = ranked[:most]
    worst = ranked[max(len(best), len(ranked) - most) :]
    between = ranked[len(best) : len(ranked) - len(worst)]
    start = max(0, (len(between) - most) // 2)
    groups = [("best", best), ("middle", between[start : start + most]), ("worst", worst)]
    return [(title, group) for title, group in groups if group]


Rows = list[tuple[str, list[Panel]]]


def _outlines(data: Path, split: Which, readings: Readings, most: int) -> dict[str, Rows]:
    from models.segmenter.inference import AnatomySegmenter

    records = masked_records(data, split)
    if not records:
        return {}
    segmenter = AnatomySegmenter.load()
    scored: dict[str, list[tuple[Path, float]]] = {}
    by_image = {record.image: record for record in records}
    for done, record in enumerate(records, start=1):
        overlap = compare(record, segmenter).overlap
        if overlap:
            mean = sum(overlap.values()) / len(overlap)
            scored.setdefault(record.source, []).append((record.image, mean))
        readings.tell("outlines", done, len(records))
    return {
        f"segmenter-{source}": [
            (title, [_outlined(compare(by_image[image], segmenter)) for image, _ in group])
            for title, group in best_middle_worst(films, lambda film: film[1], most)
        ]
        for source, films in scored.items()
    }


def _outlined(compared: Compared) -> Panel:
    overlap = compared.overlap
    worst = min(overlap, key=lambda name: overlap[name])
    found = compared.found.masks.values()
    return Panel(
        display=read_display(compared.record.image),
        caption=f"{compared.record.image_id[:24]} worst: {worst} {overlap[worst]:.3f}",
        outlines=(
            *((mask, DRAWN) for mask in compared.drawn.values()),
            *((mask, FOUND) for mask in found),
        ),
    )


def _boxes(data: Path, split: Which, readings: Readings, most: int) -> dict[str, Rows]:
    if not readings.installed(Role.DETECTOR):
        return {}
    records = boxed_records(data, split)
    readings.prepare(
        (Role.DETECTOR,), [Film(record.image, view_of(record.view)) for record in records]
    )
    panels: dict[Finding, list[tuple[float, Panel]]] = {}
    for record in records:
        display = read_display(record.image)
        height, width = display.shape
        found = [
            item
            for item in readings.of(Role.DETECTOR, Film(record.image, view_of(record.view)))
            if isinstance(item, Detection)
        ]
        for finding in {drawn.finding for drawn in record.boxes}:
            scale = (width, height, width, height)
            true = [
                tuple(share * side for share, side in zip(own.box, scale, strict=True))
                for own in record.boxes
                if own.finding is finding
            ]
            given = sorted(
                (item for item in found if item.finding is finding),
                key=lambda item: item.probability,
                reverse=True,
            )[:3]
            hit = max((box_iou(item.box, own) for item in given for own in _four(true)), default=0)
            sure = given[0].probability if given else 0.0
            panel = Panel(
                display=display,
                caption=f"{record.image_id[:24]} IoU {hit:.2f}, probability {sure:.2f}",
                boxes=(
                    *((box, DRAWN) for box in _four(true)),
                    *((item.box, FOUND) for item in given),
                ),
            )
            panels.setdefault(finding, []).append((hit, panel))
    return {
        f"detector-{finding}": [
            (title, [panel for _, panel in group])
            for title, group in best_middle_worst(own, lambda pair: pair[0], most)
        ]
        for finding, own in panels.items()
    }


def _four(boxes: Iterable[Sequence[float]]) -> list[Box]:
    return [(box[0], box[1], box[2], box[3]) for box in boxes]


def _labels(data: Path, split: Which, readings: Readings, most: int) -> dict[str, Rows]:
    records = [record for record in read_nih(data) if wanted(record.split, split)]
    if not records or not readings.installed(Role.CLASSIFIER):
        return {}
    films = films_of(records)
    readings.prepare((Role.CLASSIFIER,), films)
    montages = {}
    for name in NIH_COLUMNS:
        finding = Finding(name)
        judged = [
            (own[finding].probability, record.image, bool(record.labels[name]))
            for record, film in zip(records, films, strict=True)
            if finding in (own := by_finding(readings.of(Role.CLASSIFIER, film)))
        ]
        ill = sorted((item for item in judged if item[2]), reverse=True)
        well = sorted((item for item in judged if not item[2]), reverse=True)
        groups = (
            ("labelled, surest", ill[:most]),
            ("labelled, missed", ill[max(most, len(ill) - most) :]),
            ("not labelled, surest", well[:most]),
        )
        rows = [
            (title, [_judged(probability, image) for probability, image, _ in group])
            for title, group in groups
            if group
        ]
        if ill:
            montages[f"classifier-{name}"] = rows
    return montages


def _judged(probability: float, image: Path) -> Panel:
    return Panel(read_display(image), f"{image.stem[:24]} probability {probability:.2f}")


def _film(panel: Panel) -> Image:
    from PIL import Image, ImageDraw

    height, width = panel.display.shape
    scale = PANEL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = Image.fromarray((np.clip(panel.display, 0, 1) * 255).astype(np.uint8))
    film = grey.resize(size, Image.Resampling.LANCZOS).convert("RGB")
    for mask, colour in panel.outlines:
        small = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
        film.paste(colour, (0, 0), Image.fromarray(_edge(np.asarray(small) > 127)))
    draw = ImageDraw.Draw(film)
    for box, colour in panel.boxes:
        _draw_box(draw, box, scale, colour)
    canvas = Image.new("RGB", (PANEL, PANEL))
    canvas.paste(film, ((PANEL - size[0]) // 2, (PANEL - size[1]) // 2))
    return canvas


def _draw_box(draw: ImageDraw, box: Box, scale: float, colour: tuple[int, int, int]) -> None:
    draw.rectangle([value * scale for value in box], outline=colour, width=2)


def _edge(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The border pixels of a mask, as a stencil."""
    inner = mask.copy()
    for axis in (0, 1):
        for shift in (-1, 1):
            inner &= np.roll(mask, shift, axis=axis)
    stencil: NDArray[np.uint8] = (mask & ~inner).astype(np.uint8) * 255
    return stencil
