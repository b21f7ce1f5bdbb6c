"""What the graph's nodes are given to work with: every collaborator, injected in one object.

`agents.wiring` makes the real one; tests hand in small ones of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agents.aggregator.contract import RewordingBackend, SecondReader
from agents.reconciliation import Fusion, default_fusion
from findings.evidence import Evidence, Neighbour
from findings.vocabulary import Language
from imaging.study import GateResult, Study
from reporting.context import ReportContext
from reporting.draft import ModelUse, Section, Sentence
from reporting.ledger import Ledger
from reporting.verify import SentenceCheck, Verification
from tools.contract import Expert, Role


class StudyLoader(Protocol):
    """Loads a study from its path (`imaging.loading.load_study`). Raises `StudyError`."""

    def __call__(
        self,
        path: Path,
        *,
        indication: str | None = None,
        prior: Path | None = None,
        prior_report: str | None = None,
    ) -> Study:
        """The study, with display pixels."""
        ...


class Gate(Protocol):
    """Decides whether a study is a frontal chest radiograph (`imaging.gate.InputGate`)."""

    def examine(self, study: Study) -> GateResult:
        """The decision with its reasons."""
        ...


class NeighbourSource(Protocol):
    """Finds similar prior reports. Raises `IndexUnavailableError`."""

    @property
    def model(self) -> ModelUse | None:
        """The encoder that ranks them, if a model does."""
        ...

    def neighbours(
        self, evidence: Sequence[Evidence], language: Language, count: int, floor: float
    ) -> tuple[Neighbour, ...]:
        """At most `count` neighbours of what the evidence shows, most similar first, from E1."""
        ...


class Reporter(Protocol):
    """Writes and reads back (`reporting.phraser`, `reporting.verify`)."""

    def compose(self, ledger: Ledger, context: ReportContext) -> tuple[Section, ...]:
        """The phraser's report."""
        ...

    def check(self, sentence: Sentence, ledger: Ledger, context: ReportContext) -> SentenceCheck:
        """One sentence read back against its claims and the ledger."""
        ...

    def verify(
        self, sections: Sequence[Section], ledger: Ledger, context: ReportContext
    ) -> Verification:
        """The whole report read back."""
        ...


@dataclass(frozen=True)
class Services:
    """Everything that nodes call."""

    load_study: StudyLoader
    gate: Gate
    experts: Mapping[Role, Expert]
    reporter: Reporter
    neighbours: NeighbourSource | None = None
    backends: Sequence[RewordingBackend] = ()
    """Rewording back ends in order of preference; the phraser stands behind the last."""
    backend_warnings: tuple[str, ...] = ()
    """Why a wished-for back end is not among them."""
    second_reader: SecondReader | None = None
    """Reads a language model's sentences besides the labeler."""
    fusion: Fusion = field(default_factory=default_fusion)
