"""The state of one draft as it moves through the graph, all of it safe to write to disk.

Every value is a frozen model, a plain list, a plain mapping or a string; no pixels, and no words of
the indication or the prior report: those stay with the caller (`agents.session`).
"""

from __future__ import annotations

from enum import Enum
from operator import add
from typing import Annotated, Final, Literal, TypedDict

from pydantic import BaseModel, Field

from agents.aggregator.contract import Attempt
from findings.claims import Claim, Frozen, LabeledClaim, Measurement, SpacingProvenance
from findings.evidence import (
    Classification,
    Clue,
    CrudeSentence,
    Detection,
    Evidence,
    MeasurementEvidence,
    Neighbour,
    PriorFinding,
    RegionMask,
    RunLengthMask,
)
from findings.regions import Region
from findings.vocabulary import (
    Certainty,
    Change,
    Finding,
    Language,
    Plausible,
    Polarity,
    Severity,
    Side,
)
from imaging.study import GateDecision, GateReason, GateResult
from reporting.draft import (
    Counts,
    DraftStatus,
    ExpertNote,
    ModelUse,
    Origin,
    Section,
    SectionName,
    Sentence,
    Writer,
)
from reporting.ledger import (
    Decision,
    Disagreement,
    DisagreementType,
    Ledger,
    LedgerEntry,
    Vote,
)
from reporting.read_back import DifferenceType
from tools.contract import Role


class DraftRequest(Frozen):
    """What was asked for: enough to go on after a crash, and nothing that names a patient but
    the paths themselves.

    The indication and the prior report are kept as digests only: whoever resumes gives them again,
    and other words than before are refused.
    """

    path: str
    prior_path: str | None = None
    language: Language = Language.ENGLISH
    seed: int = 0
    aggregator: Writer = Writer.EMBEDDED
    indication_digest: str | None = None
    prior_report_digest: str | None = None


class LoadedStudy(Frozen):
    """What identifies the study that was loaded."""

    study_key: str
    prior_key: str | None = None


class ExpertOutput(Frozen):
    """What one expert returned, or why it returned nothing."""

    role: Role
    evidence: tuple[Evidence, ...] = ()
    note: ExpertNote | None = None
    model: ModelUse | None = None
    seconds: float = 0.0


class EvidenceSet(Frozen):
    """All evidence of the draft, numbered over the whole draft."""

    items: tuple[Evidence, ...] = ()


class Manuscript(Frozen):
    """The text as far as it has come.

    `sections` hold the sentences that stand; `attempts` what the writer tried for those that it may
    reword. The indication's section is not here (see the module's docstring).
    """

    sections: tuple[Section, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    writer: Writer = Writer.PHRASER
    models: tuple[ModelUse, ...] = ()
    """The language models that were asked, whether or not their words were taken."""
    counts: Counts = Counts()


class FinalText(Frozen):
    """The report as a person left it, where it is not the text that was drafted."""

    language: Language
    sections: tuple[Section, ...]


class SignOff(Frozen):
    """A person's answer to the review: who takes responsibility for the draft, and as what text."""

    signer: str = Field(min_length=1, max_length=200)
    text: FinalText | None = None


class Review(Frozen):
    """What the review ended with."""

    status: DraftStatus
    signer: str | None = None
    time: str = ""
    """UTC, ISO 8601."""
    language: Language | None = None
    """Of the signed text; `None`: that of the request."""


def _merged(old: dict[str, ExpertOutput], new: dict[str, ExpertOutput]) -> dict[str, ExpertOutput]:
    return {**old, **new}


def _timed(old: dict[str, float], new: dict[str, float]) -> dict[str, float]:
    """Times of a node that ran more than once (experts' waves, repairs) add up."""
    return {**old, **{node: old.get(node, 0.0) + seconds for node, seconds in new.items()}}


class DraftState(TypedDict, total=False):
    """The channels of the graph."""

    request: DraftRequest
    study: LoadedStudy
    gate: GateResult
    outputs: Annotated[dict[str, ExpertOutput], _merged]
    """By role."""
    evidence: EvidenceSet
    ledger: Ledger
    manuscript: Manuscript
    review: Review
    warnings: Annotated[list[str], add]
    timings: Annotated[dict[str, float], _timed]
    thread_id: str


class ExpertTask(TypedDict):
    """What one expert of a wave is sent."""

    role: Literal[
        "classifier",
        "detector",
        "segmenter",
        "clues",
        "crude_report",
        "measurer",
        "prior_comparer",
        "vision_language",
    ]
    state: DraftState


STATE_TYPES: Final[tuple[type[BaseModel] | type[Enum], ...]] = (
    DraftRequest,
    LoadedStudy,
    ExpertOutput,
    EvidenceSet,
    Manuscript,
    Attempt,
    FinalText,
    SignOff,
    Review,
    GateResult,
    GateReason,
    GateDecision,
    Ledger,
    LedgerEntry,
    Vote,
    Disagreement,
    DisagreementType,
    Decision,
    Section,
    SectionName,
    Sentence,
    Origin,
    Writer,
    Counts,
    DifferenceType,
    DraftStatus,
    ExpertNote,
    ModelUse,
    Role,
    Claim,
    LabeledClaim,
    Measurement,
    SpacingProvenance,
    Classification,
    Clue,
    CrudeSentence,
    Detection,
    MeasurementEvidence,
    Neighbour,
    PriorFinding,
    RegionMask,
    RunLengthMask,
    Region,
    Certainty,
    Change,
    Finding,
    Language,
    Plausible,
    Polarity,
    Severity,
    Side,
)
"""The only types that a checkpoint may bring back to life (see `agents.checkpoints`)."""
