"""torchxrayvision's classifiers (Cohen et al., MIDL 2022), from tensors alone.

The networks are torchvision's DenseNet-121 and ResNet-50 with one input channel: the published
tensors carry the same names, so the package itself is not needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from findings.errors import WeightsError
from findings.vocabulary import Finding
from models.published.xrv import XrvClassifierCard, xrv_input


@dataclass(frozen=True, slots=True)
class XrvJudgement:
    """What the network says of one finding."""

    probability: float
    """The sigmoid of its output, as trained; calibrated by nobody."""
    threshold: float
    """Its published operating point on that probability."""
    precise: float | None
    """Published threshold of 80 % precision, where there is one."""

    @property
    def scaled(self) -> float:
        """The value that torchxrayvision itself returns: 0.5 lies at the operating point."""
        if self.probability < self.threshold:
            return self.probability / (2.0 * self.threshold)
        return 1.0 - (1.0 - self.probability) / (2.0 * (1.0 - self.threshold))


class XrvClassifier:
    """A published classifier. One instance may be used from several threads at once."""

    def __init__(self, card: XrvClassifierCard, network: nn.Module) -> None:
        self.card = card
        self._network = network.eval()

    @classmethod
    def load(cls, card: XrvClassifierCard, file: Path) -> XrvClassifier:
        """Load pulled tensors (safetensors). Raises `WeightsError` where they do not fit."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        network = build_network(card)
        try:
            network.load_state_dict(load_file(file))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise WeightsError(
                f"The weights of '{card.weights}' do not fit their network "
                f"({type(error).__name__}). Pull them again."
            ) from error
        return cls(card, network)

    def judge(self, display: NDArray[np.float32]) -> dict[Finding, XrvJudgement]:
        """Judge display pixels (H×W in [0, 1], bright where dense), in the network's order."""
        with torch.inference_mode():
            outputs = torch.sigmoid(self._network(xrv_input(display, self.card.size))[0]).tolist()
        if not all(math.isfinite(output) for output in outputs):
            raise WeightsError(f"The weights of '{self.card.weights}' give no numbers.")
        return {
            finding: XrvJudgement(
                probability=outputs[index],
                threshold=self.card.operating[index],
                precise=self.card.precise[index] if self.card.precise else None,
            )
            for index, finding in self.card.judged().items()
        }


def build_network(card: XrvClassifierCard) -> nn.Module:
    """The network with untrained weights."""
    import torchvision

    network: Any
    if card.architecture == "densenet121":
        network = torchvision.models.densenet121(weights=None, num_classes=len(card.labels))
        network.features.conv0 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    else:
        network = torchvision.models.resnet50(weights=None, num_classes=len(card.labels))
        network.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    built: nn.Module = network
    return built
