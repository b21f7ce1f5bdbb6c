"""Write a crude report of one radiograph with the shipped generator."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.classifier.inference import FindingClassifier
from models.crude_report.config import CrudeReportConfig
from models.crude_report.decoding import DecodingSettings, decode_reports
from models.crude_report.features import imagenet_normalised, log_odds, shared_classifier
from models.crude_report.network import Backbone, CrudeReportNetwork
from models.preprocessing import to_square
from models.shipping import SHIPPED, load_weights, read_config

FOLDER = "crude_report"


@dataclass(frozen=True, slots=True)
class CrudeReport:
    """English sentences, the score of the whole (log probability, guided), and the time taken."""

    sentences: tuple[str, ...]
    score: float
    seconds: float = field(compare=False)


class CrudeReporter:
    """Writes crude reports of frontal chest radiographs.

    One instance may be used from several threads at once.
    """

    def __init__(
        self,
        config: CrudeReportConfig,
        network: CrudeReportNetwork,
        classifier: FindingClassifier | None,
    ) -> None:
        """``classifier``, whose trunk is shared, where the network has no backbone of its own."""
        self.config = config
        self._network = network.eval().requires_grad_(False)
        self._classifier = classifier

    @classmethod
    def load(cls, folder: Path | None = None, classifier: Path | None = None) -> CrudeReporter:
        """Load the shipped generator, or that in ``folder``, over the classifier it was made for.

        Raises:
            WeightsError: weights or config are missing, damaged or of another network, or the
                classifier is another than the generator was trained on.
        """
        folder = folder or SHIPPED / FOLDER
        config = read_config(folder, CrudeReportConfig)
        shared = None
        if config.shape.backbone is Backbone.SHARED_TRUNK:
            shared = shared_classifier(classifier, config.trunk_sha256 or "")
        network = CrudeReportNetwork(config.shape, len(config.vocabulary))
        load_weights(network, folder, config.weights_sha256)
        return cls(config, network, shared)

    def write(
        self,
        display: NDArray[np.float32],
        seed: int = 0,
        decoding: DecodingSettings | None = None,
    ) -> CrudeReport:
        """Report on display pixels; the same for the same image, settings and seed.

        ``display`` is float32 ``(height, width)`` in [0, 1], bright where the chest is dense,
        upright. ``decoding`` replaces the settings of the configuration.

        Raises:
            StudyError: the array is not such an image.
        """
        started = time.perf_counter()
        hints = None
        if self._classifier is None:
            visual = imagenet_normalised(to_square(display, self.config.image_size)[None, None])
        else:
            visual = torch.from_numpy(self._classifier.features(display))[None]
            if self.config.hinted:
                hints = torch.from_numpy(log_odds(self._classifier, display))[None]
                hints = hints[:, : len(self.config.hinted)]
        [report] = decode_reports(
            self._network, visual, decoding or self.config.decoding, hints, seed
        )
        return CrudeReport(
            sentences=self.config.vocabulary.sentences(report.words),
            score=report.score,
            seconds=time.perf_counter() - started,
        )
