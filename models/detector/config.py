"""What the detector's ``config.json`` holds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from findings.vocabulary import Finding
from models.calibration import PlattScale
from models.detector.network import NetworkSettings
from models.shipping import NetworkConfig


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DetectionPoint(_Frozen):
    """The score from which a box is shown, and what that came to where it was chosen."""

    score: float = Field(ge=0, le=1, description="raw score, before calibration")
    false_boxes: float = Field(
        ge=0, description="boxes for each image that is labelled free of the finding"
    )
    sensitivity: float | None = Field(
        default=None, ge=0, le=1, description="share of drawn boxes met at IoU 0.3"
    )


class BoxedFinding(_Frozen):
    """What was fitted and measured for one finding; None where the data could not carry it."""

    calibration: PlattScale | None = Field(
        default=None, description="logit of an image's best box -> the finding is present"
    )
    point: DetectionPoint | None = None


class DetectorConfig(NetworkConfig):
    """Everything that inference needs besides the weights."""

    network: NetworkSettings
    findings: dict[Finding, BoxedFinding] = Field(description="in the order of the outputs")
    validation: dict[str, float] = Field(default_factory=dict)
