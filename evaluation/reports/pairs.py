"""A generated report beside its reference, both read for what they claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from findings.catalogue import is_a
from findings.claims import Claim
from findings.vocabulary import Finding, Language
from reporting.existing_report import ExistingReport, read_report
from reporting.places import atoms

NO_STATEMENT: Final = frozenset({Finding.NO_FINDING, Finding.OTHER_FINDING})


@dataclass(frozen=True)
class ReferenceReport:
    """What a radiograph's report says, or what its labels say where it has none.

    ``text`` is a person's report, or one composed for the labels (a weak pair). ``claims`` are
    those that the labeler reads in a person's report, or the labels with their places. ``judged``
    are the findings that the source speaks of, present or absent; None: all, as in a report, where
    what is not mentioned counts as absent.
    """

    patient: str
    text: str
    claims: tuple[Claim, ...]
    judged: frozenset[Finding] | None = None

    @classmethod
    def written(cls, patient: str, text: str, language: Language) -> ReferenceReport:
        """Of a person's report, read by the labeler."""
        claims = tuple(c for s in read_report(text, language).sentences for c in s.claims)
        return cls(patient, text, claims)

    def judges(self, finding: Finding) -> bool:
        """Whether the source says of this finding, or of a kind of it, if it is there."""
        return self.judged is None or any(is_a(own, finding) for own in self.judged)

    def touches(self, finding: Finding) -> bool:
        """Whether the source says something of this finding, a kind of it, or what it is one of."""
        return self.judges(finding) or any(is_a(finding, own) for own in self.judged or ())


@dataclass(frozen=True)
class ReportPair:
    """One radiograph's generated report and its reference."""

    generated: str
    reference: ReferenceReport
    language: Language

    @cached_property
    def read(self) -> ExistingReport:
        """The generated report, read sentence by sentence; nothing where it is empty."""
        if not self.generated.strip():
            return ExistingReport(language=self.language, sentences=())
        return read_report(self.generated, self.language)

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """What the generated report claims."""
        return tuple(claim for sentence in self.read.sentences for claim in sentence.claims)


def affirmed(claims: Sequence[Claim], finding: Finding) -> bool:
    """Whether some claim affirms the finding or a kind of it, with whatever certainty."""
    return any(claim.present and is_a(claim.finding, finding) for claim in claims)


def sided_atoms(claims: Sequence[Claim]) -> list[Claim]:
    """The affirmations of findings as atoms: a two-sided one counts once for each side."""
    return [
        atom
        for claim in claims
        if claim.present and claim.finding not in NO_STATEMENT
        for atom in atoms(claim)
    ]
