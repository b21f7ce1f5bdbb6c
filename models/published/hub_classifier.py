"""Any Hugging Face image classifier, its labels mapped to findings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from findings.vocabulary import Finding
from models.published.hub_loading import HubNetwork
from models.published.label_map import FindingLabel, FindingLabels


class HubClassifier:
    """A classifier of transformers' `AutoModelForImageClassification`."""

    def __init__(self, folder: Path, labels: FindingLabels) -> None:
        """Load it. Raises `WeightsError`, or `SettingsError` where the map does not fit."""
        from transformers import AutoModelForImageClassification

        self._network = HubNetwork(folder, AutoModelForImageClassification)
        self._outputs = self._network.outputs(set(labels.labels))
        self._labels = labels

    def judge(self, display: NDArray[np.float32]) -> dict[Finding, tuple[float, FindingLabel]]:
        """Each mapped finding's probability, in the order of the label map.

        Several labels of one finding: with softmax their probabilities add up (they exclude each
        other), with sigmoid the greatest counts. The first label's operating points hold.
        """
        logits = self._network.logits(display)
        softmax = self._network.activation(self._labels.activation) == "softmax"
        probability = (logits.softmax(0) if softmax else logits.sigmoid()).tolist()
        judged: dict[Finding, tuple[float, FindingLabel]] = {}
        for label, meaning in self._labels.labels.items():
            value = float(probability[self._outputs[label]])
            before = judged.get(meaning.finding)
            if before is not None:
                value = min(before[0] + value, 1.0) if softmax else max(before[0], value)
            judged[meaning.finding] = (value, before[1] if before else meaning)
        return judged
