"""What a trained model of Radixpert's first version says of itself."""

from __future__ import annotations

from pydantic import Field

from models.radixpert_fusion.preset import FusionShape, FusionSwitches
from models.reports.checkpoint import ReportConfig


class FusionConfig(ReportConfig):
    """Everything that inference needs besides the weights."""

    shape: FusionShape
    switches: FusionSwitches
    patch_width: int = Field(gt=0)
    most_tokens: int = Field(gt=0)
