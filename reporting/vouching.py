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
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources

from findings.claims import Claim, Frozen
from findings.lexicon import Cue, Match, Place, Statement, load_lexicon
from findings.tokens import Token, tokenize
from findings.vocabulary import Change, Finding, Language, Severity, Side
from reporting.phrasebook import phrase_book
from reporting.places import LATERAL, atoms
from reporting.read_back import Difference, DifferenceType

_SILENCING = frozenset({Cue.UNASSERTED_BEFORE, Cue.UNASSERTED_AFTER, Cue.TERMINATOR, Cue.NEUTRAL})
"""Cues behind which the labeler takes findings for not asserted, or relates two of them."""

_TYPE_OF = {
    Side: DifferenceType.SIDE,
    Severity: DifferenceType.SEVERITY,
    Change: DifferenceType.CHANGE,
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
    read = {place for match in matches if match.meaning not in _SILENCING for place in match.words}
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
) -> tuple[Side | Severity | Change, ...]:
    """Sides, severities and changes anywhere in a sentence that belong to none of its claims.

    An independent look at what the labeler gives to one finding or another: a side that no claim
    has may not be in the sentence at all.
    """
    parts = [atom for claim in expected for atom in atoms(claim)]
    sides: set[Side] = {part.side for part in parts if part.side is not None}
    if sides >= set(LATERAL):
        sides.add(Side.BILATERAL)
    allowed: set[Side | Severity | Change] = {*sides, Side.MIDLINE}
    allowed |= {claim.severity for claim in expected if claim.severity is not None}
    allowed |= {claim.change for claim in expected if claim.change is not None}
    return tuple(dict.fromkeys(said for said in _modifiers(text, language) if said not in allowed))


def _modifiers(text: str, language: Language) -> Iterable[Side | Severity | Change]:
    """Sides, severities and changes of the sentence; a longer phrase hides those inside it.

    A severity or change that shares a word with a finding's name or a cue is part of that; a side
    within a finding's name is said all the same.
    """
    _, matches = _read(text, language)
    phrases = [match for match in matches if isinstance(match.meaning, Statement | Cue)]
    for match in matches:
        words, meaning = set(match.words), match.meaning
        if any(words < set(longer.words) for longer in matches if longer not in phrases):
            continue
        if isinstance(meaning, Severity | Change):
            if not any(words & set(phrase.words) for phrase in phrases):
                yield meaning
        elif isinstance(meaning, Place) and meaning.side is not None:
            yield meaning.side


def _read(text: str, language: Language) -> tuple[list[Token], list[Match]]:
    lexicon = load_lexicon(language)
    tokens = [token for token in tokenize(text) if token.text not in lexicon.fillers]
    return tokens, lexicon.find(tokens)


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
