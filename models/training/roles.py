"""What can be trained, and the function that trains it; nothing heavy is imported to know it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a network is trained for."""

    SEGMENTER = "segmenter"
    CLASSIFIER = "classifier"


RUNS: Final[Mapping[Role, str]] = {
    Role.SEGMENTER: "models.training.segmenter_run:train_segmenter",
    Role.CLASSIFIER: "models.training.classifier_run:train_classifier",
}
"""Role -> ``module:function``; each takes a :class:`models.training.run.TrainingRequest`."""
