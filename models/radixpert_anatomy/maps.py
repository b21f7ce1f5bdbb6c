"""Anatomical probability maps on the encoder's patch grid (eqs. 2-3).

The frozen U-Net is the segmenter that the experts share: lungs, heart and clavicles, the five
regions of the paper. Finer channels are derived from its masks, as section VII plans: the zones
stand for the lobes, which no frontal image parts, the upper mediastinum holds the aortic knob, and
the hila flank the carina.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from findings.regions import Region
from imaging.regions import derive_regions
from models.data.files import cache_key
from models.preprocessing import read_display, to_square
from models.segmenter.config import SegmenterConfig
from models.segmenter.inference import AnatomySegmenter
from models.segmenter.network import SegmenterNetwork, Structure
from models.shipping import SHIPPED, load_weights, read_config

FIVE: Final = (
    Structure.LEFT_LUNG,
    Structure.RIGHT_LUNG,
    Structure.HEART,
    Structure.LEFT_CLAVICLE,
    Structure.RIGHT_CLAVICLE,
)
_NAMED: Final = {
    Structure.LEFT_LUNG: Region.LEFT_LUNG,
    Structure.RIGHT_LUNG: Region.RIGHT_LUNG,
    Structure.HEART: Region.CARDIAC_SILHOUETTE,
    Structure.LEFT_CLAVICLE: Region.LEFT_CLAVICLE,
    Structure.RIGHT_CLAVICLE: Region.RIGHT_CLAVICLE,
}
FINER: Final = (
    Region.LEFT_UPPER_ZONE,
    Region.LEFT_MID_ZONE,
    Region.LEFT_LOWER_ZONE,
    Region.RIGHT_UPPER_ZONE,
    Region.RIGHT_MID_ZONE,
    Region.RIGHT_LOWER_ZONE,
    Region.LEFT_HILUM,
    Region.RIGHT_HILUM,
    Region.LEFT_COSTOPHRENIC_ANGLE,
    Region.RIGHT_COSTOPHRENIC_ANGLE,
    Region.UPPER_MEDIASTINUM,
    Region.MEDIASTINUM,
)
_LEAST_QUALITY: Final = 0.3


def read_segmenter(folder: Path | None = None) -> AnatomySegmenter:
    """The shipped segmenter, without its second look at the mirror image, which costs twice.

    Raises:
        WeightsError: weights or config are missing, damaged or of another network.
    """
    folder = folder or SHIPPED / "anatomy_segmenter"
    config = read_config(folder, SegmenterConfig)
    network = SegmenterNetwork(config.decoder_widths, config.structures)
    load_weights(network, folder, config.weights_sha256)
    return AnatomySegmenter(
        config.model_copy(update={"mirrored": False}), network.to(memory_format=torch.channels_last)
    )


class AnatomyMaps:
    """Maps of an image's anatomy, pooled to a grid."""

    def __init__(self, segmenter: AnatomySegmenter, rows: int, columns: int, finer: bool) -> None:
        self._segmenter = segmenter
        self._grid = (rows, columns)
        self._finer = finer
        self.sha256 = segmenter.config.weights_sha256

    @property
    def channels(self) -> int:
        """K of eq. 2."""
        return len(FIVE) + (len(FINER) if self._finer else 0)

    def of(self, display: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(channels, rows, columns)``: how much of each patch each region fills.

        Raises:
            StudyError: the array is no radiograph's display.
        """
        # Probabilities have the network's size, so nothing is gained by masks any larger.
        square = to_square(display, self._segmenter.config.size).numpy()
        found = self._segmenter.segment(square)
        planes = [found.probability[structure] for structure in FIVE]
        if self._finer:
            usable = {s: r for s, r in _NAMED.items() if found.quality[s] >= _LEAST_QUALITY}
            regions = derive_regions(
                {region: found.masks[structure] for structure, region in usable.items()},
                {region: found.quality[structure] for structure, region in usable.items()},
            )
            for region in FINER:
                plane = np.zeros(square.shape, dtype=np.float32)
                placed = regions.get(region)
                if placed is not None and placed.mask is not None:
                    plane[placed.mask] = 1.0
                elif placed is not None:
                    x0, y0, x1, y1 = (round(edge) for edge in placed.box)
                    plane[y0:y1, x0:x1] = 1.0
                planes.append(plane)
        pooled = functional.adaptive_avg_pool2d(torch.from_numpy(np.stack(planes)), self._grid)
        maps: NDArray[np.float32] = pooled.numpy()
        return maps


class KnownMaps:
    """The maps of some images of a set, by their indices in it."""

    def __init__(self, maps: NDArray[np.float16], indices: NDArray[np.int64]) -> None:
        self._maps = maps
        self._place = {int(index): place for place, index in enumerate(indices)}

    def __call__(self, indices: NDArray[np.int64]) -> Tensor:
        """Float32 ``(batch, channels, rows, columns)``."""
        places = [self._place[int(index)] for index in indices]
        return torch.from_numpy(self._maps[places].astype(np.float32))


def known_maps(
    anatomy: AnatomyMaps, images: Sequence[Path], indices: NDArray[np.int64], folder: Path
) -> KnownMaps:
    """Maps of the images at ``indices``, made once and kept in ``folder``.

    Raises `StudyError` where one cannot be analysed.
    """
    names = [f"{images[i].parent.parent.name}/{images[i].name}" for i in indices]
    rows, columns = anatomy._grid
    key = cache_key(anatomy.sha256, f"{anatomy.channels} {rows} {columns}", *names)
    path = folder / f"anatomy-maps-{key}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        maps = np.zeros((len(indices), anatomy.channels, rows, columns), dtype=np.float16)
        for number, index in enumerate(indices):
            maps[number] = anatomy.of(read_display(images[index]))
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            np.save(file, maps, allow_pickle=False)
        unfinished.replace(path)
    return KnownMaps(np.load(path, mmap_mode="r", allow_pickle=False), indices)
