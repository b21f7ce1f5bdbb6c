"""Numbers with units in report text: sizes of findings and the cardiothoracic ratio."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from findings.claims import Measurement
from findings.lexicon import Lexicon, Match, Statement
from findings.tokens import Token
from findings.vocabulary import Finding

_NUMBER: Final = re.compile(r"[0-9]{1,6}(?:[.,][0-9]{1,4})?")
_DIMENSIONS: Final = 3
_RATIO_REACH: Final = 5
_SIZE_REACH: Final = 12
_TUBES: Final = frozenset(
    {
        Finding.ENDOTRACHEAL_TUBE,
        Finding.TRACHEOSTOMY_TUBE,
        Finding.CENTRAL_VENOUS_CATHETER,
        Finding.NASOGASTRIC_TUBE,
    }
)


class Quantity(NamedTuple):
    """A measurement and the half-open token span of its number and unit."""

    start: int
    end: int
    measurement: Measurement
    owner: Match | None

    def belongs_to(self, mention: Match) -> bool:
        """True where this quantity measures what the mention names."""
        return self.owner is not None and self.owner.words == mention.words


def quantities(
    lexicon: Lexicon,
    tokens: Sequence[Token],
    names: Sequence[Match],
    mentions: Sequence[Match],
) -> list[Quantity]:
    """The measured quantities of a sentence, each with the mention it measures, if there is one."""
    found: list[Quantity] = []
    for name in names:
        ratio = _ratio(tokens, name)
        if ratio is not None:
            owner = next((m for m in mentions if _names(m, {Finding.CARDIOMEGALY})), None)
            found.append(ratio._replace(owner=owner))
    index = 0
    while index < len(tokens):
        size = _size(lexicon, tokens, index)
        if size is None:
            index += 1
            continue
        owner = _nearest(mentions, size)
        if owner is not None:
            what = "distance" if _names(owner, _TUBES) else "diameter"
            measured = size.measurement.model_copy(update={"name": what})
            found.append(size._replace(owner=owner, measurement=measured))
        index = size.end
    return found


def _names(mention: Match, findings: frozenset[Finding] | set[Finding]) -> bool:
    meaning = mention.meaning
    return isinstance(meaning, Statement) and any(f in findings for f in meaning.findings)


def _ratio(tokens: Sequence[Token], name: Match) -> Quantity | None:
    for place in range(name.end, min(name.end + _RATIO_REACH, len(tokens))):
        value = _number(tokens[place].text)
        if value is None:
            continue
        percent = place + 1 < len(tokens) and tokens[place + 1].text == "%"
        if percent:
            value /= 100
        if not 0.2 <= value <= 0.95:
            return None
        measured = Measurement(name="cardiothoracic_ratio", value=round(value, 4), unit="1")
        return Quantity(name.start, place + 1 + percent, measured, None)
    return None


def _size(lexicon: Lexicon, tokens: Sequence[Token], index: int) -> Quantity | None:
    """A number, or several joined by "x", followed by a unit of length: the largest counts."""
    values: list[float] = []
    place = index
    while place < len(tokens) and (value := _number(tokens[place].text)) is not None:
        values.append(value)
        place += 1
        if len(values) > _DIMENSIONS:
            return None
        if place < len(tokens) and tokens[place].text in {"-", "–"}:
            place += 1
        unit = lexicon.units.get(tokens[place].text) if place < len(tokens) else None
        if unit is not None:
            measured = Measurement(name="diameter", value=max(values), unit=unit)
            return Quantity(index, place + 1, measured, None)
        if place < len(tokens) and tokens[place].text in {"x", "×", "by", "por"}:
            place += 1
        elif tokens[place - 1].text not in {"-", "–"}:
            break
    return None


def _number(word: str) -> float | None:
    return float(word.replace(",", ".")) if _NUMBER.fullmatch(word) else None


def _nearest(mentions: Sequence[Match], size: Quantity) -> Match | None:
    near = [
        (max(mention.start - size.end, size.start - mention.end), mention) for mention in mentions
    ]
    near = [(gap, mention) for gap, mention in near if gap <= _SIZE_REACH]
    return min(near, key=lambda item: item[0])[1] if near else None
