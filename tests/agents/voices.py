"""Evidence of each kind, and what a ledger made of it, for tests of reconciliation."""

from __future__ import annotations

from findings.claims import Claim, Measurement
from findings.evidence import (
    Classification,
    CrudeSentence,
    Detection,
    MeasurementEvidence,
    Neighbour,
)
from findings.regions import Region
from findings.vocabulary import Finding, Polarity, Side
from reporting.ledger import DisagreementType, Ledger, LedgerEntry


def classified(
    finding: Finding,
    probability: float,
    number: int = 1,
    expert: str = "classifier",
    side: Side | None = None,
) -> Classification:
    return Classification(
        id=f"E{number}",
        expert=expert,
        version="1",
        finding=finding,
        probability=probability,
        threshold=0.5,
        sensitive_threshold=0.2,
        confident_threshold=0.8,
        side=side,
    )


def detected(
    finding: Finding,
    probability: float,
    number: int = 2,
    side: Side | None = Side.LEFT,
    region: Region | None = Region.LEFT_LOWER_ZONE,
    weak: bool = False,
) -> Detection:
    return Detection(
        id=f"E{number}",
        expert="detector",
        version="1",
        finding=finding,
        probability=probability,
        box=(10, 10, 20, 20),
        side=side,
        region=region,
        weak=weak,
    )


def worded(text: str, *claims: Claim, number: int = 3) -> CrudeSentence:
    return CrudeSentence(id=f"E{number}", expert="crude", version="1", text=text, claims=claims)


def ratio(value: float, number: int = 4) -> MeasurementEvidence:
    return MeasurementEvidence(
        id=f"E{number}",
        expert="measurer",
        version="1",
        finding=Finding.CARDIOMEGALY,
        polarity=Polarity.PRESENT if value > 0.5 else Polarity.ABSENT,
        measurement=Measurement(name="cardiothoracic_ratio", value=value, unit="1"),
    )


def neighbour(finding: Finding, number: int = 50) -> Neighbour:
    return Neighbour(
        id=f"E{number}",
        expert="retrieval",
        version="1",
        report_id="R1",
        similarity=0.99,
        language="en",
        text="There is a large mass.",
        findings=(finding,),
        finding=finding,
        probability=0.99,
        side=Side.LEFT,
    )


def entry_of(ledger: Ledger, finding: Finding) -> LedgerEntry:
    found = [entry for entry in ledger.entries if entry.finding is finding]
    assert len(found) == 1, found
    return found[0]


def kinds(entry: LedgerEntry) -> set[DisagreementType]:
    return {note.type for note in entry.disagreements}
