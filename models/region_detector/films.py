"""Radiographs with boxed regions, out of any data set that draws them; pixels stay on disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from findings.regions import Region
from models.data.records import Split
from models.datasets.record import RadiographRecord


@dataclass(frozen=True, eq=False)
class RegionFilm:
    """One radiograph.

    ``boxes`` float32 ``(regions, 4)`` as shares of the image's sides; ``regions`` int64
    ``(regions,)`` numbers each box's region in the preset's order, each at most once.
    """

    source: str
    image_id: str
    image: Path
    split: Split
    boxes: NDArray[np.float32]
    regions: NDArray[np.int64]


def region_films(
    records: Iterable[RadiographRecord], regions: tuple[Region, ...]
) -> list[RegionFilm]:
    """The records that box at least one of the regions, those boxes cut to the image."""
    number = {region: place for place, region in enumerate(regions)}
    films = []
    for record in records:
        drawn = {own.region: own.box for own in record.regions if own.region in number}
        if not drawn:
            continue
        width, height = record.frame or _size(record.image)
        sides = np.array([width, height, width, height], dtype=np.float32)
        boxes = (np.array(list(drawn.values()), dtype=np.float32) / sides).clip(0, 1)
        numbers = np.array([number[region] for region in drawn if region], dtype=np.int64)
        within = (boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3])
        if within.any():
            films.append(
                RegionFilm(
                    source=record.source,
                    image_id=record.image_id,
                    image=record.image,
                    split=record.split,
                    boxes=boxes[within],
                    regions=numbers[within],
                )
            )
    return films


def _size(path: Path) -> tuple[int, int]:
    """Width and height."""
    with Image.open(path) as image:
        return image.size
