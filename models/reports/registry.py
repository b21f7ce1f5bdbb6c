"""The report models by name: who trains, loads and counts each; nothing heavy is imported."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.reports.contract import ReportModelName

if TYPE_CHECKING:
    from models.reports.contract import ReportWriter
    from models.reports.counting import PublishedCount
    from models.training.request import TrainingRequest


@dataclass(frozen=True, slots=True)
class ReportModel:
    """Where a report model's functions are, as ``module:function``.

    ``trainer(request) -> Path`` trains and gives the deployable folder; ``loader(folder, cache)``
    gives a `ReportWriter`; ``counter()`` builds the paper's size on the meta device and gives its
    counts beside the paper's; ``switches`` maps the rows of its ablation table to their settings.
    """

    name: ReportModelName
    trainer: str
    loader: str
    counter: str
    switches: str

    def train(self, request: TrainingRequest) -> Path:
        """Train by the request's preset."""
        run: Callable[[TrainingRequest], Path] = _named(self.trainer)
        return run(request)

    def load(self, folder: Path, cache: Path) -> ReportWriter:
        """Load a trained model; ``cache`` is where pulled backbones are kept.

        Raises:
            WeightsError: the folder is damaged or of another model, or a backbone is missing or
                not the one it was trained on.
        """
        load: Callable[[Path, Path], ReportWriter] = _named(self.loader)
        return load(folder, cache)

    def rows(self) -> tuple[str, ...]:
        """The rows of the paper's ablation table, the paper's own method first."""
        named: Mapping[str, object] = _named(self.switches)
        return tuple(named)

    def counts(self) -> tuple[PublishedCount, ...]:
        """The paper's parameter counts beside those of the paper-size network built here."""
        count: Callable[[], tuple[PublishedCount, ...]] = _named(self.counter)
        return count()


def _model(name: ReportModelName) -> ReportModel:
    return ReportModel(
        name,
        trainer=f"models.{name}.training:train_{name}",
        loader=f"models.{name}.inference:load_{name}",
        counter=f"models.{name}.paper:count_{name}",
        switches=f"models.{name}.preset:ROWS",
    )


REPORT_MODELS: Final[Mapping[ReportModelName, ReportModel]] = {
    name: _model(name) for name in ReportModelName
}


def _named(place: str) -> Any:
    module, _, function = place.partition(":")
    return getattr(importlib.import_module(module), function)
