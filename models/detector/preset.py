"""What a training preset of the finding detector says."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from findings.vocabulary import Finding
from models.detector.network import NetworkSettings
from models.shipping import Bits
from models.training.presets import Preset, PresetSettings


class BatchMix(PresetSettings):
    """Of what kinds a batch is made, as shares."""

    drawn: float = Field(default=0.6, ge=0, description="with at least one drawn box")
    clear: float = Field(default=0.2, ge=0, description="complete and without any finding")
    labelled: float = Field(default=0.2, ge=0, description="all others: image-level labels alone")


class DetectorSettings(PresetSettings):
    """Network, data and rules of the finding detector."""

    findings: tuple[Finding, ...] = Field(min_length=1, description="in the order of the outputs")
    network: NetworkSettings
    folders: tuple[str, ...] = ("nih", "jsrt", "gbseg")
    initial: Literal["imagenet", "finding_classifier", "random"] = Field(
        default="imagenet", description="where the trunk's first weights come from"
    )
    frozen_blocks: int = Field(default=0, ge=0, description="trunk blocks that do not learn")
    turned_share: float = Field(
        default=1.0, ge=0, le=1, description="share of images that are turned, shifted and scaled"
    )
    elsewhere_weight: float = Field(
        default=0.3, ge=0, le=1, description="weight of a negative off the drawn boxes of a finding"
    )
    instance_weight: float = Field(
        default=0.0, ge=0, description="of a finding stated but not drawn; 1: as a drawn one"
    )
    simulated_nodule_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the films without any finding that are shown with a simulated nodule",
    )
    batch_mix: BatchMix = BatchMix()
    stored_bits: Bits = Field(default=16, description="of each weight in the written file")
    false_boxes: float = Field(
        default=0.05, gt=0, description="for each finding and image: sets the score of showing"
    )

    @model_validator(mode="after")
    def _simulates_only_what_it_teaches(self) -> DetectorSettings:
        if self.simulated_nodule_share > 0 and Finding.NODULE not in self.findings:
            raise ValueError("simulated_nodule_share needs nodule among the findings")
        return self


class DetectorPreset(Preset):
    """One training run of the finding detector."""

    detector: DetectorSettings
