"""The ledger: per finding and place, who said what, what was decided, and why.

The ledger is the only thing a report may be written from. Reconciliation (agents) makes it;
phrasing, verification and the language models read it.
"""

from __future__ import annotations

from enum import StrEnum

from findings.claims import Claim, Frozen, Measurement
from findings.evidence import Probability
from findings.regions import Region
from findings.vocabulary import Certainty, Change, Finding, Polarity, Severity, Side


class Decision(StrEnum):
    """What reconciliation concluded about one finding at one place."""

    PRESENT = "present"
    UNCERTAIN = "uncertain"
    ABSENT = "absent"
    ABSTAIN = "abstain"
    """Not enough evidence either way: the report neither affirms nor denies it."""

    @classmethod
    def stating(cls, claim: Claim) -> Decision:
        """The decision that a report's claim stands for."""
        if not claim.present:
            return cls.ABSENT
        return cls.UNCERTAIN if claim.certainty is Certainty.POSSIBLE else cls.PRESENT


class DisagreementType(StrEnum):
    """In what way two voices disagree."""

    POLARITY = "polarity"
    SIDE = "side"
    PLACE = "place"
    SEVERITY = "severity"
    NUMBER = "number"
    CHANGE = "change"


class Vote(Frozen):
    """One expert's voice on an entry."""

    expert: str
    evidence: str
    polarity: Polarity
    probability: Probability | None = None
    weight: float = 0.0
    """Log-odds contribution to the pool."""
    side: Side | None = None
    region: Region | None = None


class Disagreement(Frozen):
    """A typed conflict between voices and what settled it."""

    type: DisagreementType
    detail: str
    settled_by: str


class LedgerEntry(Frozen):
    """One finding at one place, decided."""

    id: str
    finding: Finding
    region: Region | None = None
    side: Side | None = None
    probability: Probability
    decision: Decision
    certainty: Certainty = Certainty.DEFINITE
    severity: Severity | None = None
    change: Change | None = None
    measurement: Measurement | None = None
    reason: str
    votes: tuple[Vote, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()

    @property
    def evidence(self) -> tuple[str, ...]:
        """Ids of the evidence behind the votes, in order, without repetition."""
        return tuple(dict.fromkeys(vote.evidence for vote in self.votes))

    def claim(self) -> Claim | None:
        """The claim a report must make for this entry; `None` where it must say nothing."""
        if self.decision is Decision.ABSTAIN:
            return None
        absent = self.decision is Decision.ABSENT
        return Claim(
            finding=self.finding,
            polarity=Polarity.ABSENT if absent else Polarity.PRESENT,
            certainty=self.certainty,
            side=self.side,
            region=self.region,
            severity=None if absent else self.severity,
            change=self.change,
            measurement=self.measurement,
        )


class Ledger(Frozen):
    """All entries of one study, in stable order of clinical weight."""

    entries: tuple[LedgerEntry, ...] = ()

    def entry(self, entry_id: str) -> LedgerEntry:
        """The entry with that id. Raises `KeyError`."""
        for entry in self.entries:
            if entry.id == entry_id:
                return entry
        raise KeyError(entry_id)
