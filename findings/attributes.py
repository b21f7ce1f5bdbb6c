"""Side, region, severity and change of each finding of a sentence.

A modifier belongs to the finding of its own noun phrase. Phrases end at the last link (a comma,
"and", "with") before the next finding; without a link, English modifiers stand before their noun
and Spanish ones, size aside, after it. A modifier that follows a list belongs to the whole list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from findings.catalogue import FindingGroup, describe
from findings.lexicon import Lexicon, Lobe, Match, Place, Statement
from findings.regions import Region, region_side, sided_region
from findings.tokens import Token
from findings.vocabulary import Change, Language, Severity, Side

_LOBES: Final = {
    (Lobe.UPPER, Side.LEFT): Region.LEFT_UPPER_LOBE,
    (Lobe.UPPER, Side.RIGHT): Region.RIGHT_UPPER_LOBE,
    (Lobe.LOWER, Side.LEFT): Region.LEFT_LOWER_LOBE,
    (Lobe.LOWER, Side.RIGHT): Region.RIGHT_LOWER_LOBE,
}
_LOBE_ZONES: Final = {Lobe.UPPER: Region.UPPER_ZONES, Lobe.LOWER: Region.LOWER_ZONES}
_LATERAL: Final = frozenset({FindingGroup.LUNGS, FindingGroup.PLEURA, FindingGroup.BONES})
_ORDER: Final = tuple(Severity)


@dataclass(slots=True)
class Attributes:
    """What is said of one mention; sides and places as they stand in the text."""

    sides: set[Side] = field(default_factory=set)
    places: list[Region | Lobe] = field(default_factory=list)
    severities: list[Severity] = field(default_factory=list)
    change: Change | None = None

    def side(self) -> Side | None:
        """The patient's side, from the words or from the region named."""
        if Side.BILATERAL in self.sides or {Side.LEFT, Side.RIGHT} <= self.sides:
            return Side.BILATERAL
        for side in (Side.LEFT, Side.RIGHT, Side.MIDLINE):
            if side in self.sides:
                return side
        return None

    def region(self) -> Region | None:
        """The place named first, on the side that was said."""
        if not self.places:
            return None
        place, side = self.places[0], self.side()
        if isinstance(place, Lobe):
            return (
                _LOBES.get((place, side))
                if side in (Side.LEFT, Side.RIGHT)
                else (_LOBE_ZONES[place])
            )
        return place if side is None else sided_region(place, side)

    def severity(self) -> Severity | None:
        """The greatest severity said ("mild to moderate" is moderate)."""
        return max(self.severities, key=_ORDER.index) if self.severities else None


def attributes(
    lexicon: Lexicon,
    tokens: Sequence[Token],
    mentions: Sequence[Match],
    modifiers: Sequence[Match],
) -> list[Attributes]:
    """The attributes of each mention, in order of their start."""
    found = [Attributes() for _ in mentions]
    if not mentions:
        return found
    owners = _Owners(lexicon, tokens, mentions)
    trailing: dict[int, list[Match]] = {}
    for modifier in modifiers:
        index = owners.of(modifier)
        _put(found[index], modifier)
        if modifier.start >= mentions[index].end:
            trailing.setdefault(index, []).append(modifier)
    for index, matches in trailing.items():
        _share_back(owners, mentions, found, index, matches)
    _share_forward(owners, mentions, found)
    for mention, own in zip(mentions, found, strict=True):
        _settle(mention, own)
    return found


def _put(attributes: Attributes, modifier: Match) -> None:
    meaning = modifier.meaning
    if isinstance(meaning, Place):
        if meaning.side is not None:
            attributes.sides.add(meaning.side)
        if meaning.region is not None:
            attributes.places.append(meaning.region)
    elif isinstance(meaning, Severity):
        attributes.severities.append(meaning)
    elif isinstance(meaning, Change) and attributes.change is None:
        attributes.change = meaning


def _settle(mention: Match, own: Attributes) -> None:
    """Sides that a named region implies, where the words give none."""
    if own.sides:
        return
    for place in own.places[:1]:
        if isinstance(place, Region) and region_side(place) in (Side.LEFT, Side.RIGHT):
            side = region_side(place)
            if side is not None:
                own.sides.add(side)


def _share_back(
    owners: _Owners,
    mentions: Sequence[Match],
    found: list[Attributes],
    index: int,
    matches: Sequence[Match],
) -> None:
    """Give what follows a list ("A and B in the left base") to its earlier members."""
    for earlier in range(index - 1, -1, -1):
        if not owners.listed(earlier, earlier + 1):
            break
        own = found[earlier]
        bare = not own.sides and not own.places
        for match in matches:
            if isinstance(match.meaning, Place):
                shared = bare and _lateral(mentions[earlier])
            else:
                shared = isinstance(match.meaning, Change) and owners.plural_verb_before(match)
            if shared:
                _put(own, match)


def _share_forward(owners: _Owners, mentions: Sequence[Match], found: list[Attributes]) -> None:
    """Give what stands before a list ("left basilar A and B") to bare later members."""
    if owners.lexicon.language is not Language.ENGLISH:
        return
    for index in range(1, len(mentions)):
        own, before = found[index], found[index - 1]
        if own.sides or own.places or not owners.directly_joined(index - 1, index):
            continue
        if _lateral(mentions[index]) and _lateral(mentions[index - 1]):
            own.sides |= before.sides
            own.places.extend(before.places)


def _lateral(mention: Match) -> bool:
    meaning = mention.meaning
    return (
        isinstance(meaning, Statement)
        and not meaning.absent
        and all(describe(finding).group in _LATERAL for finding in meaning.findings)
    )


class _Owners:
    """Which mention of the sentence a modifier belongs to."""

    def __init__(
        self, lexicon: Lexicon, tokens: Sequence[Token], mentions: Sequence[Match]
    ) -> None:
        self.lexicon = lexicon
        self._words = [token.text for token in tokens]
        self._mentions = mentions

    def of(self, modifier: Match) -> int:
        """The index of the mention that a modifier belongs to."""
        before, after = None, None
        for index, mention in enumerate(self._mentions):
            if mention.start <= modifier.start and modifier.end <= mention.end:
                return index
            if mention.start < modifier.start:
                before = index
            elif after is None:
                after = index
        if before is None or after is None:
            return before if before is not None else (after or 0)
        return after if self._belongs_after(modifier, before, after) else before

    def _belongs_after(self, modifier: Match, before: int, after: int) -> bool:
        start, end = self._mentions[before].end, self._mentions[after].start
        links = [place for place in range(start, end) if self._is_link(place)]
        links = [place for place in links if not self._joins_modifiers(place, start, end)]
        if links:
            return modifier.start > links[-1]
        if self.lexicon.language is Language.SPANISH:
            return isinstance(modifier.meaning, Severity) and modifier.end >= end
        gap = self._words[start : modifier.start]
        return not any(
            word in self.lexicon.prepositions or word in self.lexicon.verbs for word in gap
        )

    def _is_link(self, place: int) -> bool:
        word = self._words[place]
        return word in {",", "/", ":", "("} or word in self.lexicon.links

    def _joins_modifiers(self, place: int, start: int, end: int) -> bool:
        """True for the link of "left and right" or "mild to moderate"."""
        if place - 1 < start or place + 1 >= end:
            return False
        around = (self._words[place - 1], self._words[place + 1])
        return all(word in self.lexicon.paired for word in around)

    def listed(self, first: int, second: int) -> bool:
        """True where two mentions stand in one list, with nothing but modifiers between."""
        words = self._words[self._mentions[first].end : self._mentions[second].start]
        if not 0 < len(words) <= 4 or any(word in self.lexicon.verbs for word in words):
            return False
        return words[0] in {",", "/"} or words[0] in self.lexicon.list_links

    def directly_joined(self, first: int, second: int) -> bool:
        """True for "A and B" with nothing else between."""
        words = self._words[self._mentions[first].end : self._mentions[second].start]
        return len(words) == 1 and (words[0] == "/" or words[0] in self.lexicon.list_links)

    def plural_verb_before(self, modifier: Match) -> bool:
        """True where a plural verb stands just before a modifier ("A and B are unchanged")."""
        before = self._words[max(0, modifier.start - 2) : modifier.start + 1]
        return any(word in self.lexicon.plural_verbs for word in before)
