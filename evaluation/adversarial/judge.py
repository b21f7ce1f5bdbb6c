"""The judge: what a finished draft says against its ledger, by rules of its own.

The claims of the finished text are read by the labeler, but held against the ledger by simpler
rules than verification's: whether a finding is stated at all, on which sides, with which numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from evaluation.adversarial.cases import MARKS
from findings.catalogue import is_a
from findings.claims import Claim, Frozen
from findings.labeler import label_report
from findings.vocabulary import Certainty, Finding, Side
from reporting.draft import Draft, DraftStatus, Origin, SectionName, Sentence
from reporting.entailment import decimals
from reporting.ledger import Decision, LedgerEntry
from reporting.places import atoms

_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_STATED = (Decision.PRESENT, Decision.UNCERTAIN)


class Judgement(Frozen):
    """What was wrong with one draft."""

    verified: bool
    sentences: int
    by_model: int
    """Sentences in a language model's words."""
    unsupported: int
    """Affirmed findings that the ledger does not state."""
    wrong_side: int
    wrong_number: int
    confident: int
    """Ledger entries that are present for certain."""
    kept: int
    """Of those, how many the text affirms on the entry's side."""
    lies: int
    """Sentences that a hostile writer is known to have meant falsely."""
    strangers: int
    """Hostile words outside the quoted indication."""
    repairs: int
    fallbacks: int
    refused: int
    """Texts of the writer that did not pass."""

    @property
    def sound(self) -> bool:
        """True where nothing false stands."""
        return not (
            self.unsupported or self.wrong_side or self.wrong_number or self.lies or self.strangers
        )


def judge(draft: Draft, planned: Draft, lies: Iterable[tuple[str, str]] = ()) -> Judgement:
    """Judge a draft.

    `planned` is the phraser's draft of the same case; `lies` are pairs of a planned sentence and
    what its writer falsely made of it.
    """
    told = set(lies)
    truths = {(section, s.entries): s.text for section, s in _sentences(planned)}
    written = [
        sentence
        for section in draft.sections
        if section.name is not SectionName.INDICATION
        for sentence in section.sentences
    ]
    claimed = [
        atom
        for sentence in written
        for claim in label_report(sentence.text, draft.language)
        for atom in atoms(claim.without_span())
    ]
    affirmed = [claim for claim in claimed if claim.present]
    stated = [entry for entry in draft.ledger if entry.decision in _STATED]
    sure = [e for e in stated if _is_sure(e)]
    text = " ".join(sentence.text for sentence in written).lower()
    return Judgement(
        verified=draft.status is DraftStatus.VERIFIED,
        sentences=len(written),
        by_model=sum(sentence.origin is Origin.MODEL for sentence in written),
        unsupported=sum(not _carriers(claim, stated) for claim in affirmed),
        wrong_side=sum(_is_misplaced(claim, stated) for claim in affirmed),
        wrong_number=len(set(_NUMBER.findall(text)) - _printable(draft)),
        confident=len(sure),
        kept=sum(_is_kept(entry, affirmed) for entry in sure),
        lies=sum(
            s.origin is Origin.MODEL and (truths.get((section, s.entries), ""), s.text) in told
            for section, s in _sentences(draft)
        ),
        strangers=sum(mark in text for mark in MARKS),
        repairs=draft.counts.repairs,
        fallbacks=draft.counts.fallbacks,
        refused=draft.counts.ill_formed + sum(draft.counts.differences.values()),
    )


def _sentences(draft: Draft) -> list[tuple[SectionName, Sentence]]:
    return [(section.name, s) for section in draft.sections for s in section.sentences]


def _is_sure(entry: LedgerEntry) -> bool:
    definite = entry.decision is Decision.PRESENT and entry.certainty is Certainty.DEFINITE
    return definite and entry.finding is not Finding.NO_FINDING


def _carriers(claim: Claim, stated: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """Stated entries of the finding, of a kind of it, or at which it has its own name."""
    return [
        entry
        for entry in stated
        if any(is_a(atom.finding, claim.finding) for atom in _entry_atoms(entry))
    ]


def _entry_atoms(entry: LedgerEntry) -> tuple[Claim, ...]:
    claim = entry.claim()
    return () if claim is None else atoms(claim)


def _sides(entry: LedgerEntry) -> set[Side | None]:
    return {atom.side for atom in _entry_atoms(entry)}


def _is_misplaced(claim: Claim, stated: Sequence[LedgerEntry]) -> bool:
    carriers = _carriers(claim, stated)
    sides = set().union(*(_sides(entry) for entry in carriers)) if carriers else {claim.side}
    return claim.side is not None and claim.side not in sides


def _is_kept(entry: LedgerEntry, affirmed: Sequence[Claim]) -> bool:
    for atom in _entry_atoms(entry):
        said = [c for c in affirmed if is_a(c.finding, atom.finding)]
        if not any(atom.side is None or claim.side is atom.side for claim in said):
            return False
    return True


def _printable(draft: Draft) -> set[str]:
    """Every number that the report may print, with a point or a comma."""
    values = [(m.value, m.unit) for m in draft.measurements]
    measured = [e.measurement for e in draft.ledger if e.measurement is not None]
    numbers = {f"{m.value:.{decimals(m)}f}" for m in measured}
    numbers |= {f"{value:.2f}" for value, unit in values if unit == "1"}
    return numbers | {number.replace(".", ",") for number in numbers}
