"""Where a report contradicts itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from findings.catalogue import ancestors
from findings.vocabulary import Certainty, Finding, Language, Side
from reporting.draft import SectionName
from reporting.places import covers
from reporting.remarks import remarks
from reporting.review_items import ItemSeverity, ItemType, ReviewItem, Said, sides_meet

_WIDE = (Finding.LUNG_OPACITY, Finding.LUNG_LESION, Finding.ENLARGED_CARDIOMEDIASTINUM)
_RESERVATION: Final = re.compile(
    r"(?i)\b(otherwise|remainder|remaining|rest of|other|focal|suspicious|acute|active|significant|"
    r"large|grossly|por lo demás|resto|otr[oa]s?|agud[oa]s?|significativ[oa]s?)\b"
)


def contradictions(
    said: Sequence[Said], told_in: Language = Language.ENGLISH
) -> Iterator[ReviewItem]:
    """One finding affirmed in one place of the report and denied, or on the other side, elsewhere.

    Sides are held against each other between findings and impression.
    """
    for place, one in enumerate(said):
        for other in said[place + 1 :]:
            if one.sentence is other.sentence:
                continue
            first, second = one.claim, other.claim
            affirming, denying = (one, other) if first.present else (other, one)
            opposed = first.polarity is not second.polarity and _denies(denying, affirming)
            split = (
                first.present
                and second.present
                and one.sentence.section is not other.sentence.section
                and first.finding is second.finding
                and not sides_meet(first.side, second.side)
                and not _on_side(said, second.finding, second.side, one.sentence.section)
            )
            if opposed or split:
                yield ReviewItem(
                    type=ItemType.CONTRADICTION,
                    finding=affirming.claim.finding,
                    side=affirming.claim.side,
                    sentence=other.sentence.text,
                    severity=ItemSeverity.HIGH,
                    reason=remarks(told_in).say("elsewhere", sentence=one.sentence.text),
                )


def _denies(denying: Said, affirming: Said) -> bool:
    """Whether one sentence denies outright what another affirms.

    A denial with a reservation ("the lungs are otherwise clear", "no focal opacity") leaves room.
    So does that of a wide finding: clear lungs beside a granuloma, a normal mediastinum beside a
    large heart.
    """
    denied, affirmed = denying.claim, affirming.claim
    outright = denied.finding is affirmed.finding or (
        denied.finding in ancestors(affirmed.finding) and denied.finding not in _WIDE
    )
    return (
        outright
        and denied.certainty is Certainty.DEFINITE
        and covers(denied, affirmed)
        and not _RESERVATION.search(denying.sentence.text)
    )


def _on_side(
    said: Sequence[Said], finding: Finding, side: Side | None, section: SectionName
) -> bool:
    return any(
        s.claim.present
        and s.claim.finding is finding
        and s.sentence.section is section
        and sides_meet(s.claim.side, side)
        for s in said
    )
