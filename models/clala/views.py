"""Where the regions of a film lie, and what the network is shown of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from findings.evidence import Box
from findings.regions import CLALA_REGIONS, Region
from models.clala.network import RegionViews
from models.data.box_places import outlined_regions
from models.data.files import cache_key
from models.preprocessing import read_display, to_square
from models.region_detector.inference import RegionDetector
from models.reports.vision import ImageVectors
from models.segmenter.inference import AnatomySegmenter

_UNKNOWN_YET = np.float32(-1)
_LEAST_PIXELS = 16


class RegionFinder(Protocol):
    """Finds the boxes of the eleven regions."""

    @property
    def sha256(self) -> str:
        """What tells its weights from every other's."""

    def find(self, display: NDArray[np.float32]) -> dict[Region, Box]:
        """Boxes in pixels of the display; regions that are not found are left out."""


class SegmentedRegions:
    """Regions by the masks of the anatomy segmenter."""

    def __init__(self, segmenter: AnatomySegmenter) -> None:
        self._segmenter = segmenter
        self.sha256 = segmenter.config.weights_sha256

    def find(self, display: NDArray[np.float32]) -> dict[Region, Box]:
        """See `RegionFinder`."""
        placed = outlined_regions(self._segmenter, display).placed
        return {region: placed[region].box for region in CLALA_REGIONS if region in placed}


class DetectedRegions:
    """Regions by a trained region detector, as in the paper."""

    def __init__(self, detector: RegionDetector) -> None:
        self._detector = detector
        self.sha256 = detector.config.weights_sha256

    def find(self, display: NDArray[np.float32]) -> dict[Region, Box]:
        """See `RegionFinder`."""
        found = self._detector.find(display)
        return {region: found[region].box for region in CLALA_REGIONS if region in found}


def region_finder(detector: Path | None) -> RegionFinder:
    """The trained region detector in that folder, or the shipped segmenter where none is named.

    Raises:
        WeightsError: the weights are missing, damaged or of another network.
    """
    if detector is not None:
        return DetectedRegions(RegionDetector.load(detector))
    return SegmentedRegions(AnatomySegmenter.load())


def box_shares(
    boxes: Mapping[Region, Box], height: int, width: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes ``(11, 4)`` as shares of width and height, and which regions there are.

    A region that was not found has the whole film for its box.
    """
    shares = np.tile(np.array([0, 0, 1, 1], dtype=np.float32), (len(CLALA_REGIONS), 1))
    present = np.zeros(len(CLALA_REGIONS), dtype=bool)
    for row, region in enumerate(CLALA_REGIONS):
        if region in boxes:
            x0, y0, x1, y1 = boxes[region]
            own = np.array([x0 / width, y0 / height, x1 / width, y1 / height], dtype=np.float32)
            own = own.clip(0, 1)
            if own[2] > own[0] and own[3] > own[1]:
                shares[row], present[row] = own, True
    return shares, present


def film_boxes(
    finder: RegionFinder,
    films: Sequence[Path],
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes ``(films, 11, 4)`` of many films and which regions each has.

    They are kept in ``folder`` film by film, so that a search that was broken off goes on.

    Raises:
        StudyError: a film cannot be analysed.
    """
    key = cache_key(finder.sha256, *(f"{path.parent.parent.name}/{path.name}" for path in films))
    path = folder / f"regions-{key}.npy"
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(films), len(CLALA_REGIONS), 5)
    if path.is_file():
        kept = np.lib.format.open_memmap(path, mode="r+")
    else:
        unfinished = path.with_suffix(".unfinished")
        kept = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.float32, shape=shape)
        kept[:] = _UNKNOWN_YET
        kept.flush()
        unfinished.replace(path)
    for number, film in enumerate(films):
        if kept[number, 0, 4] == _UNKNOWN_YET:
            display = read_display(film)
            shares, present = box_shares(finder.find(display), *display.shape)
            kept[number] = np.concatenate([shares, present[:, None].astype(np.float32)], axis=1)
            if progress is not None:
                progress(number + 1, len(films))
    kept.flush()
    return np.array(kept[:, :, :4]), np.array(kept[:, :, 4] > 0)


class TrunkViews:
    """Films by index: the shared trunk's maps, and the regions' boxes on them."""

    def __init__(
        self,
        vectors: ImageVectors,
        rows: int,
        columns: int,
        boxes: NDArray[np.float32],
        present: NDArray[np.bool_],
    ) -> None:
        self._vectors, self._rows, self._columns = vectors, rows, columns
        self._boxes, self._present = boxes, present

    def __call__(self, films: NDArray[np.int64]) -> RegionViews:
        """What the network is shown of these films."""
        cells = self._vectors(films).transpose(1, 2)
        maps = cells.reshape(*cells.shape[:2], self._rows, self._columns)
        return RegionViews(
            present=torch.from_numpy(self._present[films]),
            boxes=torch.from_numpy(self._boxes[films]),
            maps=maps,
        )


class PatchViews:
    """Films by index: their regions, cut out and enlarged to ``size``."""

    def __init__(
        self,
        films: Sequence[Path],
        size: int,
        boxes: NDArray[np.float32],
        present: NDArray[np.bool_],
    ) -> None:
        self._films, self._size = tuple(films), size
        self._boxes, self._present = boxes, present

    def __call__(self, films: NDArray[np.int64]) -> RegionViews:
        """What the network is shown of these films."""
        patches = [
            cut_out(read_display(self._films[film]), self._boxes[film], self._size)
            for film in films
        ]
        return RegionViews(
            present=torch.from_numpy(self._present[films]), patches=torch.stack(patches)
        )


def cut_out(display: NDArray[np.float32], shares: NDArray[np.float32], size: int) -> torch.Tensor:
    """Regions ``(regions, size, size)`` of a film, in intensities of the whole film."""
    whole = to_square(display, max(display.shape)).numpy()
    parts = []
    for x0, y0, x1, y1 in shares * len(whole):
        left, top = (
            int(min(x0, len(whole) - _LEAST_PIXELS)),
            int(min(y0, len(whole) - _LEAST_PIXELS)),
        )
        right, bottom = max(left + _LEAST_PIXELS, round(x1)), max(top + _LEAST_PIXELS, round(y1))
        part = torch.from_numpy(np.ascontiguousarray(whole[top:bottom, left:right]))
        parts.append(
            torch.nn.functional.interpolate(
                part[None, None], size=(size, size), mode="bilinear", antialias=True
            )[0, 0]
        )
    return torch.stack(parts)
