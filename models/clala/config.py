"""What a trained CLALA-Net's ``config.json`` holds."""

from __future__ import annotations

from pydantic import Field

from models.clala.network import ClalaShape, Switches
from models.crude_report.tokens import Vocabulary
from models.reports.checkpoint import ReportConfig


class ClalaConfig(ReportConfig):
    """Everything that inference needs besides the weights."""

    shape: ClalaShape
    switches: Switches
    size: int = Field(gt=0, description="side of a cut-out region")
    region_detector: str = Field(
        default="", description="folder of the region detector; blank: the anatomy segmenter"
    )
    vocabulary: Vocabulary | None = Field(
        description="of the small network; none where a BERT tokenizer's word pieces are used"
    )
    text_sha256: str = Field(
        default="", description="of the text encoder; blank in weights of before it was recorded"
    )
    lesion_tokens: int = Field(
        default=0, ge=0, description="length of the lesion names' word pieces; 0: vectors"
    )
