"""What the segmenter's ``config.json`` holds."""

from __future__ import annotations

from pydantic import Field

from models.segmenter.network import Structure
from models.segmenter.quality import AreaRange, QualityModel
from models.shipping import NetworkConfig


class SegmenterConfig(NetworkConfig):
    """Everything that inference needs besides the weights."""

    size: int
    decoder_widths: tuple[int, ...]
    structures: tuple[Structure, ...] = tuple(Structure)
    mirrored: bool = Field(
        default=False, description="average each image with its mirror image, sides swapped back"
    )
    started_from: str | None = Field(
        default=None, description="SHA-256 of the weights that the training continued"
    )
    areas: dict[Structure, AreaRange]
    offsets: dict[Structure, float] = Field(
        default_factory=dict, description="added to the logits; chosen on training films"
    )
    quality: dict[Structure, QualityModel] = Field(
        default_factory=dict, description="fitted chance of a good mask; without it a rule"
    )
    validation: dict[str, float] = Field(
        default_factory=dict, description="Dice on the JSRT validation films at network size"
    )
