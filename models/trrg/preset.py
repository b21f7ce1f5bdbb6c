"""What a training preset of TRRG's second stage says."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from models.reports.preset import ReportPreset
from models.training.presets import PresetSettings
from models.trrg.network import Switches, TrrgShape


class TrrgSettings(PresetSettings):
    """Network, clues and switches of TRRG."""

    shape: TrrgShape
    switches: Switches = Switches()
    clue_retriever: Path | None = Field(
        default=None, description="folder of a trained first stage; none: the one that ships"
    )
    clue_text: str = Field(
        default="all-minilm-l6-v2",
        description="the frozen text encoder of the clues: an artefact's name, a folder or "
        "hf:ORG/NAME",
    )


class TrrgPreset(ReportPreset):
    """One training run of TRRG."""

    trrg: TrrgSettings
