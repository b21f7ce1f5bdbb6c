"""What a training preset of the anatomy segmenter says."""

from __future__ import annotations

from pydantic import Field

from models.training.presets import Preset, PresetSettings


class SegmenterSettings(PresetSettings):
    """Network and data of the anatomy segmenter."""

    size: int = Field(gt=0, multiple_of=32)
    decoder_widths: tuple[int, int, int, int, int]
    frozen_blocks: int = Field(default=0, ge=0, description="trunk blocks kept as ImageNet's")
    sampling: dict[str, float] = Field(description="source -> share of the training images")
    reference: str = Field(default="jsrt", description="source whose lung outlines are exact")
    outline_margin: int = Field(
        default=0, ge=0, description="pixels on each side of the other sources' lung outlines"
    )
    borrowed_look_share: float = Field(
        default=0.0, ge=0, le=1, description="share of images shown with another image's look"
    )
    folders: tuple[str, ...] = ("jsrt", "openist", "gbseg", "tb")


class SegmenterPreset(Preset):
    """One training run of the anatomy segmenter."""

    segmenter: SegmenterSettings
