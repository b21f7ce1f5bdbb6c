"""What a training preset of Radixpert's second version says, and the rows of its table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import Field

from models.language.adapters import LoraSettings
from models.reports.preset import ReportPreset
from models.training.presets import LoopSettings, PresetSettings


class AnatomyShape(PresetSettings):
    """Sizes; the paper gives none but the parameters that they add up to (Table II)."""

    pooled: int = Field(default=0, ge=0, description="patches a side; 0: all of the encoder's")
    embedding: int = Field(default=64, gt=0, description="D_emb of eq. 4")
    projector: int = Field(default=2048, gt=0, description="hidden width of the projector, eq. 6")
    lora: LoraSettings = LoraSettings(rank=64, alpha=128.0, dropout=0.1)
    visual_lora: LoraSettings = LoraSettings(rank=8, alpha=16.0)
    retrieved_words: int = Field(default=30, gt=0, description="kept of each retrieved report")


class AnatomySwitches(PresetSettings):
    """The contributions (Table III), and what section VII plans; as they stand: the full model."""

    lora: bool = Field(default=True, description="adapters on the language model, eqs. 7-8")
    anatomy: bool = Field(default=True, description="the segmentation branch, eqs. 2-5")
    finer: bool = Field(default=False, description="zones, hila, angles, mediastinum as channels")
    visual_lora: bool = Field(default=False, description="adapters on the image encoder")
    retrieved: int = Field(default=0, ge=0, le=4, description="similar training reports in context")
    preference: bool = Field(default=False, description="preference optimisation afterwards")


class PreferenceStage(PresetSettings):
    """Direct preference optimisation after the supervised stage."""

    steps: int = Field(gt=0)
    pairs: int = Field(gt=1)
    beta: float = Field(default=0.1, gt=0)
    learning_rate: float = Field(default=5e-5, gt=0)


class AnatomyPreset(ReportPreset):
    """One training run of Radixpert's second version."""

    shape: AnatomyShape = AnatomyShape()
    switches: AnatomySwitches = AnatomySwitches()
    preference: PreferenceStage = PreferenceStage(steps=200, pairs=1000)

    def preference_loop(self) -> LoopSettings:
        """The loop of the preference stage."""
        stage = self.preference
        return self.loop.model_copy(
            update={
                "steps": stage.steps,
                "validate_every": stage.steps,
                "learning_rate": stage.learning_rate,
                "trunk_learning_rate": stage.learning_rate,
            }
        )


ROWS: Final[Mapping[str, AnatomySwitches]] = MappingProxyType(
    {
        "anatomy": AnatomySwitches(),
        "base": AnatomySwitches(lora=False, anatomy=False),
        "lora": AnatomySwitches(anatomy=False),
        "finer": AnatomySwitches(finer=True),
        "visual_lora": AnatomySwitches(visual_lora=True),
        "retrieved": AnatomySwitches(retrieved=1),
        "preference": AnatomySwitches(preference=True),
    }
)
"""``base``, ``lora`` and ``anatomy`` are Table III; the others section VII, each by itself."""
