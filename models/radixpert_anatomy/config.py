"""What a trained model of Radixpert's second version says of itself."""

from __future__ import annotations

from pydantic import Field

from models.radixpert_anatomy.preset import AnatomyShape, AnatomySwitches
from models.reports.checkpoint import ReportConfig


class AnatomyConfig(ReportConfig):
    """Everything that inference needs besides the weights."""

    shape: AnatomyShape
    switches: AnatomySwitches
    patch_width: int = Field(gt=0)
    most_tokens: int = Field(gt=0)
    segmenter_sha256: str = Field(description="of the anatomy branch; blank without one")
