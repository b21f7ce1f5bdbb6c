"""What a training preset of CliniQure's writer says, and the rows of its comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field

from models.cliniqure.prompting import Inputs
from models.language.adapters import LoraSettings
from models.reports.preset import ReportPreset
from models.training.presets import PresetSettings


class Switches(PresetSettings):
    """What the prompt holds, and whether the language model is adapted at all."""

    classes: bool = True
    boxes: bool = True
    crude: bool = True
    lora: bool = True

    @property
    def inputs(self) -> Inputs:
        """The three that the prompt can hold."""
        return Inputs(self.classes, self.boxes, self.crude)


ROWS: Final[Mapping[str, Switches]] = {
    "full": Switches(),
    "classes-boxes": Switches(crude=False),
    "classes": Switches(boxes=False, crude=False),
    "base": Switches(lora=False),
}
"""The paper compares its tuned writer with the base model under one prompt (section 6.1, figure
4); the rows between are ours."""


class Noise(PresetSettings):
    """How far the observations made for training depart from the labels, each by chance."""

    missed: float = Field(default=0.5, ge=0, lt=1, description="classes and boxes left out")
    false: float = Field(default=0.06, ge=0, lt=1, description="each class that is not there")
    crude_missed: float = Field(default=0.6, ge=0, lt=1, description="left out of crude reports")
    crude_false: float = Field(default=0.04, ge=0, lt=1, description="in crude reports, not there")


class CliniqureSettings(PresetSettings):
    """The writer's adapters, prompt and lessons."""

    lessons: Literal["symptoms", "reports"] = Field(
        description="symptoms: the paper's symptom and disease set, found in the data folder; "
        "reports: report pairs under the structured prompt"
    )
    lora: LoraSettings = LoraSettings(rank=8, alpha=32.0, dropout=0.1, targets=("q_proj", "v_proj"))
    noise: Noise = Noise()
    answer_tokens: int = Field(default=96, gt=0, description="learnt of an answer")


class CliniqurePreset(ReportPreset):
    """One training run of CliniQure's writer."""

    cliniqure: CliniqureSettings
    switches: Switches = Switches()
