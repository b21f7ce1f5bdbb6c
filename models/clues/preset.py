"""What a training preset of the clue retriever says."""

from __future__ import annotations

from pydantic import Field

from models.training.presets import Preset, PresetSettings


class ImageEncoderSettings(PresetSettings):
    """The image side: a head over the finding classifier's frozen trunk, or a timm backbone."""

    backbone: str = Field(default="", description="timm's name; empty: the shared trunk")
    weights: str | None = Field(
        default=None,
        description="of the backbone, by timm's names: a safetensors file, or hf:timm/NAME as "
        "pulled before; none: it learns from nothing",
    )
    sha256: str = Field(default="", description="required of that file")
    size: int = Field(default=224, gt=0, description="side of the square a backbone sees")
    channels: int = Field(default=1280, gt=0)
    hidden: int = Field(default=256, gt=0)
    queries: int = Field(default=4, gt=0)
    grid: int = Field(default=10, gt=0)
    dropout: float = Field(default=0.3, ge=0, lt=1)

    @property
    def shared_trunk(self) -> bool:
        """Whether the finding classifier's trunk looks at the image."""
        return not self.backbone


class TextEncoderSettings(PresetSettings):
    """The text side: a frozen sentence encoder under a projection, or a BERT that learns too."""

    model: str = Field(
        description="the pre-trained encoder: an artefact's name, a folder, hf:ORG/NAME or a file: "
        "address"
    )
    sha256: str = Field(default="", description="required of it; archives need one")
    frozen: bool
    hidden: int = Field(gt=0)
    layers: int = Field(default=12, gt=0)
    heads: int = Field(default=12, gt=0)
    vocabulary: int = Field(default=28996, gt=0)
    longest: int = Field(default=64, gt=0, description="word pieces at which a sentence is cut")


class ClueSettings(PresetSettings):
    """Encoders and data of the clue retriever."""

    image: ImageEncoderSettings
    text: TextEncoderSettings
    width: int = Field(gt=0, description="of the common space")
    temperature: float = Field(gt=0, description="where learning it starts")
    folders: tuple[str, ...] = Field(min_length=1)
    mirrored_share: float = Field(
        ge=0, le=1, description="share of images shown mirrored, with sentences of the other side"
    )
    prompt_share: float = Field(
        default=0.0, ge=0, le=1, description="share of sentences put in the form of a clue prompt"
    )


class CluePreset(Preset):
    """One training run of the clue retriever."""

    clues: ClueSettings
