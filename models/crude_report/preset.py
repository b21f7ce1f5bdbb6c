"""What a training preset of the crude-report generator says."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from models.crude_report.decoding import DecodingSettings
from models.crude_report.network import GeneratorShape
from models.training.presets import Preset, PresetSettings


class CrudeReportSettings(PresetSettings):
    """Network, data and search of the crude-report generator."""

    shape: GeneratorShape
    decoding: DecodingSettings = DecodingSettings()
    image_size: int = Field(
        default=224,
        gt=0,
        multiple_of=32,
        description="for a ResNet-101; a shared trunk has its own",
    )
    backbone_weights: Path | None = Field(
        default=None, description="safetensors of a torchvision ResNet-101; none: random"
    )
    folders: tuple[str, ...] = Field(default=("nih",), min_length=1)
    least_count: int = Field(gt=0, description="of a word, for the vocabulary to hold it")
    wordings: int = Field(gt=0, description="most wordings of one claim")
    balance: float = Field(
        ge=0, le=1, description="0: images as they come; 1: every finding, and none, as often"
    )
    blank_share: float = Field(
        ge=0, lt=1, description="images shown as blank in training, which guidance needs"
    )


class CrudeReportPreset(Preset):
    """One training run of the crude-report generator."""

    crude_report: CrudeReportSettings
