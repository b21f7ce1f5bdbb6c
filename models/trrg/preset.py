"""What a training preset of TRRG's second stage says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import Field

from models.reports.preset import ReportPreset
from models.training.presets import PresetSettings
from models.trrg.network import Switches, TrrgShape

ROWS: Final[Mapping[str, Switches]] = MappingProxyType(
    {
        "trrg": Switches(),
        "base": Switches(dci=False, cmci=False, consistency=False),
        "dci": Switches(cmci=False, consistency=False),
        "cmci": Switches(consistency=False),
        "competing": Switches(keep_devices=False),
    }
)
"""Table 2: BASE, BASE+DCI, BASE+DCI+CMCI and TRRG; ``competing`` is TRRG without the place kept
for devices, as published."""


class TrrgSettings(PresetSettings):
    """Network, clues and switches of TRRG."""

    shape: TrrgShape
    switches: Switches = Switches()
    clue_retriever: Path | None = Field(
        default=None, description="folder of a trained first stage; none: the one that ships"
    )
    clue_text: str = Field(
        default="all-minilm-l6-v2",
        description="the frozen text encoder of the clues: an artefact's name, a folder, "
        "hf:ORG/NAME or a file: address",
    )
    clue_text_sha256: str = Field(default="", description="required of it; archives need one")


class TrrgPreset(ReportPreset):
    """One training run of TRRG."""

    trrg: TrrgSettings
