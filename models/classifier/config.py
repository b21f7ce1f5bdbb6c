"""What the classifier's ``config.json`` holds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from findings.vocabulary import Finding
from models.backbones import Backbone
from models.calibration import OperatingPoints, PlattScale
from models.classifier.cropping import View
from models.conformal import ConformalRule
from models.shipping import NetworkConfig


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MemberConfig(_Frozen):
    """One network of the ensemble."""

    size: int = Field(description="side of the square that the network sees")
    views: tuple[View, ...] = Field(min_length=1, description="its logit is their mean")
    image_size: int | None = Field(default=None, description="side it is first reduced to")


class FindingConfig(_Frozen):
    """What was fitted and measured for one finding."""

    calibration: PlattScale
    operating_points: OperatingPoints
    conformal: ConformalRule


class ClassifierConfig(NetworkConfig):
    """Everything that inference needs besides the weights."""

    cache_size: int = Field(description="side to which an image is resized before it is cut")
    box_margin: float = Field(description="share of the lung box's side that is added around it")
    backbone: Backbone = Backbone.EFFICIENTNET_LITE0
    members: tuple[MemberConfig, ...]
    findings: dict[Finding, FindingConfig] = Field(description="in the order of the outputs")
    validation: dict[str, float] = Field(
        default_factory=dict, description="area under the curve on the NIH validation split"
    )
