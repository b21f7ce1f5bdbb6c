"""From region sentences to one report, by the rules of CLALA-Net's aggregator.

The paper gives these rules to a served language model (section "Aggregator"); here they are a
function of what the sentences claim, so that they hold whatever writes the words:

1. a repeated statement is written once, and left and right of one lesion are merged;
2. a positive wins over a negative for the same lesion, wherever each was said;
3. positives come first, in the order of their clinical weight;
4. what is normal is said in few words, at the end.

Sentences that claim nothing of a lesion are dropped: they are words without content.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from findings.catalogue import describe, is_a
from findings.claims import Claim
from findings.labeler import label_report
from findings.regions import Region, region_side
from findings.vocabulary import Finding, Language, Side
from models.data.sentence_pool import composed, level_of, side_of

_PAIR: Final = frozenset({Side.LEFT, Side.RIGHT})
_CLEAR: Final = Finding.LUNG_OPACITY


@dataclass(frozen=True, slots=True)
class RegionSentence:
    """What the decoder wrote of one region; may hold several sentences."""

    region: Region
    text: str


@dataclass(frozen=True, slots=True)
class _Statement:
    text: str
    claims: tuple[Claim, ...]


def aggregate(sentences: Iterable[RegionSentence]) -> tuple[str, ...]:
    """The report's sentences, by the rules above; the same for any order of the regions."""
    positives, denied = _read(sentences)
    kept = _merged(_without_repetition(positives))
    affirmed = [claim for statement in kept for claim in statement.claims]
    ordered = sorted(kept, key=_weight)
    return (*(statement.text for statement in ordered), *_denials(denied, affirmed))


def _read(sentences: Iterable[RegionSentence]) -> tuple[list[_Statement], set[Claim]]:
    """The sentences that affirm something, and every denial, apart.

    What a region's sentence says of the other side is not believed: that region shows it not.
    """
    positives: dict[str, _Statement] = {}
    denied: set[Claim] = set()
    for sentence in sorted(sentences, key=lambda own: (own.region, own.text)):
        for part in _split(sentence.text):
            claims = tuple(
                _bare(claim)
                for claim in label_report(part, Language.ENGLISH)
                if claim.finding is not Finding.NO_FINDING
            )
            if any(_other_side(claim, sentence.region) for claim in claims):
                continue
            affirmed = tuple(claim for claim in claims if claim.present)
            denied |= {claim for claim in claims if not claim.present}
            if affirmed and len(affirmed) == len(claims):
                positives.setdefault(part, _Statement(part, affirmed))
            elif affirmed:
                # Said beside a denial that may be overruled: worded anew, each by itself.
                for claim in affirmed:
                    text = next(iter(composed(claim))).text
                    positives.setdefault(text, _Statement(text, (claim,)))
    return list(positives.values()), denied


def _without_repetition(statements: Sequence[_Statement]) -> list[_Statement]:
    """Statements that the others do not already make; of equals the first."""
    kept: list[_Statement] = []
    for place, statement in enumerate(statements):
        others = [*kept, *statements[place + 1 :]]
        said = [claim for other in others for claim in other.claims]
        if not all(any(_covers(claim, own) for claim in said) for own in statement.claims):
            kept.append(statement)
    return kept


def _covers(said: Claim, claim: Claim) -> bool:
    """Whether a claim tells all that another does: the same lesion, and at least its place."""
    if said.finding is not claim.finding:
        return False
    sides = side_of(claim) in (None, side_of(said))
    level = level_of(claim.region)
    levels = level is None or level is level_of(said.region)
    return sides and levels and claim.severity in (None, said.severity)


def _merged(statements: Sequence[_Statement]) -> list[_Statement]:
    """Left and right of the same lesion, alike in all else, become one statement of both sides."""
    single = {own.claims[0]: own for own in statements if len(own.claims) == 1}
    merged: list[_Statement] = []
    taken: set[Claim] = set()
    for statement in statements:
        claim = statement.claims[0]
        if len(statement.claims) > 1:
            merged.append(statement)
            continue
        if claim in taken:
            continue
        twin = next((own for own in single if own not in taken and _are_twins(claim, own)), None)
        if twin is None:
            merged.append(statement)
            continue
        taken |= {claim, twin}
        both = Claim(
            finding=claim.finding,
            certainty=claim.certainty,
            side=Side.BILATERAL,
            severity=claim.severity,
        )
        merged.append(_Statement(next(iter(composed(both))).text, (both,)))
    return merged


def _are_twins(one: Claim, other: Claim) -> bool:
    alike = (one.finding, one.severity, one.certainty, level_of(one.region)) == (
        other.finding,
        other.severity,
        other.certainty,
        level_of(other.region),
    )
    # Bases of both sides would lose their height, so only what has none is merged.
    return alike and level_of(one.region) is None and {side_of(one), side_of(other)} == _PAIR


def _denials(denied: Iterable[Claim], affirmed: Sequence[Claim]) -> tuple[str, ...]:
    """What is normal, in few words, as far as nothing affirmed speaks against it."""
    held = {claim.finding for claim in affirmed}
    standing: dict[Finding, set[Side | None]] = {}
    for claim in denied:
        if any(is_a(finding, claim.finding) for finding in held):
            continue
        standing.setdefault(claim.finding, set()).add(side_of(claim))
    told: list[str] = []
    if Finding.CARDIOMEGALY in standing:
        told.append("Heart size is normal.")
    if Finding.ENLARGED_CARDIOMEDIASTINUM in standing:
        told.append("The mediastinum is unremarkable.")
    if Finding.HILAR_ENLARGEMENT in standing and _everywhere(standing[Finding.HILAR_ENLARGEMENT]):
        told.append("The hila are unremarkable.")
    if _CLEAR in standing and not (held & _LUNG_FINDINGS):
        told.append(_clear(standing[_CLEAR]))
    plain = [
        finding
        for finding in sorted(standing, key=_finding_weight)
        if finding not in _WORDED and _everywhere(standing[finding])
    ]
    names = [describe(finding).name(Language.ENGLISH) for finding in plain]
    if names:
        head, last = names[:-1], names[-1]
        told.append(f"No {', '.join(head)} or {last}." if head else f"No {last}.")
    told += [
        f"No {describe(finding).name(Language.ENGLISH)} on the {side}."
        for finding in sorted(standing, key=_finding_weight)
        if finding not in _WORDED and not _everywhere(standing[finding])
        for side in sorted(side for side in standing[finding] if side in _PAIR)
    ]
    return tuple(told)


_WORDED: Final = frozenset(
    {
        Finding.CARDIOMEGALY,
        Finding.ENLARGED_CARDIOMEDIASTINUM,
        Finding.HILAR_ENLARGEMENT,
        Finding.LUNG_OPACITY,
    }
)
_LUNG_FINDINGS: Final = frozenset(
    finding for finding in Finding if is_a(finding, Finding.LUNG_OPACITY)
)


def _everywhere(sides: set[Side | None]) -> bool:
    return None in sides or Side.BILATERAL in sides or sides >= _PAIR


def _clear(sides: set[Side | None]) -> str:
    if _everywhere(sides):
        return "The lungs are clear."
    [side] = [side for side in sides if side in _PAIR]
    return f"The {side} lung is clear."


def _other_side(claim: Claim, region: Region) -> bool:
    own, said = region_side(region), side_of(claim)
    return own in _PAIR and said in _PAIR and said is not own


def _bare(claim: Claim) -> Claim:
    return Claim(**{name: getattr(claim, name) for name in Claim.model_fields})


def _weight(statement: _Statement) -> tuple[int, str]:
    return min(_finding_weight(claim.finding) for claim in statement.claims)[0], statement.text


def _finding_weight(finding: Finding) -> tuple[int, str]:
    return -describe(finding).weight, finding.value


def _split(text: str) -> tuple[str, ...]:
    """Single sentences, with capitals and full stops."""
    parts = (part.strip() for part in text.replace(" ,", ",").split("."))
    return tuple(f"{part[0].upper()}{part[1:]}." for part in parts if part)
