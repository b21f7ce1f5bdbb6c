"""Run the shipped anatomy segmenter on one radiograph."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.preprocessing import to_square
from models.segmenter.config import SegmenterConfig
from models.segmenter.masks import enlarge
from models.segmenter.network import SegmenterNetwork, Structure
from models.segmenter.outlining import Outlined, outline, probability
from models.segmenter.quality import rule_quality
from models.shipping import SHIPPED, load_weights, read_config

__all__ = ["TRUSTED_QUALITY", "AnatomyMasks", "AnatomySegmenter", "Structure"]

TRUSTED_QUALITY = 0.5
"""A mask of at least this quality, one that is more likely good than not, can be measured on."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class AnatomyMasks:
    """Outlines of one radiograph.

    ``masks`` are bool, of the input's shape; ``probability`` maps are float32 at the network's
    size, before stray parts were removed; ``quality`` is the trust in each mask, in [0, 1], see
    :mod:`models.segmenter.quality`; ``seconds`` is the time the whole call took.
    """

    masks: dict[Structure, NDArray[np.bool_]]
    probability: dict[Structure, NDArray[np.float32]]
    quality: dict[Structure, float]
    seconds: float = field(compare=False)

    def trusted(self, structure: Structure) -> bool:
        """Whether this mask is good enough to be measured on."""
        return self.quality[structure] >= TRUSTED_QUALITY

    def lung_box(self) -> Box | None:
        """Box around both lungs in pixels (x_min, y_min, x_max, y_max; the last two exclusive).

        None unless both lungs can be trusted.
        """
        lungs = (Structure.LEFT_LUNG, Structure.RIGHT_LUNG)
        if not all(self.trusted(lung) for lung in lungs):
            return None
        both = self.masks[lungs[0]] | self.masks[lungs[1]]
        columns, rows = np.flatnonzero(both.any(axis=0)), np.flatnonzero(both.any(axis=1))
        return (
            float(columns[0]),
            float(rows[0]),
            float(columns[-1] + 1),
            float(rows[-1] + 1),
        )


class AnatomySegmenter:
    """Outlines lungs, heart and clavicles on frontal chest radiographs.

    One instance may be used from several threads at once.
    """

    def __init__(self, config: SegmenterConfig, network: SegmenterNetwork) -> None:
        self.config = config
        self._network = network.eval()

    @classmethod
    def load(cls, folder: Path | None = None) -> AnatomySegmenter:
        """Load the shipped weights, or those in ``folder``.

        Raises:
            WeightsError: weights or config are missing, damaged or of another network.
        """
        folder = folder or SHIPPED / "anatomy_segmenter"
        config = read_config(folder, SegmenterConfig)
        network = SegmenterNetwork(config.decoder_widths, config.structures)
        load_weights(network, folder, config.weights_sha256)
        return cls(config, network.to(memory_format=torch.channels_last))

    def segment(self, display: NDArray[np.float32]) -> AnatomyMasks:
        """Outline the structures on display pixels.

        ``display`` is float32 ``(height, width)`` in [0, 1], bright where the chest is dense,
        upright, the patient's left on the image's right.

        Raises:
            StudyError: the array is not such an image.
        """
        started = time.perf_counter()
        square = to_square(display, self.config.size)
        height, width = display.shape
        found = outline(self._network, square, self.config)
        return AnatomyMasks(
            masks={part: enlarge(own.logits, (height, width)) for part, own in found.items()},
            probability={part: probability(own.raw) for part, own in found.items()},
            quality={part: self._quality(part, own) for part, own in found.items()},
            seconds=time.perf_counter() - started,
        )

    def _quality(self, structure: Structure, found: Outlined) -> float:
        model = self.config.quality.get(structure)
        if found.traits is None:
            return 0.0
        if model is None:
            return rule_quality(found.traits, self.config.areas[structure])
        return model.chance(found.traits)
