"""Weak reports: report sentences put together for a radiograph by its labels and places.

Real pairs of films and reports are almost absent from the open data, so each film gets sentences
of other people's reports that state what its own labels do (weak pairing). They follow a reader's
round - heart, vessels, air spaces, nodules, ... - so that at each station the generator has one
decision to learn: the finding, or the words for its absence. Each station knows about as many
wordings of the finding as of its absence, for a search keeps the likeliest text, and a finding in
thirty wordings would lose to one normal phrase even where it is the likelier of the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from findings.claims import Claim
from findings.vocabulary import Finding, Language, Polarity
from models.crude_report.tokens import Vocabulary, split_words
from models.data.sentence_pool import PooledSentence, SentenceKey, composed, key_of


@dataclass(frozen=True, slots=True)
class Station:
    """One stop of the round: what may be seen, and the denials that stand for "nothing here".

    The first denial that the radiograph's labels carry is worded; stations without any are passed
    in silence where nothing is seen.
    """

    seen: frozenset[Finding]
    denials: tuple[Finding, ...] = ()


def _station(*seen: Finding, denials: tuple[Finding, ...] = ()) -> Station:
    return Station(frozenset(seen), denials)


ROUND: Final = (
    _station(
        Finding.CARDIOMEGALY, Finding.ENLARGED_CARDIOMEDIASTINUM, denials=(Finding.CARDIOMEGALY,)
    ),
    _station(
        Finding.EDEMA, Finding.VASCULAR_CONGESTION, Finding.HEART_FAILURE, denials=(Finding.EDEMA,)
    ),
    _station(
        Finding.CONSOLIDATION,
        Finding.PNEUMONIA,
        Finding.INFILTRATION,
        Finding.ATELECTASIS,
        Finding.LUNG_OPACITY,
        Finding.AIRSPACE_OPACITY,
        Finding.GROUND_GLASS_OPACITY,
        Finding.TUBERCULOSIS,
        Finding.CAVITATION,
        denials=(Finding.LUNG_OPACITY, Finding.CONSOLIDATION),
    ),
    _station(Finding.NODULE, Finding.MASS, Finding.GRANULOMA, denials=(Finding.NODULE,)),
    _station(Finding.EMPHYSEMA, Finding.FIBROSIS),
    _station(Finding.PLEURAL_EFFUSION, denials=(Finding.PLEURAL_EFFUSION,)),
    _station(Finding.PNEUMOTHORAX, denials=(Finding.PNEUMOTHORAX,)),
    _station(Finding.PLEURAL_THICKENING),
    _station(Finding.HERNIA),
)

NORMAL: Final = tuple(
    Claim(finding=station.denials[0], polarity=Polarity.ABSENT)
    for station in ROUND
    if station.denials
)
"""What a report states of a radiograph on which nothing is seen."""


class ReportComposer:
    """Words the claims of a radiograph, each time anew."""

    def __init__(self, sentences: Iterable[PooledSentence], wordings: int, most_words: int) -> None:
        """Of the English sentences that state a single claim, take the shortest.

        They say least beside their claim.

        Args:
            sentences: in an order that decides between equally long ones.
            wordings: most wordings of one claim that are drawn from.
            most_words: words of a report, full stops counted.
        """
        self._wordings = wordings
        self._most_words = most_words
        found: dict[SentenceKey, dict[str, None]] = {}
        for sentence in sentences:
            if sentence.language is Language.ENGLISH and len(sentence.claims) == 1:
                key = key_of(sentence.claims[0], Language.ENGLISH)
                found.setdefault(key, {})[" ".join(split_words(sentence.text))] = None
        self._lines = {
            key: tuple(sorted(lines, key=lambda line: len(line.split())))[:wordings]
            for key, lines in found.items()
        }

    def wordings(self, claim: Claim) -> tuple[str, ...]:
        """The sentences that state the claim, or plain ones made for it where there is none."""
        key = key_of(claim, Language.ENGLISH)
        if key not in self._lines:
            made = (" ".join(split_words(sentence.text)) for sentence in composed(claim))
            self._lines[key] = tuple(made)[: self._wordings]
        return self._lines[key]

    def compose(self, claims: Sequence[Claim], random: np.random.Generator) -> str:
        """One report. Where it would grow too long, denials are left out first, from the end."""
        chosen = [
            (claim, options[int(random.integers(len(options)))])
            for claim in stated(claims)
            for options in [self.wordings(claim)]
        ]
        while sum(len(split_words(line)) for _, line in chosen) > self._most_words:
            denied = [place for place, (claim, _) in enumerate(chosen) if not claim.present]
            chosen.pop(denied[-1] if denied else -1)
        return " ".join(line for _, line in chosen)


def stated(claims: Sequence[Claim]) -> Iterator[Claim]:
    """What a report states of these claims, in the order of the round."""
    denied = {claim.finding: claim for claim in claims if not claim.present and not claim.side}
    for station in ROUND:
        seen = [claim for claim in claims if claim.present and claim.finding in station.seen]
        yield from sorted(dict.fromkeys(seen), key=_order)
        if not seen:
            yield from [denied[finding] for finding in station.denials if finding in denied][:1]


def _order(claim: Claim) -> tuple[int, str, str]:
    return (list(Finding).index(claim.finding), claim.side or "", claim.region or "")


def learn_vocabulary(
    composer: ReportComposer,
    claims: Iterable[Sequence[Claim]],
    least_count: int,
    rounds: int,
    seed: int = 0,
) -> Vocabulary:
    """The vocabulary of reports composed ``rounds`` times for every radiograph."""
    random = np.random.default_rng(seed)
    radiographs = list(claims)
    texts = (composer.compose(own, random) for _ in range(rounds) for own in radiographs)
    return Vocabulary.of(texts, least_count)
