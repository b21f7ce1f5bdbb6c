"""What the segmenter's ``config.json`` holds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from models.segmenter.network import Structure
from models.shipping import NetworkConfig


class AreaRange(BaseModel):
    """Share of the image that a structure covers in the training masks: 1st and 99th percentile."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


class SegmenterConfig(NetworkConfig):
    """Everything that inference needs besides the weights."""

    size: int
    decoder_widths: tuple[int, ...]
    structures: tuple[Structure, ...] = tuple(Structure)
    areas: dict[Structure, AreaRange]
    validation: dict[str, float] = Field(
        default_factory=dict, description="Dice on the JSRT validation films at network size"
    )
