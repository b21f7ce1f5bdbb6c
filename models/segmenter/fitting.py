"""What is fitted after training: where a mask's border is cut, and how far a mask is trusted."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from models.data.anatomy_cache import AnatomyArrays, Plane
from models.data.degradation import Degradation, degrade
from models.data.records import AnatomyRecord, Split
from models.metrics import dice
from models.segmenter.config import SegmenterConfig
from models.segmenter.masks import clean_logits
from models.segmenter.network import SegmenterNetwork, Structure
from models.segmenter.outlining import outline
from models.segmenter.quality import (
    GOOD_OVERLAP,
    AreaRange,
    QualityModel,
    fit_quality,
)
from models.segmenter.task import unpack

OFFSETS: Final = (-1.0, -0.8, -0.6, -0.4, -0.2, 0.0, 0.2, 0.4)
_LUNGS: Final = (Structure.LEFT_LUNG, Structure.RIGHT_LUNG)
_SPOILT_EACH: Final = 2
"""Spoilt copies of each film that the quality is fitted on."""
_MOST_FILMS: Final = 30
"""Training films of each source that anything is fitted on, evenly spread."""


def fit_after_training(
    network: SegmenterNetwork, arrays: AnatomyArrays, config: SegmenterConfig, reference: str
) -> SegmenterConfig:
    """The configuration with the masks' borders and qualities fitted on training films."""
    offsets = fit_offsets(network, arrays, config, reference)
    cut = config.model_copy(update={"offsets": offsets})
    return cut.model_copy(update={"quality": fit_qualities(network, arrays, cut)})


def fit_offsets(
    network: SegmenterNetwork, arrays: AnatomyArrays, config: SegmenterConfig, reference: str
) -> dict[Structure, float]:
    """The offset of each structure's logits that overlaps best with the reference's training films.

    0 for structures that the reference does not outline.
    """
    plain = config.model_copy(update={"offsets": {}})
    scores: dict[Structure, NDArray[np.float64]] = {}
    for index in _films(arrays, {reference}):
        truth = unpack(arrays.planes[index : index + 1])[0].numpy() > 0
        square = torch.from_numpy(arrays.images[index]).float().div(255)
        for structure, own in outline(network, square, plain).items():
            place = list(Structure).index(structure)
            if not arrays.known[index, place]:
                continue
            for number, offset in enumerate(OFFSETS):
                cleaned, _ = clean_logits(own.raw + np.float32(offset), structure)
                row = scores.setdefault(structure, np.zeros(len(OFFSETS)))
                row[number] += dice(cleaned > 0, truth[place])
    return {structure: OFFSETS[int(row.argmax())] for structure, row in scores.items()}


def fit_qualities(
    network: SegmenterNetwork, arrays: AnatomyArrays, config: SegmenterConfig
) -> dict[Structure, QualityModel]:
    """The chance that a mask is good, from training films of every source, whole and spoilt."""
    random = np.random.default_rng(0)
    traits: dict[Structure, list[NDArray[np.float64]]] = {}
    good: dict[Structure, list[bool]] = {}
    kinds = list(Degradation)
    for number, index in enumerate(_films(arrays, set(arrays.sources))):
        square = torch.from_numpy(arrays.images[index]).float().div(255)
        planes = unpack(arrays.planes[index : index + 1])[0]
        spoilt = [kinds[(_SPOILT_EACH * number + n) % len(kinds)] for n in range(_SPOILT_EACH)]
        shown = [(square, planes), *(degrade(square, planes, kind, random) for kind in spoilt)]
        for image, masks in shown:
            for structure, own in outline(network, image, config).items():
                if own.traits is None or not arrays.known[index, list(Structure).index(structure)]:
                    continue
                overlap = overlap_with_drawn(own.logits > 0, masks.numpy() > 0, structure)
                traits.setdefault(structure, []).append(own.traits.values())
                good.setdefault(structure, []).append(overlap >= GOOD_OVERLAP[structure])
    return {
        structure: fit_quality(np.array(rows), np.array(good[structure]))
        for structure, rows in traits.items()
    }


def overlap_with_drawn(
    mask: NDArray[np.bool_], planes: NDArray[np.bool_], structure: Structure
) -> float:
    """Dice of a structure's mask with its plane of ``planes`` ``(8, size, size)``.

    Lungs are not compared where heart and mediastinum were drawn in one: see
    :class:`models.segmenter.task.SegmenterTask`.
    """
    drawn = planes[list(Structure).index(structure)]
    if structure in _LUNGS:
        judged = ~planes[Plane.CARDIOMEDIASTINUM]
        return dice(mask & judged, drawn & judged)
    return dice(mask, drawn)


def area_ranges(arrays: AnatomyArrays) -> dict[Structure, AreaRange]:
    """How much of a training image each structure usually covers."""
    training = np.array([split is Split.TRAIN for split in arrays.splits])
    ranges = {}
    for bit, structure in enumerate(Structure):
        drawn = training & arrays.known[:, bit]
        if drawn.any():
            shares = ((arrays.planes[drawn] >> bit) & 1).mean(axis=(1, 2))
            low, high = np.percentile(shares, [1, 99])
            ranges[structure] = AreaRange(low=float(low), high=float(high))
        else:
            ranges[structure] = AreaRange(low=0.0, high=1.0)
    return ranges


def fitting_records(records: list[AnatomyRecord]) -> list[AnatomyRecord]:
    """Those of the training records that anything is fitted on."""
    sources = tuple(record.source for record in records)
    chosen = _evenly(sources, tuple(record.split for record in records), set(sources))
    return [records[index] for index in chosen]


def _films(arrays: AnatomyArrays, sources: set[str]) -> list[int]:
    return _evenly(arrays.sources, arrays.splits, sources)


def _evenly(sources: tuple[str, ...], splits: tuple[Split, ...], wanted: set[str]) -> list[int]:
    """Training films of the wanted sources, at most ``_MOST_FILMS`` of each."""
    chosen: list[int] = []
    for source in sorted(wanted):
        own = [
            index
            for index, (name, split) in enumerate(zip(sources, splits, strict=True))
            if name == source and split is Split.TRAIN
        ]
        chosen += own[:: -(-len(own) // _MOST_FILMS) or 1]
    return chosen
