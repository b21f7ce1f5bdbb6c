"""What the crude-report generator is shown: the shared trunk's map, or a normalised image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from findings.errors import WeightsError
from models.classifier.inference import FindingClassifier
from models.crude_report.network import resnet101_features

_LEAST_PROBABILITY = 1e-4
_RESNET = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


def shared_classifier(folder: Path | None, sha256: str) -> FindingClassifier:
    """The finding classifier on whose trunk a generator was trained.

    Raises:
        WeightsError: its weights are missing or damaged, or are not those of ``sha256``.
    """
    classifier = FindingClassifier.load(folder)
    if classifier.config.weights_sha256 != sha256:
        raise WeightsError(
            "the crude-report generator was trained on the features of another finding "
            "classifier than the one that is here: train it again, or restore both from the "
            "repository"
        )
    return classifier


def log_odds(classifier: FindingClassifier, display: NDArray[np.float32]) -> NDArray[np.float32]:
    """The classifier's calibrated log odds of its findings, in their order, for hints."""
    probability = np.array(list(classifier.classify(display).probability.values()))
    bounded = probability.clip(_LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    odds: NDArray[np.float32] = np.log(bounded / (1 - bounded)).astype(np.float32)
    return odds


def imagenet_normalised(images: Tensor) -> Tensor:
    """``(batch, 1, h, w)`` in [0, 1] -> three channels as torchvision's ImageNet weights expect."""
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    return (images - mean) / deviation


def read_backbone(path: Path) -> dict[str, Tensor]:
    """Weights of torchvision's ``resnet101``, by the names of :func:`resnet101_features`.

    Raises:
        WeightsError: the file cannot be read or is of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        renamed = {}
        for name, value in load_file(path).items():
            layer, _, rest = name.partition(".")
            if layer != "fc":
                renamed[f"{_RESNET.index(layer)}.{rest}"] = value
        with torch.device("meta"):
            network = resnet101_features()
        network.load_state_dict(renamed, assign=True)
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"the backbone weights {path.name} cannot be used: give those of torchvision's "
            "resnet101 as safetensors"
        ) from error
    return renamed
