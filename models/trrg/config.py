"""What a trained TRRG's ``config.json`` holds."""

from __future__ import annotations

from pydantic import Field

from models.reports.checkpoint import ReportConfig
from models.trrg.network import Switches, TrrgShape


class TrrgConfig(ReportConfig):
    """Everything that inference needs besides the weights."""

    shape: TrrgShape
    switches: Switches
    text_sha256: str = Field(
        default="",
        description="of the clues' text encoder; blank in weights of before it was recorded",
    )
    retriever_sha256: str = Field(description="of the clue retriever (first stage)")
    prompts: int = Field(gt=0, description="prompts whose words are kept with the weights")
    words: int = Field(gt=0, description="words of the longest of them")
    retriever: str = Field(default="", description="folder of the first stage; blank: shipped")
    devices: tuple[tuple[float, ...], ...] = Field(
        description="the device prompts in the retriever's space"
    )
