"""What can be trained, and the function that trains it; nothing heavy is imported to know it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a network is trained for."""

    SEGMENTER = "segmenter"
    CLASSIFIER = "classifier"
    CLUES = "clues"
    DETECTOR = "detector"
    CRUDE_REPORT = "crude_report"
    REGION_DETECTOR = "region_detector"
    REPORT = "report"


RUNS: Final[Mapping[Role, str]] = {
    Role.SEGMENTER: "models.training.segmenter_run:train_segmenter",
    Role.CLASSIFIER: "models.training.classifier_run:train_classifier",
    Role.CLUES: "models.training.clues_run:train_clues",
    Role.DETECTOR: "models.training.detector_run:train_detector",
    Role.CRUDE_REPORT: "models.training.crude_report_run:train_crude_report",
    Role.REGION_DETECTOR: "models.training.region_detector_run:train_region_detector",
    Role.REPORT: "models.training.report_run:train_report",
}
"""Role -> ``module:function``; each takes a :class:`models.training.run.TrainingRequest`."""
