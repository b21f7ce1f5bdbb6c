"""What a training preset of the region detector says."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from findings.regions import Region
from models.detector.network import NetworkSettings
from models.training.presets import Preset, PresetSettings


class RegionSettings(PresetSettings):
    """Network and data of the region detector."""

    regions: tuple[Region, ...] = Field(min_length=1, description="in the order of the outputs")
    network: NetworkSettings
    initial: Literal["imagenet", "random"] = "imagenet"
    frozen_blocks: int = Field(default=0, ge=0, description="EfficientNet blocks that do not learn")
    validation_films: int = Field(
        default=500, gt=0, description="at most so many, spread evenly over the validation split"
    )


class RegionPreset(Preset):
    """One training run of the region detector."""

    region_detector: RegionSettings

    @model_validator(mode="after")
    def _keeps_sides(self) -> RegionPreset:
        if self.augmentation.flip > 0:
            raise ValueError("regions have sides: augmentation.flip must be 0")
        if not self.region_detector.network.exhaustive:
            raise ValueError("every region is boxed on every film: network.exhaustive must be true")
        return self
