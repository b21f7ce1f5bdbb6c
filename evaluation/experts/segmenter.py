"""The anatomy segmenter against people-made masks: overlap, cardiothoracic ratio, quality score."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from evaluation.bootstrap import Estimate, estimate, mean_estimate
from evaluation.experts.readings import Readings, Which, wanted
from findings.claims import Frozen
from findings.regions import Region
from imaging.thoracic_measurements import CARDIOTHORACIC_RATIO, measure_thorax
from models.data.anatomy_cache import read_mask, resize_mask
from models.data.anatomy_sources import read_anatomy
from models.data.records import AnatomyRecord, MaskKind
from models.metrics import area_under_curve, dice
from models.preprocessing import read_display
from models.segmenter.network import Structure

if TYPE_CHECKING:
    from models.segmenter.inference import AnatomyMasks, AnatomySegmenter

BOTH_LUNGS = "both_lungs"
"""The union of the lungs, where a source's people did not tell them apart."""
POOR_OVERLAP = 0.9
"""Lungs and hearts outlined worse than this are what the quality score should tell."""
_MASK_OF = {
    structure: MaskKind(structure.value)
    for structure in Structure
    if structure.value in set(MaskKind)
}
_REGION_OF = {
    Structure.LEFT_LUNG: Region.LEFT_LUNG,
    Structure.RIGHT_LUNG: Region.RIGHT_LUNG,
    Structure.HEART: Region.CARDIAC_SILHOUETTE,
}


class OverlapScore(Frozen):
    """Dice of one structure in one source, at the images' own resolution."""

    source: str
    structure: str = Field(description="a structure, or both_lungs for the union")
    images: int
    mean: float
    mean_low: float | None = Field(default=None, description="95 % bootstrap interval over images")
    mean_high: float | None = None
    median: float
    worst_twentieth: float = Field(description="5th percentile")


class CardiothoracicScore(Frozen):
    """Cardiothoracic ratio from the segmenter's masks against that from the drawn ones."""

    source: str
    images: int
    not_measurable: int
    mean_absolute_error: float
    mean_absolute_error_low: float | None = None
    mean_absolute_error_high: float | None = None
    bias: float = Field(description="mean of (segmenter - drawn)")


class QualityScore(Frozen):
    """How well the masks' own quality tells poor outlines (Dice below 0.9) from good ones."""

    outlines: int
    poor: int
    auc: Estimate


class SegmenterScore(Frozen):
    """The anatomy segmenter on all sources that are there."""

    version: str
    overlap: tuple[OverlapScore, ...]
    cardiothoracic: CardiothoracicScore | None
    quality: QualityScore | None = None

    def markdown(self) -> list[str]:
        """The scores as a table and sentences."""
        lines = [
            "| source | structure | images | Dice (95 % interval) | median | 5 % |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {o.source} | {o.structure} | {o.images} "
            f"| {Estimate(value=o.mean, low=o.mean_low, high=o.mean_high).shown()} "
            f"| {o.median:.3f} | {o.worst_twentieth:.3f} |"
            for o in self.overlap
        ]
        if (ratio := self.cardiothoracic) is not None:
            error = Estimate(
                value=ratio.mean_absolute_error,
                low=ratio.mean_absolute_error_low,
                high=ratio.mean_absolute_error_high,
            )
            lines += [
                "",
                f"Cardiothoracic ratio ({ratio.source}, {ratio.images} images, "
                f"{ratio.not_measurable} not measurable): mean absolute error "
                f"{error.shown(4)}, bias {ratio.bias:+.4f}.",
            ]
        if (quality := self.quality) is not None:
            lines += [
                "",
                f"Quality score: of {quality.outlines} outlines of lungs and heart, {quality.poor} "
                f"overlap by less than {POOR_OVERLAP}; it tells them with an AUC of "
                f"{quality.auc.shown()}.",
            ]
        return lines


@dataclass(frozen=True)
class Compared:
    """One outlined film beside what people drew on it."""

    record: AnatomyRecord
    found: AnatomyMasks
    drawn: dict[MaskKind, NDArray[np.bool_]]
    overlap: dict[str, float]
    """Dice by structure, or of both_lungs."""


@dataclass(frozen=True)
class _Judged:
    """What is kept of one film; its masks are not."""

    overlap: dict[str, float]
    quality: dict[str, float]
    """Of lungs and heart."""
    found_ratio: float | None
    drawn_ratio: float | None
    """None where people did not draw lungs and heart."""


def evaluate_segmenter(
    data: Path, split: Which, readings: Readings, segmenter: AnatomySegmenter | None = None
) -> SegmenterScore | None:
    """Hold the shipped segmenter's masks against the drawn ones of every source that is there.

    None where no image with a mask is there. Raises `WeightsError` where the shipped weights are
    missing or damaged.
    """
    records = masked_records(data, split)
    if not records:
        return None
    from models.segmenter.inference import AnatomySegmenter

    model = segmenter or AnatomySegmenter.load()
    scores: dict[tuple[str, str], list[float]] = {}
    ratios: list[tuple[float | None, float]] = []
    judged: list[tuple[str, float, float]] = []
    films = readings.each("segmenter", lambda record: _judge(record, model), records)
    for record, film in zip(records, films, strict=True):
        for structure, value in film.overlap.items():
            scores.setdefault((record.source, structure), []).append(value)
            if structure in film.quality:
                name = f"{record.source}/{record.image_id}"
                judged.append((name, film.quality[structure], value))
        if film.drawn_ratio is not None:
            ratios.append((film.found_ratio, film.drawn_ratio))
    return SegmenterScore(
        version=model.config.version,
        overlap=tuple(
            _overlap(source, structure, values)
            for (source, structure), values in sorted(scores.items())
        ),
        cardiothoracic=_cardiothoracic_score(ratios),
        quality=_quality_score(judged),
    )


def masked_records(data: Path, split: Which) -> list[AnatomyRecord]:
    """The records with masks that are measured on."""
    return [r for r in read_anatomy(data) if r.masks and wanted(r.split, split)]


def compare(record: AnatomyRecord, segmenter: AnatomySegmenter) -> Compared:
    """Outline one film and hold it against what was drawn."""
    found = segmenter.segment(read_display(record.image))
    drawn = _drawn(record, found)
    overlap = {name: dice(mine, theirs) for name, (mine, theirs) in _pairs(found, drawn).items()}
    return Compared(record, found, drawn, overlap)


def _judge(record: AnatomyRecord, segmenter: AnatomySegmenter) -> _Judged:
    compared = compare(record, segmenter)
    drawn_ratio = None
    if {_MASK_OF[part] for part in _REGION_OF} <= compared.drawn.keys():
        drawn_ratio = _cardiothoracic_ratio({s: compared.drawn[_MASK_OF[s]] for s in _REGION_OF})
    return _Judged(
        overlap=compared.overlap,
        quality={part.value: compared.found.quality[part] for part in _REGION_OF},
        found_ratio=_cardiothoracic_ratio(compared.found.masks),
        drawn_ratio=drawn_ratio,
    )


def _overlap(source: str, structure: str, values: list[float]) -> OverlapScore:
    mean = mean_estimate(values, range(len(values)))
    return OverlapScore(
        source=source,
        structure=structure,
        images=len(values),
        mean=float(np.mean(values)),
        mean_low=mean.low,
        mean_high=mean.high,
        median=float(np.median(values)),
        worst_twentieth=float(np.percentile(values, 5)),
    )


def _drawn(record: AnatomyRecord, found: AnatomyMasks) -> dict[MaskKind, NDArray[np.bool_]]:
    """The drawn masks, those of another size than the image resized to it."""
    height, width = found.masks[Structure.HEART].shape
    return {
        kind: resize_mask(read_mask(path), (height, width)) for kind, path in record.masks.items()
    }


def _pairs(
    found: AnatomyMasks, drawn: dict[MaskKind, NDArray[np.bool_]]
) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Found and drawn mask of every structure that can be compared.

    Where heart and mediastinum were drawn as one, the lungs were drawn to run on behind it, which
    the segmenter's do not; only pixels outside it are then compared.
    """
    lungs = (Structure.LEFT_LUNG, Structure.RIGHT_LUNG)
    judged = ~drawn.get(
        MaskKind.CARDIOMEDIASTINUM, np.zeros_like(found.masks[Structure.HEART], dtype=np.bool_)
    )
    pairs = {}
    for structure, kind in _MASK_OF.items():
        if kind in drawn and structure in found.masks:
            within = judged if structure in lungs else np.ones_like(judged)
            pairs[structure.value] = (found.masks[structure] & within, drawn[kind] & within)
    mine = found.masks[Structure.LEFT_LUNG] | found.masks[Structure.RIGHT_LUNG]
    if MaskKind.BOTH_LUNGS in drawn:
        pairs[BOTH_LUNGS] = (mine & judged, drawn[MaskKind.BOTH_LUNGS] & judged)
    elif {MaskKind.LEFT_LUNG, MaskKind.RIGHT_LUNG} <= drawn.keys():
        theirs = drawn[MaskKind.LEFT_LUNG] | drawn[MaskKind.RIGHT_LUNG]
        pairs[BOTH_LUNGS] = (mine & judged, theirs & judged)
    return pairs


def _cardiothoracic_ratio(masks: dict[Structure, NDArray[np.bool_]]) -> float | None:
    taken = measure_thorax({region: masks[s] for s, region in _REGION_OF.items()})
    for item in taken:
        if item.measurement.name == CARDIOTHORACIC_RATIO:
            return item.measurement.value
    return None


def _cardiothoracic_score(ratios: list[tuple[float | None, float]]) -> CardiothoracicScore | None:
    errors = np.array([mine - truth for mine, truth in ratios if mine is not None])
    if len(errors) == 0:
        return None
    absolute = mean_estimate([abs(float(error)) for error in errors], range(len(errors)))
    return CardiothoracicScore(
        source="jsrt",
        images=len(ratios),
        not_measurable=len(ratios) - len(errors),
        mean_absolute_error=float(np.abs(errors).mean()),
        mean_absolute_error_low=absolute.low,
        mean_absolute_error_high=absolute.high,
        bias=float(errors.mean()),
    )


def _quality_score(judged: list[tuple[str, float, float]]) -> QualityScore | None:
    if not judged:
        return None
    quality = np.array([item[1] for item in judged])
    poor = np.array([item[2] < POOR_OVERLAP for item in judged])
    return QualityScore(
        outlines=len(judged),
        poor=int(poor.sum()),
        auc=estimate(
            lambda cases: area_under_curve(-quality[cases], poor[cases]),
            [item[0] for item in judged],
        ),
    )
