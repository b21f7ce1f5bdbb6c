"""Which words of a sentence the reader can vouch for, and modifiers that stand loose in it.

The labeler reads the findings that it knows and passes over other words, so a text that it reads
without a difference may still say more: "..., suspicious for malignancy". A language model's
sentence therefore may hold nothing but words that the labeler gives a meaning, words of
`data/plain_words_<language>.toml`, which state nothing, the words of its findings' own names, and
numbers, which are checked elsewhere.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from importlib import resources

from findings.catalogue import is_a
from findings.claims import Claim, Frozen
from findings.lexicon import Cue, Match, Place, Statement, load_lexicon
from findings.tokens import Token, tokenize
from findings.vocabulary import (
    Certainty,
    Change,
    Finding,
    Language,
    Polarity,
    Severity,
    Side,
)
from reporting.phrasebook import phrase_book
from reporting.places import LATERAL, atoms
from reporting.read_back import Difference, DifferenceType

_SILENCING = frozenset({Cue.UNASSERTED_BEFORE, Cue.UNASSERTED_AFTER, Cue.TERMINATOR, Cue.NEUTRAL})
"""Cues behind which the labeler takes findings for not asserted, or relates two of them."""

_CERTAINTIES = {
    Cue.PROBABLE_BEFORE: Certainty.PROBABLE,
    Cue.PROBABLE_AFTER: Certainty.PROBABLE,
    Cue.POSSIBLE_BEFORE: Certainty.POSSIBLE,
    Cue.POSSIBLE_AFTER: Certainty.POSSIBLE,
    Cue.DOUBTFUL_NEGATION_BEFORE: Certainty.PROBABLE,
    Cue.DOUBTFUL_NEGATION_AFTER: Certainty.PROBABLE,
}
_BEFORE = frozenset({Cue.NEGATION_BEFORE, Cue.DOUBTFUL_NEGATION_BEFORE})
_AFTER = frozenset({Cue.NEGATION_AFTER, Cue.DOUBTFUL_NEGATION_AFTER})
_NEGATIONS = _BEFORE | _AFTER
_RESOLUTIONS = frozenset({Cue.RESOLVED_BEFORE, Cue.RESOLVED_AFTER})

Modifier = Side | Severity | Change | Certainty | Polarity
_TYPE_OF: dict[type, DifferenceType] = {
    Side: DifferenceType.SIDE,
    Severity: DifferenceType.SEVERITY,
    Change: DifferenceType.CHANGE,
    Certainty: DifferenceType.CERTAINTY,
    Polarity: DifferenceType.FLIPPED,
}


def beyond_reading(
    text: str, expected: Sequence[Claim], language: Language
) -> tuple[Difference, ...]:
    """What a sentence holds beyond what the labeler gives to its findings, as differences."""
    unread = unread_words(text, expected, language)
    found = [Difference(type=DifferenceType.UNREAD, read=", ".join(unread))] if unread else []
    strays = stray_modifiers(text, expected, language)
    return (*found, *(Difference(type=_TYPE_OF[type(stray)], read=stray) for stray in strays))


def unread_words(text: str, expected: Sequence[Claim], language: Language) -> tuple[str, ...]:
    """The words of a sentence that neither mean something to the labeler nor are known as plain.

    `expected` are the claims that the sentence is to make: some words are plain in a denial or
    beside a change only.
    """
    tokens, matches = _read(text, language)
    read = {place for match in matches if _speaks(match, expected) for place in match.words}
    words = _plain_words(language)
    plain = words.plain
    if not any(claim.present for claim in expected):
        plain |= words.denials
    if any(claim.change is not None for claim in expected):
        plain |= words.comparison
    plain = plain.union(*(_name_words(claim.finding, language) for claim in expected))
    return tuple(
        dict.fromkeys(
            token.text
            for place, token in enumerate(tokens)
            if place not in read and token.text[0].isalpha() and token.text not in plain
        )
    )


def stray_modifiers(
    text: str, expected: Sequence[Claim], language: Language
) -> tuple[Modifier, ...]:
    """Modifiers anywhere in a sentence that belong to none of its claims.

    An independent look at what the labeler gives to one finding or another: a side, severity,
    change or certainty that no claim has may not be in the sentence at all, nor a negation where
    nothing is denied, nor one negation after another with no finding between them.
    """
    allowed: set[Modifier] = {Side.MIDLINE, *(claim.certainty for claim in expected)}
    allowed |= {claim.severity for claim in expected if claim.severity is not None}
    allowed |= {claim.change for claim in expected if claim.change is not None}
    if not all(claim.present for claim in expected) and Change.RESOLVED not in allowed:
        allowed.add(Polarity.ABSENT)
    for provenance in phrase_book(language).provenance.values():  # "sin corrección" denies nothing
        text = text.replace(provenance, "") if provenance else text
    visible = _visible(text, language)
    said = [meaning for match in visible for meaning in _modifiers(match)]
    allowed |= _sides(expected, both_named=set(LATERAL) <= set(said))
    if _doubly_negated(visible):
        said.append(Polarity.PRESENT)
    return tuple(dict.fromkeys(modifier for modifier in said if modifier not in allowed))


def _sides(expected: Sequence[Claim], *, both_named: bool) -> set[Side]:
    """Sides that a sentence may name: one alone only where a finding is on that side alone."""
    found: dict[Finding, set[Side]] = {}
    for claim in expected:
        for atom in atoms(claim):
            if atom.side is not None:
                found.setdefault(atom.finding, set()).add(atom.side)
    alone = {side for sides in found.values() if len(sides) == 1 for side in sides}
    both = any(len(sides) > 1 for sides in found.values())
    return alone | ({Side.BILATERAL, *(LATERAL if both_named else ())} if both else set())


def _visible(text: str, language: Language) -> list[Match]:
    """The phrases of a sentence in order, but for those that a longer phrase hides.

    A severity or change that shares a word with a name or cue no shorter is part of that, a cue
    that shares one with a longer cue or name likewise; a side within a name is said all the same.
    """
    _, matches = _read(text, language)
    named = [match for match in matches if isinstance(match.meaning, Statement | Cue)]
    kept = []
    for match in matches:
        words = set(match.words)
        is_side = isinstance(match.meaning, Place)
        rivals = [m for m in matches if m not in named] if is_side else matches
        if any(words < set(rival.words) for rival in rivals):
            continue
        sharing = [rival for rival in named if words & set(rival.words)]
        if isinstance(match.meaning, Severity | Change) and any(
            len(rival.words) >= len(words) for rival in sharing
        ):
            continue
        if isinstance(match.meaning, Cue) and any(len(m.words) > len(words) for m in sharing):
            continue
        kept.append(match)
    return sorted(kept, key=lambda match: (match.start, match.end))


def _modifiers(match: Match) -> Iterator[Modifier]:
    meaning = match.meaning
    if isinstance(meaning, Severity | Change):
        yield meaning
    elif isinstance(meaning, Place):
        if meaning.side is not None:
            yield meaning.side
    elif isinstance(meaning, Cue):
        if meaning in _CERTAINTIES:
            yield _CERTAINTIES[meaning]
        if meaning in _NEGATIONS:
            yield Polarity.ABSENT
        if meaning in _RESOLUTIONS:
            yield Change.RESOLVED


def _doubly_negated(matches: Sequence[Match]) -> bool:
    """Whether one negation follows another with no finding between them, or a finding has two."""
    before = [match for match in matches if match.meaning in _BEFORE]
    used = {place for match in before for place in match.words}
    after = [m for m in matches if m.meaning in _AFTER and not used & set(m.words)]
    if any(one.end <= other.start for one in before for other in after):
        return True
    end = None
    for match in matches:
        if isinstance(match.meaning, Statement):
            end = None
        elif match.meaning in _NEGATIONS:
            if end is not None and match.start >= end:
                return True
            end = match.end
    return False


@lru_cache(maxsize=256)
def _read(text: str, language: Language) -> tuple[list[Token], list[Match]]:
    lexicon = load_lexicon(language)
    tokens = [token for token in tokenize(text) if token.text not in lexicon.fillers]
    return tokens, lexicon.find(tokens)


def _speaks(match: Match, expected: Sequence[Claim]) -> bool:
    """Whether the labeler's understanding of a phrase vouches for its words.

    A finding's name does so only beside a claim of its kind: where the labeler passes over one (the
    "normal" of "the rest is normal"), no claim would show it.
    """
    if isinstance(match.meaning, Statement):
        return any(
            is_a(finding, claim.finding) or is_a(claim.finding, finding)
            for finding in match.meaning.findings
            for claim in expected
        )
    return match.meaning not in _SILENCING


@cache
def _name_words(finding: Finding, language: Language) -> frozenset[str]:
    """The words that the phraser names a finding by."""
    noun = phrase_book(language).noun(finding)
    printed = f"{noun.noun} {noun.placed} {noun.both}".replace("{side}", " ")
    return frozenset(token.text for token in tokenize(printed))


class _PlainWords(Frozen):
    """Words that state nothing of a patient, folded as the labeler folds them."""

    plain: frozenset[str]
    denials: frozenset[str]
    """Only where nothing is affirmed."""
    comparison: frozenset[str]
    """Only where a change is stated."""


@cache
def _plain_words(language: Language) -> _PlainWords:
    """The words of `data/plain_words_<language>.toml`, with those that go with a measurement."""
    name = f"plain_words_{language.value}.toml"
    table = tomllib.loads(resources.files("reporting").joinpath("data", name).read_text("utf-8"))
    words = _PlainWords.model_validate(table)
    book = phrase_book(language)
    measured = " ".join(
        (*book.measurement.values(), *book.names.values(), *book.provenance.values())
    )
    printed = {token.text for token in tokenize(re.sub(r"\{\w+\}", " ", measured))}
    units = load_lexicon(language).units
    return words.model_copy(update={"plain": words.plain | printed | frozenset(units)})
