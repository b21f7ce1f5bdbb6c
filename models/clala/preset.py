"""What a training preset of CLALA-Net says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import Field

from models.clala.network import ClalaShape, Switches
from models.reports.preset import ReportPreset
from models.training.presets import LoopSettings, PresetSettings

ROWS: Final[Mapping[str, Switches]] = MappingProxyType(
    {
        "llcl_lca": Switches(),
        "base": Switches(lca=False, llcl=False),
        "llcl": Switches(lca=False),
        "lca": Switches(llcl=False),
        "no_itcl": Switches(itcl=False),
        "no_places": Switches(llcl_places=False),
    }
)
"""Table 3, the full method first; then without image-text contrast, and with pairs by lesion alone,
as the paper trains on labels that name no place (table 4)."""


class StageSettings(PresetSettings):
    """The second stage: lesion cross-attention and decoder alone, on larger cut-outs."""

    steps: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    size: int = Field(gt=0, description="side of a cut-out region; a trunk has its own")


class ClalaSettings(PresetSettings):
    """Network and data of CLALA-Net."""

    shape: ClalaShape
    switches: Switches = Switches()
    size: int = Field(default=224, gt=0, description="side of a cut-out region in stage one")
    fine_tuning: StageSettings
    films: int = Field(
        default=0, ge=0, description="training films, those with placed lesions first; 0: all"
    )
    region_detector: Path | None = Field(
        default=None,
        description="folder of a trained region detector; none: the anatomy segmenter's masks",
    )
    pairs: int = Field(
        default=32, gt=0, description="most pairs of a batch in lesion-level contrastive learning"
    )


class ClalaPreset(ReportPreset):
    """One training run of CLALA-Net; ``loop`` is its first stage."""

    clala: ClalaSettings

    def second_stage(self) -> LoopSettings:
        """The loop of the second stage."""
        stage = self.clala.fine_tuning
        return self.loop.model_copy(
            update={
                "steps": stage.steps,
                "learning_rate": stage.learning_rate,
                "trunk_learning_rate": stage.learning_rate,
                "warmup_steps": min(self.loop.warmup_steps, stage.steps // 10),
                "validate_every": min(self.loop.validate_every, stage.steps),
            }
        )
