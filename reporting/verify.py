"""Verification: a report against the ledger it was written from, sentence by sentence."""

from __future__ import annotations

from collections.abc import Sequence

from findings.claims import Claim, Frozen, Measurement
from findings.errors import EvidenceRuleError
from findings.vocabulary import Finding, Language
from reporting.draft import Origin, Section, SectionName, Sentence
from reporting.entailment import implies
from reporting.ledger import Decision, LedgerEntry
from reporting.places import atoms
from reporting.planning import written_claim
from reporting.read_back import Difference, DifferenceType, compare, read_claims
from reporting.vouching import beyond_reading


class SentenceCheck(Frozen):
    """What reading one sentence back found."""

    sentence: str
    """The sentence's id."""
    differences: tuple[Difference, ...] = ()
    supported: bool = True
    """False where the sentence affirms a finding and cites no evidence."""


class Verification(Frozen):
    """The outcome for a whole report."""

    checks: tuple[SentenceCheck, ...] = ()
    missing: tuple[str, ...] = ()
    """Ids of positive ledger entries that no sentence states."""

    @property
    def unsupported(self) -> tuple[str, ...]:
        """Ids of sentences that affirm a finding without evidence."""
        return tuple(check.sentence for check in self.checks if not check.supported)

    @property
    def faulty(self) -> tuple[str, ...]:
        """Ids of sentences with any fault, in reading order."""
        return tuple(c.sentence for c in self.checks if c.differences or not c.supported)

    @property
    def ok(self) -> bool:
        """True where the report says what the ledger carries and leaves no positive out."""
        return not self.faulty and not self.missing

    def of(self, sentence_id: str) -> SentenceCheck:
        """The check of one sentence. Raises `KeyError`."""
        for check in self.checks:
            if check.sentence == sentence_id:
                return check
        raise KeyError(sentence_id)

    def require_evidence(self) -> None:
        """Raise `EvidenceRuleError` where a positive claim cites no evidence."""
        if self.unsupported:
            raise EvidenceRuleError(
                f"{len(self.unsupported)} sentence(s) affirm a finding without evidence "
                f"({', '.join(self.unsupported)}). Cite the evidence or remove the sentence."
            )


def verify(
    sections: Sequence[Section],
    entries: Sequence[LedgerEntry],
    has_prior: bool,
    language: Language,
    numbers: Sequence[Measurement] = (),
) -> Verification:
    """Read every sentence back and compare it with its claims, and its claims with the ledger.

    The indication is quoted from the request and is not read. `numbers` are measurements a
    sentence may print although no claim holds them.
    """
    by_id = {entry.id: entry for entry in entries}
    known = [*numbers, *(e.measurement for e in entries if e.measurement is not None)]
    checks = []
    stated: set[str] = set()
    for section in sections:
        if section.name is SectionName.INDICATION:
            continue
        for sentence in section.sentences:
            own = [by_id[key] for key in sentence.entries if key in by_id]
            check = verify_sentence(sentence, own, has_prior, language, known)
            checks.append(check)
            stated.update(entry.id for entry in own if _states(sentence, entry, has_prior))
    missing = tuple(e.id for e in _must_be_stated(entries) if e.id not in stated)
    return Verification(checks=tuple(checks), missing=missing)


def verify_sentence(
    sentence: Sentence,
    entries: Sequence[LedgerEntry],
    has_prior: bool,
    language: Language,
    numbers: Sequence[Measurement] = (),
) -> SentenceCheck:
    """Check one sentence against its own claims and the ledger entries it names.

    A language model's sentence may besides hold no words that the reader cannot vouch for.
    """
    differences = [
        *compare(sentence.text, sentence.claims, language, has_prior=has_prior, numbers=numbers),
        *_beyond_the_ledger(sentence, entries, has_prior),
    ]
    if sentence.origin is Origin.MODEL:
        differences += beyond_reading(sentence.text, sentence.claims, language)
    affirmed = any(claim.present for claim in sentence.claims)
    if sentence.evidence:
        supported = True
    else:
        read = read_claims(sentence.text, language)
        supported = not affirmed and not any(claim.present for claim in read)
    return SentenceCheck(
        sentence=sentence.id, differences=tuple(dict.fromkeys(differences)), supported=supported
    )


def same_content(one: Sequence[Section], other: Sequence[Section]) -> bool:
    """True where two reports, in whatever languages, make the same claims on the same evidence.

    Section by section: the claims as atoms, the ledger entries and the evidence must agree; the
    order and the grouping into sentences may differ.
    """
    return _content(one) == _content(other)


def _content(sections: Sequence[Section]) -> dict[SectionName, tuple[frozenset[object], ...]]:
    return {
        section.name: (
            frozenset(
                atom for s in section.sentences for claim in s.claims for atom in atoms(claim)
            ),
            frozenset(key for s in section.sentences for key in s.entries),
            frozenset(key for s in section.sentences for key in s.evidence),
        )
        for section in sections
        if section.sentences
    }


def _beyond_the_ledger(
    sentence: Sentence, entries: Sequence[LedgerEntry], has_prior: bool
) -> list[Difference]:
    """Claims of the sentence that none of its ledger entries carries."""
    carried = [
        atom
        for entry in entries
        if (claim := written_claim(entry, has_prior)) is not None
        for atom in atoms(claim)
    ]
    return [
        Difference(type=DifferenceType.ADDED, finding=claim.finding, read=claim.polarity.value)
        for claim in sentence.claims
        for atom in atoms(claim)
        if not any(implies(other, atom) for other in carried)
    ]


def _states(sentence: Sentence, entry: LedgerEntry, has_prior: bool) -> bool:
    claim = written_claim(entry, has_prior)
    if claim is None:
        return False
    said: list[Claim] = [atom for c in sentence.claims for atom in atoms(c)]
    return all(any(implies(other, atom) for other in said) for atom in atoms(claim))


def _must_be_stated(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """Positive entries; 'no finding' counts for nothing beside a positive one."""
    positive = (Decision.PRESENT, Decision.UNCERTAIN)
    return [e for e in entries if e.decision in positive and e.finding is not Finding.NO_FINDING]
