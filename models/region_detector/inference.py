"""Run a trained region detector on one radiograph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from findings.evidence import Box
from findings.regions import Region
from models.detector.network import DetectorNetwork
from models.preprocessing import to_square
from models.region_detector.config import RegionDetectorConfig
from models.region_detector.task import best_boxes
from models.shipping import load_weights, read_config


@dataclass(frozen=True, slots=True)
class FoundRegion:
    """A region's best box in pixels of the image given, and its score in [0, 1]."""

    box: Box
    score: float


class RegionDetector:
    """Boxes the regions of a frontal chest radiograph; may be used from several threads at once."""

    def __init__(self, config: RegionDetectorConfig, network: DetectorNetwork) -> None:
        self.config = config
        self._network = network.eval()

    @classmethod
    def load(cls, folder: Path) -> RegionDetector:
        """Load what `readingroom train region_detector` left in ``OUT/weights``.

        Raises:
            WeightsError: weights or config are missing, damaged or of another network.
        """
        config = read_config(folder, RegionDetectorConfig)
        network = DetectorNetwork(config.network, len(config.regions))
        load_weights(network, folder, config.weights_sha256)
        return cls(config, network.to(memory_format=torch.channels_last))

    def find(self, display: NDArray[np.float32]) -> dict[Region, FoundRegion]:
        """The regions found, at most one box for each, on display pixels.

        ``display`` is float32 ``(height, width)`` in [0, 1], bright where the chest is dense,
        upright, the patient's left on the image's right.

        Raises:
            StudyError: the array is not such an image.
        """
        height, width = display.shape
        sides = np.array([width, height, width, height], dtype=np.float64)
        found = {}
        square = to_square(display, self.config.network.size)
        for number, (box, score) in best_boxes(self._network, square).items():
            x0, y0, x1, y1 = (float(value) for value in box * sides)
            found[self.config.regions[number]] = FoundRegion((x0, y0, x1, y1), float(score))
        return found
