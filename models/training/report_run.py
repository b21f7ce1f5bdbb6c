"""One training run of a report model: the preset says which paper's."""

from __future__ import annotations

from pathlib import Path

from models.reports.preset import model_of
from models.reports.registry import REPORT_MODELS
from models.training.request import TrainingRequest


def train_report(request: TrainingRequest) -> Path:
    """Train the report model that the preset names; see :func:`models.training.run.train`."""
    return REPORT_MODELS[model_of(request.preset)].train(request)
