"""A review's lines as a reader wants them: said once, and accusing only on evidence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from findings.vocabulary import Finding, Side
from reporting.existing_report import ExistingReport
from reporting.remarks import remarks
from reporting.review import Review
from reporting.review_items import ItemSeverity, ItemType, ReviewItem

_BOTH: Final = frozenset({Side.LEFT, Side.RIGHT})


def readable(review: Review, report: ExistingReport) -> Review:
    """The same review with fewer and milder lines.

    What a report says in its findings and again in its impression, or of both sides, is one line.
    Where the experts cannot judge a finding, nothing is proposed: that is no reason to remove it.
    A heart called normal on a film of low lung volumes is no more than a remark.
    """
    shallow = any(
        claim.finding is Finding.LOW_LUNG_VOLUME and claim.present
        for sentence in report.sentences
        for claim in sentence.claims
    )
    groups: dict[tuple[object, ...], list[ReviewItem]] = {}
    for item in review.items:
        alone = item.type is ItemType.CONTRADICTION
        key = (item.type, item.finding, item.reason, item.sentence if alone else None)
        groups.setdefault(key, []).append(item)
    return Review(
        items=tuple(
            _one(group, remarks(report.language).review["shallow"] if shallow else None)
            for group in groups.values()
        )
    )


def _one(group: list[ReviewItem], shallow: str | None) -> ReviewItem:
    first = group[0]
    evidence = tuple(dict.fromkeys(key for item in group for key in item.evidence))
    changed: dict[str, object] = {"evidence": evidence, "side": _side(i.side for i in group)}
    if first.type is ItemType.UNSUPPORTED and first.severity is ItemSeverity.LOW:
        changed["suggestion"] = None
    if first.type is ItemType.MISSED and first.finding is Finding.CARDIOMEGALY and shallow:
        changed["severity"] = ItemSeverity.LOW
        changed["reason"] = f"{first.reason} {shallow}"
    return first.model_copy(update=changed)


def _side(sides: Iterable[Side | None]) -> Side | None:
    named = {side for side in sides if side is not None}
    if named >= _BOTH:
        return Side.BILATERAL
    return next(iter(named)) if len(named) == 1 else None
