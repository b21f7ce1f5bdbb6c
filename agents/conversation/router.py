"""What a question asks: its intent, finding and side, by rules; the same question, the same answer.

The labeler reads which finding is meant; patterns of the language say what is asked about it. A
question that leans on the one before ("and on the left?", "why?") takes what it lacks from there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from pydantic import Field

from agents.conversation.phrases import folded, matches, phrases
from findings.claims import Claim, Frozen
from findings.labeler import detect_language, label_report
from findings.regions import Region, region_side
from findings.vocabulary import Finding, Language, Side

LONGEST_QUESTION: Final = 2_000
_OTHER_SIDE: Final = "other"
_TO_SIDE: Final = re.compile(
    r"\b(?:to|with|by|por|a|al) (?:the |la |el )?(left|right|izquierd|derech)"
)
_SIDE_NAMES: Final = {
    "left": Side.LEFT, "izquierd": Side.LEFT, "right": Side.RIGHT, "derech": Side.RIGHT,
}  # fmt: skip
_SENTENCE: Final = re.compile(r"\bs(\d{1,3})\b")
_ORDINALS: Final = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1,
    "primera": 1, "segunda": 2, "tercera": 3, "cuarta": 4, "quinta": 5, "ultima": -1,
}  # fmt: skip
_NUMBERED: Final = re.compile(r"\b(?:sentence|frase|oracion) (\d{1,3})\b")


class Intent(StrEnum):
    """What is wanted."""

    PRESENCE = "presence"
    LOCATION = "location"
    CERTAINTY = "certainty"
    REASON = "reason"
    MEASUREMENT = "measurement"
    COMPARISON = "comparison"
    EXPERTS = "experts"
    SHOW = "show"
    HIDE = "hide"
    SIMILAR = "similar"
    EXPLAIN = "explain"
    REWRITE = "rewrite"
    CHANGE = "change"
    DIFFERENTIAL = "differential"
    NEXT_STEPS = "next_steps"
    SUMMARY = "summary"
    HELP = "help"
    OUT_OF_SCOPE = "out_of_scope"


_ABOUT_A_FINDING = (Intent.PRESENCE, Intent.LOCATION, Intent.CERTAINTY, Intent.REASON)
_MAY_LEAN = (
    Intent.SHOW,
    Intent.HIDE,
    Intent.CHANGE,
    Intent.EXPLAIN,
    Intent.EXPERTS,
    Intent.COMPARISON,
    Intent.DIFFERENTIAL,
    Intent.NEXT_STEPS,
)
"""Intents for which a pronoun stands for the finding asked about before."""
_OPPOSITE: Final = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}


class Question(Frozen):
    """A question as it was understood."""

    text: str
    language: Language
    intent: Intent
    finding: Finding | None = None
    side: Side | None = None
    region: Region | None = None
    understood: bool = Field(
        default=True, description="false where no rule knows what is asked: out of scope for rules"
    )
    sentence: int | None = Field(default=None, description="number meant; -1: the last")


class IntentGuess(Frozen):
    """What a question may ask, and how sure that is: about 1 where it is."""

    intent: Intent
    score: float


Guesser = Callable[[str], IntentGuess | None]
"""Guesses the intent of a question that no pattern knows, from its meaning."""
_SURE_ENOUGH: Final = 0.4


def route(
    text: str,
    before: Question | None = None,
    language: Language | None = None,
    guess: Guesser | None = None,
) -> Question:
    """Understand a question, in the light of the one before it.

    `guess` is asked where no pattern of English matches and the question leans on no other.
    """
    text = " ".join(text[:LONGEST_QUESTION].split())
    language = language or _language(text, before)
    said = phrases(language)
    plain = folded(text)
    claim = _topic(text, language)
    side = _side(plain, claim, language)
    intent = _intent(plain, language)
    refused = intent is Intent.OUT_OF_SCOPE
    finding = claim.finding if claim else None
    if intent is Intent.SUMMARY and finding is not None:
        intent = Intent.PRESENCE  # "anything wrong with the heart?" asks about the heart
    leaning = before is not None and matches(said.continues["patterns"], plain)
    if before is not None and (leaning or (intent in _ABOUT_A_FINDING and finding is None)):
        if intent is None or (intent is Intent.PRESENCE and finding is None):
            intent = before.intent
        if finding is None and (intent not in _MAY_LEAN or leaning):
            finding, side = before.finding, _in_turn(plain, side, before, language)
    if intent is None and guess is not None and language is Language.ENGLISH:
        guessed = guess(text)
        named = guessed is not None and guessed.intent is Intent.OUT_OF_SCOPE and finding
        if guessed is not None and guessed.score >= _SURE_ENOUGH and not named:
            intent = guessed.intent
    understood = intent not in (None, Intent.OUT_OF_SCOPE) or finding is not None or refused
    if intent is None:
        intent = Intent.PRESENCE if finding is not None else Intent.OUT_OF_SCOPE
    return Question(
        text=text,
        language=language,
        intent=intent,
        finding=finding,
        side=side,
        region=claim.region if claim else None,
        understood=understood,
        sentence=_sentence(plain),
    )


def _language(text: str, before: Question | None) -> Language:
    """The language in which the question is understood; in doubt that of the conversation."""
    if re.search(r"[¿¡ñáéíóú]", text.lower()):
        return Language.SPANISH
    plain = _SENTENCE.sub(" ", folded(text))
    understood = [own for own in Language if _intent(plain, own) is not None]
    if len(understood) == 1:
        return understood[0]
    if before is not None and len(text.split()) < 3:
        return before.language
    return detect_language(text)


def _in_turn(plain: str, side: Side | None, before: Question, language: Language) -> Side | None:
    """The side meant by a question that leans on another one."""
    if matches(phrases(language).sides[_OTHER_SIDE], plain) and before.side is not None:
        return _OPPOSITE.get(before.side, before.side)
    return side or before.side


def _topic(text: str, language: Language) -> Claim | None:
    """The finding that the question names first; a place without one is no topic."""
    said = phrases(language)
    text = said.without_idioms(text)
    for words in (text, said.reread(folded(text))):
        for claim in label_report(words, language):
            if claim.finding is not Finding.NO_FINDING:
                return claim
    return None


def _side(plain: str, claim: Claim | None, language: Language) -> Side | None:
    if claim is not None:
        side = claim.side or (region_side(claim.region) if claim.region else None)
        if side is not None:
            return side
    named = [
        Side(name)
        for name, patterns in phrases(language).sides.items()
        if name != _OTHER_SIDE and matches(patterns, plain)
    ]
    turned = _TO_SIDE.findall(plain)
    if len(named) > 1 and turned:  # "change left to right" means the right
        return _SIDE_NAMES[turned[-1]]
    return named[0] if len(named) == 1 else None


def _intent(plain: str, language: Language) -> Intent | None:
    for name, patterns in phrases(language).intents.items():
        if matches(patterns, plain):
            return Intent(name)
    return None


def _sentence(plain: str) -> int | None:
    numbered = _SENTENCE.search(plain) or _NUMBERED.search(plain)
    if numbered:
        return int(numbered[1])
    return next((place for word, place in _ORDINALS.items() if word in plain.split()), None)
