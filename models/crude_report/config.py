"""What the crude-report generator's ``config.json`` holds."""

from __future__ import annotations

from pydantic import Field

from findings.vocabulary import Finding
from models.crude_report.decoding import DecodingSettings
from models.crude_report.network import GeneratorShape
from models.crude_report.tokens import Vocabulary
from models.shipping import NetworkConfig


class CrudeReportConfig(NetworkConfig):
    """Everything that inference needs besides the weights."""

    shape: GeneratorShape
    vocabulary: Vocabulary
    decoding: DecodingSettings
    image_size: int = Field(gt=0, description="side of the square that a ResNet-101 is shown")
    trunk_sha256: str | None = Field(
        description="weights of the finding classifier whose trunk gave the features; "
        "none where the backbone is the network's own"
    )
    hinted: tuple[Finding, ...] = Field(
        default=(), description="findings whose classifier log odds are shown"
    )
    validation: dict[str, float] = Field(default_factory=dict)
