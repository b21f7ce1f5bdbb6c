"""A trained report model on disk: its trained part as safetensors, and what it was trained on.

The pre-trained parts are not copied. Their checksums are, and another model in their place is
refused, since adapters that meet other weights write nonsense that looks like a report.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from torch import Tensor, nn

from findings.errors import WeightsError
from findings.vocabulary import Language
from models.reports.contract import Decoding, ReportModelName
from models.reports.preset import Backbones
from models.shipping import Config, NetworkConfig, load_weights, write_network


class ReportConfig(NetworkConfig):
    """What every report model's ``config.json`` holds; each paper adds its shape and switches."""

    model: ReportModelName
    language: Language
    backbones: Backbones
    language_model_sha256: str = Field(description="of the causal language model under it")
    vision_sha256: str = Field(description="of the image encoder under it")
    decoding: Decoding = Decoding()
    validation: dict[str, float] = Field(default_factory=dict)


def save_report_model(folder: Path, weights: dict[str, Tensor], config: Config) -> Config:
    """Write the trained part and the config; gives the config with the weights' checksum."""
    return write_network(folder, weights, config)


def load_trained(network: nn.Module, folder: Path, config: NetworkConfig) -> None:
    """Put a saved trained part into ``network`` and leave it in evaluation mode.

    Raises:
        WeightsError: it is missing, damaged, or of another network.
    """
    load_weights(network, folder, config.weights_sha256)
    network.eval().requires_grad_(False)


def require_same(found: str, recorded: str, what: str) -> None:
    """Refuse a pre-trained part that is not the one a model was trained on.

    Raises:
        WeightsError: the checksums differ.
    """
    if found != recorded:
        raise WeightsError(
            f"the report model was trained over another {what} than the one that is here: name "
            "the one it was trained over, or train it again"
        )
