"""Report sentences with what they state, to be found by finding, polarity, place and severity."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cache
from typing import Final, NamedTuple

from pydantic import Field

from findings.catalogue import describe, region_name
from findings.claims import Claim, Frozen
from findings.labeler import ReportLabeler
from findings.regions import Region, region_side
from findings.vocabulary import Finding, Language, Polarity, Severity, Side


class Origin(StrEnum):
    """Where the words of a sentence come from."""

    OPENI = "openi"
    PADCHEST = "padchest"
    MIRRORED = "mirrored"
    """A corpus sentence with left and right exchanged."""
    COMPOSED = "composed"
    """Put together from the vocabulary, for what no corpus sentence states."""


class PooledSentence(Frozen):
    """One sentence and everything it states (its sides are the patient's)."""

    text: str
    language: Language
    origin: Origin
    claims: tuple[Claim, ...]
    count: int = Field(default=1, ge=1, description="how often the corpus holds it")


class Level(StrEnum):
    """Height in the chest, the only part of a place that sources with boxes and reports share."""

    UPPER = "upper"
    MIDDLE = "middle"
    LOWER = "lower"


class SentenceKey(NamedTuple):
    """What a sentence is filed under: one of its claims; `None` is: not stated."""

    language: Language
    finding: Finding
    polarity: Polarity
    side: Side | None
    level: Level | None
    severity: Severity | None


_LEVELS: Final[dict[Level, tuple[str, ...]]] = {
    Level.UPPER: ("upper_zone", "upper_lobe", "apex", "apices"),
    Level.MIDDLE: ("mid_zone", "middle_lobe", "lingula", "hilum", "hila", "perihilar"),
    Level.LOWER: ("lower_zone", "lower_lobe", "costophrenic", "diaphragm", "retrocardiac"),
}
_SIDED_WORD: Final = re.compile(r"\b(left|right|levo|dextro)(?=\b|sided|scoliosis)", re.IGNORECASE)
_OTHER: Final = {"left": "right", "right": "left", "levo": "dextro", "dextro": "levo"}
# These have a side of their own, so that the mirrored sentence would speak of no chest there is.
_ONE_SIDED: Final = re.compile(
    r"\b(?:middle lobe|lingula\w*|minor fissure|horizontal fissure|heart|cardi\w*|aort\w*|"
    r"ventric\w*|atri\w*|retrocardi\w*|stomach|gastric|hemidiaphragm\w*|diaphragm\w*|azygos|"
    r"port|catheter|line|tube|pacemaker|picc|jugular|subclavian)\b",
    re.IGNORECASE,
)


@cache
def level_of(region: Region | None) -> Level | None:
    """The height of a region; `None` where it spans several or is no part of the lungs."""
    if region is None:
        return None
    for level, parts in _LEVELS.items():
        if any(part in region.value for part in parts):
            return level
    return None


def side_of(claim: Claim) -> Side | None:
    """The left, right or both sides a claim names, itself or by its region."""
    side = claim.side or (region_side(claim.region) if claim.region else None)
    if claim.side is None and side is Side.BILATERAL:
        return None  # "in the lower zones" names a height; whether both is not said
    return None if side is Side.MIDLINE else side


def key_of(claim: Claim, language: Language) -> SentenceKey:
    """What a sentence with this claim is filed under."""
    return SentenceKey(
        language,
        claim.finding,
        claim.polarity,
        side_of(claim),
        level_of(claim.region),
        claim.severity,
    )


class SentencePool:
    """Sentences in a fixed order, and where to find those that state something."""

    def __init__(self, sentences: Iterable[PooledSentence]) -> None:
        self.sentences = tuple(dict.fromkeys(sentences))
        self._filed: dict[SentenceKey, list[int]] = {}
        for index, sentence in enumerate(self.sentences):
            for key in {key_of(claim, sentence.language) for claim in sentence.claims}:
                self._filed.setdefault(key, []).append(index)

    def __len__(self) -> int:
        return len(self.sentences)

    def keys(self) -> tuple[SentenceKey, ...]:
        """Everything that some sentence states."""
        return tuple(self._filed)

    def stating(self, key: SentenceKey) -> tuple[PooledSentence, ...]:
        """The sentences that state exactly this, perhaps beside other things."""
        return tuple(self.sentences[index] for index in self._filed.get(key, ()))

    def of(self, language: Language) -> SentencePool:
        """The sentences of one language."""
        return SentencePool(s for s in self.sentences if s.language is language)


def mirrored(sentence: PooledSentence, labeler: ReportLabeler) -> PooledSentence | None:
    """The English sentence about the other side; `None` where there is no such chest or side.

    The mirrored text must be read back by the labeler as the mirrored claims.
    """
    if sentence.language is not Language.ENGLISH or _ONE_SIDED.search(sentence.text):
        return None
    text, changed = _SIDED_WORD.subn(_exchange, sentence.text)
    if not changed:
        return None
    wanted = tuple(mirror_claim(claim) for claim in sentence.claims)
    read = [claim for part in labeler.label(text) for claim in part.claims]
    found = tuple(Claim.model_validate(c.model_dump(exclude={"span"})) for c in read)
    if wanted == sentence.claims or set(found) != set(wanted):
        return None
    return sentence.model_copy(
        update={"text": text, "origin": Origin.MIRRORED, "claims": tuple(dict.fromkeys(found))}
    )


def mirror_claim(claim: Claim) -> Claim:
    """The same claim about the other side."""
    sides = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}
    region = claim.region
    if region is not None and region.value.startswith(("left_", "right_")):
        word, _, part = region.value.partition("_")
        other = f"{_OTHER[word]}_{part}"
        region = Region(other) if other in set(Region) else region
    side = None if claim.side is None else sides.get(claim.side, claim.side)
    return claim.model_copy(update={"side": side, "region": region})


def _exchange(match: re.Match[str]) -> str:
    word = match[1]
    other = _OTHER[word.lower()]
    return other.capitalize() if word[0].isupper() else other


def composed(claim: Claim) -> Iterator[PooledSentence]:
    """Plain English sentences that state one claim and nothing else, in three wordings."""
    name = describe(claim.finding).name(Language.ENGLISH)
    if not claim.present:
        texts = [f"No {name}.", f"No evidence of {name}.", f"There is no {name}."]
    else:
        graded = f"{claim.severity} {name}" if claim.severity else name
        place = place_phrase(claim)
        tail = f" {place}" if place else ""
        texts = [
            f"{graded[0].upper()}{graded[1:]}{tail}.",
            f"There is {graded}{tail}.",
            f"Findings of {graded}{tail}.",
        ]
    for text in texts:
        yield PooledSentence(
            text=text, language=Language.ENGLISH, origin=Origin.COMPOSED, claims=(claim,)
        )


def place_phrase(claim: Claim) -> str:
    """ "in the left lower lung zone", "on the right", or nothing."""
    if claim.region is not None and claim.region is not Region.LUNGS:
        return f"in the {region_name(claim.region, Language.ENGLISH)}"
    words = {Side.LEFT: "on the left", Side.RIGHT: "on the right", Side.BILATERAL: "on both sides"}
    return words.get(claim.side, "") if claim.side else ""
