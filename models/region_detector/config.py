"""What the region detector's ``config.json`` holds."""

from __future__ import annotations

from pydantic import Field

from findings.regions import Region
from models.detector.network import NetworkSettings
from models.shipping import NetworkConfig


class RegionDetectorConfig(NetworkConfig):
    """Everything that inference needs besides the weights."""

    network: NetworkSettings
    regions: tuple[Region, ...] = Field(description="in the order of the outputs")
    validation: dict[str, float] = Field(
        default_factory=dict, description="mean overlap (IoU) of each region's best box"
    )
