"""What a training preset of the anatomy segmenter says."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from models.shipping import Bits
from models.training.presets import Preset, PresetSettings

DEFAULT_FOLDERS: Final = ("jsrt", "openist", "gbseg", "tb")
"""The sources whose outlines stop at the heart, or say where it lies; covid's do neither."""


class SegmenterSettings(PresetSettings):
    """Network and data of the anatomy segmenter."""

    size: int = Field(gt=0, multiple_of=32)
    decoder_widths: tuple[int, int, int, int, int]
    frozen_blocks: int = Field(default=0, ge=0, description="trunk blocks kept as they are")
    start_from: str | None = Field(
        default=None,
        description="shipped network, or path of a trained folder, whose weights are continued; "
        "without it the trunk starts from ImageNet",
    )
    sampling: dict[str, float] = Field(description="source -> share of the training images")
    reference: str = Field(default="jsrt", description="source whose lung outlines are exact")
    outline_margin: int = Field(
        default=0, ge=0, description="pixels on each side of the other sources' lung outlines"
    )
    borrowed_look_share: float = Field(
        default=0.0, ge=0, le=1, description="share of images shown with another image's look"
    )
    mirror_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of images shown mirrored, sides swapped; the shipped network then "
        "averages each image with its mirror image",
    )
    heart_extent_weight: float = Field(
        default=0.0, ge=0, description="weight of the heart's horizontal extent in the loss"
    )
    folders: tuple[str, ...] = DEFAULT_FOLDERS
    stored_bits: Bits = Field(default=16, description="of each weight in the written file")


class SegmenterPreset(Preset):
    """One training run of the anatomy segmenter."""

    segmenter: SegmenterSettings
