"""Training presets: TOML files, read into frozen settings."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from findings.errors import SettingsError
from models.data.augmentation import AugmentationSettings
from models.training.roles import Role

PRESETS = Path(__file__).parents[1] / "presets"


class PresetSettings(BaseModel):
    """A section of a preset; a misspelt setting does not pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LoopSettings(PresetSettings):
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


class Preset(PresetSettings):
    """One training run, fully described but for where its data lie; each role adds a section."""

    role: Role
    loop: LoopSettings
    augmentation: AugmentationSettings = AugmentationSettings()


Described = TypeVar("Described", bound=Preset)


def read_preset(kind: type[Described], role: Role, name: str) -> Described:
    """Read a preset by name (``models/presets/ROLE-NAME.toml``) or by the path of a TOML file.

    Raises:
        SettingsError: no such preset, or a setting in it is not usable.
    """
    path = Path(name) if name.endswith(".toml") else PRESETS / f"{role}-{name}.toml"
    if not path.is_file():
        known = sorted(found.stem.split("-", 1)[1] for found in PRESETS.glob(f"{role}-*.toml"))
        raise SettingsError(f"there is no preset {name!r} for {role}: use one of {known}")
    try:
        preset = kind.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingsError(f"the preset {path.name} cannot be used: {error}") from error
    if preset.role is not role:
        raise SettingsError(f"the preset {path.name} is for {preset.role}, not for {role}")
    return preset
