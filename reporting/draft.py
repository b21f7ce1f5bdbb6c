"""The draft: what `draft.json` holds. Fields may be added in later versions, never renamed."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from findings.claims import Claim, Frozen, Measurement
from findings.evidence import Evidence, Neighbour
from findings.vocabulary import Language
from imaging.study import GateResult
from reporting.ledger import LedgerEntry
from reporting.read_back import DifferenceType

DRAFT_SCHEMA: Final = "readingroom/draft/1"


class DraftStatus(StrEnum):
    """How far the draft has come."""

    DRAFT = "draft"
    VERIFIED = "verified"
    SIGNED = "signed"


class Writer(StrEnum):
    """Which back end wrote the text."""

    VLLM = "vllm"
    EMBEDDED = "embedded"
    PHRASER = "phraser"


class SectionName(StrEnum):
    """Sections of a radiology report, in reading order."""

    INDICATION = "indication"
    TECHNIQUE = "technique"
    COMPARISON = "comparison"
    FINDINGS = "findings"
    IMPRESSION = "impression"


class Origin(StrEnum):
    """Who worded a sentence."""

    MODEL = "model"
    PHRASER = "phraser"
    FALLBACK = "fallback"
    """The phraser's sentence, because the model's failed verification."""
    PERSON = "person"


class Sentence(Frozen):
    """One sentence with what it claims and the evidence that carries it."""

    id: str
    text: str
    claims: tuple[Claim, ...] = ()
    evidence: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    """Ledger entries that the sentence states."""
    origin: Origin = Origin.PHRASER


class Section(Frozen):
    """A named section of the report."""

    name: SectionName
    sentences: tuple[Sentence, ...] = ()


class NamedMeasurement(Frozen):
    """A measurement as the draft lists it, with the evidence it came from."""

    name: str
    value: float
    unit: str
    provenance: str
    evidence: str

    @classmethod
    def of(cls, measurement: Measurement, evidence: str) -> NamedMeasurement:
        """List a measurement taken by the evidence with that id."""
        return cls(
            name=measurement.name,
            value=measurement.value,
            unit=measurement.unit,
            provenance=measurement.provenance.value,
            evidence=evidence,
        )


class Counts(Frozen):
    """What verification had to do."""

    repairs: int = 0
    """Sentences of a language model that passed after a difference had been named to it."""
    fallbacks: int = 0
    """Sentences that it did not mend: the phraser's stand in their place."""
    unsupported: int = 0
    ill_formed: int = 0
    """Texts of a language model that were no plain sentence."""
    differences: dict[DifferenceType, int] = Field(
        default_factory=dict,
        description="in how many texts of a language model each kind of difference was found",
    )

    def flat(self) -> dict[str, int]:
        """Every count by a name of its own (`difference_side`), for logs."""
        single: dict[str, int] = self.model_dump(exclude={"differences"})
        kinds = {f"difference_{kind.value}": number for kind, number in self.differences.items()}
        return single | kinds

    def plus(self, types: Collection[DifferenceType]) -> Counts:
        """The counts with one more refused text: of these differences, or (none) of bad form."""
        if not types:
            return self.model_copy(update={"ill_formed": self.ill_formed + 1})
        found = {kind: self.differences.get(kind, 0) + (kind in types) for kind in DifferenceType}
        counted = {kind: number for kind, number in found.items() if number}
        return self.model_copy(update={"differences": counted})


class ModelUse(Frozen):
    """A model that took part, with its licence and checksum."""

    role: str
    name: str
    version: str
    licence: str
    sha256: str | None = None


class ExpertNote(Frozen):
    """An expert that did not contribute, and why (not installed, failed, ran out of time)."""

    role: str
    name: str
    status: Literal["not_installed", "failed", "timed_out", "skipped"]
    detail: str


class Signature(Frozen):
    """Who took responsibility for the report, and when (UTC, ISO 8601)."""

    signer: str = Field(min_length=1, max_length=200)
    time: str


class Draft(Frozen):
    """A drafted report with everything it was written from."""

    schema_: Literal["readingroom/draft/1"] = Field(default=DRAFT_SCHEMA, alias="schema")
    study_key: str
    status: DraftStatus
    language: Language
    writer: Writer
    seed: int = 0
    gate: GateResult
    sections: tuple[Section, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    ledger: tuple[LedgerEntry, ...] = ()
    measurements: tuple[NamedMeasurement, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    experts: tuple[ExpertNote, ...] = ()
    warnings: tuple[str, ...] = ()
    counts: Counts = Counts()
    timings: dict[str, float] = Field(default_factory=dict)
    models: tuple[ModelUse, ...] = ()
    signature: Signature | None = None
    """Of a signed report."""

    def section(self, name: SectionName) -> Section:
        """The named section; an empty one where the draft has none."""
        return next((s for s in self.sections if s.name is name), Section(name=name))

    def sentences(self) -> tuple[Sentence, ...]:
        """All sentences in reading order."""
        return tuple(sentence for section in self.sections for sentence in section.sentences)
