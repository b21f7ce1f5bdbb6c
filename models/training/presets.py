"""Training presets: TOML files, read into frozen settings."""

from __future__ import annotations

from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from findings.errors import SettingsError
from models.data.augmentation import AugmentationSettings
from models.training.catalogue import PRESETS as PRESETS
from models.training.catalogue import preset_path, read_table
from models.training.roles import Role


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
    autocast: Literal["off", "gpu", "auto"] = Field(
        default="gpu",
        description="half precision on GPUs; auto: also where the processor has bfloat16 natively",
    )
    optimiser: Literal["adamw", "adam"] = "adamw"
    accumulate: int = Field(default=1, gt=0, description="batches to a step, in each process")
    checkpoint_minutes: float = Field(
        default=10.0, gt=0, description="longest time between checkpoints"
    )
    report_every: int = Field(
        default=20, gt=0, description="steps to a line of progress where there is no terminal"
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
    path = preset_path(role, name)
    try:
        preset = kind.model_validate(read_table(path))
    except ValidationError as error:
        raise SettingsError(f"the preset {path.name} cannot be used: {error}") from error
    if preset.role is not role:
        raise SettingsError(f"the preset {path.name} is for {preset.role}, not for {role}")
    return preset
