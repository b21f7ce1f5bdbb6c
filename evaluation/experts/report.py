"""The report on all experts: one section each, those that are not installed said so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from pydantic import Field

from evaluation.experts.classifier import ClassifierScore, evaluate_classifier
from evaluation.experts.clues import ClueScore, evaluate_clues
from evaluation.experts.cost import CostReport, measure_cost
from evaluation.experts.crude_report import CrudeReportScore, evaluate_crude_report
from evaluation.experts.detector import DetectorScore, evaluate_detector
from evaluation.experts.fusion_report import FusionReport, fusion_of
from evaluation.experts.lineup import Lineup
from evaluation.experts.readings import Progress, Readings, Which
from evaluation.experts.segmenter import SegmenterScore, evaluate_segmenter
from evaluation.experts.sides import SideScore, evaluate_sides
from evaluation.experts.tuberculosis import TuberculosisScore, evaluate_tuberculosis
from findings.claims import Frozen
from findings.errors import StudyError


class Shown(Protocol):
    """What every expert's score can do."""

    def markdown(self) -> list[str]:
        """The score as lines of Markdown, without a heading."""


@runtime_checkable
class Drawn(Protocol):
    """A score that has curves as well."""

    def draw(self, folder: Path) -> list[Path]:
        """Write the curves as pictures; gives their paths."""


class ExpertReport(Frozen):
    """What the experts reach on a folder of data; None: not installed, or no data for it.

    Thresholds, calibration and the training's stopping point were chosen on the published
    validation split; its figures are therefore a little flattering, those of other images not.
    """

    split: Which
    anatomy: SegmenterScore | None
    classifier: ClassifierScore | None
    tuberculosis: TuberculosisScore | None = None
    detector: DetectorScore | None = None
    clues: ClueScore | None = None
    crude_report: CrudeReportScore | None = None
    sides: SideScore | None = None
    fusion: FusionReport | None = None
    cost: CostReport | None = None
    not_installed: tuple[str, ...] = ()
    failures: dict[str, int] = Field(
        default_factory=dict, description="expert -> films on which it could not do its work"
    )

    def sections(self) -> Iterator[tuple[str, Shown | None]]:
        """Every section of the report: its title and score."""
        yield "Segmenter", self.anatomy
        yield "Classifier", self.classifier
        yield "Tuberculosis", self.tuberculosis
        yield "Detector", self.detector
        yield "Clues", self.clues
        yield "Crude report", self.crude_report
        yield "Sides", self.sides
        yield "Fusion", self.fusion
        yield "Cost", self.cost

    def markdown(self, level: int = 2) -> str:
        """The report as Markdown, its headings at the given level."""
        lines = [f"Split: {self.split}."]
        if self.not_installed:
            lines += ["", f"Not installed: {', '.join(self.not_installed)}."]
        for role, films in self.failures.items():
            lines += ["", f"The {role.replace('_', ' ')} could not do its work on {films} films."]
        for title, score in self.sections():
            if score is not None:
                lines += ["", f"{'#' * level} {title}", "", *score.markdown()]
        return "\n".join(lines)

    def tables(self) -> dict[str, list[str]]:
        """Each section's tables under a short name, to refresh a page with."""
        named = {title.lower().replace(" ", "-"): score for title, score in self.sections()}
        return {name: score.markdown() for name, score in named.items() if score is not None}

    def draw(self, folder: Path) -> list[Path]:
        """Write every curve as a picture named ``experts-*.png``; no picture shows a film."""
        folder.mkdir(parents=True, exist_ok=True)
        drawn: list[Path] = []
        for _, score in self.sections():
            if isinstance(score, Drawn):
                drawn += score.draw(folder)
        return drawn


def evaluate_experts(
    data: Path,
    split: Which = "val",
    lineup: Lineup | None = None,
    progress: Progress | None = None,
    *,
    cache: Path | None = None,
    votes: Path | None = None,
    cost: bool = True,
) -> ExpertReport:
    """Measure the experts on ``data``: its validation rows, or all of its rows.

    The experts are those that ship, unless a ``lineup`` names others; the anatomy's overlap is
    always the shipped segmenter's. ``cache`` is where pulled artefacts live (report corpora, the
    sentence encoder): without them, retrieved sentences are not judged. ``votes`` is a file that
    keeps the votes for refits. Without ``cost``, time and memory are not measured.

    Raises:
        StudyError: the folder holds no such row with an image.
        SettingsError: the lineup names an expert that does not exist.
        WeightsError: the shipped weights are damaged.
    """
    lineup = lineup or Lineup.shipped()
    readings = Readings(lineup.build(), progress)
    report = ExpertReport(
        split=split,
        anatomy=evaluate_segmenter(data, split, readings),
        classifier=evaluate_classifier(data, split, readings),
        tuberculosis=evaluate_tuberculosis(data, split, readings),
        detector=evaluate_detector(data, split, readings),
        clues=evaluate_clues(data, split, readings, cache),
        crude_report=evaluate_crude_report(data, split, readings),
        sides=evaluate_sides(data, split, readings),
        fusion=fusion_of(data, split, readings, votes),
        not_installed=tuple(role.value for role in lineup.roles if not readings.installed(role)),
    )
    if all(score is None for _, score in report.sections()):
        raise StudyError(
            "The data folder holds nothing to measure on. Give a folder laid out like the "
            "project's data (nih/, jsrt/ ...), or measure all rows with --split all."
        )
    return report.model_copy(
        update={
            "cost": measure_cost(data, split, lineup, readings) if cost else None,
            "failures": {role.value: films for role, films in readings.failures.items()},
        }
    )
