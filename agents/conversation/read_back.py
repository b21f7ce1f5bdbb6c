"""A language model's answer read back: everything that it asserts must be carried by the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from agents.conversation.phrases import phrases
from findings.claims import Claim, Frozen, Measurement
from findings.evidence import MeasurementEvidence
from findings.labeler import label_report
from findings.tokens import tokenize
from findings.vocabulary import Finding, Language
from reporting.draft import Draft
from reporting.entailment import implies, same_number
from reporting.ledger import LedgerEntry
from reporting.places import atoms
from reporting.vouching import unread_words

_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)?")
_REFERENCE: Final = re.compile(r"\b[ESL]\d{1,4}\b")
_RULES: Final = (Finding.NO_FINDING, Finding.OTHER_FINDING)


class ReadBack(Frozen):
    """What reading an answer back found."""

    claims: tuple[Claim, ...] = ()
    """The ledger's claims that the answer makes."""
    evidence: tuple[str, ...] = ()
    """The evidence of those claims, and what the answer cites by id."""
    uncarried: tuple[str, ...] = ()
    """Findings, numbers, references and words that nothing carries; none: the answer stands."""

    @property
    def stands(self) -> bool:
        """Whether all that it asserts is carried."""
        return not self.uncarried


def read_back(text: str, draft: Draft, language: Language, given: Iterable[str]) -> ReadBack:
    """Hold an answer against the draft.

    A finding must follow from a claim of the ledger, a number must stand in what the tools
    answered (`given`), an id must be the draft's, and a word must be one that the labeler reads,
    that states nothing, or that the tools said.
    """
    given = tuple(given)
    read = [c for c in label_report(text, language) if c.finding not in _RULES]
    known = {item.id for item in (*draft.evidence, *draft.neighbours)}
    known |= {s.id for s in draft.sentences()} | {e.id for e in draft.ledger}
    faults: list[str] = []
    entries: list[LedgerEntry] = []
    for claim in read:
        bearing = _carrying(claim, draft.ledger)
        if bearing is None or not _measured(claim.measurement, draft):
            faults.append(claim.finding.value)
        else:
            entries += bearing
    cited = _REFERENCE.findall(text)
    faults += [key for key in cited if key not in known]
    numbers = {_plain(n) for words in given for n in _NUMBER.findall(words)}
    bare = _REFERENCE.sub(" ", text)
    faults += [n for n in _NUMBER.findall(bare) if _plain(n) not in numbers]
    faults += _unsaid_words(bare, read, language, given)
    claims = tuple(dict.fromkeys(c for e in entries if (c := e.claim()) is not None))
    ids = [key for e in entries for key in e.evidence] + [key for key in cited if key[0] == "E"]
    return ReadBack(
        claims=claims,
        evidence=tuple(dict.fromkeys(key for key in ids if key in known)),
        uncarried=tuple(dict.fromkeys(faults)),
    )


def _carrying(claim: Claim, ledger: Sequence[LedgerEntry]) -> list[LedgerEntry] | None:
    """The entries that a claim follows from; `None` where a part of it follows from none."""
    entries: list[LedgerEntry] = []
    # A number is held against the measurements by itself: a ledger's knows how it was taken.
    for atom in atoms(claim.model_copy(update={"measurement": None})):
        carriers = [
            entry
            for entry in ledger
            if (own := entry.claim()) is not None
            and any(implies(said, atom) for said in atoms(own))
        ]
        if not carriers:
            return None
        entries += carriers
    return entries


def _measured(said: Measurement | None, draft: Draft) -> bool:
    """Whether a number of a claim is one that was measured."""
    if said is None:
        return True
    known = [e.measurement for e in draft.evidence if isinstance(e, MeasurementEvidence)]
    return any(own.name == said.name and same_number(own, said) for own in known)


def _unsaid_words(
    text: str, read: Sequence[Claim], language: Language, given: Sequence[str]
) -> list[str]:
    """Words that neither the labeler nor the tools know: what they say cannot be checked."""
    said = {token.text for words in given for token in tokenize(words)}
    said |= {token.text for token in tokenize(phrases(language).plain_talk)}
    return [word for word in unread_words(text, read, language) if word not in said]


def _plain(number: str) -> str:
    """A number without what print adds: a decimal comma, zeros at the end."""
    value = number.replace(",", ".")
    return value.rstrip("0").rstrip(".") if "." in value else value
