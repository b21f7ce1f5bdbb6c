"""Scope of negation, doubt and history cues over the findings of one sentence.

The method is that of NegEx and ConText (Chapman 2001, Harkema 2009): a cue governs the findings
after it (or before it) until a terminating word; lists carry it on. Longer phrases win over shorter
ones inside them, so "no change" or "not only" never negate. A phrase that may stand before
or after its finding ("no se observa") looks ahead first.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from findings.lexicon import Cue, Lexicon, Match, Meaning
from findings.tokens import Token


class Force(IntEnum):
    """What a cue does to a finding; where several apply, the highest prevails."""

    ASSERTED = 0
    PROBABLE = 1
    POSSIBLE = 2
    DENIED_WITH_DOUBT = 3
    DENIED = 4
    RESOLVED = 5
    UNASSERTED = 6


_BEFORE: Final[dict[Meaning, Force]] = {
    Cue.NEGATION_BEFORE: Force.DENIED,
    Cue.DOUBTFUL_NEGATION_BEFORE: Force.DENIED_WITH_DOUBT,
    Cue.PROBABLE_BEFORE: Force.PROBABLE,
    Cue.POSSIBLE_BEFORE: Force.POSSIBLE,
    Cue.RESOLVED_BEFORE: Force.RESOLVED,
    Cue.UNASSERTED_BEFORE: Force.UNASSERTED,
}
_AFTER: Final[dict[Meaning, Force]] = {
    Cue.NEGATION_AFTER: Force.DENIED,
    Cue.DOUBTFUL_NEGATION_AFTER: Force.DENIED_WITH_DOUBT,
    Cue.PROBABLE_AFTER: Force.PROBABLE,
    Cue.POSSIBLE_AFTER: Force.POSSIBLE,
    Cue.RESOLVED_AFTER: Force.RESOLVED,
    Cue.UNASSERTED_AFTER: Force.UNASSERTED,
}
_REACH: Final = 10
_DOUBT_REACH: Final = 6
_LINK_REACH: Final = 7
_AFTER_REACH: Final = 6


def forces(
    lexicon: Lexicon, tokens: Sequence[Token], mentions: Sequence[Match], cues: Sequence[Match]
) -> list[Force]:
    """The force on each mention (in order of their start), given the cues of the sentence."""
    found = [Force.ASSERTED] * len(mentions)
    if not cues:
        return _alternatives(lexicon, tokens, mentions, found)
    scope = _Scope(lexicon, tokens, mentions, cues)
    forward: set[tuple[int, ...]] = set()
    for cue in cues:
        force = _BEFORE.get(cue.meaning)
        if force is None:
            continue
        for index in scope.after(cue, doubt=force in (Force.PROBABLE, Force.POSSIBLE)):
            found[index] = max(found[index], force)
            forward.add(cue.words)
    for cue in cues:
        force = _AFTER.get(cue.meaning)
        if force is None or cue.words in forward:
            continue
        for index in scope.before(cue):
            found[index] = max(found[index], force)
    return _alternatives(lexicon, tokens, mentions, found)


def _alternatives(
    lexicon: Lexicon, tokens: Sequence[Token], mentions: Sequence[Match], found: list[Force]
) -> list[Force]:
    """Two findings joined by "or" or "versus" are both in doubt."""
    for index in range(len(mentions) - 1):
        here, there = mentions[index], mentions[index + 1]
        if there.start <= here.end or there.start - here.end > 3:
            continue
        if max(found[index], found[index + 1]) > Force.POSSIBLE:
            continue
        if any(tokens[i].text in lexicon.alternatives for i in range(here.end, there.start)):
            found[index] = max(found[index], Force.POSSIBLE)
            found[index + 1] = max(found[index + 1], Force.POSSIBLE)
    return found


class _Scope:
    """Which mentions a cue reaches in one sentence."""

    def __init__(
        self,
        lexicon: Lexicon,
        tokens: Sequence[Token],
        mentions: Sequence[Match],
        cues: Sequence[Match],
    ) -> None:
        self._lexicon = lexicon
        self._words = [token.text for token in tokens]
        self._mentions = mentions
        self._stops = frozenset(
            index for cue in cues if cue.meaning is Cue.TERMINATOR for index in cue.words
        )
        self._openers = {
            cue.start: cue
            for cue in cues
            if cue.meaning in _BEFORE and cue.meaning is not Cue.PROBABLE_BEFORE
        }

    def after(self, cue: Match, doubt: bool) -> list[int]:
        """Mentions that a cue standing before them governs, by index."""
        reached: list[int] = []
        last = cue.end
        for index, mention in enumerate(self._mentions):
            if mention.start < cue.end:
                if self._holds(mention, cue) or self._holds(cue, mention):
                    reached.append(index)
                continue
            if reached and mention.words == self._mentions[reached[-1]].words:
                reached.append(index)
                continue
            first = last == cue.end and not (
                reached and self._mentions[reached[-1]].end > cue.start
            )
            if first:
                if not self._reaches_first(cue.end, mention.start, doubt):
                    break
            elif not self._carries_on(last, mention, doubt):
                break
            reached.append(index)
            last = max(last, mention.end)
        return reached

    def before(self, cue: Match) -> list[int]:
        """Mentions that a cue standing after them governs, by index."""
        reached: list[int] = []
        last = cue.start
        for index in range(len(self._mentions) - 1, -1, -1):
            mention = self._mentions[index]
            if self._holds(mention, cue):
                return [index]
            if mention.end > last:
                if reached and mention.words == self._mentions[reached[-1]].words:
                    reached.append(index)
                continue
            between = range(mention.end, last)
            if any(place in self._stops for place in between[:-1]):
                break  # a relative pronoun just before the cue ("which cannot be excluded") is none
            words = [self._words[place] for place in between]
            if not reached:
                if len(words) > _AFTER_REACH or any(
                    word == "," or word in self._lexicon.links for word in words[:-1]
                ):
                    break
            elif not self._is_list_link(words):
                break
            reached.append(index)
            last = mention.start
        return reached

    @staticmethod
    def _holds(outer: Match, inner: Match) -> bool:
        """True where `inner` stands in a gap of `outer` ("the heart is not enlarged")."""
        inside = outer.start <= inner.start and inner.end <= outer.end
        return inside and set(inner.words).isdisjoint(outer.words)

    def _reaches_first(self, start: int, end: int, doubt: bool) -> bool:
        if end - start > (_DOUBT_REACH if doubt else _REACH):
            return False
        commas = 0
        for place in range(start, end):
            if place in self._stops or place in self._openers:
                return False
            commas += self._words[place] in {",", ":", "("}
        return commas == 0 or (not doubt and commas == 1 and end - start <= 4)

    def _carries_on(self, last: int, mention: Match, doubt: bool) -> bool:
        words = [self._words[place] for place in range(last, mention.start)]
        if len(words) > _LINK_REACH:
            return False
        if any(
            place in self._stops or place in self._openers for place in range(last, mention.start)
        ):
            return False
        if any(word in self._lexicon.verbs for word in words):
            return False
        alternative = any(word in self._lexicon.alternatives for word in words)
        if doubt:
            joined = len(words) == 1 and words[0] in self._lexicon.conjunctions
            return joined or alternative or ("," in words and self._alternative_later(mention.end))
        if not words:
            return True
        if any(self._lexicon.breaks.holds(word) for word in words):
            return False
        if alternative or any(word in self._lexicon.denying_links for word in words):
            return True
        if "," in words or any(word in self._lexicon.conjunctions for word in words):
            return self._goes_on_denied(words, mention)
        return len(words) <= 1 or all(word in self._lexicon.carriers for word in words)

    def _goes_on_denied(self, words: Sequence[str], mention: Match) -> bool:
        """After a comma or "and": false where a statement of its own begins."""
        if self._alternative_later(mention.end):
            return True
        own_size = any(self._lexicon.sizes.holds(word) for word in words)
        following = self._words[mention.end : mention.end + 2]
        own_size = own_size or any(self._lexicon.sizes.holds(word) for word in following[:1])
        following += self._words[mention.start : mention.end]
        own_verb = any(word in self._lexicon.verbs for word in following)
        return not own_size and not (own_verb and "," in words)

    def _alternative_later(self, start: int) -> bool:
        for place in range(start, min(start + 12, len(self._words))):
            if place in self._stops or place in self._openers:
                return False
            word = self._words[place]
            if word in self._lexicon.alternatives or word in self._lexicon.denying_links:
                return True
        return False

    def _is_list_link(self, words: Sequence[str]) -> bool:
        if len(words) > 5 or not words:
            return False
        if any(word in self._lexicon.verbs or self._lexicon.breaks.holds(word) for word in words):
            return False
        return any(
            word == ","
            or word == "/"
            or word in self._lexicon.alternatives
            or word in self._lexicon.conjunctions
            or word in self._lexicon.denying_links
            for word in words
        )
