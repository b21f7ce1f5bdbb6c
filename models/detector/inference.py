"""Run the shipped finding detector on one radiograph."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from findings.vocabulary import Finding
from models.detector.config import DetectorConfig
from models.detector.network import DetectorNetwork
from models.detector.views import look
from models.preprocessing import to_square
from models.shipping import SHIPPED, load_weights, read_config

Box = tuple[float, float, float, float]

MOST_BOXES = 3
"""Of one finding in one image."""


@dataclass(frozen=True, slots=True)
class FoundBox:
    """One finding in one place.

    ``box`` is in pixels of the image given (x_min, y_min, x_max, y_max). ``score`` is raw;
    ``probability`` is that of the finding being present in the image, calibrated on the images'
    best boxes; None for a finding that could not be calibrated.
    """

    finding: Finding
    box: Box
    score: float
    probability: float | None


@dataclass(frozen=True, slots=True)
class DetectorOutput:
    """Boxes of one radiograph, highest score first; ``seconds`` is the time the call took."""

    boxes: tuple[FoundBox, ...]
    seconds: float = field(compare=False)


class FindingDetector:
    """Finds and places findings on frontal chest radiographs.

    One instance may be used from several threads at once.
    """

    def __init__(self, config: DetectorConfig, network: DetectorNetwork) -> None:
        self.config = config
        self._network = network.eval()

    @classmethod
    def load(cls, folder: Path | None = None) -> FindingDetector:
        """Load the shipped weights, or those in ``folder``.

        Raises:
            WeightsError: weights or config are missing, damaged or of another network.
        """
        folder = folder or SHIPPED / "finding_detector"
        config = read_config(folder, DetectorConfig)
        network = DetectorNetwork(config.network, len(config.findings))
        load_weights(network, folder, config.weights_sha256)
        return cls(config, network.to(memory_format=torch.channels_last))

    def detect(self, display: NDArray[np.float32]) -> DetectorOutput:
        """The boxes worth showing, on display pixels.

        ``display`` is float32 ``(height, width)`` in [0, 1], bright where the chest is dense,
        upright. A finding is shown from its own score on, at most `MOST_BOXES` times, and only
        where its probability could be calibrated.

        Raises:
            StudyError: the array is not such an image.
        """
        found = self.search(display)
        shown: dict[Finding, int] = {}
        kept = []
        for box in found.boxes:
            point = self.config.findings[box.finding].point
            number = shown.get(box.finding, 0)
            if box.probability is None or point is None:
                continue
            if box.score >= point.score and number < MOST_BOXES:
                kept.append(box)
                shown[box.finding] = number + 1
        return DetectorOutput(tuple(kept), found.seconds)

    def search(self, display: NDArray[np.float32]) -> DetectorOutput:
        """Every box that the network gives, whatever its score; what evaluation works on.

        Raises:
            StudyError: the array is not an image.
        """
        started = time.perf_counter()
        square = to_square(display, self.config.network.size)
        found = look(self._network, square[None])[0]
        height, width = display.shape
        findings = list(self.config.findings)
        scale = np.array([width, height, width, height])
        boxes = []
        for box, number, score in zip(
            found.boxes * scale, found.findings.tolist(), found.scores.tolist(), strict=True
        ):
            finding = findings[number]
            x0, y0, x1, y1 = (float(value) for value in box)
            boxes.append(
                FoundBox(finding, (x0, y0, x1, y1), score, self._probability(finding, score))
            )
        return DetectorOutput(tuple(boxes), time.perf_counter() - started)

    def _probability(self, finding: Finding, score: float) -> float | None:
        scale = self.config.findings[finding].calibration
        if scale is None:
            return None
        return float(scale.apply(score_logits(np.array([score])))[0])


def score_logits(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds of raw scores, kept finite."""
    clipped = np.clip(scores, 1e-4, 1 - 1e-4)
    logits: NDArray[np.float64] = np.log(clipped / (1 - clipped))
    return logits
