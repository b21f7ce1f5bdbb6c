"""Where in the chest a box lies, by the anatomy that the shipped segmenter outlines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from findings.evidence import Box
from findings.regions import Region
from findings.vocabulary import Side
from imaging.regions import ChestRegions, derive_regions, locate, side_of
from models.preprocessing import read_display
from models.segmenter.inference import AnatomySegmenter, Structure

_REGION: Final = {
    Structure.LEFT_LUNG: Region.LEFT_LUNG,
    Structure.RIGHT_LUNG: Region.RIGHT_LUNG,
    Structure.HEART: Region.CARDIAC_SILHOUETTE,
    Structure.LEFT_CLAVICLE: Region.LEFT_CLAVICLE,
    Structure.RIGHT_CLAVICLE: Region.RIGHT_CLAVICLE,
}
_LEAST_QUALITY: Final = 0.3


class BoxPlacer:
    """Places boxes; each image is segmented once, and answers are kept in a JSON file.

    The file is keyed by the segmenter's weights, the image's name and the box.
    """

    def __init__(self, segmenter: AnatomySegmenter, cache: Path | None) -> None:
        self._segmenter = segmenter
        digest = segmenter.config.weights_sha256[:16]
        self._file = cache / f"box-places-{digest}.json" if cache else None
        self._known: dict[str, list[str | None]] = {}
        self._last: tuple[Path, ChestRegions] | None = None
        if self._file is not None and self._file.is_file():
            self._known = json.loads(self._file.read_text(encoding="utf-8"))

    def place(self, image: Path, box: Box) -> tuple[Side | None, Region | None]:
        """Side and region of a box in pixels of the image file; `None` where anatomy is unclear."""
        key = f"{image.name} {' '.join(f'{value:.1f}' for value in box)}"
        if key not in self._known:
            regions = self._regions(image)
            self._known[key] = [side_of(box, regions), locate(box, regions)]
        side, region = self._known[key]
        return (Side(side) if side else None, Region(region) if region else None)

    def save(self) -> None:
        """Keep the answers for the next run."""
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self._file.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(self._known), encoding="utf-8")
            unfinished.replace(self._file)

    def _regions(self, image: Path) -> ChestRegions:
        if self._last is None or self._last[0] != image:
            self._last = (image, outlined_regions(self._segmenter, read_display(image)))
        return self._last[1]


def outlined_regions(segmenter: AnatomySegmenter, display: NDArray[np.float32]) -> ChestRegions:
    """The regions of display pixels, by the structures that the segmenter outlines well enough."""
    found = segmenter.segment(display)
    # Structures that are no region of a box (airways) are left out.
    named = {s: region for s, region in _REGION.items() if s in found.masks}
    masks = {region: found.masks[structure] for structure, region in named.items()}
    quality = {region: found.quality[structure] for structure, region in named.items()}
    usable = {name: mask for name, mask in masks.items() if quality[name] >= _LEAST_QUALITY}
    return derive_regions(usable, quality)
