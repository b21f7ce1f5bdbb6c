"""What a trained writer's folder says about itself."""

from __future__ import annotations

from pydantic import Field

from models.cliniqure.preset import Switches
from models.language.adapters import LoraSettings
from models.reports.checkpoint import ReportConfig


class CliniqureConfig(ReportConfig):
    """Beside what every report model says: adapters, prompt and how it was taught."""

    lora: LoraSettings
    switches: Switches
    lessons: str
    prompt_version: str
    answer_tokens: int = Field(gt=0)
