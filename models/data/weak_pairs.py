"""Weak pairing: report sentences that are true of a radiograph as far as its labels tell.

Images and reports of the same patient are almost absent from the data, so an image is paired with
sentences of other people's reports that state what is known of it: the same finding at the same
place. Everything learnt from such pairs is weakly supervised, and whatever is measured on it says
so.

Each sentence stands to each radiograph in one of three ways: *true* (every affirmation is carried
by what is known, no denial is contradicted), *false* (one of its claims is contradicted), or
*unknown*. Only true sentences are drawn, and only false ones may serve as negatives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from findings.catalogue import describe, is_a
from findings.claims import Claim
from findings.labeler import ReportLabeler
from findings.vocabulary import Finding, Language, Severity, Side
from models.data.report_sentences import read_openi_sentences, read_padchest_sentences
from models.data.sentence_pool import (
    Level,
    Origin,
    PooledSentence,
    SentencePool,
    composed,
    level_of,
    mirrored,
    side_of,
)
from models.data.weak_pair_sources import ALIKE, FOURTEEN, WeakRecord

PRESENT_SHARE: Final = 0.7
"""Of the sentences drawn for a radiograph with a finding, this share states one."""

_BOTH: Final = frozenset({Side.LEFT, Side.RIGHT})
_SCALE: Final = tuple(Severity)


def build_pool(corpora: Path, records: Iterable[WeakRecord], spanish: bool = False) -> SentencePool:
    """Corpus sentences, their mirror images, and composed ones for what the records affirm.

    ``corpora`` is the folder of the pulled artefact ``report-corpora``.

    Raises:
        WeightsError: a corpus is absent or damaged.
    """
    real = read_openi_sentences(corpora)
    labeler = ReportLabeler(Language.ENGLISH)
    others = [other for sentence in real if (other := mirrored(sentence, labeler)) is not None]
    wanted = {claim for record in records for claim in record.present}
    wanted |= {Claim(finding=f, polarity=p) for f in FOURTEEN for p in ("absent", "present")}
    wanted = {claim for claim in wanted if claim.finding is not Finding.NO_FINDING}
    made = [s for claim in sorted(wanted, key=repr) for s in composed(claim)]
    stems = read_padchest_sentences(corpora) if spanish else []
    return SentencePool([*real, *others, *made, *stems])


@dataclass(frozen=True, slots=True)
class _Place:
    """Sides and heights that a claim names; empty: not stated."""

    sides: frozenset[Side]
    levels: frozenset[Level]


def _place(claim: Claim) -> _Place:
    side, level = side_of(claim), level_of(claim.region)
    sides = _BOTH if side is Side.BILATERAL else frozenset({side} if side else ())
    return _Place(sides, frozenset({level} if level else ()))


def supports(facts: Sequence[Claim], claim: Claim) -> bool:
    """Whether what is known of a radiograph carries a claim.

    An affirmation needs a fact of that finding, or a kind of it, on every side the claim names and
    at its height. A denial needs that nothing of its kind, nor what is often read for it, is
    affirmed there: what a source does not mention is taken for absent, as reports do. Severity,
    where the fact has one, may differ by one step.
    """
    if claim.finding is Finding.NO_FINDING:
        return claim.present and any(f.finding is Finding.NO_FINDING for f in facts)
    if not claim.present:
        likely = {other for family in ALIKE if claim.finding in family for other in family}
        return not contradicts(facts, claim) and not any(
            fact.present and fact.finding in likely for fact in facts
        )
    said = _place(claim)
    alike = [
        fact
        for fact in facts
        if fact.present
        and is_a(fact.finding, claim.finding)
        and (not said.levels or said.levels <= _place(fact).levels)
        and _near(fact.severity, claim.severity)
    ]
    covered = {side for fact in alike for side in _place(fact).sides}
    return bool(alike) and said.sides <= covered


def contradicts(facts: Sequence[Claim], claim: Claim) -> bool:
    """Whether what is known of a radiograph rules a claim out.

    An affirmation is ruled out by the denial of that finding or a more general one, or where every
    affirmed fact of it lies elsewhere; a denial by the affirmation of that finding or a kind of
    it at that place; "normal" by any affirmation.
    """
    if claim.finding is Finding.NO_FINDING:
        return any(f.present and f.finding is not Finding.NO_FINDING for f in facts)
    said = _place(claim)
    if not claim.present:
        return any(
            fact.present and is_a(fact.finding, claim.finding) and _meets(_place(fact), said)
            for fact in facts
        )
    if any(
        not fact.present and is_a(claim.finding, fact.finding) and _within(said, _place(fact))
        for fact in facts
    ):
        return True
    same = [fact for fact in facts if fact.present and fact.finding is claim.finding]
    return bool(same) and all(_elsewhere(_place(fact), said) for fact in same)


def _near(known: Severity | None, said: Severity | None) -> bool:
    if known is None or said is None:
        return True
    return abs(_SCALE.index(known) - _SCALE.index(said)) <= 1


def _meets(fact: _Place, said: _Place) -> bool:
    """True where a fact lies in the place a denial names; a fact without place may lie there."""
    sides = not said.sides or not fact.sides or bool(said.sides & fact.sides)
    levels = not said.levels or not fact.levels or bool(said.levels & fact.levels)
    return sides and levels


def _within(said: _Place, fact: _Place) -> bool:
    """True where the place a claim names lies in the one that a fact denies."""
    sides = not fact.sides or (bool(said.sides) and said.sides <= fact.sides)
    levels = not fact.levels or (bool(said.levels) and said.levels <= fact.levels)
    return sides and levels


def _elsewhere(fact: _Place, said: _Place) -> bool:
    """True where both name a place and the two have nothing in common."""
    sides = bool(said.sides) and bool(fact.sides) and not said.sides & fact.sides
    levels = bool(said.levels) and bool(fact.levels) and not said.levels & fact.levels
    return sides or levels


class WeakPairs:
    """Which sentence of a pool is true, false or unknown of which record; draws true ones.

    ``supported`` and ``contradicted`` are bool ``(situations, sentences)``; ``situation`` gives
    the row of each record, since many records have the same facts.
    """

    def __init__(self, records: Sequence[WeakRecord], pool: SentencePool) -> None:
        self.records = tuple(records)
        self.pool = pool
        facts = list(dict.fromkeys(record.claims for record in records))
        rows = {claims: row for row, claims in enumerate(facts)}
        self.situation: NDArray[np.int64] = np.array([rows[r.claims] for r in records], np.int64)
        self._facts = facts
        self._states = {claim: n for n, claim in enumerate(_different(pool.sentences))}
        held = np.zeros((len(pool), len(self._states)), dtype=np.float32)
        for index, sentence in enumerate(pool.sentences):
            for claim in sentence.claims:
                held[index, self._states[_bare(claim)]] = 1
        # The square root keeps the commonest wording from drowning the others.
        self._weight = np.sqrt([float(sentence.count) for sentence in pool.sentences])
        self._is_composed = [s.origin is Origin.COMPOSED for s in pool.sentences]
        carried = np.array([[supports(f, c) for c in self._states] for f in facts], dtype=bool)
        ruled_out = np.array([[contradicts(f, c) for c in self._states] for f in facts], dtype=bool)
        self.contradicted: NDArray[np.bool_] = ruled_out.astype(np.float32) @ held.T > 0
        unsupported = (~carried).astype(np.float32) @ held.T > 0
        self.supported: NDArray[np.bool_] = ~unsupported & ~self.contradicted
        self._choices: dict[int, tuple[_Choice, ...]] = {}

    def __len__(self) -> int:
        return len(self.records)

    def draw(self, record: int, random: np.random.Generator) -> int:
        """Index of one random sentence of the record's weak report (TRRG, section 2.1).

        An affirmed finding is chosen first and a sentence about it second, so that a finding with
        many wordings is not heard more often; denials come as often as reports make them. -1
        where no sentence is true of the record.
        """
        choices = self._choices_of(int(self.situation[record]))
        present = [choice for choice in choices if choice.present]
        absent = [choice for choice in choices if not choice.present]
        if not choices:
            return -1
        of_present = present and (not absent or random.random() < PRESENT_SHARE)
        if of_present:
            return present[int(random.integers(len(present)))].pick(random)
        return _by_weight(absent, random)[0].pick(random)

    def report(
        self, record: int, random: np.random.Generator, normal: int = 3
    ) -> tuple[PooledSentence, ...]:
        """A weak report: a sentence for each finding affirmed, weightiest first, then ``normal``
        sentences that deny others. Nothing in it is contradicted by the record."""
        choices = self._choices_of(int(self.situation[record]))
        present = [choice for choice in choices if choice.present]
        present.sort(key=lambda choice: -describe(choice.finding).weight)
        absent = _by_weight([choice for choice in choices if not choice.present], random)
        picked: list[int] = []
        stated: set[Finding] = set()
        for choice in (*present, *absent):
            if choice.finding in stated or (not choice.present and normal <= 0):
                continue
            index = choice.pick(random)
            picked.append(index)
            stated |= {claim.finding for claim in self.pool.sentences[index].claims}
            normal -= not choice.present
        return tuple(self.pool.sentences[index] for index in dict.fromkeys(picked))

    def negatives(
        self, records: NDArray[np.int64], sentences: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Bool ``(records, sentences)``: true where the sentence is false of the record."""
        rows: NDArray[np.bool_] = self.contradicted[self.situation[records]][:, sentences]
        return rows

    def _choices_of(self, situation: int) -> tuple[_Choice, ...]:
        if situation not in self._choices:
            self._choices[situation] = tuple(self._list_choices(situation))
        return self._choices[situation]

    def _list_choices(self, situation: int) -> Iterable[_Choice]:
        true = np.flatnonzero(self.supported[situation])
        affirmed: dict[Claim, list[int]] = {}
        denied: dict[Finding, list[int]] = {}
        facts = self._facts[situation]
        wanted = [_bare(fact) for fact in facts if fact.present]
        for index in (int(number) for number in true):
            claims = self.pool.sentences[index].claims
            if all(not claim.present or claim.finding is Finding.NO_FINDING for claim in claims):
                for finding in {claim.finding for claim in claims}:
                    denied.setdefault(finding, []).append(index)
                continue
            for fact in wanted:
                if any(_tells(claim, fact, self._is_composed[index]) for claim in claims):
                    affirmed.setdefault(fact, []).append(index)
        for fact, found in affirmed.items():
            yield _Choice(fact.finding, True, tuple(found), self._weight[found])
        for finding, found in denied.items():
            yield _Choice(finding, False, tuple(found), self._weight[found])


def _tells(claim: Claim, fact: Claim, composed: bool) -> bool:
    """True where an affirmation is about this fact, and places it as exactly as it is known.

    A composed sentence must say nothing more; people's sentences may grade what is not graded.
    """
    if not claim.present or claim.finding is not fact.finding:
        return False
    if composed:
        return claim == fact
    said, known = _place(claim), _place(fact)
    return (not known.sides or bool(said.sides & known.sides)) and (
        not (known.levels and said.levels) or said.levels == known.levels
    )


def _by_weight(choices: list[_Choice], random: np.random.Generator) -> list[_Choice]:
    """The choices in a random order in which the heavier tend to come first."""
    if not choices:
        return []
    weight = np.array([choice.weight for choice in choices])
    order = random.choice(len(choices), len(choices), replace=False, p=weight / weight.sum())
    return [choices[int(place)] for place in order]


class _Choice:
    """The sentences that can state or deny one finding of a record."""

    def __init__(
        self,
        finding: Finding,
        present: bool,
        sentences: tuple[int, ...],
        weight: NDArray[np.float64],
    ) -> None:
        self.finding = finding
        self.present = present
        self.weight = float(weight.sum())
        self._sentences = sentences
        self._shares = np.cumsum(weight) / weight.sum()

    def pick(self, random: np.random.Generator) -> int:
        """A sentence, by its weight."""
        place = int(np.searchsorted(self._shares, random.random(), side="right"))
        return self._sentences[min(place, len(self._sentences) - 1)]


def _bare(claim: Claim) -> Claim:
    """What truth depends on: certainty does not count."""
    return Claim(
        finding=claim.finding,
        polarity=claim.polarity,
        side=claim.side,
        region=claim.region,
        severity=claim.severity,
    )


def _different(sentences: Iterable[PooledSentence]) -> Iterable[Claim]:
    return dict.fromkeys(_bare(claim) for sentence in sentences for claim in sentence.claims)
