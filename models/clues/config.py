"""What the clue retriever's ``config.json`` holds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from findings.vocabulary import Finding
from models.calibration import PlattScale
from models.clues.preset import ImageEncoderSettings, TextEncoderSettings
from models.shipping import NetworkConfig


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClueCalibration(_Frozen):
    """What was fitted for one disease."""

    scale: PlattScale
    floor: float = Field(
        ge=0,
        le=1,
        description="a clue of less probability is not stated: nine in ten validation images "
        "without the disease lie below it",
    )


class ClueConfig(NetworkConfig):
    """Everything that inference needs besides the weights."""

    trunk_sha256: str = Field(description="weights of the finding classifier that looks")
    image: ImageEncoderSettings
    text: TextEncoderSettings
    text_sha256: str = Field(
        default="", description="of the text encoder; blank in weights of before it was recorded"
    )
    width: int
    prompts_sha256: str = Field(description="over the clue prompts whose vectors are shipped")
    findings: dict[Finding, ClueCalibration] = Field(description="the diseases, in their order")
    validation: dict[str, float] = Field(
        default_factory=dict,
        description="zero-shot area under the curve on the NIH validation split",
    )
