"""Training presets: TOML files, read into frozen settings."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from findings.errors import SettingsError
from models.classifier.cropping import View
from models.data.augmentation import AugmentationSettings

PRESETS = Path(__file__).parents[1] / "presets"


class Role(StrEnum):
    """What a network is trained for."""

    SEGMENTER = "segmenter"
    CLASSIFIER = "classifier"


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LoopSettings(_Settings):
    """The optimisation loop; lengths are counted in steps (batches)."""

    steps: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    trunk_learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup_steps: int = Field(ge=0)
    clip_norm: float = Field(gt=0)
    ema_decay: float = Field(ge=0, lt=1)
    validate_every: int = Field(gt=0)
    patience: int = Field(gt=0, description="validations without improvement before stopping")
    seed: int = 0
    threads: int = Field(default=2, gt=0)
    autocast: Literal["off", "auto"] = Field(
        default="off", description="auto: bfloat16 where the processor computes it natively"
    )


class SegmenterPreset(_Settings):
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


class MemberPreset(_Settings):
    """One network of the classifier's ensemble."""

    size: int = Field(gt=0, multiple_of=32)
    whole_image_share: float = Field(ge=0, le=1, description="share of images left uncut")
    seed: int = 0

    @property
    def views(self) -> tuple[View, ...]:
        """What the network is shown at inference: what it was trained on."""
        lungs = (View.LUNGS,) if self.whole_image_share < 1 else ()
        whole = (View.WHOLE,) if self.whole_image_share > 0 else ()
        return lungs + whole


class ClassifierPreset(_Settings):
    """Networks and data of the finding classifier."""

    members: tuple[MemberPreset, ...] = Field(min_length=1)
    cache_size: int = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    frozen_blocks: int = Field(default=0, ge=0)
    smoothing: float = Field(ge=0, lt=1)
    mixup: float = Field(ge=0, description="alpha of the beta distribution; 0 is off")
    box_margin: float = Field(ge=0)


class Preset(_Settings):
    """One training run, fully described but for where its data lie."""

    role: Role
    loop: LoopSettings
    augmentation: AugmentationSettings = AugmentationSettings()
    segmenter: SegmenterPreset | None = None
    classifier: ClassifierPreset | None = None


def read_preset(role: Role, name: str) -> Preset:
    """Read a preset by name (``models/presets/ROLE-NAME.toml``) or by the path of a TOML file.

    Raises:
        SettingsError: no such preset, or a setting in it is not usable.
    """
    path = Path(name) if name.endswith(".toml") else PRESETS / f"{role}-{name}.toml"
    if not path.is_file():
        known = sorted(found.stem.split("-", 1)[1] for found in PRESETS.glob(f"{role}-*.toml"))
        raise SettingsError(f"there is no preset {name!r} for {role}: use one of {known}")
    try:
        preset = Preset.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingsError(f"the preset {path.name} cannot be used: {error}") from error
    if preset.role is not role:
        raise SettingsError(f"the preset {path.name} is for {preset.role}, not for {role}")
    return preset
