"""What a training preset of the finding classifier says."""

from __future__ import annotations

from pydantic import Field

from models.backbones import Backbone
from models.classifier.cropping import View
from models.training.presets import Preset, PresetSettings


class MemberSettings(PresetSettings):
    """One network of the classifier's ensemble."""

    size: int = Field(gt=0, multiple_of=32)
    whole_image_share: float = Field(ge=0, le=1, description="share of images left uncut")
    image_size: int | None = Field(
        default=None, gt=0, description="side to which images are reduced first; null: not at all"
    )
    steps: int | None = Field(default=None, gt=0, description="in place of the loop's")
    seed: int = 0

    @property
    def views(self) -> tuple[View, ...]:
        """What the network is shown at inference: what it was trained on."""
        lungs = (View.LUNGS,) if self.whole_image_share < 1 else ()
        whole = (View.WHOLE,) if self.whole_image_share > 0 else ()
        return lungs + whole


class ClassifierSettings(PresetSettings):
    """Networks and data of the finding classifier."""

    members: tuple[MemberSettings, ...] = Field(min_length=1)
    backbone: Backbone = Backbone.EFFICIENTNET_LITE0
    backbone_weights: str | None = Field(
        default=None,
        description="hub model, folder or file that the trunk begins with; null: the pulled "
        "ImageNet weights of EfficientNet-lite0",
    )
    cache_size: int = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    frozen_blocks: int = Field(default=0, ge=0)
    smoothing: float = Field(ge=0, lt=1)
    mixup: float = Field(ge=0, description="alpha of the beta distribution; 0 is off")
    box_margin: float = Field(ge=0)
    sampling: dict[str, float] = Field(
        default={"nih": 1.0}, description="source -> share of the training images"
    )
    primary: tuple[str, ...] = Field(
        default=("nih",), description="sources that the findings are measured and calibrated on"
    )


class ClassifierPreset(Preset):
    """One training run of the finding classifier."""

    classifier: ClassifierSettings
